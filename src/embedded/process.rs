use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, ChildStdin, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Binaries, Durability, EmbeddedError, EmbeddedOptions, leftover::PidFile, place::Place,
    socket::Socket,
};

/// Timeout until PostgreSQL is ready; after a crash it replays its write-ahead
/// log first.
const START_TIMEOUT: Duration = Duration::from_mins(5);
/// How long a start is retried: processes of a killed PostgreSQL may still hold
/// its shared memory.
const RETRY_PERIOD: Duration = Duration::from_secs(30);
/// Timeout of a fast shutdown.
const STOP_TIMEOUT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A ready PostgreSQL, and the watcher that stops it if this process dies.
#[derive(Debug)]
pub(super) struct Running {
    postgres: Child,
    has_ended: bool,
    watcher: Option<(Child, ChildStdin)>,
    socket: Socket,
    port: u16,
    password: SecretString,
}

/// Starts PostgreSQL and waits until it is ready.
pub(super) fn start(
    place: &Place,
    binaries: &Binaries,
    options: &EmbeddedOptions,
    password: SecretString,
) -> Result<Running, EmbeddedError> {
    let socket = Socket::make(place)?;
    let (postgres, port) = launch_until_ready(place, binaries, options, &socket, None)?;
    let mut running = Running {
        postgres,
        has_ended: false,
        watcher: None,
        socket,
        port,
        password,
    };
    running.watcher = Some(watch(place, running.process_id())?);
    Ok(running)
}

/// Starts PostgreSQL on `port`, or on a free one; retries while the start fails
/// for a transient reason.
fn launch_until_ready(
    place: &Place,
    binaries: &Binaries,
    options: &EmbeddedOptions,
    socket: &Socket,
    port: Option<u16>,
) -> Result<(Child, u16), EmbeddedError> {
    let deadline = Instant::now() + RETRY_PERIOD;
    loop {
        let port = port.map_or_else(free_port, Ok)?;
        let mut postgres = launch(place, binaries, options, socket, port)?;
        match wait_until_ready(place, &mut postgres) {
            Ok(()) => return Ok((postgres, port)),
            Err(error) if Instant::now() < deadline && is_transient(&error) => {
                thread::sleep(POLL_INTERVAL * 10);
            }
            Err(error) => return Err(error),
        }
    }
}

fn launch(
    place: &Place,
    binaries: &Binaries,
    options: &EmbeddedOptions,
    socket: &Socket,
    port: u16,
) -> Result<Child, EmbeddedError> {
    let log = place.log();
    if log.exists() {
        // The previous log is kept: it shows how the last run ended.
        fs::rename(&log, log.with_extension("log.1"))
            .map_err(EmbeddedError::folder("rename", &log))?;
    }
    place.account().write_private(&log, "")?;
    let open = || fs::OpenOptions::new().append(true).open(&log);
    let (out, err) = open()
        .and_then(|out| Ok((out, open()?)))
        .map_err(EmbeddedError::folder("write", &log))?;

    let program = binaries.postgres();
    let mut command = place.account().command(&program, place.home());
    command.arg("-D").arg(place.cluster());
    for (name, value) in settings(options, socket, port) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    if let Some(stale) = PidFile::read(&place.cluster()) {
        // The process that the file names is not PostgreSQL (`leftover::stop`
        // ensured that), but its id may have been reused by an unrelated process.
        // PostgreSQL treats the file as stale if it names its own grandparent, and
        // still looks for processes that use the old shared memory, which deleting
        // the file would prevent.
        command.env("PG_GRANDPARENT_PID", stale.process_id.to_string());
    }
    command
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(place.account().failed(&program))
}

fn settings(options: &EmbeddedOptions, socket: &Socket, port: u16) -> Vec<(String, String)> {
    let mut settings = vec![
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        (
            "unix_socket_directories",
            socket.folder().display().to_string(),
        ),
        ("unix_socket_permissions", "0700".to_owned()),
        ("logging_collector", "off".to_owned()),
    ];
    if options.durability == Durability::Forgetful {
        settings.push(("fsync", "off".to_owned()));
        settings.push(("full_page_writes", "off".to_owned()));
    }
    settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(options.settings.iter().cloned())
        .collect()
}

