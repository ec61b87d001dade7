use std::{path::Path, process::Output};

use pim_authz::server::TlsFiles;
use tokio::process::Command;

use super::{Keys, put_caller};
use crate::harness::{
    Database, Program,
    certificates::{Authority, named, write},
};

/// Runs `pim-authz tenant list` with options that name files in a folder.
async fn list_tenants(folder: &Path, server: &str, options: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pim-authz"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PIM_AUTHZ_") {
            command.env_remove(name);
        }
    }
    command
        .args(["tenant", "list", "--server", server])
        .args(options.split_whitespace())
        .current_dir(folder)
        .output()
        .await
        .unwrap()
}

/// Keys with pairs for callers: `known`, signed by `client-ca.crt`, and
/// `strange`, signed by another CA; `text` is not a TLS file.
fn keys_of_callers() -> Keys {
    let keys = Keys::new();
    let callers = Authority::new("a CA of callers");
    write(keys.folder(), "client-ca.crt", &callers.pem());
    let params = named(&["me"], "me");
    callers.issue(&params).write(keys.folder(), "known");
    let stranger = Authority::new("another CA");
    stranger.issue(&params).write(keys.folder(), "strange");
    write(keys.folder(), "text", "hello");
    keys
}

#[tokio::test]
async fn command_line_verifies_the_server_and_presents_its_certificate() {
    const CA: &str = "--tls-ca ca.crt";
    let keys = keys_of_callers();
    let server = keys
        .serve(TlsFiles {
            client_ca: Some(keys.folder().join("client-ca.crt")),
            ..keys.files()
        })
        .await;
    put_caller(keys.channel_to(server.address).await, "me").await;
    let address = format!("localhost:{}", server.address.port());
    let secured = format!("https://{address}");
    let by_number = format!("https://{}", server.address);
    let known = format!("{CA} --tls-cert known.crt --tls-key known.key");
    let strange = format!("{CA} --tls-cert strange.crt --tls-key strange.key");
    let mixed = format!("{CA} --tls-cert known.crt --tls-key strange.key");
    // Server, options, the expected error message.
    let cases = [
        (&secured, CA, None),
        (&address, CA, None),
        (&secured, &known, None),
        (&secured, &strange, Some("")),
        (&secured, &mixed, Some("`--tls-key`")),
        (&secured, "--tls-ca client-ca.crt", Some("`--tls-ca`")),
        (&by_number, CA, Some("not valid for")),
        (&secured, "--tls-ca text", Some("`--tls-ca` names the file")),
        (&secured, "--tls-cert known.crt", Some("--tls-key <FILE>")),
    ];
    for (server, options, fault) in cases {
        let output = list_tenants(keys.folder(), server, options).await;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.success(),
            fault.is_none(),
            "{options}: {stderr}"
        );
        assert!(
            stderr.contains(fault.unwrap_or_default()),
            "{options}: {stderr}"
        );
    }
}

#[tokio::test]
async fn unusable_tls_files_stop_the_start_and_are_named() {
    let keys = keys_of_callers();
    // Options, the expected error message.
    let cases = [
        (
            "--tls-cert none --tls-key tls.key",
            "`--tls-cert` names the file",
        ),
        (
            "--tls-cert tls.crt --tls-key text",
            "`--tls-key` names the file",
        ),
        (
            "--tls-cert tls.crt --tls-key known.key",
            "`--tls-cert` and `--tls-key` cannot be used together",
        ),
        (
            "--tls-cert tls.crt --tls-key tls.key --tls-client-ca text",
            "`--tls-client-ca` names the file",
        ),
        ("--tls-cert tls.crt", "--tls-key <FILE>"),
        ("--tls-client-ca ca.crt", "--tls-cert <FILE>"),
    ];
    let database = Database::create().await;
    for (options, expected) in cases {
        let mut command = Program::command(&database);
        command
            .args(options.split_whitespace())
            .current_dir(keys.folder());
        let output = command.output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected), "{options}: {stderr}");
    }
}
