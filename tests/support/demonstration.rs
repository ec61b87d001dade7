//! `pim-authz demo` as a separate process, started and stopped.
//!
//! Test binaries include it: `#[path = "support/demonstration.rs"] mod demonstration;`.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Path of the program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pim-authz");

/// A running `pim-authz demo`.
pub(crate) struct Demo {
    process: Child,
    /// Lines printed until it served.
    pub(crate) printed: Vec<String>,
    /// Listening address, such as `127.0.0.1:40001`.
    pub(crate) address: String,
}

impl Demo {
    pub(crate) fn start(data_dir: &Path) -> Self {
        let mut process = program()
            .args(["demo", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = Vec::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let is_last = line.starts_with("Serving");
            printed.push(line);
            if is_last {
                break;
            }
        }
        let address = printed
            .iter()
            .find_map(|line| line.strip_prefix("pim-authz answers on "))
            .and_then(|line| line.split_once(". "))
            .map(|(address, _)| address.to_owned());
        Self {
            process,
            address: address.unwrap(),
            printed,
        }
    }

    /// Sends SIGTERM, waits for the exit, and returns the lines that it printed
    /// until it served.
    pub(crate) fn stop(mut self) -> Vec<String> {
        let id = i32::try_from(self.process.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
        std::mem::take(&mut self.printed)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Returns a command for the program without the `PIM_AUTHZ_*` environment
/// variables of the test run.
pub(crate) fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PIM_AUTHZ_") {
            command.env_remove(name);
        }
    }
    // Servers of other tests use the default port.
    command.env("PIM_AUTHZ_HTTP_LISTEN", "off");
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// Creates a data directory that PostgreSQL's user can enter.
pub(crate) fn data_dir() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}
