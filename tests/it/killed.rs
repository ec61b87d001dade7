//! The server process, killed in the middle of an import.

use pim_authz::pb::{
    self, Edition, import_catalog_request::Part, import_service_client::ImportServiceClient,
};
use tokio::{process::Child, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::harness::{
    Database, File, Program, TestServer, channel_to, file, header, parts, product, user, words,
};

/// The program, and a connection to it.
async fn start(database: &Database) -> (Child, Channel) {
    let mut program = Program::spawn(&mut Program::command(database));
    let address = program.address().await;
    // The log is read, so that later log lines do not block the program.
    let (child, _log) = program.with_log();
    (child, channel_to(address).await)
}

fn company() -> Vec<File> {
    vec![
        file("users.csv", &["username;roles", "julia;"]),
        file("products.csv", &["sku;categories", "first;"]),
    ]
}

fn many_products() -> Vec<File> {
    let rows: Vec<String> = (0..20_000).map(|number| format!("hat_{number};")).collect();
    let rows = std::iter::once("sku;categories").chain(rows.iter().map(String::as_str));
    vec![
        file("categories.csv", &["code;parent", "master;"]),
        file("products.csv", &rows.collect::<Vec<_>>()),
    ]
}

/// Checks that nothing of the second import was stored and that it can be
/// repeated.
async fn assert_import_stored_nothing(database: Database) {
    let server = TestServer::start_on(database).await;
    let view = |code: &str| pb::CheckRequest {
        subject: user("julia"),
        action: "view".into(),
        resource: product(code),
        ..Default::default()
    };
    let mut client = server.client().await;
    let first = client.check(view("first")).await.unwrap().into_inner();
    assert_eq!((first.allowed, first.revision), (true, 1));
    for code in ["hat_0", "hat_19999"] {
        let answer = client.check(view(code)).await.unwrap().into_inner();
        let decision = words::decision_text(&words::decision(&answer));
        assert_eq!(decision, "denied at none: resource_unknown");
    }
    let again = server
        .import("default", Edition::Unspecified, &many_products())
        .await;
    assert_eq!(again.revision, 2);
    let products = again.files.iter().find(|file| file.file == "products.csv");
    assert_eq!(products.unwrap().created, 20_000);
}

async fn database_with_a_company() -> Database {
    let mut server = TestServer::start().await;
    server.import("default", Edition::Growth, &company()).await;
    server.begin_stop();
    server.ended_with_its_database().await
}

#[tokio::test]
async fn import_killed_while_reading_stores_nothing() {
    let database = database_with_a_company().await;
    let (mut program, channel) = start(&database).await;
    let (sender, receiver) = mpsc::channel(4);
    let sending = tokio::spawn(async move {
        for part in parts(header("default", Edition::Unspecified), &many_products()) {
            let part = Some(part);
            // The program may be dead already.
            if sender
                .send(pb::ImportCatalogRequest { part })
                .await
                .is_err()
            {
                return None;
            }
        }
        // Keeps the request stream open, so that the import is not complete.
        Some(sender)
    });
    let mut client = ImportServiceClient::new(channel);
    let events = client.import_catalog(ReceiverStream::new(receiver)).await;
    let mut events = events.unwrap().into_inner();
    while let Some(event) = events.message().await.unwrap() {
        let Some(pb::import_catalog_response::Event::Progress(progress)) = event.event else {
            panic!("{event:?}");
        };
        if progress.file == "products.csv" && progress.rows > 10_000 {
            break;
        }
    }
    program.kill().await.unwrap();
    let _still_sending = sending.await.unwrap();
    assert_import_stored_nothing(database).await;
}

#[tokio::test]
async fn import_killed_before_commit_stores_nothing() {
    let database = database_with_a_company().await;
    let (mut program, channel) = start(&database).await;
    // The last statement of a write waits for this lock.
    let (holder, connection) = database.connect().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE pim_authz.commit_log IN EXCLUSIVE MODE")
        .await
        .unwrap();
    let importing = tokio::spawn(async move {
        let parts = parts(header("default", Edition::Unspecified), &many_products());
        let parts: Vec<pb::ImportCatalogRequest> = parts.into_iter().map(request).collect();
        let mut client = ImportServiceClient::new(channel);
        let mut events = client
            .import_catalog(tokio_stream::iter(parts))
            .await
            .unwrap()
            .into_inner();
        while let Ok(Some(event)) = events.message().await {
            assert!(!is_summary(&event), "the import waits for the lock");
        }
    });
    database.somebody_waits_for_a_lock(&holder).await;
    program.kill().await.unwrap();
    importing.await.unwrap();
    holder.batch_execute("ROLLBACK").await.unwrap();
    drop(holder);
    connection.await.unwrap().unwrap();
    assert_import_stored_nothing(database).await;
}

fn request(part: Part) -> pb::ImportCatalogRequest {
    pb::ImportCatalogRequest { part: Some(part) }
}

fn is_summary(event: &pb::ImportCatalogResponse) -> bool {
    use pb::import_catalog_response::Event;
    matches!(event.event, Some(Event::Summary(_)))
}
