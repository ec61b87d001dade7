use pim_authz::{
    cache::CacheSettings,
    pb::{self, Edition, import_catalog_request::Part, import_service_client::ImportServiceClient},
    server::Limits,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

use super::{PATIENCE, assert_overloaded, listed, others::Others, served, served_as_usual};
use crate::harness::{File, TestServer, file, header};

/// Imports that send only a header do not block another import (row 11).
#[tokio::test]
async fn idle_imports_with_only_a_header_block_no_import() {
    let server = served_as_usual().await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        let (parts, sent) = mpsc::channel(4);
        let header = Part::Header(header("acme", Edition::Enterprise));
        parts.send(header).await.unwrap();
        let messages =
            ReceiverStream::new(sent).map(|part| pb::ImportCatalogRequest { part: Some(part) });
        let mut client = ImportServiceClient::new(server.channel().await);
        let events = client.import_catalog(messages).await.unwrap();
        idle.push((parts, events));
    }
    let locales = [file("locales.csv", &["code", "en_US"])];
    let import = server.import("third", Edition::Growth, &locales);
    timeout(PATIENCE, import).await.unwrap();
}

/// Checks that an import of one file exceeds the memory of the calls under way.
async fn assert_import_overloaded(server: &TestServer, file: File) {
    let outcome = server
        .try_import(header("acme", Edition::Enterprise), &[file])
        .await;
    assert!(outcome.summary.is_none(), "{:?}", outcome.summary);
    assert_overloaded(&outcome.ended.unwrap_err());
}

/// The memory of an import is counted as its rows are read, and released at its
/// end (row 7).
#[tokio::test]
async fn memory_of_rows_kept_by_an_import_is_counted() {
    let limits = Limits {
        call_bytes: 32 << 20,
        ..Limits::default()
    };
    let server = served(limits, CacheSettings::default().bytes).await;
    let others = Others::start(&server).await;
    let users = |count: u32| {
        let rows = (0..count).map(|n| format!("user_{n}_of_a_big_company;"));
        listed("users.csv", "username;roles", rows)
    };
    for _ in 0..3 {
        assert_import_overloaded(&server, users(20_000)).await;
    }
    // Refused rows are kept in memory as well, and so are the names of
    // categories.
    let refused = (0..20_000).map(|n| format!("user_{n};;surplus"));
    assert_import_overloaded(&server, listed("users.csv", "username;roles", refused)).await;
    let names = (0..20_000).map(|n| format!("p{n};{n}_{}", "x".repeat(240)));
    assert_import_overloaded(&server, listed("products.csv", "sku;categories", names)).await;
    // Products are not kept, and the memory of refused imports was released.
    let products = listed("products.csv", "sku", (0..40_000).map(|n| format!("p{n}")));
    let files = [products, users(5_000)];
    server.import("acme", Edition::Enterprise, &files).await;
    others.were_all_answered().await;
}
