//! A real PostgreSQL, one proxy per server, and servers in separate processes.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use pim_authz::{
    embedded::{EmbeddedOptions, EmbeddedPostgres},
    pb::{self, operations_service_client::OperationsServiceClient},
    store,
};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
use tokio_postgres::NoTls;
use tonic::transport::{Channel, Endpoint};

use crate::postgres_proxy::{Proxy, address_of};

/// Lease of every server, unless a fault needs a longer one.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// PostgreSQL shared by all scenarios.
pub(crate) struct Postgres {
    running: Option<EmbeddedPostgres>,
    folder: TempDir,
    databases: AtomicU64,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("pim-authz-coherence-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let mut postgres = Self {
            running: None,
            folder,
            databases: AtomicU64::new(0),
        };
        postgres.start_again().await;
        postgres.execute("CREATE DATABASE template_coherence").await;
        let template = postgres.url("template_coherence");
        store::migrate(&template, &store::RuntimeRole::Stored)
            .await
            .unwrap();
        postgres
    }

    async fn start_again(&mut self) {
        let options = EmbeddedOptions {
            data_dir: Some(self.folder.path().to_owned()),
            settings: vec![("max_connections".to_owned(), "300".to_owned())],
            ..EmbeddedOptions::default()
        };
        self.running = Some(EmbeddedPostgres::start(options).await.unwrap());
    }

    /// Restarts PostgreSQL: by a clean shutdown, or by an immediate one as in a
    /// crash.
    pub(crate) async fn restart(&mut self, immediately: bool) {
        let running = self.running.take().unwrap();
        if immediately {
            signal(running.process_id(), Signal::QUIT);
        }
        running.stop().await.ok();
        self.start_again().await;
    }

    fn running(&self) -> &EmbeddedPostgres {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        address_of(&self.running().loopback_url())
    }

    fn url(&self, database: &str) -> SecretString {
        let url = self.running().loopback_url();
        let (server, _) = url.expose_secret().rsplit_once('/').unwrap();
        format!("{server}/{database}").into()
    }

    async fn execute(&self, sql: &str) {
        execute(&self.running().loopback_url(), sql).await;
    }
}

/// Executes a statement in the database of a URL.
async fn execute(url: &SecretString, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

fn signal(process: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Servers of one scenario, with a database of their own.
pub(crate) struct Cluster<'p> {
    pub(crate) postgres: &'p mut Postgres,
    database: String,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) servers: Vec<Server>,
    lease: Duration,
    /// Environment variables of every server that is started.
    pub(crate) environment: Vec<(String, String)>,
}

/// Current channel to a server; clients read it before each call.
#[derive(Clone)]
pub(crate) struct ServerChannel(Arc<Mutex<Channel>>);

impl ServerChannel {
    pub(crate) fn current(&self) -> Channel {
        self.0.lock().unwrap().clone()
    }
}

/// One server process and the channel to it.
pub(crate) struct Server {
    child: Option<Child>,
    /// It was killed or is shutting down.
    is_ending: AtomicBool,
    pub(crate) channel: ServerChannel,
}

impl<'p> Cluster<'p> {
    pub(crate) async fn start(
        postgres: &'p mut Postgres,
        servers: usize,
        lease: Duration,
        environment: Vec<(String, String)>,
    ) -> Self {
        let number = postgres.databases.fetch_add(1, Ordering::Relaxed);
        let database = format!("coherence_{number}");
        let create = format!("CREATE DATABASE {database} TEMPLATE template_coherence");
        postgres.execute(&create).await;
        let mut cluster = Self {
            postgres,
            database,
            proxies: Vec::new(),
            servers: Vec::new(),
            lease,
            environment,
        };
        for number in 0..servers {
            let upstream = cluster.postgres.address();
            cluster.proxies.push(Proxy::start(upstream).await);
            let (child, address) = cluster.spawn(number).await;
            let channel = ServerChannel(Arc::new(Mutex::new(channel(address))));
            let child = Some(child);
            cluster.servers.push(Server {
                child,
                is_ending: AtomicBool::new(false),
                channel,
            });
        }
        cluster
    }

