use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{EmbeddedError, place::Place};

/// Timeout of a fast shutdown of an earlier PostgreSQL, then of an immediate one.
const STOP_TIMEOUTS: [(Signal, Duration); 2] = [
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(20)),
];

/// The state that PostgreSQL writes to `postmaster.pid`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) process_id: i32,
    pub(super) is_ready: bool,
}

impl PidFile {
    /// Reads the file of a cluster; `None` if it is missing, or incomplete because
    /// it is still being written.
    pub(super) fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(cluster.join("postmaster.pid")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        Some(Self {
            process_id: lines.next()?.parse().ok().filter(|id| *id > 0)?,
            is_ready: lines.nth(6) == Some("ready"),
        })
    }
}

/// Stops the PostgreSQL that a killed server left running on the cluster.
pub(super) fn stop(place: &Place) -> Result<(), EmbeddedError> {
    let Some(found) = PidFile::read(&place.cluster()) else {
        return Ok(());
    };
    let Some(pid) = Pid::from_raw(found.process_id) else {
        return Ok(());
    };
    for (signal, timeout) in STOP_TIMEOUTS {
        let deadline = Instant::now() + timeout;
        if !serves(pid, &place.cluster()) {
            return Ok(());
        }
        // The process may exit in between: the next check notices that.
        kill_process(pid, signal).ok();
        while Instant::now() < deadline {
            if !serves(pid, &place.cluster()) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    Err(EmbeddedError::LeftoverSurvives(found.process_id))
}

/// True if a process is the PostgreSQL of a cluster. Process ids are reused, above
/// all in containers: an unrelated process must not be stopped.
fn serves(pid: Pid, cluster: &Path) -> bool {
    if test_kill_process(pid).is_err() {
        return false;
    }
    if Path::new("/proc/self/cwd").exists() {
        // PostgreSQL runs in its data directory; a zombie has no directory.
        return fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()))
            .is_ok_and(|folder| folder == cluster);
    }
    let listed = std::process::Command::new("ps")
        .args(["-o", "command=", "-p", &pid.as_raw_nonzero().to_string()])
        .output();
    listed.is_ok_and(|listed| {
        String::from_utf8_lossy(&listed.stdout).contains(&*cluster.to_string_lossy())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_parsed_from_the_eighth_line() {
        let cases = [
            ("", None),
            ("12", Some((12, false))),
            (
                "12\n/d\n1\n5\n/s\n127.0.0.1\n 1 2\nstarting\n",
                Some((12, false)),
            ),
            (
                "12\n/d\n1\n5\n/s\n127.0.0.1\n 1 2\nready   \n",
                Some((12, true)),
            ),
            ("-12\n", None), // a standalone backend
            ("x\n", None),
        ];
        for (text, wanted) in cases {
            let found = PidFile::parse(text).map(|file| (file.process_id, file.is_ready));
            assert_eq!(found, wanted, "{text:?}");
        }
    }

    #[test]
    fn reused_process_id_is_not_taken_for_postgresql() {
        let this = rustix::process::getpid();
        assert!(!serves(this, Path::new("/nowhere/cluster")));
    }
}
