use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use pim_authz::{
    embedded::{Durability, EmbeddedOptions, EmbeddedPostgres},
    store,
};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

const TEMPLATE: &str = "template_it";

/// The PostgreSQL that all tests share; it runs while at least one needs it.
static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// The number of the next test's database.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The database of one test; it contains the schema and no data.
#[derive(Clone)]
pub(crate) struct Database {
    url: SecretString,
    // Stops when the last test drops its reference.
    postgres: Arc<Postgres>,
}

struct Postgres {
    embedded: EmbeddedPostgres,
    // Declared last, so that it is removed after PostgreSQL has stopped.
    _folder: TempDir,
}

impl Database {
    pub(crate) async fn create() -> Self {
        let postgres = tokio::task::spawn_blocking(Postgres::shared).await.unwrap();
        let name = format!("it_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}");
        execute(&postgres.url("postgres"), &sql).await;
        Self {
            url: postgres.url(&name),
            postgres,
        }
    }

    /// The URL by which the owner connects to the database.
    pub(crate) fn url(&self) -> &SecretString {
        &self.url
    }

    /// Runs a statement as the owner.
    pub(crate) async fn execute(&self, sql: &str) {
        execute(&self.url, sql).await;
    }

    /// Runs a statement in another database, with `{database}` replaced by the
    /// name of this one.
    pub(crate) async fn execute_elsewhere(&self, sql: &str) {
        let sql = sql.replace("{database}", self.name());
        execute(&self.postgres.url("postgres"), &sql).await;
    }

    /// The name of the database.
    pub(crate) fn name(&self) -> &str {
        let (_, name) = self.url.expose_secret().rsplit_once('/').unwrap();
        name
    }

    /// Creates a login without rights and returns the URL by which it connects
    /// to the database.
    pub(crate) async fn create_login(&self, login: &str) -> SecretString {
        self.execute(&format!("CREATE ROLE {login} LOGIN PASSWORD '{login}'"))
            .await;
        self.url_of(login)
    }

    /// The URL by which a login of [`Database::create_login`] connects to the
    /// database.
    pub(crate) fn url_of(&self, login: &str) -> SecretString {
        let (_, place) = self.url.expose_secret().rsplit_once('@').unwrap();
        SecretString::from(format!("postgresql://{login}:{login}@{place}"))
    }

    /// Opens a session as the owner.
    pub(crate) async fn connect(&self) -> (Client, JoinHandle<Result<(), tokio_postgres::Error>>) {
        let (client, connection) = tokio_postgres::connect(self.url.expose_secret(), NoTls)
            .await
            .unwrap();
        (client, tokio::spawn(connection))
    }

    /// Waits until another session of this database waits for a lock. A
    /// transaction keeps its first snapshot of the sessions, so the snapshot is
    /// cleared before each query.
    pub(crate) async fn somebody_waits_for_a_lock(&self, client: &Client) {
        const SQL: &str = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while client.query_one(SQL, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            client
                .batch_execute("SELECT pg_stat_clear_snapshot()")
                .await
                .unwrap();
        }
    }
}

impl Postgres {
    fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap();
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let folder = tempfile::Builder::new()
            .prefix("pim-authz-it-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let embedded = EmbeddedPostgres::start_blocking(&EmbeddedOptions {
            data_dir: Some(folder.path().to_owned()),
            durability: Durability::Forgetful,
            settings: vec![("max_connections".to_owned(), "400".to_owned())],
        });
        let postgres = Self {
            embedded: embedded.unwrap(),
            _folder: folder,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let create = format!("CREATE DATABASE {TEMPLATE}");
            execute(&postgres.url("postgres"), &create).await;
            store::migrate(&postgres.url(TEMPLATE), &store::RuntimeRole::Stored)
                .await
                .unwrap();
        });
        let postgres = Arc::new(postgres);
        *shared = Arc::downgrade(&postgres);
        postgres
    }

    fn url(&self, database: &str) -> SecretString {
        let url = self.embedded.loopback_url();
        let (server, _) = url.expose_secret().rsplit_once('/').unwrap();
        SecretString::from(format!("{server}/{database}"))
    }
}

async fn execute(url: &SecretString, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}