    async fn spawn(&self, number: usize) -> (Child, SocketAddr) {
        let url = self.proxies[number].url(&self.postgres.url(&self.database));
        let lease = self.lease.as_millis().to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_pim-authz"))
            .args(["serve", "--listen", "127.0.0.1:0", "--lease-ms", &lease])
            .args(["--poll-ms", "100"])
            .env("PIM_AUTHZ_DATABASE_URL", url.expose_secret())
            .env("PIM_AUTHZ_HTTP_LISTEN", "off")
            .env("PIM_AUTHZ_FAILPOINT_CLOCK", self.clock(number))
            .env("RUST_LOG", "info")
            .env("NO_COLOR", "1")
            .envs(self.environment.iter().cloned())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address: SocketAddr = loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some((_, rest)) = line.split_once("serving on ") {
                break rest.split(' ').next().unwrap().parse().unwrap();
            }
        };
        let prints_logs = std::env::var_os("PIM_AUTHZ_COHERENCE_LOGS").is_some();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if prints_logs {
                    eprintln!("[{number}] {line}");
                }
            }
        });
        (child, address)
    }

    /// Returns the file with the setting of a server's clock.
    fn clock(&self, number: usize) -> PathBuf {
        let name = format!("{}-clock-{number}", self.database);
        self.postgres.folder.path().join(name)
    }

    /// Sets the rate of a server's clock from now on, in thousandths of the host's, while the
    /// server runs.
    #[cfg(feature = "failpoints")]
    pub(crate) fn set_clock_rate(&self, number: usize, permille: u64) {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::Boottime);
        let now = time.tv_sec * 1_000_000_000 + time.tv_nsec;
        let file = self.clock(number);
        // Replaced as a whole, since the server reads it at any time.
        let new = file.with_extension("new");
        fs::write(&new, format!("{now} {now} {permille}")).unwrap();
        fs::rename(new, file).unwrap();
    }

    fn process(&self, number: usize) -> u32 {
        let child = self.servers[number].child.as_ref();
        child.unwrap().id().unwrap()
    }

    pub(crate) fn freeze(&self, number: usize) {
        signal(self.process(number), Signal::STOP);
    }

    pub(crate) fn thaw(&self, number: usize) {
        signal(self.process(number), Signal::CONT);
    }

    /// Kills a server, which is started again by [`Cluster::revive`].
    pub(crate) fn kill(&self, number: usize) {
        self.begin_end(number, Signal::KILL);
    }

    /// Shuts a server down in order; [`Cluster::revive`] starts it again.
    pub(crate) fn terminate(&self, number: usize) {
        self.begin_end(number, Signal::TERM);
    }

    fn begin_end(&self, number: usize, how: Signal) {
        let server = &self.servers[number];
        server.is_ending.store(true, Ordering::SeqCst);
        signal(self.process(number), how);
    }

    /// Executes a statement in the database of the servers.
    pub(crate) async fn execute(&self, sql: &str) {
        execute(&self.postgres.url(&self.database), sql).await;
    }

    /// Ends a server, by SIGKILL or by SIGTERM, and waits until it has exited.
    pub(crate) async fn end(&mut self, number: usize, at_once: bool) {
        let how = if at_once { Signal::KILL } else { Signal::TERM };
        signal(self.process(number), how);
        let mut child = self.servers[number].child.take().unwrap();
        child.wait().await.unwrap();
    }

    pub(crate) async fn start_server(&mut self, number: usize) {
        let (child, address) = self.spawn(number).await;
        self.servers[number].child = Some(child);
        *self.servers[number].channel.0.lock().unwrap() = channel(address);
    }

    /// Waits until the servers have exited that are killed or shut down, and restarts
    /// them, and those that have exited by themselves.
    pub(crate) async fn revive(&mut self) {
        for number in 0..self.servers.len() {
            let server = &mut self.servers[number];
            let is_ending = server.is_ending.swap(false, Ordering::SeqCst);
            if let Some(child) = server.child.as_mut().filter(|_| is_ending) {
                child.wait().await.unwrap();
            }
            let child = server.child.as_mut();
            let has_ended = child.is_none_or(|child| child.try_wait().unwrap().is_some());
            if has_ended {
                self.servers[number].child = None;
                self.start_server(number).await;
            }
        }
    }

    pub(crate) async fn restart_postgres(&mut self, immediately: bool) {
        self.postgres.restart(immediately).await;
        let upstream = self.postgres.address();
        for proxy in &self.proxies {
            proxy.set_upstream(upstream);
        }
    }

    /// Waits until every server except `one` has lost its lease and acquired
    /// another.
    pub(crate) async fn others_joined_again(&self, one: usize) {
        for (number, server) in self.servers.iter().enumerate() {
            let mut client = OperationsServiceClient::new(server.channel.current());
            if number == one {
                continue;
            }
            loop {
                let request = pb::GetStatusRequest::default();
                let response = client.get_status(request).await;
                let has_joined = response.is_ok_and(|status| {
                    let status = status.into_inner();
                    let left = status.lease_remaining.unwrap_or_default();
                    status.leases_lost > 0 && (left.seconds, left.nanos) > (0, 0)
                });
                if has_joined {
                    break;
                }
            }
        }
    }

    /// Returns the status of each server that responds.
    pub(crate) async fn statuses(&self) -> Vec<pb::GetStatusResponse> {
        let mut statuses = Vec::new();
        for server in &self.servers {
            let mut client = OperationsServiceClient::new(server.channel.current());
            let request = pb::GetStatusRequest::default();
            // A server that is just restarting is skipped.
            let response = client.get_status(request).await;
            statuses.extend(response.map(tonic::Response::into_inner));
        }
        statuses
    }

    pub(crate) async fn stop(mut self) {
        for number in 0..self.servers.len() {
            if self.servers[number].child.is_some() {
                self.end(number, false).await;
            }
        }
    }
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_timeout(Duration::from_secs(1))
        .connect_lazy()
}
