//! Runs the commands of the pages from top to bottom.

use std::{fs, path::Path};

use pim_authz::embedded::{Durability, EmbeddedOptions, EmbeddedPostgres};
use secrecy::ExposeSecret as _;

use crate::{
    demonstration::{Demo, data_dir},
    page::{Step, blocks},
    shown::difference,
    terminal::{Running, Terminal, not_run, prepared},
};

/// The address of the demonstration in the pages.
const ADDRESS: &str = "127.0.0.1:50051";

/// Commands that are skipped: the demonstration is started before the commands of a
/// page are run, and `scripts/test` would run this test again.
const AROUND: [&str; 3] = ["scripts/demo", "scripts/test", "scripts/prepare-examples"];

/// Programs that a machine may lack; all others that a page names are required.
const OPTIONAL: [&str; 7] = [
    "openssl",
    "grpcurl",
    "ghz",
    "buf",
    "go",
    "node",
    "target/examples/python/bin/python",
];

/// Runs the commands of a page.
struct Reader {
    terminal: Terminal,
    /// Servers that the page started.
    servers: Vec<Running>,
    /// The address of the server in the page, if it runs one at a time; `None` if it
    /// starts servers beside the demonstration.
    only_server: Option<&'static str>,
}

impl Reader {
    fn new(demo: &Demo) -> Self {
        let mut terminal = Terminal::open();
        terminal.replace(ADDRESS, demo.address.clone());
        terminal.set("PIM_AUTHZ_SERVER", format!("http://{}", demo.address));
        terminal.set("PIM_AUTHZ_LISTEN", "127.0.0.1:0".to_owned());
        Self {
            terminal,
            servers: Vec::new(),
            only_server: None,
        }
    }

    /// Creates a reader without a demonstration: the page starts a server itself, which
    /// listens at `address` in the page and uses a private PostgreSQL in `folder`.
    fn alone(folder: &Path, address: &'static str) -> Self {
        let mut terminal = Terminal::open();
        let data = folder.join("data").display().to_string();
        terminal.set("PIM_AUTHZ_DATA_DIR", data);
        terminal.set("PIM_AUTHZ_LISTEN", "127.0.0.1:0".to_owned());
        terminal.replace("import DIR", "import demo/default".to_owned());
        let found = terminal.run(r#"export PATH="$PWD/target/demo:$PATH""#);
        assert!(found.status.success(), "{found:?}");
        Self {
            terminal,
            servers: Vec::new(),
            only_server: Some(address),
        }
    }

    /// Runs the commands of a page. Skips the rest of a block when a program that it
    /// needs is not installed.
    fn follow(&mut self, page: &str) {
        self.follow_from(page, "");
    }

    /// Runs the commands of a page from a heading on.
    fn follow_from(&mut self, page: &str, heading: &str) {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let text = &text[text.find(heading).unwrap()..];
        let mut ran = 0;
        for block in blocks(text) {
            for step in &block {
                if AROUND
                    .iter()
                    .any(|command| step.command.starts_with(command))
                {
                    continue;
                }
                if let Some(why) = self.unavailable(&step.command) {
                    not_run(&step.command, &format!("{page}: {why}"));
                    break;
                }
                self.take(step);
                ran += 1;
            }
        }
        println!("{page}: {ran} commands");
    }

    fn unavailable(&self, command: &str) -> Option<String> {
        if let Some(program) = self.terminal.lacks(command) {
            assert!(
                OPTIONAL.contains(&program.as_str()),
                "{command}: there is no `{program}`"
            );
            return Some(format!("there is no `{program}` here"));
        }
        let modules = "examples/go/go.sum";
        let wanted = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(modules)).unwrap();
        let downloaded = fs::read(prepared().join("go.sum"));
        let uses_go = command.starts_with("go ") || command.starts_with("buf generate");
        if uses_go && downloaded.ok() != Some(wanted) {
            return Some("scripts/prepare-examples has not downloaded the Go modules".to_owned());
        }
        let packages = prepared().join("node/node_modules");
        (command.starts_with("node ") && !packages.exists())
            .then(|| "scripts/prepare-examples has not downloaded the packages of Node".to_owned())
    }

