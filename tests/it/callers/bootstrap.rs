use std::{path::Path, process::Stdio};

use pim_authz::{
    pb::{self, caller_service_client::CallerServiceClient},
    server::{self, bootstrap_caller},
};
use secrecy::ExposeSecret as _;
use tokio::process::Command;

use super::world::{Key, World, bootstrapping, everywhere, guarded, required};
use crate::harness::{Database, TestServer, refusal};

fn key_of(text: &str) -> Key {
    Key {
        id: text[9..25].to_owned(),
        key: text.trim().to_owned(),
    }
}

async fn names(server: &TestServer, key: &Key) -> Result<Vec<String>, tonic::Status> {
    let mut client = CallerServiceClient::new(key.line(server).await);
    let listed = client
        .list_callers(pb::ListCallersRequest::default())
        .await?;
    let callers = listed.into_inner().callers.into_iter();
    Ok(callers.map(|caller| caller.name).collect())
}

/// Runs the program with these arguments; returns its standard output and
/// standard error.
async fn printed(arguments: &[&str], database: Option<&Database>) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pim-authz"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(database) = database {
        command.env("PIM_AUTHZ_DATABASE_URL", database.url().expose_secret());
    }
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_file_creates_the_first_caller_only_once() {
    let home = tempfile::tempdir().unwrap();
    let (file, other) = (home.path().join("key"), home.path().join("other"));
    for file in [&file, &other] {
        let (key, _) = printed(&["caller", "new-key"], None).await;
        std::fs::write(file, key).unwrap();
    }
    let read = |file| key_of(&std::fs::read_to_string(file).unwrap());
    let (key, later) = (read(&file), read(&other));
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.callers = bootstrapping(file);
    let first = TestServer::start_with(config.clone(), database.clone()).await;
    assert_eq!(names(&first, &key).await.unwrap(), ["bootstrap"]);
    // Starts again with the same file, then with another one.
    let again = TestServer::start_with(config.clone(), database.clone()).await;
    assert_eq!(names(&again, &key).await.unwrap(), ["bootstrap"]);
    config.callers = bootstrapping(other);
    let third = TestServer::start_with(config, database).await;
    let status = names(&third, &later).await.unwrap_err();
    assert_eq!(refusal(&status).1, "CALLER_UNKNOWN");
    assert_eq!(names(&third, &key).await.unwrap(), ["bootstrap"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bootstrap_command_creates_first_caller_that_running_servers_accept() {
    let database = Database::create().await;
    let server = guarded(&database).await;
    // Makes the server cache that there is no caller.
    let unknown = key_of(&printed(&["caller", "new-key"], None).await.0);
    assert!(names(&server, &unknown).await.is_err());
    let (printed_key, log) = printed(&["caller", "bootstrap"], Some(&database)).await;
    let key = key_of(&printed_key);
    assert_eq!(names(&server, &key).await.unwrap(), ["bootstrap"]);
    assert!(!log.contains(&key.key[26..]), "{log}");
    let (again, _) = printed(&["caller", "bootstrap"], Some(&database)).await;
    assert!(again.contains("nothing changed"), "{again}");
    assert_eq!(names(&server, &key).await.unwrap(), ["bootstrap"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_url_of_the_database_is_read_from_a_file() {
    let database = Database::create().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("url");
    std::fs::write(&file, format!("{}\n", database.url().expose_secret())).unwrap();
    let of_file = |file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pim-authz"));
        command
            .args(["caller", "bootstrap", "--database-url-file"])
            .arg(file)
            .env_remove("PIM_AUTHZ_DATABASE_URL");
        command
    };
    let output = of_file(&file).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let key = key_of(&String::from_utf8(output.stdout).unwrap());
    let server = guarded(&database).await;
    assert_eq!(names(&server, &key).await.unwrap(), ["bootstrap"]);
    let missing = of_file(&home.path().join("none")).output().await.unwrap();
    let stderr = String::from_utf8(missing.stderr).unwrap();
    assert_eq!(missing.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("--database-url-file cannot be read"),
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_concurrent_bootstraps_creates_the_first_caller() {
    let database = Database::create().await;
    let server = guarded(&database).await;
    let tries = (0..3).map(|_| bootstrap_caller(database.url()));
    let made = futures_util::future::join_all(tries).await;
    let keys: Vec<Key> = made
        .into_iter()
        .filter_map(Result::unwrap)
        .map(|key| key_of(key.expose_secret()))
        .collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(names(&server, &keys[0]).await.unwrap(), ["bootstrap"]);
}

#[tokio::test]
async fn bootstrap_creates_no_caller_where_callers_exist() {
    let world = World::start().await;
    world.put(everywhere("shop", &[])).await;
    let made = bootstrap_caller(world.open.database.url()).await.unwrap();
    assert!(made.is_none());
}

#[tokio::test]
async fn invalid_key_file_stops_the_start_and_is_not_printed() {
    let home = tempfile::tempdir().unwrap();
    let database = Database::create().await;
    for content in ["", "pimauthz_secret", "pimauthz_0123456789abcdef_secret\n"] {
        let file = home.path().join("key");
        std::fs::write(&file, content).unwrap();
        let mut config = TestServer::config(&database);
        config.callers = bootstrapping(file);
        let (ready, _) = tokio::sync::oneshot::channel();
        let refused = server::serve(config, std::future::pending(), ready).await;
        let message = format!("{:#}", anyhow::Error::from(refused.unwrap_err()));
        assert!(message.contains("--bootstrap-key-file"), "{message}");
        assert!(
            message.contains("new-key") && !message.contains("secret"),
            "{message}"
        );
    }
    let mut config = TestServer::config(&database);
    config.callers = bootstrapping(home.path().join("missing"));
    let (ready, _) = tokio::sync::oneshot::channel();
    let refused = server::serve(config, std::future::pending(), ready).await;
    assert!(refused.unwrap_err().to_string().contains("missing"));
}

#[tokio::test]
async fn public_address_requires_credentials_and_accepted_plaintext() {
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.listen = "0.0.0.0:0".parse().unwrap();
    let (ready, _) = tokio::sync::oneshot::channel();
    let refused = server::serve(config.clone(), std::future::pending(), ready).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("--insecure"), "{message}");
    config.callers.credentials = Some(server::Credentials::Optional);
    let (ready, _) = tokio::sync::oneshot::channel();
    let refused = server::serve(config.clone(), std::future::pending(), ready).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("--credentials optional"), "{message}");
    config.callers = required();
    config.callers.plaintext = server::Plaintext::Accepted;
    let server = TestServer::start_with(config, database).await;
    let nobody = key_of("pimauthz_0123456789abcdef_");
    assert!(names(&server, &nobody).await.is_err());
}
