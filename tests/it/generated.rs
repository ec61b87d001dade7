//! Generated data sets: they are imported completely, and their reader users may
//! view products.

use std::fs;

use pim_authz::pb::{self, Edition};

use crate::{
    generator::{CatalogSize, Written, generate},
    harness::{File, TestServer, product, user},
};

fn made(size: &CatalogSize) -> (Written, Vec<File>) {
    let folder = tempfile::tempdir().unwrap();
    let written = generate(folder.path(), size).unwrap();
    let files = written.files.iter().map(|file| {
        let content = fs::read_to_string(folder.path().join(file.name)).unwrap();
        (file.name.to_owned(), content)
    });
    let files = files.collect();
    (written, files)
}

#[tokio::test]
async fn generated_data_set_imports_whole_and_reimport_changes_nothing() {
    let server = TestServer::start().await;
    let size = CatalogSize {
        products: 2_000,
        ..CatalogSize::default()
    };
    let (written, files) = made(&size);
    let summary = server.import("default", Edition::Enterprise, &files).await;
    assert_eq!(summary.refused_count, 0);
    let warnings: Vec<&String> = summary
        .files
        .iter()
        .flat_map(|file| &file.warnings)
        .collect();
    assert_eq!(warnings, Vec::<&String>::new());
    let mut rows: Vec<(&str, u64)> = written.files.iter().map(|f| (f.name, f.rows)).collect();
    rows.sort_unstable();
    let read: Vec<(&str, u64)> = summary
        .files
        .iter()
        .map(|f| (f.file.as_str(), f.rows))
        .collect();
    assert_eq!(read, rows);

    let again = server.import("default", Edition::Enterprise, &files).await;
    let effect = again.effect.unwrap();
    assert_eq!((effect.created, effect.changed, effect.removed), (0, 0, 0));

    for (subject, allowed) in [("reader_100", true), ("admin", false)] {
        let question = pb::CheckRequest {
            subject: user(subject),
            action: "view".into(),
            resource: product("sku_1"),
            ..Default::default()
        };
        let answer = server.client().await.check(question).await.unwrap();
        let decision = answer.into_inner();
        assert_eq!(decision.allowed, allowed, "{subject} {decision:?}");
    }
}

#[tokio::test]
async fn smallest_and_crowded_data_sets_import_without_refusals() {
    let server = TestServer::start().await;
    let smallest = CatalogSize {
        products: 0,
        categories: 1,
        trees: 1,
        users: 0,
        groups: 0,
        connections: 0,
        apps: 0,
        channels: 0,
        locales: 0,
        attribute_groups: 1,
        attributes: 0,
        asset_families: 0,
        reference_entities: 0,
        profiles: 0,
        grid_views: 0,
        ..CatalogSize::default()
    };
    let crowded = CatalogSize {
        products: 50,
        models: Some(40),
        categories: 3,
        trees: 3,
        zipf: 5.0,
        groups_per_user: 99,
        connections: 60,
        apps: 40,
        ..CatalogSize::default()
    };
    for (tenant, size) in [("smallest", smallest), ("crowded", crowded)] {
        let (_, files) = made(&size);
        let summary = server.import(tenant, Edition::Enterprise, &files).await;
        assert_eq!(summary.refused_count, 0, "{tenant}");
    }
}
