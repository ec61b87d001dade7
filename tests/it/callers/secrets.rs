use std::{fmt::Write as _, process::Stdio};

use pim_authz::pb::{self, authorization_service_client::AuthorizationServiceClient};
use tokio::process::Command;

use super::world::{EVERY_RIGHT, Key, World, call, everywhere};
use crate::harness::{Program, channel_to, terminate};

/// A program that logs everything, at level `trace`.
fn with_full_log(world: &World) -> Command {
    let mut command = Program::command(&world.open.database);
    command
        .env("RUST_LOG", "trace")
        .env("PIM_AUTHZ_CREDENTIALS", "required");
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_logged_or_returned() {
    let world = World::start().await;
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let withdrawn = world.key("shop").await;
    world.withdraw(&withdrawn).await;
    let mut program = Program::spawn(&mut with_full_log(&world));
    let address = program.address().await;
    let (mut child, log) = program.with_log();
    let channel = channel_to(address).await;
    let create = "/pim.authz.v1.CallerService/CreateCallerKey";
    let request = || {
        use prost::Message as _;
        pb::CreateCallerKeyRequest {
            caller: "shop".into(),
            ..Default::default()
        }
        .encode_to_vec()
    };
    call(&channel, create, request(), &key.header())
        .await
        .unwrap();
    let mut answers = String::new();
    for header in [
        withdrawn.header(),
        vec![key.key.clone()],
        vec![format!("Bearer {}x", key.key)],
        [key.header(), key.header()].concat(),
    ] {
        let status = call(&channel, create, request(), &header).await;
        write!(answers, "{:?}", status.unwrap_err()).unwrap();
    }
    let status = "/pim.authz.v1.OperationsService/GetStatus";
    call(&channel, status, Vec::new(), &key.header())
        .await
        .unwrap();
    drop(channel);
    assert_eq!(terminate(&mut child).await, Some(0));
    let log = log.await.unwrap().join("\n");
    assert!(log.contains("a call has ended"), "{log}");
    let refused = "calls were refused because their caller is unknown (1 since";
    assert_eq!(log.matches(refused).count(), 1, "once a minute: {log}");
    for secret in [&key.key, &withdrawn.key] {
        let secret = &secret[26..];
        assert!(!log.contains(secret) && !answers.contains(secret));
    }
    // No line contains text in the form of a key, which the key that was
    // created would have.
    for line in log.lines() {
        let has_one = line
            .split("pimauthz_")
            .skip(1)
            .any(|rest| rest.len() > 60 && rest.as_bytes().get(16) == Some(&b'_'));
        assert!(!has_one, "{line}");
    }
}

/// The shell of an operator of a guarded server, with a key in a file.
struct Shell {
    world: World,
    operator: Key,
    home: tempfile::TempDir,
}

impl Shell {
    async fn open() -> Self {
        let world = World::start().await;
        let operator = world.caller(everywhere("operator", &EVERY_RIGHT)).await;
        let shell = Self {
            world,
            home: tempfile::tempdir().unwrap(),
            operator,
        };
        shell.keep(&format!("{}\n", shell.operator.key));
        shell
    }

    fn keep(&self, token: &str) {
        std::fs::write(self.home.path().join("token"), token).unwrap();
    }

    /// Runs a command that must exit with this status, and returns its output.
    async fn run(&self, line: &str, status: i32) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pim-authz"));
        let output = command
            .args(line.split(' '))
            .env(
                "PIM_AUTHZ_SERVER",
                format!("http://{}", self.world.guarded.address),
            )
            .env("PIM_AUTHZ_TENANT", "acme")
            .env("PIM_AUTHZ_TOKEN_FILE", self.home.path().join("token"))
            .env("USER", "julia")
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(status), "{line}: {out}{err}");
        let secret = &self.operator.key[26..];
        assert!(!format!("{out}{err}").contains(secret), "{line}");
        (out, err)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_send_key_from_file_and_never_print_it() {
    let shell = Shell::open().await;
    for line in [
        "check user:julia view product:hat",
        "caller put shop --tenants acme,later --rights check,list --san shop.example",
        "caller list",
        "status",
        "tenant list",
        "changes",
        "changes --callers",
        "audit verify --callers --facts",
        "list-allowed user:julia view product --all",
        "caller delete shop --dry-run",
    ] {
        shell.run(line, 0).await;
    }
    let (listed, _) = shell.run("caller list --output json", 0).await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let shop = &listed["callers"][1];
    assert_eq!(shop["name"], "shop");
    assert_eq!(shop["rights"], serde_json::json!(["check", "list"]));
    assert_eq!(shop["tenants"], serde_json::json!(["acme", "later"]));
    shell.run("caller delete shop", 0).await;
    let (_, stderr) = shell.run("caller put x --rights rule", 2).await;
    let allowed = "check, list, administer, audit, operate";
    assert!(stderr.contains(allowed), "{stderr}");
    // Without a key in the file.
    shell.keep("");
    let (_, stderr) = shell.run("status", 2).await;
    assert!(stderr.contains("--token-file"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_create_prints_only_the_key_to_stdout() {
    let shell = Shell::open().await;
    shell.world.put(everywhere("shop", &EVERY_RIGHT)).await;
    let create = "caller key create shop --valid-days 30";
    let (printed, stderr) = shell.run(create, 0).await;
    let (id, secret) = (&printed[9..25], &printed[26..76]);
    assert_eq!(printed, format!("pimauthz_{id}_{secret}\n"));
    assert!(stderr.contains(id) && !stderr.contains(secret), "{stderr}");
    let key = Key {
        id: id.to_owned(),
        key: printed.trim().to_owned(),
    };
    let mut client = AuthorizationServiceClient::new(key.line(&shell.world.guarded).await);
    let request = pb::ListActionsRequest {
        tenant: "acme".into(),
        subject: crate::harness::user("julia"),
        ..Default::default()
    };
    client.list_actions(request.clone()).await.unwrap();
    shell.run(&format!("caller key delete {id}"), 0).await;
    client.list_actions(request).await.unwrap_err();
}
