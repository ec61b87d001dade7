//! A shell in a copy of the repository, which runs the commands of a page one after
//! the other, as a reader would type them in a second terminal.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::demonstration::{PROGRAM, data_dir};

/// The time limit of one command, in seconds; it includes compiling a Go program.
const PATIENCE_S: &str = "300";

/// The files of the repository that the pages need.
const COPIED: [&str; 5] = ["buf.gen.yaml", "buf.yaml", "demo", "examples", "proto"];

/// A shell that keeps exported variables from one command to the next.
pub(crate) struct Terminal {
    folder: TempDir,
    /// Settings made by earlier commands, as a script.
    settings: String,
    /// Texts on the page, and what replaces each of them.
    instead: Vec<(&'static str, String)>,
    environment: Vec<(&'static str, String)>,
}

impl Terminal {
    /// Opens a shell in a copy of the repository that contains the built program where
    /// `scripts/demo` puts it.
    pub(crate) fn open() -> Self {
        let folder = data_dir();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in COPIED {
            let mut copy = Command::new("cp");
            copy.arg("-r").arg(root.join(name)).arg(folder.path());
            assert!(copy.status().unwrap().success(), "{name}");
        }
        let target = folder.path().join("target");
        fs::create_dir(&target).unwrap();
        let built = Path::new(PROGRAM).parent().unwrap();
        std::os::unix::fs::symlink(built, target.join("demo")).unwrap();
        std::os::unix::fs::symlink(prepared(), target.join("examples")).unwrap();
        Self {
            folder,
            settings: String::new(),
            instead: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Replaces `page` with `there` in all later commands.
    pub(crate) fn replace(&mut self, page: &'static str, there: String) {
        self.instead.retain(|(known, _)| *known != page);
        self.instead.push((page, there));
    }

    /// Sets a variable for the commands that follow.
    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.environment.push((name, value));
    }

    /// Returns the program that a command names if this machine lacks it.
    pub(crate) fn lacks(&self, command: &str) -> Option<String> {
        let mut words = command.split_whitespace().peekable();
        while let Some(value) = words.peek().and_then(|word| setting(word)) {
            if value.starts_with("$(") {
                return None;
            }
            words.next();
        }
        let program = words.next()?;
        let there = self
            .shell(&format!("type {program}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        (!there.success()).then(|| program.to_owned())
    }

    /// Runs a command and waits for its end. Variables set by a command that only sets
    /// variables apply to later commands.
    pub(crate) fn run(&mut self, command: &str) -> Output {
        let output = self.shell(command).output().unwrap();
        let first = command.split_whitespace().next().unwrap_or_default();
        if output.status.success()
            && (first == "export" || setting(first).is_some_and(|value| value.starts_with("$(")))
        {
            self.settings = format!("{}{command}\n", self.settings);
        }
        output
    }

    /// Starts a command that runs until it is stopped, and reads its output until
    /// `sign` returns a value for a line.
    pub(crate) fn watch<T>(&self, command: &str, sign: impl Fn(&str) -> Option<T>) -> (Running, T) {
        use std::os::unix::process::CommandExt as _;

        let mut started = self.shell(&format!("exec 2>&1\n{command}"));
        started.stdout(Stdio::piped()).process_group(0);
        let mut running = Running(started.spawn().unwrap());
        let lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
        let mut printed = String::new();
        for line in lines.map_while(Result::ok) {
            if let Some(found) = sign(&line) {
                return (running, found);
            }
            printed = printed + &line + "\n";
        }
        panic!("{command} ended: {printed}");
    }

    fn shell(&self, command: &str) -> Command {
        let mut script = format!("{}{command}", self.settings);
        for (page, there) in &self.instead {
            script = script.replace(page, there);
        }
        let mut shell = Command::new("timeout");
        shell.args([PATIENCE_S, "bash", "-c", &script]);
        shell
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            // Nothing is downloaded here: scripts/prepare-examples does that.
            .env("GOPROXY", "off")
            .env("GOFLAGS", "-mod=readonly");
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PIM_AUTHZ_") {
                shell.env_remove(name);
            }
        }
        // Other tests run servers at the same time.
        shell.env("PIM_AUTHZ_HTTP_LISTEN", "127.0.0.1:0");
        shell.envs(self.environment.iter().map(|(name, value)| (name, value)));
        shell
    }
}

/// A command that runs until this value is dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let id = i32::try_from(self.0.id()).unwrap();
        kill_process_group(Pid::from_raw(id).unwrap(), Signal::TERM).ok();
        self.0.wait().ok();
    }
}

/// Returns the value of an assignment `NAME=VALUE`.
fn setting(word: &str) -> Option<&str> {
    let (name, value) = word.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_name).then_some(value)
}

/// Returns the folder in which scripts/prepare-examples puts what the examples need.
pub(crate) fn prepared() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join("examples")
}

/// Prints the command that was not run and why, even if the test succeeds.
pub(crate) fn not_run(command: &str, why: &str) {
    let first = command.lines().next().unwrap_or_default();
    writeln!(std::io::stderr(), "not run: `{first}`: {why}").ok();
}
