use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::PathBuf,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use pim_authz::embedded::{Durability, EmbeddedOptions, EmbeddedPostgres};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio_postgres::{Client, NoTls};

use super::certificates::{Authority, Issued, named, write};

/// The instance that tests share; it runs while at least one needs it.
static SHARED: Mutex<Weak<TlsPostgres>> = Mutex::new(Weak::new());

/// The number of the next database.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The rules for connections to the loopback port: TLS with a password, for
/// `certified` TLS with a client certificate of its name, and for `plain` no
/// TLS.
const HBA: &str = "\
local     all all                     scram-sha-256
hostnossl all plain     127.0.0.1/32  scram-sha-256
hostssl   all plain     127.0.0.1/32  reject
hostssl   all certified 127.0.0.1/32  cert
hostssl   all all       127.0.0.1/32  scram-sha-256
";

/// A PostgreSQL that accepts only TLS connections, except for the login
/// `plain`.
pub(crate) struct TlsPostgres {
    embedded: EmbeddedPostgres,
    folder: TempDir,
    /// Signs the client certificates and, for the shared instance, the server
    /// certificate.
    pub(crate) authority: Authority,
}

impl TlsPostgres {
    /// Returns the shared instance. Its certificate is for `localhost` and for
    /// no IP address.
    pub(crate) async fn shared() -> Arc<Self> {
        let running = spawn_blocking(|| {
            let mut shared = SHARED.lock().unwrap();
            if let Some(running) = shared.upgrade() {
                return running;
            }
            let authority = Authority::new("the CA of a test");
            let server = authority.issue(&named(&["localhost"], "localhost"));
            let running = Arc::new(Self::start_blocking(&server, authority));
            *shared = Arc::downgrade(&running);
            running
        });
        let running = running.await.unwrap();
        running.demand_tls().await;
        running
    }

    /// Starts an instance with the given server certificate.
    pub(crate) async fn start(server: Issued, authority: Authority) -> Self {
        let started = spawn_blocking(move || Self::start_blocking(&server, authority));
        let started = started.await.unwrap();
        started.demand_tls().await;
        started
    }

    fn start_blocking(server: &Issued, authority: Authority) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("pim-authz-tls-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let embedded = EmbeddedPostgres::start_blocking(&EmbeddedOptions {
            data_dir: Some(folder.path().to_owned()),
            durability: Durability::Forgetful,
            settings: vec![("max_connections".to_owned(), "300".to_owned())],
        })
        .unwrap();
        let cluster = embedded.home().join("cluster");
        let owner = fs::metadata(&cluster).unwrap();
        for (name, content) in [
            ("server.crt", &server.certificate),
            ("server.key", &server.key),
            ("ca.crt", &authority.pem()),
            ("pg_hba.conf", &HBA.to_owned()),
        ] {
            let path = write(&cluster, name, content);
            chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self {
            embedded,
            folder,
            authority,
        }
    }

    /// Enables TLS if necessary, and waits until connections without it are
    /// rejected.
    async fn demand_tls(&self) {
        let admin = self.admin("postgres").await;
        admin
            .batch_execute("ALTER SYSTEM SET ssl_ca_file = 'ca.crt'")
            .await
            .unwrap();
        admin
            .batch_execute("ALTER SYSTEM SET ssl = on")
            .await
            .unwrap();
        admin.execute("SELECT pg_reload_conf()", &[]).await.unwrap();
        let plain = self.embedded.loopback_url();
        while tokio_postgres::connect(plain.expose_secret(), NoTls)
            .await
            .is_ok()
        {}
    }

    /// Creates an empty database and returns its name.
    pub(crate) async fn create_database(&self) -> String {
        let name = format!("tls_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = self.admin("postgres").await;
        admin
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        name
    }

    /// Creates a login whose password is its name.
    pub(crate) async fn create_login(&self, login: &str) {
        let admin = self.admin("postgres").await;
        let sql = format!(
            "DO $$ BEGIN CREATE ROLE {login} LOGIN PASSWORD '{login}';
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        admin.batch_execute(&sql).await.unwrap();
    }

    /// Connects as the superuser over the Unix socket.
    pub(crate) async fn admin(&self, database: &str) -> Client {
        let url = self.embedded.url();
        let (server, _) = url.expose_secret().rsplit_once('/').unwrap();
        let (client, connection) = tokio_postgres::connect(&format!("{server}/{database}"), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    /// The URL by which the superuser connects to a database on the loopback
    /// port, with this host name and these URL parameters.
    pub(crate) fn url(&self, host: &str, database: &str, parameters: &str) -> SecretString {
        let url = self.embedded.loopback_url();
        let (server, _) = url.expose_secret().rsplit_once('/').unwrap();
        let server = server.replace("127.0.0.1", host);
        SecretString::from(format!("{server}/{database}?{parameters}"))
    }

    /// As [`TlsPostgres::url`], for a login of [`TlsPostgres::create_login`].
    pub(crate) fn url_of(&self, login: &str, parameters: &str) -> SecretString {
        let url = self.url("localhost", "postgres", parameters);
        let (_, place) = url.expose_secret().rsplit_once('@').unwrap();
        SecretString::from(format!("postgresql://{login}:{login}@{place}"))
    }

    /// Writes the certificate of the CA to a file and returns its path.
    pub(crate) fn ca_file(&self) -> PathBuf {
        write(self.folder.path(), "ca.crt", &self.authority.pem())
    }
}
