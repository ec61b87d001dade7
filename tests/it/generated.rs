//! The made catalogs of `pim-authz-gen`: an import takes them whole.

use std::fs;

use pim_authz::{generator::Plan, pb};
use tempfile::TempDir;

use crate::harness::{File, TestServer, lists, user};

#[tokio::test]
async fn a_made_catalog_is_imported_without_a_refused_row() {
    let folder = TempDir::new().unwrap();
    let plan = Plan {
        seed: 3,
        products: 2_000,
        models: 150,
        categories: 300,
        trees: 4,
        users: 30,
        groups: 10,
        groups_per_user: 3,
        categories_per_group: 60,
        uncategorised_per_mille: 10,
        zipf: 1.1,
    };
    let made = plan.make(folder.path()).unwrap();
    let files: Vec<File> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    let server = TestServer::start().await;
    let summary = server.import("made", pb::Edition::Enterprise, &files).await;
    let rows: u64 = summary.files.iter().map(|file| file.rows).sum();
    let unused: Vec<&String> = summary
        .files
        .iter()
        .flat_map(|file| &file.warnings)
        .collect();
    assert_eq!((summary.refused_count, rows), (0, made.rows));
    assert_eq!(unused, Vec::<&String>::new());

    let mut client = server.client().await;
    for (reader, least, most) in [
        ("reader_0_1", 1, 400),
        ("reader_10", 100, 700),
        ("reader_100", 2_000, 2_000),
    ] {
        let request = pb::ListAllowedRequest {
            tenant: "made".into(),
            subject: user(reader),
            action: "view".into(),
            resource_type: "product".into(),
            page_size: 10_000,
            ..Default::default()
        };
        let listed = lists::all_pages(&mut client, &request).await.len();
        assert!((least..=most).contains(&listed), "{reader} {listed}");
    }
}
