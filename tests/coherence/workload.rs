//! Writers and readers of the registers, until a scenario is over.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use pim_authz::pb::{self, directory_service_client::DirectoryServiceClient};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tonic::transport::Channel;

use crate::{
    cluster::ServerChannel,
    history::{History, REGISTERS, Read, Span, Write},
    registers::{BITS, Values, check, list, page, send},
};

/// Timeout of one call; longer than a write may wait for a dead server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// Usual interval between the calls of a reader.
pub(crate) const PACE: Duration = Duration::from_millis(150);

/// Pause of each writer between writes, so that at times no write is pending.
pub(crate) const REST: Duration = Duration::from_millis(80);

/// State shared by all clients.
pub(crate) struct Shared {
    begun: Instant,
    /// Interval between the calls of a reader; a lister calls less often.
    pub(crate) pace: Duration,
    channels: Vec<ServerChannel>,
    is_over: AtomicBool,
    pub(crate) history: Mutex<History>,
    /// Time of each server's last response, and its longest time without one, in
    /// microseconds.
    gaps: Vec<Gap>,
    pub(crate) failures: AtomicU64,
    /// Number of write attempts that timed out or failed.
    pub(crate) retries: AtomicU64,
}

#[derive(Default)]
struct Gap {
    last_us: AtomicU64,
    longest_us: AtomicU64,
}

impl Shared {
    pub(crate) fn new(channels: Vec<ServerChannel>, pace: Duration) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            pace,
            gaps: channels.iter().map(|_| Gap::default()).collect(),
            channels,
            is_over: AtomicBool::new(false),
            history: Mutex::default(),
            failures: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        })
    }

    /// Returns the time since the load began.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn answered(&self, server: usize) {
        let now = u64::try_from(self.now().as_micros()).unwrap();
        let gap = &self.gaps[server];
        let last = gap.last_us.swap(now, Ordering::Relaxed);
        gap.longest_us
            .fetch_max(now.saturating_sub(last), Ordering::Relaxed);
    }

    /// Returns the longest time without a response, by server.
    pub(crate) fn longest_gaps(&self) -> Vec<Duration> {
        let longest = self.gaps.iter().map(|gap| &gap.longest_us);
        longest
            .map(|us| Duration::from_micros(us.load(Ordering::Relaxed)))
            .collect()
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Returns the channels to the servers.
    pub(crate) fn channels(&self) -> &[ServerChannel] {
        &self.channels
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

/// Writes the values of one register until the scenario is over.
pub(crate) fn writer(shared: &Arc<Shared>, register: usize) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        for value in 1..1 << BITS {
            if shared.is_over() {
                return;
            }
            let begun = shared.now();
            let mut write = Write {
                register,
                value,
                begun,
                ended: None,
            };
            // Recorded before it is sent: even if it fails, a read may show it.
            let place = {
                let mut history = shared.history.lock().unwrap();
                history.writes.push(write);
                history.writes.len() - 1
            };
            let key = format!("{register}-{value}");
            // Only the first writer uses the first server, which the first fault
            // affects; the others keep writing while it does not respond.
            let (first, servers) = if register == 0 {
                (0, shared.channels.len())
            } else {
                (1, shared.channels.len() - 1)
            };
            let mut server = register + usize::try_from(value).unwrap();
            while !shared.is_over() {
                let channel = |at: usize| shared.channels[first + at % servers].current();
                if value % 4 == 1 {
                    for user in ["x", "y"] {
                        let user = format!("{user}{register}");
                        tokio::spawn(write_beside(channel(server), user, value));
                    }
                }
                let sent = send(channel(server), register, value, &key);
                // Some writes are sent to two servers concurrently, like a retry
                // during the first attempt; with the same key, both are the same
                // write.
                let is_twice = value.is_multiple_of(if register == 1 { 2 } else { 4 });
                let also = async {
                    if is_twice {
                        send(channel(server + 1), register, value, &key).await.ok()
                    } else {
                        None
                    }
                };
                let sent = timeout(PATIENCE, async { tokio::join!(sent, also) });
                if let Ok((Ok(revision), also)) = sent.await {
                    let also = also.unwrap_or(revision);
                    assert_eq!(revision, also, "{key} was written twice");
                    write.ended = Some(shared.now());
                    shared.history.lock().unwrap().writes[place] = write;
                    sleep(REST).await;
                    break;
                }
                // Retries with the same key at another server.
                shared.retries.fetch_add(1, Ordering::Relaxed);
                server += 1;
                sleep(REST).await;
            }
        }
    })
}

/// Writes what no reader reads, so that the write of a register waits for its commit, or
/// shares it.
async fn write_beside(channel: Channel, user: String, value: u32) {
    let codes = (value % 8 == 1).then(|| "h0".to_owned());
    let request = pb::PutUsersRequest {
        tenant: "default".into(),
        users: vec![pb::User {
            code: user,
            groups: Some(pb::CodeList {
                codes: codes.into_iter().collect(),
            }),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(channel);
    let _either_way = timeout(PATIENCE, client.put_users(request)).await;
}

/// Registers that one call reads, for each of the readers of a server: a reader
/// that waits for the database does not block those served from the cache.
pub(crate) const READ_SETS: [[bool; REGISTERS]; 5] = [
    [true, false, false],
    [true, true, false],
    [false, true, false],
    [true, true, true],
    [false, false, true],
];

/// Reads registers from one server repeatedly, until the scenario is over.
pub(crate) fn reader(
    shared: &Arc<Shared>,
    server: usize,
    wanted: [bool; REGISTERS],
) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut pace = interval(shared.pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shared.is_over() {
            pace.tick().await;
            let channel = shared.channels[server].current();
            let begun = shared.now();
            let values = timeout(PATIENCE, check(channel, wanted)).await;
            note(&shared, server, begun, values.ok().flatten());
        }
    })
}

/// Reads registers from pages of lists, alternating between the two users.
pub(crate) fn pager(shared: &Arc<Shared>, server: usize) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut pace = interval(shared.pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for user in ["u", "w"].into_iter().cycle() {
            if shared.is_over() {
                return;
            }
            pace.tick().await;
            let channel = shared.channels[server].current();
            let begun = shared.now();
            let values = timeout(PATIENCE, page(channel, user)).await;
            note(&shared, server, begun, values.ok().flatten());
        }
    })
}

/// Reads the first register from the administration API.
pub(crate) fn lister(shared: &Arc<Shared>, server: usize) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut pace = interval(shared.pace * 4);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shared.is_over() {
            pace.tick().await;
            let channel = shared.channels[server].current();
            let begun = shared.now();
            let values = timeout(PATIENCE, list(channel)).await;
            note(&shared, server, begun, values.ok().flatten());
        }
    })
}

fn note(shared: &Shared, server: usize, begun: Duration, values: Option<Values>) {
    let Some(values) = values else {
        shared.failures.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let span = Span {
        begun,
        ended: shared.now(),
    };
    shared.answered(server);
    shared.history.lock().unwrap().reads.push(Read {
        who: format!("server {server}"),
        span,
        values,
    });
}
