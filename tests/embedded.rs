//! Sets up, starts, kills and restarts a real private PostgreSQL.
//!
//! Run as root these tests also cover the change to another user; run as any other
//! user they cover the case without it.
#![expect(clippy::unwrap_used, reason = "the harness of these tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use pim_authz::embedded::{Durability, EmbeddedError, EmbeddedOptions, EmbeddedPostgres};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Returns a data directory that PostgreSQL's user can enter.
fn data_dir() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn options(data_dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        data_dir: Some(data_dir.to_owned()),
        durability: Durability::Forgetful,
        settings: vec![("max_connections".to_owned(), "20".to_owned())],
    }
}

async fn start(data_dir: &Path) -> EmbeddedPostgres {
    EmbeddedPostgres::start(options(data_dir)).await.unwrap()
}

async fn query(url: &str, sql: &str) -> Result<String, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let row = client.query_one(sql, &[]).await;
    drop(client);
    connection.await.unwrap()?;
    row?.try_get(0)
}

fn signal(process_id: u32, signal: Signal) {
    let pid = Pid::from_raw(process_id.try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn is_gone(process_id: u32) -> bool {
    let pid = Pid::from_raw(process_id.try_into().unwrap()).unwrap();
    test_kill_process(pid).is_err()
}

#[tokio::test]
async fn data_survives_a_stop_and_a_crash() {
    let folder = data_dir();
    let first = start(folder.path()).await;
    let url = first.url().expose_secret().to_owned();
    let made =
        "SELECT current_setting('server_encoding') || ' ' || current_setting('max_connections')";
    assert_eq!(query(&url, made).await.unwrap(), "UTF8 20");
    execute(&url, "CREATE TABLE kept (word text)").await;
    let stopped = first.process_id();
    first.stop().await.unwrap();
    assert!(is_gone(stopped));

    let second = start(folder.path()).await;
    execute(
        second.loopback_url().expose_secret(),
        "INSERT INTO kept VALUES ('hat')",
    )
    .await;
    signal(second.process_id(), Signal::KILL);
    drop(second);

    let third = start(folder.path()).await;
    let word = query(third.url().expose_secret(), "SELECT word FROM kept").await;
    assert_eq!(word.unwrap(), "hat");
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn both_urls_need_a_password_only_the_owner_can_read() {
    let folder = data_dir();
    let postgres = start(folder.path()).await;
    let password_file = postgres.home().join("password");
    let password = fs::read_to_string(&password_file).unwrap();
    let mode = fs::metadata(&password_file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for url in [postgres.url(), postgres.loopback_url()] {
        let url = url.expose_secret();
        assert_eq!(
            query(url, "SELECT current_user::text").await.unwrap(),
            "postgres"
        );
        let wrong = url.replace(&password, "wrong");
        assert!(
            query(&wrong, "SELECT 'in'").await.is_err(),
            "no password required"
        );
    }
}

#[tokio::test]
async fn second_start_on_a_data_directory_in_use_is_rejected() {
    let folder = data_dir();
    let first = start(folder.path()).await;
    let second = EmbeddedPostgres::start(options(folder.path())).await;
    assert!(matches!(second, Err(EmbeddedError::InUse(_))), "{second:?}");
    drop(first);
    start(folder.path()).await;
}

/// The killed server is this test's own executable, run again with the data
/// directory in its environment.
#[tokio::test]
async fn postgresql_ends_with_killed_server_and_next_start_succeeds() {
    let folder = data_dir();
    for kill_watcher in [false, true] {
        let (mut server, process_id) = start_elsewhere(folder.path());
        if kill_watcher {
            signal(watcher_of(process_id), Signal::KILL);
        }
        server.kill().unwrap();
        server.wait().unwrap();
        if !kill_watcher {
            let deadline = Instant::now() + Duration::from_mins(1);
            while !is_gone_or_unreaped(process_id) {
                assert!(Instant::now() < deadline, "postgresql runs on");
                tokio::task::yield_now().await;
            }
        }
        let next = start(folder.path()).await;
        assert!(is_gone_or_unreaped(process_id));
        next.stop().await.unwrap();
    }
}

const PLAYED_IN: &str = "PIM_AUTHZ_TEST_SERVER_TO_KILL";

/// Not a test by itself: see [`start_elsewhere`].
#[test]
fn the_server_to_kill_starts_and_waits() {
    let Some(folder) = std::env::var_os(PLAYED_IN) else {
        return;
    };
    let postgres = EmbeddedPostgres::start_blocking(&options(Path::new(&folder))).unwrap();
    println!("process {}", postgres.process_id());
    std::thread::park();
}

fn start_elsewhere(folder: &Path) -> (std::process::Child, u32) {
    use std::io::{BufRead as _, BufReader};

    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_server_to_kill_starts_and_waits",
            "--nocapture",
        ])
        .env(PLAYED_IN, folder)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let process_id = lines
        .map(Result::unwrap)
        .find_map(|line| Some(line.split_once("process ")?.1.parse().unwrap()))
        .unwrap();
    (server, process_id)
}

/// Returns the watcher, the shell that was given PostgreSQL's process id.
fn watcher_of(process_id: u32) -> u32 {
    let ending = format!("pim-authz-watcher\0{process_id}\0");
    let processes = fs::read_dir("/proc").unwrap();
    let is_watcher = |process: &fs::DirEntry| {
        fs::read_to_string(process.path().join("cmdline")).is_ok_and(|line| line.ends_with(&ending))
    };
    let watcher = processes.map(Result::unwrap).find(is_watcher).unwrap();
    watcher.file_name().to_str().unwrap().parse().unwrap()
}

/// Returns whether a process has ended. An orphan may stay a zombie where no process
/// reaps orphans, as in containers.
fn is_gone_or_unreaped(process_id: u32) -> bool {
    is_gone(process_id)
        || fs::read_to_string(format!("/proc/{process_id}/stat"))
            .is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test]
async fn interrupted_set_up_is_removed_and_repeated() {
    let folder = data_dir();
    let half = folder.path().join("postgres/cluster.unfinished-before");
    start(folder.path()).await.stop().await.unwrap();
    fs::remove_dir_all(folder.path().join("postgres/cluster")).unwrap();
    fs::create_dir(&half).unwrap();
    fs::write(half.join("PG_VERSION"), "").unwrap();
    start(folder.path()).await;
    assert!(!half.exists());
}

#[tokio::test]
async fn stale_pid_file_of_another_process_does_not_prevent_start() {
    let folder = data_dir();
    let first = start(folder.path()).await;
    let file = first.home().join("cluster/postmaster.pid");
    let owned = fs::read_to_string(&file).unwrap();
    signal(first.process_id(), Signal::KILL);
    drop(first);
    let (_, rest) = owned.split_once('\n').unwrap();
    fs::write(&file, format!("{}\n{rest}", std::process::id())).unwrap();
    start(folder.path()).await;
}

#[tokio::test]
async fn error_names_the_folder_postgresqls_user_cannot_enter() {
    if !rustix::process::geteuid().is_root() {
        return; // only root changes to another user
    }
    let folder = data_dir();
    let closed = folder.path().join("closed");
    fs::create_dir_all(closed.join("inner")).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let error = EmbeddedPostgres::start(options(&closed.join("inner")))
        .await
        .unwrap_err();
    let EmbeddedError::Unreachable { folder: named, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(named, closed);
}

#[tokio::test]
async fn long_or_unusual_path_puts_the_socket_in_tmp() {
    let folder = data_dir();
    let odd = folder
        .path()
        .join(format!("a, \"b\" é {}", "x".repeat(120)));
    let postgres = start(&odd).await;
    assert_eq!(
        query(postgres.url().expose_secret(), "SELECT 'in'")
            .await
            .unwrap(),
        "in"
    );
    let socket = postgres
        .url()
        .expose_secret()
        .split_once("%2Ftmp%2Fpim-authz-")
        .is_some();
    assert!(socket);
    postgres.stop().await.unwrap();
}
