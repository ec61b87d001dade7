//! Forwards one connection in both directions, message by message.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{oneshot, watch},
    time::sleep,
};

use super::{
    Traffic,
    conversation::{Conversation, RequestKind},
    faults::{Action, Faults, Side, Stopped, Turn},
    wire::{self, Message, Messages, Opening},
};

/// State shared by both directions of a connection.
struct Shared {
    conversation: Mutex<Conversation>,
    faults: Arc<Faults>,
    /// Nothing is forwarded any more; set when a message was swallowed.
    is_dead: watch::Sender<bool>,
}

/// The connection must be closed on both sides.
struct Closed;

pub(super) async fn join(
    mut client: TcpStream,
    mut server: TcpStream,
    traffic: watch::Receiver<Traffic>,
    faults: Arc<Faults>,
) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let mut refused = traffic.clone();
    let joined = async {
        match wire::open(&mut client, &mut server).await {
            None => {}
            Some(Opening::Cancel) => {
                let _either_way = copy_bidirectional(&mut client, &mut server).await;
            }
            Some(Opening::Startup) => talk(client, server, traffic, faults).await,
        }
    };
    tokio::select! {
        () = joined => {}
        _ = refused.wait_for(|now| *now == Traffic::IsRefused) => {}
    }
}

async fn talk(
    client: TcpStream,
    server: TcpStream,
    traffic: watch::Receiver<Traffic>,
    faults: Arc<Faults>,
) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let shared = Shared {
        conversation: Mutex::new(Conversation::new()),
        faults,
        is_dead: watch::Sender::new(false),
    };
    let requests = Requests {
        to: to_server,
        shared: &shared,
        traffic: traffic.clone(),
    };
    let replies = Replies {
        to: to_client,
        shared: &shared,
        traffic,
        stopped: None,
        turn: None,
    };
    tokio::select! {
        _ = requests.forward(from_client) => {}
        _ = replies.forward(from_server) => {}
    }
}

/// Reads the next bytes and delays or holds them as the traffic setting requires;
/// `None` at the end of the stream.
async fn next_piece<'b>(
    from: &mut OwnedReadHalf,
    buffer: &'b mut [u8],
    traffic: &mut watch::Receiver<Traffic>,
    shared: &Shared,
) -> Result<Option<&'b [u8]>, Closed> {
    let mut dead = shared.is_dead.subscribe();
    let count = tokio::select! {
        read = from.read(buffer) => read.unwrap_or_default(),
        () = died(&mut dead) => pending().await,
    };
    let now = *traffic.borrow();
    match now {
        Traffic::IsLate(late) => sleep(late).await,
        Traffic::IsHeld => {
            let over = traffic.wait_for(|now| *now != Traffic::IsHeld).await;
            over.map_err(|_| Closed)?;
        }
        Traffic::Passes
        | Traffic::IsRefused
        | Traffic::IsCutAfterCommit
        | Traffic::DropsNotifications => {}
    }
    Ok((count > 0).then(|| &buffer[..count]))
}

/// Waits until nothing is forwarded any more.
async fn died(is_dead: &mut watch::Receiver<bool>) {
    // The sender lives as long as the connection.
    let _never_closed = is_dead.wait_for(|is_dead| *is_dead).await;
}

/// Applies the actions; returns when the message may be forwarded.
async fn stop(
    stopped: Vec<Stopped>,
    to: &mut OwnedWriteHalf,
    shared: &Shared,
) -> Result<(), Closed> {
    for stopped in stopped {
        match stopped.action {
            Action::Observe => stopped.arrive(),
            Action::Hold => {
                stopped.arrive();
                stopped.released().await;
            }
            Action::Cut => {
                // Closed before the test is notified; the other side follows.
                let _either_way = to.shutdown().await;
                stopped.arrive();
                return Err(Closed);
            }
            Action::Swallow => {
                shared.is_dead.send_replace(true);
                stopped.arrive();
                stopped.released().await;
                return Err(Closed);
            }
        }
    }
    Ok(())
}

/// Waits for the turn of a message.
async fn take_turn(turn: Option<oneshot::Receiver<Turn>>) -> Result<(), Closed> {
    let Some(turn) = turn else {
        return Ok(());
    };
    match turn.await {
        Ok(Turn::Cut) => Err(Closed),
        Ok(Turn::Pass) | Err(_) => Ok(()),
    }
}

