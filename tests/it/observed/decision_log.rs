//! The decision log: which decisions it contains, and the fields of each.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Value, json};

use super::{Program, Watched, terminate};
use crate::harness::{Database, TestServer};

/// The log lines of a server with these settings for three decisions: two that
/// allow, and one denial.
async fn logged(settings: &[(&str, &str)]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("decisions.jsonl");
    let watched = Watched::start(|command| {
        command.env("PIM_AUTHZ_DECISION_LOG", &file);
        command.envs(settings.iter().copied());
    })
    .await;
    for subject in ["secret-julia", "nobody", "secret-julia"] {
        watched.check(subject, 0).await.unwrap();
    }
    // The log is complete once the server has ended.
    let mut child = watched.program.without_log_reader();
    assert_eq!(terminate(&mut child).await, Some(0));
    lines_of(&file)
}

fn lines_of(file: &Path) -> Vec<Value> {
    let mode = fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner reads it");
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn every_decision_is_logged() {
    let mut lines = logged(&[]).await;
    assert_eq!(lines.len(), 3);
    let denied = lines[1].as_object_mut().unwrap();
    let time = denied.remove("time").unwrap();
    assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    assert_eq!(
        lines[1],
        json!({
            "tenant": "secret-tenant",
            "subject": "user:nobody",
            "action": "view",
            "resource": "product:secret-hat",
            "allowed": false,
            "level": "none",
            "reason": "subject_unknown",
            "why": "The tenant has no such subject.",
            "revision": 1,
        })
    );
    assert_eq!(lines[0]["allowed"], true);
    assert_eq!(lines[0]["level"], "own");
}

#[tokio::test]
async fn questions_over_http_are_logged_like_others() {
    use pim_authz::server::{DecisionLogSettings, LoggedDecisions};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("decisions.jsonl");
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.observation.decisions = Some(DecisionLogSettings {
        file: file.clone(),
        of: LoggedDecisions::All,
        share: 1.0,
    });
    let mut server = TestServer::start_with(config, database).await;
    let files = [crate::harness::file(
        "users.csv",
        &["username;roles", "julia;"],
    )];
    server
        .import("acme", pim_authz::pb::Edition::Growth, &files)
        .await;
    let evaluation = json!({
        "subject": {"type": "user", "id": "julia"},
        "action": {"name": "view"},
        "resource": {"type": "product", "id": "hat"},
    });
    let check = json!({
        "tenant": "acme",
        "subject": {"type": "user", "id": "julia"},
        "action": "view",
        "resource": {"type": "product", "id": "hat"},
    });
    let client = server.http();
    let paths = ["evaluation", "evaluations"];
    for path in paths.map(|path| format!("/tenants/acme/access/v1/{path}")) {
        client.post(&path, &evaluation).await.ok();
    }
    let path = "/pim.authz.v1.AuthorizationService/Check";
    client.post(path, &check).await.ok();
    drop(client);
    server.begin_stop();
    server.ended().await.unwrap();
    let mut lines = lines_of(&file);
    assert_eq!(lines.len(), 3);
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("time");
    }
    assert_eq!(lines[0], lines[1]);
    assert_eq!(lines[1], lines[2]);
    assert_eq!(lines[0]["subject"], "user:julia");
}

#[tokio::test]
async fn only_denials_are_logged_when_configured() {
    let lines = logged(&[("PIM_AUTHZ_DECISION_LOG_ONLY", "denials")]).await;
    let subjects: Vec<&Value> = lines.iter().map(|line| &line["subject"]).collect();
    assert_eq!(subjects, ["user:nobody"]);
}

#[tokio::test]
async fn configured_share_of_decisions_is_logged() {
    let lines = logged(&[("PIM_AUTHZ_DECISION_LOG_SHARE", "0.5")]).await;
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn unwritable_decision_log_fails_startup() {
    let database = Database::create().await;
    let mut command = Program::command(&database);
    let output = command
        .env("PIM_AUTHZ_DECISION_LOG", "/no/such/place")
        .output();
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("`/no/such/place` of --decision-log"),
        "{stderr}"
    );
}