fn wait_until_ready(place: &Place, postgres: &mut Child) -> Result<(), EmbeddedError> {
    let deadline = Instant::now() + START_TIMEOUT;
    let process_id = i32::try_from(postgres.id()).ok();
    loop {
        let file = PidFile::read(&place.cluster());
        if file.is_some_and(|file| file.is_ready && Some(file.process_id) == process_id) {
            return Ok(());
        }
        if !matches!(postgres.try_wait(), Ok(None)) {
            return Err(EmbeddedError::NotStarted {
                log: place.log(),
                tail: tail_of(&place.log()),
            });
        }
        if Instant::now() > deadline {
            signal(postgres, Signal::QUIT);
            postgres.wait().ok();
            return Err(EmbeddedError::NotReady {
                seconds: START_TIMEOUT.as_secs(),
                log: place.log(),
            });
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// True if a start failed for a transient reason: another process took the port,
/// or processes of a killed PostgreSQL are still exiting.
fn is_transient(error: &EmbeddedError) -> bool {
    let EmbeddedError::NotStarted { tail, .. } = error else {
        return false;
    };
    ["Address already in use", "still in use"]
        .iter()
        .any(|sign| tail.contains(sign))
}

/// Starts the watcher, which stops PostgreSQL when its pipe closes: only this
/// process holds the write end.
fn watch(place: &Place, process_id: u32) -> Result<(Child, ChildStdin), EmbeddedError> {
    const STOP_AT_END: &str = r#"read -r _; kill -INT "$1""#;

    let shell = Path::new("/bin/sh");
    let failed = place.account().failed(shell);
    let mut watcher = place
        .account()
        .command(shell, place.home())
        .args(["-c", STOP_AT_END, "pim-authz-watcher"])
        .arg(process_id.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(&failed)?;
    let pipe = watcher.stdin.take();
    let pipe = pipe.ok_or_else(|| failed(std::io::ErrorKind::BrokenPipe.into()))?;
    Ok((watcher, pipe))
}

fn free_port() -> Result<u16, EmbeddedError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(EmbeddedError::folder("listen on", "127.0.0.1"))
}

/// Returns the last lines of PostgreSQL's log.
pub(super) fn tail_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(6);
    lines.get(start..).unwrap_or_default().join("\n")
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // A child that was not waited for keeps its process id, exited or not.
        kill_process(pid, signal).ok();
    }
}

impl Running {
    pub(super) fn process_id(&self) -> u32 {
        self.postgres.id()
    }

    pub(super) fn socket_url(&self) -> SecretString {
        let folder = self.socket.folder().display().to_string();
        self.url(&folder.replace('/', "%2F"))
    }

    pub(super) fn loopback_url(&self) -> SecretString {
        self.url("127.0.0.1")
    }

    fn url(&self, host: &str) -> SecretString {
        let (password, port) = (self.password.expose_secret(), self.port);
        format!("postgresql://postgres:{password}@{host}:{port}/postgres").into()
    }

    /// Returns the exit status of PostgreSQL if it has exited; does not block.
    pub(super) fn look(&mut self) -> Option<String> {
        match self.postgres.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Restarts a PostgreSQL that has exited by itself, at the same address.
    pub(super) fn start_again(
        &mut self,
        place: &Place,
        binaries: &Binaries,
        options: &EmbeddedOptions,
    ) -> Result<(), EmbeddedError> {
        self.has_ended = true;
        self.end_watcher();
        let port = Some(self.port);
        let (postgres, _) = launch_until_ready(place, binaries, options, &self.socket, port)?;
        self.postgres = postgres;
        self.has_ended = false;
        self.watcher = Some(watch(place, self.process_id())?);
        Ok(())
    }

    /// Stops PostgreSQL, by a fast shutdown if possible; repeated calls do nothing.
    pub(super) fn stop(&mut self) -> Result<(), EmbeddedError> {
        let stopped = self.stop_postgres();
        self.end_watcher();
        stopped
    }

    /// Ends the watcher, which must not outlive PostgreSQL's process id. If it
    /// cannot be killed, it exits when its pipe closes.
    fn end_watcher(&mut self) {
        if let Some((mut watcher, pipe)) = self.watcher.take() {
            watcher.kill().ok();
            drop(pipe);
            watcher.wait().ok();
        }
    }

    fn stop_postgres(&mut self) -> Result<(), EmbeddedError> {
        if std::mem::replace(&mut self.has_ended, true) {
            return Ok(());
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        signal(&self.postgres, Signal::INT);
        while Instant::now() < deadline {
            if !matches!(self.postgres.try_wait(), Ok(None)) {
                return Ok(());
            }
            thread::sleep(POLL_INTERVAL);
        }
        signal(&self.postgres, Signal::QUIT);
        self.postgres.wait().ok();
        Err(EmbeddedError::StoppedAtOnce)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Callers that need the result call `stop`.
        self.stop().ok();
    }
}
