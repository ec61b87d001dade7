use std::{net::SocketAddr, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};
use tonic::transport::Channel;

use super::Database;

/// The `pim-authz` executable, serving the database of a test.
pub(crate) struct Program {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Program {
    /// The command `pim-authz serve` on a free loopback port and the database
    /// of a test.
    pub(crate) fn command(database: &Database) -> Command {
        Self::command_on("serve", database.url())
    }

    /// The command `pim-authz serve` as above, or another one, on any database.
    pub(crate) fn command_on(name: &str, database_url: &SecretString) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pim-authz"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PIM_AUTHZ_") {
                command.env_remove(name);
            }
        }
        command
            .arg(name)
            .env("PIM_AUTHZ_LISTEN", "127.0.0.1:0")
            .env("PIM_AUTHZ_HTTP_LISTEN", "off")
            .env("PIM_AUTHZ_DATABASE_URL", database_url.expose_secret())
            .env("RUST_LOG", "info")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts the program with its log piped to the test.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    /// Reads the log up to a line that contains `text`, and returns the line.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        loop {
            let line = self.log.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("the log ended without `{text}`"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The address on which the program listens, read from its log.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        let line = self.logged("serving on ").await;
        let (_, rest) = line.split_once("serving on ").unwrap();
        // The address ends with a space in the text format and a quotation mark
        // in JSON.
        rest.split([' ', '"']).next().unwrap().parse().unwrap()
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The process, with the reading end of its log closed.
    pub(crate) fn without_log_reader(self) -> Child {
        let Self { child, log } = self;
        drop(log);
        child
    }

    /// The process, whose log stays open but is not read while the second value
    /// is alive.
    pub(crate) fn with_idle_log_reader(self) -> (Child, Lines<BufReader<ChildStderr>>) {
        (self.child, self.log)
    }

    /// The process, and a task that returns the rest of its log once it has
    /// ended.
    pub(crate) fn with_log(self) -> (Child, tokio::task::JoinHandle<Vec<String>>) {
        let Self { child, mut log } = self;
        let rest = tokio::spawn(async move {
            let mut rest = Vec::new();
            while let Ok(Some(line)) = log.next_line().await {
                rest.push(line);
            }
            rest
        });
        (child, rest)
    }
}

/// Sends SIGTERM, waits for the process to end, and returns its exit status, or
/// `None` if a signal ended it.
pub(crate) async fn terminate(child: &mut Child) -> Option<i32> {
    let id = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    child.wait().await.unwrap().code()
}

/// Connects to a server.
pub(crate) async fn channel_to(address: SocketAddr) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}
