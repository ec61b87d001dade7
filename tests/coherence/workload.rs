//! Writers and readers of three registers, each stored in another kind of facts:
//!
//! - 0: the groups of one user. Group `g3` views the category of product `p3`, so
//!   bit 3 is set if the user may view `p3`.
//! - 1: the categories of one product. User `b3` views one category, so bit 3 is
//!   set if that user may view the product.
//! - 2: the rights of one group. Its member may view `r3` if bit 3 is set.
//!
//! One `BatchCheck` reads all three registers or some; one `ListUsers` reads the
//! first. One page of `ListAllowed` reads the first (`u` may view `p3`), another
//! the second and third: a write of the second also puts product `s3`, in the
//! same call, into a category that `w` views or into one that no group views.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use pim_authz::pb::{
    self, access_rights_service_client::AccessRightsServiceClient,
    authorization_service_client::AuthorizationServiceClient,
    catalog_service_client::CatalogServiceClient, check_result::Outcome,
    directory_service_client::DirectoryServiceClient, import_catalog_request::Part,
    import_service_client::ImportServiceClient,
};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tonic::transport::Channel;

use crate::{
    cluster::ServerChannel,
    history::{History, REGISTERS, Read, Span, Write},
};

/// Number of bits of a value, so that a register has 2^`BITS` values.
const BITS: usize = 12;

/// Timeout of one call; longer than a write may wait for a dead server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// Interval between the calls of a reader; a lister calls less often.
pub(crate) const PACE: Duration = Duration::from_millis(150);

/// Pause of each writer between writes, so that at times no write is pending.
pub(crate) const REST: Duration = Duration::from_millis(80);

