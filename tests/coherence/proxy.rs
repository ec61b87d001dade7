//! Stands between one server and PostgreSQL, and does what networks do.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};

/// What the proxy does to what passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Nothing.
    #[default]
    Passes,
    /// Each piece comes so much later.
    IsLate(Duration),
    /// It goes nowhere, and comes when the fault is over.
    IsHeld,
    /// Connections are cut, and new ones refused.
    IsRefused,
    /// Connections are cut once a COMMIT was passed on, before its answer.
    IsCutAfterCommit,
    /// Notifications are left out.
    LacksNotifications,
}

/// A proxy on a loopback port of its own.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    upstream: Arc<Mutex<SocketAddr>>,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (traffic, _) = watch::channel(Traffic::default());
        let upstream = Arc::new(Mutex::new(upstream));
        let proxy = Self {
            address,
            traffic: traffic.clone(),
            upstream: Arc::clone(&upstream),
        };
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let to = *upstream.lock().unwrap();
                let traffic = traffic.subscribe();
                tokio::spawn(async move {
                    if *traffic.borrow() == Traffic::IsRefused {
                        return;
                    }
                    // Refused upstream is refused here: the client is dropped.
                    let Ok(server) = TcpStream::connect(to).await else {
                        return;
                    };
                    join(client, server, traffic).await;
                });
            }
        });
        proxy
    }

    pub(crate) fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }

    pub(crate) fn set_upstream(&self, upstream: SocketAddr) {
        *self.upstream.lock().unwrap() = upstream;
    }
}

async fn join(client: TcpStream, server: TcpStream, traffic: watch::Receiver<Traffic>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut refused = traffic.clone();
    tokio::select! {
        () = forward(from_client, to_server, traffic.clone(), Direction::ToServer) => {}
        () = forward(from_server, to_client, traffic, Direction::ToClient) => {}
        _ = refused.wait_for(|now| *now == Traffic::IsRefused) => {}
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    ToServer,
    ToClient,
}

/// A COMMIT as the driver sends it: a simple query.
const COMMIT: &[u8] = b"COMMIT\0";

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut traffic: watch::Receiver<Traffic>,
    direction: Direction,
) {
    let mut buffer = vec![0; 64 << 10];
    let mut frames = Frames::default();
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let mut piece = buffer[..count].to_vec();
        let now = *traffic.borrow();
        match now {
            Traffic::IsLate(late) => sleep(late).await,
            Traffic::IsHeld => {
                let over = traffic.wait_for(|now| *now != Traffic::IsHeld).await;
                if over.is_err() {
                    return;
                }
            }
            Traffic::Passes
            | Traffic::IsRefused
            | Traffic::IsCutAfterCommit
            | Traffic::LacksNotifications => {}
        }
        if direction == Direction::ToClient {
            let leaves_out = now == Traffic::LacksNotifications;
            piece = frames.pass(&piece, leaves_out);
        }
        if to.write_all(&piece).await.is_err() {
            return;
        }
        let commits = direction == Direction::ToServer
            && now == Traffic::IsCutAfterCommit
            && piece.windows(COMMIT.len()).any(|bytes| bytes == COMMIT);
        if commits {
            return;
        }
    }
}

/// Finds the messages in what PostgreSQL sends, to leave notifications out.
#[derive(Default)]
struct Frames {
    waiting: Vec<u8>,
}

impl Frames {
    /// The whole messages so far, without notifications if so told.
    fn pass(&mut self, piece: &[u8], leaves_out: bool) -> Vec<u8> {
        self.waiting.extend(piece);
        let mut passed = Vec::with_capacity(self.waiting.len());
        let mut rest = self.waiting.as_slice();
        while let [kind, a, b, c, d, ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize + 1;
            let Some((message, others)) = rest.split_at_checked(length) else {
                break;
            };
            if !(leaves_out && *kind == b'A') {
                passed.extend(message);
            }
            rest = others;
        }
        self.waiting = rest.to_vec();
        passed
    }
}
