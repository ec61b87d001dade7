//! The program as a user runs it: the demonstration from start to end, and the
//! output and exit status of the client commands.
#![expect(clippy::unwrap_used, reason = "the harness of these tests")]

#[path = "support/demonstration.rs"]
mod demonstration;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use self::demonstration::{Demo, data_dir, program};

fn run(demo: &Demo, line: &str) -> Output {
    program()
        .args(line.split(' '))
        .args(["--server", &demo.address])
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

/// Returns the questions and answers, without grpcurl's lines, which name a port.
fn answers(printed: &[String]) -> String {
    let lines = printed.iter().map(|line| line.trim());
    let lines = lines.filter(|line| line.starts_with("pim-authz check") || line.starts_with("->"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn demonstration_answers_worked_examples_and_restarts() {
    let folder = data_dir();
    let demo = Demo::start(folder.path());
    insta::assert_snapshot!("demonstration", answers(&demo.printed));

    let cases = [
        ("check user:julia edit product:SS-SP32FWB", 0),
        ("check user:elise view product:SS-SP32FWB", 1),
        (
            "check user:elise view product:SS-SP32FWB --tenant nowhere",
            2,
        ),
        (
            "explain user:elise view product:SS-SP32FWB --output json",
            1,
        ),
        ("list-actions app:translator product:hat", 0),
        ("check user:elise fly product:SS-SP32FWB", 2),
        ("list-actions user:marco", 0),
        ("import demo/default", 0),
    ];
    for (line, status) in cases {
        let output = run(&demo, line);
        assert_eq!(output.status.code(), Some(status), "{line}: {output:?}");
    }
    assert_category_remedy_excludes_sub_categories(&demo);
    assert_lists_agree(&demo);
    assert_administration_commands_work(&demo);
    let first = demo.stop();

    let again = Demo::start(folder.path());
    let loaded = |printed: &[String]| {
        printed
            .iter()
            .filter(|l| l.contains(": 0 created, 0 ch"))
            .count()
    };
    assert_eq!((loaded(&first), loaded(&again.printed)), (0, 2));
    assert_eq!(answers(&again.stop()), answers(&first));
}

/// A remedy can be granted as `explain` prints it (rules 8.2).
fn assert_category_remedy_excludes_sub_categories(demo: &Demo) {
    let line = "explain user:elise view product:SS-SP32FWB";
    let output_of = |line: &str| String::from_utf8(run(demo, line).stdout).unwrap();
    let drawn = output_of(line);
    assert!(
        drawn.contains("on category `audio_video`, its sub-categories aside"),
        "{drawn}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&output_of(&format!("{line} --output json"))).unwrap();
    let alone = json.pointer("/remedies/0/access/apply_to_children");
    assert_eq!(alone, Some(&serde_json::Value::Bool(false)), "{json}");
}

/// The list commands: a page, all pages and a stream return the same, and agree with
/// the decisions of checks.
fn assert_lists_agree(demo: &Demo) {
    let output_of = |line: &str| {
        let output = run(demo, line);
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        let lines = |bytes| String::from_utf8(bytes).unwrap();
        (lines(output.stdout), lines(output.stderr))
    };
    let list = "list-allowed user:julia edit product";
    let (table, _) = output_of(list);
    assert!(table.contains("SS-SP32FWB"), "{table}");
    let (all, closing) = output_of(&format!("{list} --all --ids-only"));
    let all: Vec<&str> = all.lines().collect();
    assert!(closing.contains(&all.len().to_string()), "{closing}");
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let (page, _) = output_of(&format!("{list} --page-size 7 --output json{token}"));
        let page: serde_json::Value = serde_json::from_str(&page).unwrap();
        let resources = page.get("resources").unwrap().as_array().unwrap().iter();
        let ids = resources.map(|resource| resource.get("id").unwrap().as_str().unwrap());
        pages.extend(ids.map(str::to_owned));
        match page.get("next_page_token").and_then(|token| token.as_str()) {
            Some(next) if !next.is_empty() => token = format!(" --page-token {next}"),
            _ => break,
        }
    }
    assert_eq!(pages, all);
    let (elises, _) = output_of("list-allowed user:elise view product --all --ids-only");
    assert!(elises.lines().all(|code| code != "SS-SP32FWB"), "{elises}");
    let (nothing, _) = output_of("list-allowed user:julia view product --id nowhere");
    assert!(nothing.contains("no resources"), "{nothing}");
    let (subjects, _) = output_of("list-subjects edit product:SS-SP32FWB --all");
    assert!(
        subjects.lines().any(|line| line == "user:julia"),
        "{subjects}"
    );
    assert!(
        subjects.lines().all(|line| line != "user:elise"),
        "{subjects}"
    );
    let (filter, _) = output_of("access-filter user:julia edit product --output json");
    let filter: serde_json::Value = serde_json::from_str(&filter).unwrap();
    assert!(filter.get("scope").unwrap().is_string(), "{filter}");
    for line in [
        "access-filter user:julia edit channel",
        "list-allowed user:julia fly product",
        "list-allowed user:julia edit product --page-token forged",
        "list-allowed user:julia edit product --all --tenant nowhere",
        "list-subjects fly product:SS-SP32FWB",
    ] {
        let output = run(demo, line);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
    }
}

/// Administration commands: the line, the exit status, and a part of the output.
const ADMINISTRATION: &[(&str, i32, &str)] = &[
    (
        "tenant create --edition enterprise --actor user:admin",
        0,
        "2 created",
    ),
    ("tenant create --edition enterprise", 2, "exists already"),
    ("import demo/default", 0, "imported at revision 2"),
    ("tenant get", 0, "enterprise"),
    ("tenant list", 0, "community"),
    (
        "role put painter --permissions product.create,product.list",
        0,
        "1 created",
    ),
    ("role list painter", 0, "product.create"),
    ("group put painters --label Painters", 0, "1 created"),
    ("group list painters", 0, "Painters"),
    (
        "user put paula --roles painter --groups painters",
        0,
        "1 created",
    ),
    ("user put paula --roles painter", 0, "nothing changed"),
    ("user list paula --output json", 0, "\"painters\""),
    ("user put paula --roles nobody", 2, "ROLE_NOT_FOUND"),
    ("connection put shelf --enabled false", 0, "1 created"),
    ("connection list", 0, "shelf"),
    (
        "grant painters category:audio_video own --dry-run",
        0,
        "user group `painters`",
    ),
    ("grant painters category:audio_video own", 0, "created"),
    ("grant painters category:audio_video dance", 2, "no level"),
    (
        "grant painters locale:en_US own",
        2,
        "item of type `locale`",
    ),
    ("access category:audio_video", 0, "painters"),
    ("access --group painters", 0, "category:audio_video"),
    ("access --subject user:paula", 0, "product.create"),
    ("access --subject user:nobody", 0, "unknown"),
    (
        "access --subject user:paula --output json",
        0,
        "\"through\"",
    ),
    ("revoke painters category:audio_video edit", 0, "changed"),
    (
        "app connect erp_app --scopes read_products,fly --right trees.view=* --actor user:admin",
        0,
        "fly",
    ),
    (
        "app connect other --scopes read_products --right trees.own=* --actor user:admin",
        2,
        "read-only",
    ),
    (
        "app connect other --scopes read_products --actor user:paula",
        2,
        "ACTOR_NOT_PERMITTED",
    ),
    ("app list", 0, "erp_app"),
    (
        "app scopes erp_app --scopes read_products,write_products",
        2,
        "STEP_OUT_OF_ORDER",
    ),
    ("app disconnect erp_app", 0, "removed"),
    ("group delete painters", 2, "USER_GROUP_IN_USE"),
    ("group delete painters --cascade", 0, "removed"),
    ("user delete paula", 0, "1 removed"),
    ("import demo/default --prune-all --dry-run", 0, "removed"),
    ("changes --actor user:admin", 0, "tenant.created"),
    (
        "changes --item category:audio_video --output json",
        0,
        "access_right.changed",
    ),
    ("audit verify", 0, "intact"),
    ("audit verify --facts", 0, "is what the log says"),
    ("status", 0, "lease remaining"),
    ("status --output json", 0, "\"servers\": 1"),
    ("maintenance end maintenance/0", 2, "no maintenance"),
    ("tenant update --edition growth", 0, "1 changed"),
    ("tenant delete --confirm shops", 2, "nothing was deleted"),
    ("tenant delete --confirm shop", 0, "removed"),
    ("tenant get", 2, "TENANT_NOT_FOUND"),
];

/// Runs the administration commands in a tenant of their own.
fn assert_administration_commands_work(demo: &Demo) {
    let run_in_shop = |line: &str| {
        let output = run(demo, &format!("{line} --tenant shop"));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let printed = text(output.stdout) + &text(output.stderr);
        (output.status.code().unwrap(), printed)
    };
    for &(line, status, expected) in ADMINISTRATION {
        let (found, printed) = run_in_shop(line);
        assert_eq!(found, status, "{line}: {printed}");
        assert!(printed.contains(expected), "{line}: {printed}");
    }
    let (began, printed) = run_in_shop("maintenance begin");
    let pass = printed.lines().next().unwrap().strip_prefix("begun: ");
    let (ended, over) = run_in_shop(&format!("maintenance end {}", pass.unwrap()));
    assert_eq!((began, ended), (0, 0), "{printed} {over}");
    assert!(over.contains("ended: maintenance/"), "{over}");
}

#[test]
fn unreachable_server_ends_client_with_status_2() {
    let output = program()
        .args(["check", "user:julia", "view", "product:hat"])
        .args(["--server", "127.0.0.1:1"])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot reach the server"), "{stderr}");
}

#[test]
fn completions_are_printed() {
    let output = program().args(["completions", "bash"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("pim-authz")
    );
}

#[test]
fn unwritable_output_never_causes_a_panic() {
    let unreachable = "check user:julia view product:hat --server 127.0.0.1:1";
    let cases = [
        // command line            unwritable stream        status
        ("completions bash", Stream::Output, 2),
        (unreachable, Stream::Errors, 2),
        ("check", Stream::Errors, 2),
        ("serve --listen nowhere", Stream::Errors, 2),
        (
            "serve --database-url postgresql://nobody@127.0.0.1:1/none",
            Stream::Errors,
            2,
        ),
        (
            "migrate --database-url postgresql://nobody@127.0.0.1:1/none",
            Stream::Errors,
            2,
        ),
        ("migrate", Stream::Errors, 2),
    ];
    for (line, stream, status) in cases {
        let full = || {
            std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap()
        };
        let mut command = program();
        command.args(line.split(' '));
        match stream {
            Stream::Output => command.stdout(full()),
            Stream::Errors => command.stderr(full()),
        };
        assert_eq!(command.status().unwrap().code(), Some(status), "{line}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (status, closed) = match stream {
            // A reader may close the output early; this is not an error.
            Stream::Output => (0, command.stdout(writer)),
            Stream::Errors => (status, command.stderr(writer)),
        };
        assert_eq!(closed.status().unwrap().code(), Some(status), "{line}");
    }
}

/// The stream of the program that cannot be written.
#[derive(Clone, Copy)]
enum Stream {
    Output,
    Errors,
}

/// A running `pim-authz serve` on a private PostgreSQL.
struct Served {
    process: Child,
    log: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Served {
    fn start(data_dir: &Path) -> Self {
        let mut command = program();
        Self::spawn(command.args(["serve", "--listen", "127.0.0.1:0"]), data_dir)
    }

    fn spawn(command: &mut Command, data_dir: &Path) -> Self {
        let mut process = command
            .arg("--data-dir")
            .arg(data_dir)
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { process, log }
    }

    /// Reads the log up to a line that holds `text`, and returns what follows
    /// `text` up to the next space.
    fn logged(&mut self, text: &str) -> String {
        let found = self.log.by_ref().map(Result::unwrap).find_map(|line| {
            let (_, rest) = line.split_once(text)?;
            Some(rest.split(' ').next().unwrap_or_default().to_owned())
        });
        assert!(found.is_some(), "the log ended without `{text}`");
        found.unwrap()
    }
}

impl Served {
    fn serves_and_stops(mut self) {
        self.logged("serving on ");
        self.stop();
    }

    fn stop(&mut self) {
        let id = i32::try_from(self.process.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn killed_private_postgresql_is_restarted() {
    let folder = data_dir();
    let mut served = Served::start(folder.path());
    let postgres: i32 = served.logged("postgres.process_id=").parse().unwrap();
    let address = served.logged("serving on ");
    kill_process(Pid::from_raw(postgres).unwrap(), Signal::KILL).unwrap();
    served.logged("the private PostgreSQL runs again");
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let output = program()
            .args(["check", "user:julia", "view", "product:hat", "--server"])
            .arg(&address)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        if stderr.contains("TENANT_NOT_FOUND") {
            break;
        }
        assert!(stderr.contains("UNAVAILABLE"), "{stderr}");
        assert!(Instant::now() < deadline, "{stderr}");
    }
    served.stop();
}

#[test]
fn server_exits_when_private_postgresql_cannot_restart() {
    let folder = data_dir();
    let mut served = Served::start(folder.path());
    let postgres: i32 = served.logged("postgres.process_id=").parse().unwrap();
    served.logged("serving on ");
    let cluster = folder.path().join("postgres/cluster");
    fs::rename(&cluster, cluster.with_extension("elsewhere")).unwrap();
    kill_process(Pid::from_raw(postgres).unwrap(), Signal::KILL).unwrap();
    served.logged("the private PostgreSQL ended");
    served.logged("error: PostgreSQL did not start");
    assert_eq!(served.process.wait().unwrap().code(), Some(2));
}

#[test]
fn empty_environment_variables_are_treated_as_unset() {
    let check_with = |variables: &[(&str, &str)]| {
        let mut command = program();
        command.args(["check", "user:julia", "view", "product:hat"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let unreachable = ("PIM_AUTHZ_SERVER", "127.0.0.1:1");
    let json = check_with(&[unreachable, ("PIM_AUTHZ_OUTPUT", "json")]);
    assert!(json.1.starts_with('{'), "{json:?}");
    let empty = check_with(&[
        unreachable,
        ("PIM_AUTHZ_OUTPUT", ""),
        ("PIM_AUTHZ_TENANT", ""),
    ]);
    assert_eq!(empty, (Some(2), String::new()), "a table, of an error");

    let folder = data_dir();
    let mut command = program();
    let variables = [
        "PIM_AUTHZ_DATABASE_URL",
        "PIM_AUTHZ_DEFAULT_TENANT",
        "PIM_AUTHZ_MIGRATE",
        "PIM_AUTHZ_CACHE",
        "PIM_AUTHZ_LEASE_MS",
        "PIM_AUTHZ_WAIT_FOR_DATABASE",
        "PIM_AUTHZ_DRAIN_SECONDS",
        "RUST_LOG",
    ];
    command.envs(variables.map(|name| (name, "")));
    let served = Served::spawn(
        command.args(["serve", "--listen", "localhost:0"]),
        folder.path(),
    );
    served.serves_and_stops();
}

#[test]
fn server_listens_on_a_host_name() {
    let folder = data_dir();
    let mut served = Served::spawn(
        program().args(["serve", "--listen", "localhost:0"]),
        folder.path(),
    );
    let address = served.logged("listening on ");
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    served.serves_and_stops();

    let mut command = program();
    command.args(["serve", "--listen", "no-such-host.invalid:1", "--data-dir"]);
    let output = command.arg(folder.path()).stderr(Stdio::piped());
    let output = output.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("`no-such-host.invalid` has no address"),
        "{stderr}"
    );
}
