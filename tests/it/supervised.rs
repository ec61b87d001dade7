//! A server in which one task ends: it reports this, stops serving, and ends
//! with an error, so that its supervisor restarts it.
//!
//! Each task is ended as it could be in production, by a panic in code that it
//! calls: a metrics recorder that panics at a statement of that task, or a log
//! layer that panics at one of its lines. Recorder and log are global to a
//! process, so the server runs in a second process of this test executable.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use pim_authz::{
    oidc::KeyLocation,
    pb::{
        self, audit_service_client::AuditServiceClient,
        authorization_service_client::AuthorizationServiceClient,
        catalog_service_client::CatalogServiceClient,
        operations_service_client::OperationsServiceClient,
    },
    server,
    supervision::Task,
};
use secrecy::ExposeSecret as _;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::oneshot,
    time::timeout,
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::{
    caller_tls::{self, Keys},
    callers::issuer::{self, KeyFile, SigningKey},
    harness::{Database, TestServer, channel_to, file, header, import, parts, product, user},
};

const DATABASE: &str = "PIM_AUTHZ_TEST_SUPERVISED_DATABASE";
const FAILS_AT: &str = "PIM_AUTHZ_TEST_SUPERVISED_FAILS_AT";
const TLS: &str = "PIM_AUTHZ_TEST_SUPERVISED_TLS";
const ISSUER_KEYS: &str = "PIM_AUTHZ_TEST_SUPERVISED_ISSUER_KEYS";

const PATIENCE: Duration = Duration::from_mins(1);

/// The statement or log line at which the server panics once it is armed.
#[derive(Clone)]
struct FailsAt(String);

/// Set once the server answers; nothing panics before.
static ARMED: AtomicBool = AtomicBool::new(false);

impl FailsAt {
    fn check(&self, what: &str) {
        let fails = ARMED.load(Ordering::SeqCst) && what.starts_with(&self.0);
        assert!(!fails, "of a test, at {what}");
    }
}

impl Recorder for FailsAt {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        for label in key.labels() {
            self.check(label.value());
        }
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl<S: Subscriber> Layer<S> for FailsAt {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Message<'f>(&'f FailsAt);
        impl Visit for Message<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0.check(&format!("{value:?}"));
                }
            }
        }
        event.record(&mut Message(self));
    }
}

/// The server process of the other tests; does nothing when run as a test
/// itself.
#[tokio::test]
async fn the_server_to_supervise_serves() {
    let (Ok(url), Ok(at)) = (std::env::var(DATABASE), std::env::var(FAILS_AT)) else {
        return;
    };
    let fails_at = FailsAt(at);
    metrics::set_global_recorder(fails_at.clone()).unwrap();
    let subscriber = tracing_subscriber::registry().with(fails_at);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let mut config = TestServer::config_on(url.into());
    config.tls = std::env::var_os(TLS).map(|folder| caller_tls::files_in(Path::new(&folder)));
    config.callers.oidc =
        std::env::var_os(ISSUER_KEYS).map(|file| issuer::settings(KeyLocation::File(file.into())));
    let (ready, address) = oneshot::channel();
    let serving = tokio::spawn(server::serve(config, std::future::pending(), ready));
    println!("\nserving on {}", address.await.unwrap());
    let mut line = String::new();
    let mut input = BufReader::new(tokio::io::stdin());
    input.read_line(&mut line).await.unwrap();
    ARMED.store(true, Ordering::SeqCst);
    println!("\narmed");
    let error = serving.await.unwrap().unwrap_err();
    println!("\nended: {error}");
}

/// A task, and the statement or log line at which it panics.
struct Case {
    task: Task,
    fails_at: &'static str,
}

/// A server in another process, and a connection to it.
struct Supervised {
    process: Child,
    printed: Lines<BufReader<ChildStdout>>,
    channel: Channel,
}

impl Supervised {
    async fn start(database: &Database, case: &Case) -> Self {
        let (process, printed, address) = Self::spawn(database, case, &[]).await;
        Self::connected(process, printed, channel_to(address).await).await
    }

    /// Starts a server with TLS for callers.
    async fn start_with_tls(database: &Database, case: &Case, keys: &Keys) -> Self {
        let (process, printed, address) =
            Self::spawn(database, case, &[(TLS, keys.folder())]).await;
        Self::connected(process, printed, keys.channel_to(address).await).await
    }

    /// Starts a server that accepts OIDC tokens.
    async fn start_with_issuer(database: &Database, case: &Case, keys: &KeyFile) -> Self {
        let path = keys.path();
        let file = [(ISSUER_KEYS, path.as_path())];
        let (process, printed, address) = Self::spawn(database, case, &file).await;
        Self::connected(process, printed, channel_to(address).await).await
    }