    fn take(&mut self, step: &Step) {
        let command = &step.command;
        if command.starts_with("pim-authz serve") {
            let serving = |line: &str| {
                let (_, address) = line.split_once("serving on ")?;
                Some(address.split_whitespace().next()?.to_owned())
            };
            if self.only_server.is_some() {
                self.servers.clear();
            }
            let (server, address) = self.terminal.watch(command, serving);
            match self.only_server {
                None => self
                    .terminal
                    .set("PIM_AUTHZ_SERVER", format!("http://{address}")),
                Some(page) => {
                    let host = page.split_once(':').unwrap().0;
                    let (_, port) = address.rsplit_once(':').unwrap();
                    self.terminal.replace(page, format!("{host}:{port}"));
                }
            }
            self.servers.push(server);
            return;
        }
        if command.starts_with("pim-authz watch") {
            let change = |line: &str| line.contains("user:demo").then_some(());
            self.terminal.watch(command, change);
            return;
        }
        let output = self.terminal.run(command);
        let printed = String::from_utf8_lossy(&output.stdout);
        let expected = i32::from(step.shown.starts_with("denied"));
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{command}: {output:?}"
        );
        if !step.shown.is_empty() {
            assert_eq!(difference(&step.shown, &printed), None, "{command}");
        }
        if command.starts_with("ghz") {
            let answered = printed.contains("[OK]") && !printed.contains("Error distribution");
            assert!(answered, "{command}: {printed}");
        }
    }
}

/// Runs the commands of a page in a demonstration that has just started.
fn follow_in_the_demonstration(page: &str) {
    let folder = data_dir();
    let demo = Demo::start(folder.path());
    let mut reader = Reader::new(&demo);
    reader
        .terminal
        .replace("import DIR", "import demo/default".to_owned());
    let found = reader
        .terminal
        .run(r#"export PATH="$PWD/target/demo:$PATH""#);
    assert!(found.status.success(), "{found:?}");
    reader.follow(page);
    drop(reader);
    demo.stop();
}

fn postgres_in(data_dir: &Path) -> EmbeddedPostgres {
    EmbeddedPostgres::start_blocking(&EmbeddedOptions {
        data_dir: Some(data_dir.to_owned()),
        durability: Durability::Forgetful,
        settings: Vec::new(),
    })
    .unwrap()
}

#[test]
fn readme_commands_work_as_written_and_in_order() {
    let (folder, elsewhere) = (data_dir(), data_dir());
    let postgres = postgres_in(elsewhere.path());
    let demo = Demo::start(folder.path());
    let mut reader = Reader::new(&demo);
    let url = postgres.loopback_url().expose_secret().to_owned();
    reader.terminal.replace("postgresql://owner@db/authz", url);
    reader.follow("README.md");
    drop(reader);
    demo.stop();
}

#[test]
fn callers_page_commands_work_as_written() {
    let (folder, elsewhere) = (data_dir(), data_dir());
    let postgres = postgres_in(elsewhere.path());
    let mut reader = Reader::alone(folder.path(), ADDRESS);
    let url = postgres.loopback_url().expose_secret().to_owned();
    let migrate = format!("pim-authz migrate --database-url '{url}'");
    let migrated = reader.terminal.run(&migrate);
    assert!(migrated.status.success(), "{migrated:?}");
    reader.terminal.replace("postgresql://owner@db/authz", url);
    reader.follow("docs/callers.md");
}

#[test]
fn tls_commands_for_callers_work_as_written() {
    let folder = data_dir();
    let mut reader = Reader::alone(folder.path(), "localhost:50051");
    reader.follow_from("docs/security.md", "## TLS for callers");
}

#[test]
fn api_page_commands_print_the_shown_output() {
    follow_in_the_demonstration("docs/api.md");
}

#[test]
fn import_page_commands_work_as_written() {
    follow_in_the_demonstration("docs/import.md");
}

#[test]
fn integration_page_commands_print_the_shown_output() {
    follow_in_the_demonstration("docs/integrate.md");
}

#[test]
fn examples_in_other_languages_print_the_shown_output() {
    follow_in_the_demonstration("examples/README.md");
}
