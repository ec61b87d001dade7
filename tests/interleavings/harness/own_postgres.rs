use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use pim_authz::{
    embedded::{Durability, EmbeddedOptions, EmbeddedPostgres},
    store,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::os::unix::{
    fs::{MetadataExt as _, chown},
    process::CommandExt as _,
};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::postgres_proxy::address_of;

/// A PostgreSQL instance of one test, which may restart it. Its one database has the
/// schema.
pub(crate) struct OwnPostgres {
    running: Option<EmbeddedPostgres>,
    folder: TempDir,
}

impl OwnPostgres {
    pub(crate) async fn start() -> Self {
        let mut postgres = Self {
            running: None,
            folder: folder(),
        };
        postgres.start_again().await;
        store::migrate(&postgres.url(), &store::RuntimeRole::Stored)
            .await
            .unwrap();
        postgres
    }

    async fn start_again(&mut self) {
        let options = EmbeddedOptions {
            data_dir: Some(self.folder.path().to_owned()),
            durability: Durability::Forgetful,
            ..EmbeddedOptions::default()
        };
        self.running = Some(EmbeddedPostgres::start(options).await.unwrap());
    }

    /// Shuts it down cleanly and starts it again, on another port.
    pub(crate) async fn restart(&mut self) {
        self.running.take().unwrap().stop().await.unwrap();
        self.start_again().await;
    }

    /// Starts a standby of this instance that can be read.
    pub(crate) async fn standby(&self) -> Self {
        let home = self.running.as_ref().unwrap().home();
        let owner = fs::metadata(home).unwrap();
        let folder = folder();
        let copy = folder.path().join("postgres");
        fs::create_dir(&copy).unwrap();
        let password = copy.join("password");
        fs::copy(home.join("password"), &password).unwrap();
        for path in [folder.path(), &copy, &password] {
            chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        let url = self.url();
        let done = std::process::Command::new(self.program("pg_basebackup"))
            .arg("--dbname")
            .arg(url.expose_secret())
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .arg("--pgdata")
            .arg(copy.join("cluster"))
            .uid(owner.uid())
            .gid(owner.gid())
            .current_dir(&copy)
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "pg_basebackup: {done}");
        let mut standby = Self {
            running: None,
            folder,
        };
        standby.start_again().await;
        standby
    }

    /// Returns the path of a program in the same folder as this PostgreSQL's.
    fn program(&self, name: &str) -> std::path::PathBuf {
        let process = self.running.as_ref().unwrap().process_id();
        let postgres = fs::read_link(format!("/proc/{process}/exe")).unwrap();
        Path::new(&postgres).with_file_name(name)
    }

    pub(crate) fn url(&self) -> SecretString {
        self.running.as_ref().unwrap().loopback_url()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        address_of(&self.url())
    }

    /// Runs statements as the owner.
    pub(crate) async fn execute(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(self.url().expose_secret(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("pim-authz-interleavings-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}
