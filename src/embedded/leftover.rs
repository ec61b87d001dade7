use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{EmbeddedError, place::Place};

/// How long an earlier PostgreSQL may take to end in order, and then at once.
const PATIENCE: [(Signal, Duration); 2] = [
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(20)),
];

/// What PostgreSQL writes about itself into `postmaster.pid`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) process_id: i32,
    pub(super) is_ready: bool,
}

impl PidFile {
    /// Reads the file of a cluster; `None` where there is none or it is still
    /// being written.
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
    for (signal, patience) in PATIENCE {
        let deadline = Instant::now() + patience;
        if !serves(pid, &place.cluster()) {
            return Ok(());
        }
        // It may end in between: then the next look says so.
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

/// Whether a process is the PostgreSQL of a cluster. Process ids are used
/// again, above all in containers: a stranger must not be stopped.
fn serves(pid: Pid, cluster: &Path) -> bool {
    if test_kill_process(pid).is_err() {
        return false;
    }
    if Path::new("/proc/self/cwd").exists() {
        // PostgreSQL works in its data directory; a zombie in none.
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
    fn the_eighth_line_says_whether_postgresql_is_ready() {
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
    fn a_stranger_with_the_same_process_id_is_not_ours() {
        let this = rustix::process::getpid();
        assert!(!serves(this, Path::new("/nowhere/cluster")));
    }
}