/// State shared by all clients.
pub(crate) struct Shared {
    begun: Instant,
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
    pub(crate) fn new(channels: Vec<ServerChannel>) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
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

fn names(prefix: &str) -> Vec<String> {
    (0..BITS).map(|bit| format!("{prefix}{bit}")).collect()
}

fn set(prefix: &str, value: u32) -> Vec<String> {
    let bits = (0..BITS).filter(|bit| value & (1 << bit) != 0);
    bits.map(|bit| format!("{prefix}{bit}")).collect()
}

/// Creates the tenant by an import.
pub(crate) async fn set_up(channel: Channel) {
    let lines = |header: &str, rows: Vec<String>| {
        let rows = std::iter::once(header.to_owned()).chain(rows);
        rows.collect::<Vec<_>>().join("\n")
    };
    let each = |row: &dyn Fn(usize) -> String| (0..BITS).map(row).collect::<Vec<_>>();
    let groups = [names("g"), names("h"), vec!["w".to_owned()]].concat();
    let groups = groups.iter().map(|code| format!("{code};{code}")).collect();
    let mut users = each(&|bit| format!("b{bit};;h{bit}"));
    users.extend(["u;;".to_owned(), "w;;w".to_owned()]);
    let states = vec!["on".to_owned(), "off".to_owned()];
    let categories = [names("c"), names("d"), names("e"), states].concat();
    let categories = categories.iter().map(|code| format!("{code};")).collect();
    let mut products = each(&|bit| format!("p{bit};c{bit}"));
    products.extend(each(&|bit| format!("r{bit};d{bit}")));
    products.extend(each(&|bit| format!("s{bit};off")));
    // A product without a category would be visible to everyone.
    products.push("q;e11,d0".to_owned());
    let mut rights = each(&|bit| format!("c{bit};g{bit};;"));
    rights.extend(each(&|bit| format!("d{bit};;;")));
    rights.extend(each(&|bit| format!("e{bit};h{bit};;")));
    rights.extend(["on;w;;".to_owned(), "off;;;".to_owned()]);
    let files = [
        ("user_groups.csv", lines("code;name", groups)),
        ("users.csv", lines("username;roles;groups", users)),
        ("categories.csv", lines("code;parent", categories)),
        ("products.csv", lines("sku;categories", products)),
        (
            "product_category_accesses.csv",
            lines("category;view_items;edit_items;own_items", rights),
        ),
    ];
    let header = pb::ImportHeader {
        tenant: "default".into(),
        edition: pb::Edition::Enterprise.into(),
        ..Default::default()
    };
    let pieces = files.into_iter().map(|(file, text)| {
        Part::Piece(pb::FilePiece {
            file: file.into(),
            content: text.into_bytes(),
        })
    });
    let parts: Vec<_> = std::iter::once(Part::Header(header))
        .chain(pieces)
        .map(|part| pb::ImportCatalogRequest { part: Some(part) })
        .collect();
    let mut client = ImportServiceClient::new(channel);
    let parts = tokio_stream::iter(parts);
    let mut events = client.import_catalog(parts).await.unwrap().into_inner();
    while events.message().await.unwrap().is_some() {}
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
                let sent = send(channel(server), register, value, &key);
                // Some writes are sent to two servers concurrently, like a retry
                // during the first attempt; with the same key, both are the same
                // write.
                let is_twice = value.is_multiple_of(4);
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

/// Writes a value and returns its revision; calls with the same idempotency key
/// are the same write.
async fn send(
    channel: Channel,
    register: usize,
    value: u32,
    key: &str,
) -> Result<u64, tonic::Status> {
    let tenant = "default".to_owned();
    let idempotency_key = key.to_owned();
    match register {
        0 => {
            let codes = set("g", value);
            let user = pb::User {
                code: "u".into(),
                groups: Some(pb::CodeList { codes }),
                ..Default::default()
            };
            let request = pb::PutUsersRequest {
                tenant,
                idempotency_key,
                users: vec![user],
                ..Default::default()
            };
            let mut client = DirectoryServiceClient::new(channel);
            Ok(client.put_users(request).await?.into_inner().revision)
        }
        1 => {
            let codes = set("e", value);
            let product = |code: String, codes| pb::Product {
                code,
                categories: Some(pb::CodeList { codes }),
                ..Default::default()
            };
            let states = (0..BITS).map(|bit| {
                let is_set = value & (1 << bit) != 0;
                let state = if is_set { "on" } else { "off" };
                product(format!("s{bit}"), vec![state.to_owned()])
            });
            let products = std::iter::once(product("q".into(), codes)).chain(states);
            let request = pb::PutProductsRequest {
                tenant,
                idempotency_key,
                products: products.collect(),
                ..Default::default()
            };
            let mut client = CatalogServiceClient::new(channel);
            Ok(client.put_products(request).await?.into_inner().revision)
        }
        _ => {
            let request = pb::ReplaceAccessRequest {
                tenant,
                idempotency_key,
                items: (0..BITS).map(|bit| rights(bit, value)).collect(),
                ..Default::default()
            };
            let mut client = AccessRightsServiceClient::new(channel);
            Ok(client.replace_access(request).await?.into_inner().revision)
        }
    }
}

/// Returns the rights on the category of one bit.
fn rights(bit: usize, value: u32) -> pb::ItemRights {
    let viewer = pb::GroupLevel {
        group: "w".into(),
        level: pb::Level::View.into(),
    };
    let is_set = value & (1 << bit) != 0;
    pb::ItemRights {
        item: Some(pb::Item {
            r#type: "category".into(),
            id: format!("d{bit}"),
        }),
        rights: is_set.then_some(viewer).into_iter().collect(),
        ..Default::default()
    }
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
        let mut pace = interval(PACE);
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
        let mut pace = interval(PACE);
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
        let mut pace = interval(PACE * 4);
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

fn note(shared: &Shared, server: usize, begun: Duration, values: Option<[Option<u32>; REGISTERS]>) {
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

async fn check(channel: Channel, wanted: [bool; REGISTERS]) -> Option<[Option<u32>; REGISTERS]> {
    let item = |user: String, product: String| pb::CheckItem {
        subject: Some(pb::Subject {
            r#type: "user".into(),
            id: user,
        }),
        resource: Some(pb::Resource {
            r#type: "product".into(),
            id: product,
            ..Default::default()
        }),
        ..Default::default()
    };
    let registers = (0..REGISTERS).filter(|register| wanted[*register]);
    let items = registers.clone().flat_map(|register| {
        (0..BITS).map(move |bit| match register {
            0 => item("u".into(), format!("p{bit}")),
            1 => item(format!("b{bit}"), "q".into()),
            _ => item("w".into(), format!("r{bit}")),
        })
    });
    let request = pb::BatchCheckRequest {
        tenant: "default".into(),
        action: "view".into(),
        items: items.collect(),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(channel);
    let answer = client.batch_check(request).await.ok()?.into_inner();
    let allowed: Vec<bool> = answer
        .results
        .into_iter()
        .map(|result| match result.outcome {
            Some(Outcome::Decision(decision)) => decision.allowed,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut values = [None; REGISTERS];
    for (register, bits) in registers.zip(allowed.chunks(BITS)) {
        let bits = bits.iter().enumerate();
        values[register] = Some(bits.map(|(bit, is_set)| u32::from(*is_set) << bit).sum());
    }
    // Initial value of the second register.
    if values[1] == Some(1 << 11) {
        values[1] = Some(0);
    }
    Some(values)
}

async fn page(channel: Channel, user: &str) -> Option<[Option<u32>; REGISTERS]> {
    let request = pb::ListAllowedRequest {
        tenant: "default".into(),
        subject: Some(pb::Subject {
            r#type: "user".into(),
            id: user.into(),
        }),
        action: "view".into(),
        resource_type: "product".into(),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(channel);
    let page = client.list_allowed(request).await.ok()?.into_inner();
    assert_eq!(page.next_page_token, "");
    let value = |prefix: char| -> u32 {
        let codes = page.resources.iter().map(|resource| &resource.id);
        let bits = codes.filter_map(|code| code.strip_prefix(prefix)?.parse::<u32>().ok());
        bits.map(|bit| 1 << bit).sum()
    };
    Some(if user == "u" {
        [Some(value('p')), None, None]
    } else {
        [None, Some(value('s')), Some(value('r'))]
    })
}

async fn list(channel: Channel) -> Option<[Option<u32>; REGISTERS]> {
    let request = pb::ListUsersRequest {
        tenant: "default".into(),
        codes: vec!["u".into()],
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(channel);
    let page = client.list_users(request).await.ok()?.into_inner();
    let user = page.users.into_iter().next()?;
    let groups = user.groups.unwrap_or_default().codes;
    let bits = groups
        .iter()
        .filter_map(|group| group.strip_prefix('g')?.parse::<u32>().ok());
    Some([Some(bits.map(|bit| 1 << bit).sum()), None, None])
}
