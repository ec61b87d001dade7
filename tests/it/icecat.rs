//! The catalog of a real PIM with added rights: imported completely, twice, and
//! queried with a few hundred questions whose answers are in a snapshot.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use pim_authz::pb::{self, Edition, check_result::Outcome};

use crate::harness::{File, TestServer, words};

const SUBJECTS: [&str; 9] = [
    "user:admin",
    "user:julia",
    "user:mary",
    "user:Peter",
    "user:pamela",
    "connection:erp",
    "connection:legacy_erp",
    "app:translator",
    "app:shop_sync",
];

/// The questions for each subject: action, resource, context.
const QUESTIONS: [&str; 34] = [
    "view product:13871461",
    "edit product:13871461",
    "edit product:13871461 channel=print",
    "edit product:13871461 channel=ecommerce locale=en_US",
    "edit product:13871461 locale=de_DE",
    "edit product:13871461 locale=fr_FR",
    "view product:13871461 locale=af_ZA",
    "edit product:13871461 attribute=name",
    "edit product:13871461 attribute=description channel=mobile locale=en_US",
    "view product:13871461 attribute=sku",
    "edit product:13871461 attribute_group=technical",
    "own product:1111111171",
    "export product:1111111171",
    "change_categories product:1111111171",
    "send_proposal product:1111111171",
    "publish product:14596093",
    "product.remove product:14596093",
    "product.list",
    "product.edit_attributes product:14596093",
    "api.product.edit product:14596093",
    "api.product.list",
    "edit product_model:amor",
    "view product_model:AMOR",
    "edit product_model:aphrodite channel=ecommerce locale=en_US attribute=name",
    "view category:master",
    "own category:sales",
    "edit category:tvs_projectors",
    "view enriched_category:master locale=fr_FR",
    "edit channel:print",
    "view locale:de_DE",
    "edit attribute_group:ERP",
    "view attribute:description channel=print",
    "category.edit",
    "system_version.read",
];

fn shared_data() -> Option<PathBuf> {
    let folder = env::var_os("PIM_AUTHZ_SHARED_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")),
        PathBuf::from,
    );
    if folder.join("icecat").is_dir() {
        return Some(folder);
    }
    eprintln!(
        "SKIPPED: {} is not there; PIM_AUTHZ_SHARED_DATA names another folder",
        folder.display()
    );
    None
}

fn files(folder: PathBuf) -> Vec<File> {
    let mut files: Vec<File> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn the_icecat_catalog_imports_whole_and_answers_as_reviewed() {
    let Some(shared) = shared_data() else { return };
    let server = TestServer::start().await;
    let (catalog, rights) = (
        files(shared.join("icecat")),
        files(shared.join("icecat-rights")),
    );
    server
        .import("default", Edition::Enterprise, &catalog)
        .await;
    let rights_summary = server
        .import("default", Edition::Unspecified, &rights)
        .await;
    assert_eq!(
        (rights_summary.revision, rights_summary.refused_count),
        (2, 0)
    );

    // Together, the files equal what is stored, so nothing changes.
    let again: Vec<File> = catalog
        .into_iter()
        .filter(|(name, _)| name != "user_roles.csv")
        .chain(rights)
        .collect();
    let second = server.import("default", Edition::Enterprise, &again).await;
    let effect = second.effect.unwrap();
    assert_eq!(
        (effect.created, effect.changed, effect.removed),
        (0, 0, 0),
        "{:#?}",
        second.files
    );
    assert_eq!(second.revision, 2);
    let read: u64 = second.files.iter().map(|file| file.rows).sum();
    let same: u64 = second.files.iter().map(|file| file.unchanged).sum();
    assert_eq!(read, same);

    insta::assert_snapshot!(answers(&server).await);
}

async fn answers(server: &TestServer) -> String {
    let questions: Vec<(&str, &str)> = SUBJECTS
        .into_iter()
        .flat_map(|subject| QUESTIONS.map(|question| (subject, question)))
        .collect();
    let request = pb::BatchCheckRequest {
        items: questions
            .iter()
            .map(|(subject, question)| item(subject, question))
            .collect(),
        ..Default::default()
    };
    let answered = server
        .client()
        .await
        .batch_check(request)
        .await
        .unwrap()
        .into_inner();
    let mut lines = String::new();
    for ((subject, question), result) in questions.iter().zip(answered.results) {
        let Some(Outcome::Decision(decision)) = result.outcome else {
            panic!("{subject} {question}: {result:?}");
        };
        writeln!(
            lines,
            "{subject} {question} -> {}",
            words::decision_text(&decision)
        )
        .unwrap();
    }
    lines
}

fn item(subject: &str, question: &str) -> pb::CheckItem {
    let (kind, id) = subject.split_once(':').unwrap();
    let mut words = question.split(' ');
    let action = words.next().unwrap();
    let mut context = pb::Context::default();
    let mut target = None;
    for word in words {
        if let Some((kind, id)) = word.split_once(':') {
            target = crate::harness::resource(kind, id);
            continue;
        }
        let (name, code) = word.split_once('=').unwrap();
        let field = match name {
            "channel" => &mut context.channel,
            "locale" => &mut context.locale,
            "attribute" => &mut context.attribute,
            "attribute_group" => &mut context.attribute_group,
            other => panic!("{other}"),
        };
        code.clone_into(field);
    }
    pb::CheckItem {
        correlation_id: String::new(),
        subject: Some(pb::Subject {
            r#type: kind.into(),
            id: id.into(),
        }),
        action: action.into(),
        resource: target,
        context: Some(context),
    }
}