struct Requests<'s> {
    to: OwnedWriteHalf,
    shared: &'s Shared,
    traffic: watch::Receiver<Traffic>,
}

impl Requests<'_> {
    async fn forward(mut self, mut from: OwnedReadHalf) -> Result<(), Closed> {
        let mut buffer = vec![0; 64 << 10];
        let mut messages = Messages::default();
        while let Some(piece) =
            next_piece(&mut from, &mut buffer, &mut self.traffic, self.shared).await?
        {
            for message in messages.take(piece) {
                let request = self.conversation(|conversation| conversation.request(&message));
                if let Some(request) = request {
                    self.pass(&request.bytes, request.kind).await?;
                }
            }
        }
        // The client has closed its side; this makes PostgreSQL close too.
        self.to.shutdown().await.map_err(|_| Closed)?;
        pending().await
    }

    fn conversation<T>(&self, with: impl FnOnce(&mut Conversation) -> T) -> T {
        with(&mut self.shared.conversation.lock().unwrap())
    }

    async fn pass(&mut self, bytes: &[u8], kind: Option<RequestKind>) -> Result<(), Closed> {
        if let Some(kind) = kind {
            let stopped = self.shared.faults.at(&kind, Side::Request);
            stop(stopped, &mut self.to, self.shared).await?;
            take_turn(self.shared.faults.turn(&kind, Side::Request)).await?;
            self.conversation(|conversation| conversation.forwarded(kind));
        }
        self.to.write_all(bytes).await.map_err(|_| Closed)?;
        // COMMIT alone, or at the end of several statements.
        let commits = bytes.ends_with(b"COMMIT\0");
        if commits && *self.traffic.borrow() == Traffic::IsCutAfterCommit {
            return Err(Closed);
        }
        Ok(())
    }
}

struct Replies<'s> {
    to: OwnedWriteHalf,
    shared: &'s Shared,
    traffic: watch::Receiver<Traffic>,
    /// Actions on the current reply, and the bytes of it received so far.
    stopped: Option<(Vec<Stopped>, Vec<u8>)>,
    /// The turn of the current reply.
    turn: Option<oneshot::Receiver<Turn>>,
}

impl Replies<'_> {
    async fn forward(mut self, mut from: OwnedReadHalf) -> Result<(), Closed> {
        let mut buffer = vec![0; 64 << 10];
        let mut messages = Messages::default();
        while let Some(piece) =
            next_piece(&mut from, &mut buffer, &mut self.traffic, self.shared).await?
        {
            let mut passing = Vec::with_capacity(piece.len());
            for message in messages.take(piece) {
                self.pass(&message, &mut passing).await?;
            }
            self.write(&passing).await?;
        }
        // PostgreSQL closed before the reply was complete.
        if let Some((_, bytes)) = self.stopped.take() {
            self.write(&bytes).await?;
        }
        Err(Closed)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.to.write_all(bytes).await.map_err(|_| Closed)
    }

    async fn pass(&mut self, message: &Message, passing: &mut Vec<u8>) -> Result<(), Closed> {
        let lacks_notifications = *self.traffic.borrow() == Traffic::DropsNotifications;
        if message.kind() == b'A' && lacks_notifications {
            return Ok(());
        }
        let ends = {
            let mut conversation = self.shared.conversation.lock().unwrap();
            if let Some(kind) = conversation.begins_reply(message) {
                let stopped = self.shared.faults.at(&kind, Side::Reply);
                self.turn = self.shared.faults.turn(&kind, Side::Reply);
                let is_stopped = !stopped.is_empty() || self.turn.is_some();
                self.stopped = is_stopped.then(|| (stopped, Vec::new()));
            }
            conversation.ends_reply(message)
        };
        let Some((_, bytes)) = &mut self.stopped else {
            passing.extend_from_slice(&message.0);
            return Ok(());
        };
        bytes.extend_from_slice(&message.0);
        if !ends {
            return Ok(());
        }
        let before = std::mem::take(passing);
        self.write(&before).await?;
        if let Some((stopped, bytes)) = self.stopped.take() {
            stop(stopped, &mut self.to, self.shared).await?;
            take_turn(self.turn.take()).await?;
            passing.extend(bytes);
        }
        Ok(())
    }
}