    async fn spawn(
        database: &Database,
        case: &Case,
        files: &[(&str, &Path)],
    ) -> (Child, Lines<BufReader<ChildStdout>>, SocketAddr) {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "supervised::the_server_to_supervise_serves"])
            .arg("--nocapture")
            .env(DATABASE, database.url().expose_secret())
            .env(FAILS_AT, case.fails_at)
            .envs(files.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = rest_of(&mut printed, "serving on ").await.parse().unwrap();
        (process, printed, address)
    }

    async fn connected(
        process: Child,
        printed: Lines<BufReader<ChildStdout>>,
        channel: Channel,
    ) -> Self {
        let files = [
            file("users.csv", &["username;roles", "julia;"]),
            file("products.csv", &["sku;categories", "hat;"]),
        ];
        let importing = import(
            channel.clone(),
            parts(header("default", pb::Edition::Growth), &files),
        );
        importing.await.ended.unwrap();
        Self {
            process,
            printed,
            channel,
        }
    }

    /// Repeats a `Check` of the product until the product index is loaded.
    async fn load_index(&self) {
        let mut client = AuthorizationServiceClient::new(self.channel.clone());
        let mut operations = OperationsServiceClient::new(self.channel.clone());
        let indexed = async {
            loop {
                let request = pb::CheckRequest {
                    subject: user("julia"),
                    action: "view".into(),
                    resource: product("hat"),
                    ..Default::default()
                };
                client.check(request).await.unwrap();
                let status = operations.get_status(pb::GetStatusRequest::default()).await;
                if status.unwrap().into_inner().indexed_products > 0 {
                    return;
                }
            }
        };
        timeout(PATIENCE, indexed).await.unwrap();
    }

    /// Lets the task panic from now on.
    fn arm(&mut self) {
        drop(self.process.stdin.take());
    }

    /// Adds products until the server ends.
    fn write_on(&self) {
        let mut catalog = CatalogServiceClient::new(self.channel.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let request = pb::PutProductsRequest {
                    tenant: "default".into(),
                    actor: "user:julia".into(),
                    products: vec![pb::Product {
                        code: format!("hat_{number}"),
                        ..Default::default()
                    }],
                    ..Default::default()
                };
                if catalog.put_products(request).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn rest_of(printed: &mut Lines<BufReader<ChildStdout>>, start: &str) -> String {
    let found = async {
        loop {
            let line = printed.next_line().await.unwrap().unwrap();
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap()
}

/// Checks that a server ends because of its failed task.
async fn assert_ends(
    mut server: Supervised,
    mut statuses: impl Stream<Item = ServingStatus> + Unpin,
    task: Task,
) {
    let ended = timeout(PATIENCE, statuses.next()).await.unwrap();
    assert_eq!(ended, Some(ServingStatus::NotServing), "{task}");
    let error = rest_of(&mut server.printed, "ended: ").await;
    assert!(error.contains(&format!("`{task}`")), "{task}: {error}");
    let status = timeout(PATIENCE, server.process.wait()).await.unwrap();
    assert!(status.unwrap().success(), "{task}");
}

/// Watches the health of the process, which is serving at first.
async fn watch_health(server: &Supervised) -> impl Stream<Item = ServingStatus> + Unpin + use<> {
    let mut health = HealthClient::new(server.channel.clone());
    let watched = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut statuses = watched.into_inner().map(|status| status.unwrap().status());
    assert_eq!(statuses.next().await, Some(ServingStatus::Serving));
    statuses
}

#[tokio::test]
async fn server_ends_when_lease_announcer_or_maintenance_task_fails() {
    let cases = [
        Case {
            task: Task::Lease,
            fails_at: "renew",
        },
        Case {
            task: Task::Announcer,
            fails_at: "announce",
        },
        Case {
            task: Task::Maintenance,
            fails_at: "read_intents",
        },
    ];
    let database = Database::create().await;
    for case in cases {
        let mut server = Supervised::start(&database, &case).await;
        let statuses = watch_health(&server).await;
        server.arm();
        server.write_on();
        assert_ends(server, statuses, case.task).await;
    }
}

#[tokio::test]
async fn server_ends_when_product_index_task_fails() {
    let database = Database::create().await;
    let case = Case {
        task: Task::ProductIndex,
        fails_at: "find_facts",
    };
    let mut server = Supervised::start(&database, &case).await;
    server.load_index().await;
    let statuses = watch_health(&server).await;
    server.arm();
    server.write_on();
    assert_ends(server, statuses, case.task).await;
}

#[tokio::test]
async fn server_ends_when_watched_revisions_task_fails() {
    let database = Database::create().await;
    let case = Case {
        task: Task::WatchedRevisions,
        fails_at: "revisions_of",
    };
    let mut server = Supervised::start(&database, &case).await;
    let mut audit = AuditServiceClient::new(server.channel.clone());
    let request = pb::WatchChangesRequest {
        tenant: "default".into(),
        ..Default::default()
    };
    let _changes = audit.watch_changes(request).await.unwrap();
    let statuses = watch_health(&server).await;
    server.arm();
    assert_ends(server, statuses, case.task).await;
}

#[tokio::test]
async fn server_ends_when_health_task_fails() {
    let database = Database::create().await;
    let case = Case {
        task: Task::Health,
        fails_at: "the lease has run out",
    };
    let mut server = Supervised::start(&database, &case).await;
    let statuses = watch_health(&server).await;
    server.arm();
    database
        .execute_elsewhere(
            "ALTER DATABASE {database} ALLOW_CONNECTIONS false;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
        )
        .await;
    assert_ends(server, statuses, case.task).await;
}

#[tokio::test]
async fn server_ends_when_certificates_task_fails() {
    let database = Database::create().await;
    let keys = Keys::new();
    let case = Case {
        task: Task::Certificates,
        fails_at: "TLS for callers has a certificate",
    };
    let mut server = Supervised::start_with_tls(&database, &case, &keys).await;
    let statuses = watch_health(&server).await;
    server.arm();
    rest_of(&mut server.printed, "armed").await;
    keys.renew();
    assert_ends(server, statuses, case.task).await;
}

#[tokio::test]
async fn server_ends_when_issuer_keys_task_fails() {
    let database = Database::create().await;
    let [first, second] = ["a", "b"].map(SigningKey::curve);
    let keys = KeyFile::of(&[&first]);
    let case = Case {
        task: Task::IssuerKeys,
        fails_at: "read 2 keys of the issuer",
    };
    let mut server = Supervised::start_with_issuer(&database, &case, &keys).await;
    let statuses = watch_health(&server).await;
    server.arm();
    rest_of(&mut server.printed, "armed").await;
    keys.replace(&[&first, &second]);
    assert_ends(server, statuses, case.task).await;
}
