//! The limit of category levels (rules 3.10): enforced by every kind of write,
//! and questions answered identically from memory and from the database.

use std::time::Duration;

use pim_authz::pb::{
    self, Edition, access_rights_service_client::AccessRightsServiceClient,
    catalog_service_client::CatalogServiceClient,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::harness::{File, TestServer, file, header, lists, refusal, user};

/// The maximum number of levels of a tree (rules 3.10).
const MOST: usize = 1_000;

fn category(code: String, parent: Option<String>) -> pb::Category {
    pb::Category { code, parent }
}

/// A tree of one category per level with the root `c1` for the prefix `c`,
/// deepest first.
fn chain(prefix: &str, levels: usize) -> Vec<pb::Category> {
    let of = |level: usize| {
        let above = (level > 1).then(|| format!("{prefix}{}", level - 1));
        category(format!("{prefix}{level}"), above)
    };
    (1..=levels).rev().map(of).collect()
}

/// Moves a category below another.
fn moved(code: &str, parent: &str) -> Vec<pb::Category> {
    vec![category(code.into(), Some(parent.into()))]
}

async fn put(
    channel: &Channel,
    categories: Vec<pb::Category>,
    dry_run: bool,
) -> Result<pb::Effect, Status> {
    let request = pb::PutCategoriesRequest {
        tenant: "acme".into(),
        categories,
        dry_run,
        ..Default::default()
    };
    let client = CatalogServiceClient::new(channel.clone());
    let mut client = client.max_encoding_message_size(64 << 20);
    let answer = client.put_categories(request).await?;
    Ok(answer.into_inner().effect.unwrap())
}

/// Checks that the write is refused, dry or not, at the entry with this index,
/// and that the error names the deepest category and its level.
async fn assert_too_deep(
    channel: &Channel,
    categories: Vec<pb::Category>,
    (place, deepest, level): (usize, &str, usize),
) {
    for dry_run in [true, false] {
        let refused = put(channel, categories.clone(), dry_run).await.unwrap_err();
        let (code, reason, _) = refusal(&refused);
        assert_eq!(
            (code, reason.as_str()),
            (Code::FailedPrecondition, "CATEGORY_TOO_DEEP"),
            "{refused:?}"
        );
        let about = refused.get_details_error_info().unwrap().metadata;
        let details = ["field", "deepest", "level", "limit"].map(|name| about[name].clone());
        let field = format!("categories[{place}].parent");
        let expected = [field, deepest.into(), level.to_string(), MOST.to_string()];
        assert_eq!(details, expected, "{refused:?}");
        assert!(refused.get_details_precondition_failure().is_some());
    }
}

async fn tenant() -> (TestServer, Channel) {
    let server = TestServer::start().await;
    let files = [
        file("user_groups.csv", &["name", "editors"]),
        file("users.csv", &["username;roles;groups", "julia;;editors"]),
    ];
    server.import("acme", Edition::Enterprise, &files).await;
    let channel = server.channel().await;
    (server, channel)
}

#[tokio::test]
async fn rule_3_10_a_tree_deeper_than_1000_levels_is_refused() {
    let (_server, channel) = tenant().await;
    assert_too_deep(&channel, chain("c", MOST + 1), (0, "c1001", 1_001)).await;
    // The error names the first entry that is too deep, whatever their number.
    assert_too_deep(&channel, chain("c", 50_000), (0, "c50000", 50_000)).await;
    let mut forth = chain("c", 50_000);
    forth.reverse();
    assert_too_deep(&channel, forth, (1_000, "c1001", 1_001)).await;
    let effect = put(&channel, chain("c", MOST), false).await.unwrap();
    assert_eq!(effect.created, 2 * 1_000, "each with a right of `All`");
    assert_too_deep(&channel, moved("x", "c1000"), (0, "x", 1_001)).await;
    let beside = vec![
        category("y".into(), Some("x".into())),
        category("x".into(), Some("c998".into())),
    ];
    put(&channel, beside.clone(), false).await.unwrap();
    let below = [beside, moved("z", "y")].concat();
    assert_too_deep(&channel, below, (2, "z", 1_001)).await;
}

#[tokio::test]
async fn rule_3_10_a_move_that_pushes_categories_too_deep_is_refused() {
    let (_server, channel) = tenant().await;
    put(&channel, chain("c", 600), false).await.unwrap();
    put(&channel, chain("d", 401), false).await.unwrap();
    // Moving the root of one tree below the leaf of the other makes 1,001
    // levels.
    assert_too_deep(&channel, moved("d1", "c600"), (0, "d401", 1_001)).await;
    let and_a_leaf = [moved("d401", "d399"), moved("d1", "c600")].concat();
    put(&channel, and_a_leaf, false).await.unwrap();
    assert_too_deep(&channel, moved("d401", "d400"), (0, "d401", 1_001)).await;
    // The error names the nearest entry: the leaf of the two.
    let two = [moved("d1", "c599"), moved("x", "d400"), moved("y", "x")].concat();
    assert_too_deep(&channel, two, (2, "y", 1_001)).await;
    // A category that is put where it already is does not change.
    let effect = put(&channel, moved("d400", "d399"), false).await.unwrap();
    assert_eq!(effect.unchanged, 1);
}

fn rows(categories: &[pb::Category]) -> File {
    let mut rows = vec!["code;parent".to_owned()];
    rows.extend(categories.iter().map(|category| {
        let parent = category.parent.as_deref().unwrap_or_default();
        format!("{};{parent}", category.code)
    }));
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    file("categories.csv", &rows)
}

fn refused_rows(summary: &pb::ImportSummary) -> Vec<String> {
    let refused = summary.refused.iter();
    let lines = refused.map(|row| {
        let pb::RefusedRow {
            file,
            line,
            column,
            message,
        } = row;
        format!("{file} {line} {column}: {message}")
    });
    lines.collect()
}

#[tokio::test]
async fn rule_3_10_rows_deeper_than_1000_levels_are_refused() {
    let (server, _) = tenant().await;
    let mut header = header("acme", Edition::Unspecified);
    let files = [rows(&chain("c", MOST + 2))];
    let too_deep = [
        "categories.csv 2 parent: category `c1002` would lie at level 1002; a category tree has at most 1000 levels",
        "categories.csv 3 parent: category `c1001` would lie at level 1001; a category tree has at most 1000 levels",
    ];
    for dry_run in [true, false] {
        header.dry_run = dry_run;
        let outcome = server.try_import(header.clone(), &files).await;
        let ended = outcome.ended.unwrap_err();
        assert_eq!(refusal(&ended).1, "IMPORT_REFUSED");
        assert_eq!(refused_rows(&outcome.summary.unwrap()), too_deep);
    }
    header.skip_bad_rows = true;
    let outcome = server.try_import(header.clone(), &files).await;
    assert!(outcome.ended.is_ok(), "{:?}", outcome.ended);
    let summary = outcome.summary.unwrap();
    assert_eq!(refused_rows(&summary), too_deep);
    assert_eq!(summary.files[0].created, 1_000);
    // The same rows again: stored rows are unchanged, the others are refused
    // again.
    let outcome = server.try_import(header.clone(), &files).await;
    let summary = outcome.summary.unwrap();
    assert_eq!(
        (summary.files[0].unchanged, summary.refused_count),
        (1_000, 2)
    );
    // A moving row is refused because of its descendants, and moves nothing.
    let outcome = server
        .try_import(header.clone(), &[rows(&chain("d", 2))])
        .await;
    assert!(outcome.ended.is_ok());
    let files = [rows(&moved("d1", "c999"))];
    let outcome = server.try_import(header.clone(), &files).await;
    let expected = "categories.csv 2 parent: category `d2` would lie at level 1001; a category tree has at most 1000 levels";
    assert_eq!(refused_rows(&outcome.summary.unwrap()), [expected]);
}

/// Rows that depend on a refused row are refused in the same import, along the
/// whole chain.
#[tokio::test]
async fn rule_3_10_every_bad_row_of_a_long_chain_is_refused() {
    let (server, _) = tenant().await;
    let mut header = header("acme", Edition::Unspecified);
    header.skip_bad_rows = true;
    let mut lost = chain("c", 50_000);
    lost.last_mut().unwrap().parent = Some("nowhere".into());
    let outcome = server.try_import(header.clone(), &[rows(&lost)]).await;
    assert_eq!(outcome.summary.unwrap().refused_count, 50_000);
    let outcome = server
        .try_import(header, &[rows(&chain("c", 50_000))])
        .await;
    let summary = outcome.summary.unwrap();
    assert_eq!(
        (summary.refused_count, summary.files[0].created),
        (49_000, 1_000)
    );
}

/// Pruning can reduce depths, so each row is checked at its depth after pruning.
#[tokio::test]
async fn rule_3_10_depth_is_validated_after_pruning() {
    let (server, channel) = tenant().await;
    put(&channel, chain("c", MOST), false).await.unwrap();
    let mut header = header("acme", Edition::Unspecified);
    header.prune = true;
    header.prune_all = true;
    // `c1` to `c9` are pruned, and 10 levels are added below the last.
    let mut kept: Vec<pb::Category> = chain("c", MOST);
    kept.truncate(991);
    kept.last_mut().unwrap().parent = None;
    let mut more = chain("d", 10);
    more.last_mut().unwrap().parent = Some("c1000".into());
    let files = [rows(&[more, kept.clone()].concat())];
    let outcome = server.try_import(header.clone(), &files).await;
    let expected = "categories.csv 2 parent: category `d10` would lie at level 1001; a category tree has at most 1000 levels";
    assert_eq!(refused_rows(&outcome.summary.unwrap()), [expected]);
    let mut more = chain("d", 9);
    more.last_mut().unwrap().parent = Some("c1000".into());
    let files = [rows(&[more, kept].concat())];
    let outcome = server.try_import(header, &files).await;
    assert!(outcome.ended.is_ok(), "{outcome:?}");
}

/// One product at the top of the tree, one in its middle and one at its end.
async fn put_products(channel: &Channel, levels: usize) {
    let products = [1, levels / 2, levels].map(|level| pb::Product {
        code: format!("p{level}"),
        categories: Some(pb::CodeList {
            codes: vec![format!("c{level}")],
        }),
        ..Default::default()
    });
    let request = pb::PutProductsRequest {
        tenant: "acme".into(),
        products: products.into(),
        ..Default::default()
    };
    let mut client = CatalogServiceClient::new(channel.clone());
    client.put_products(request).await.unwrap();
}

fn right(group: &str, level: pb::Level, children: Option<bool>) -> pb::AccessGrant {
    pb::AccessGrant {
        group: group.into(),
        item: Some(pb::Item {
            r#type: "category".into(),
            id: "c1".into(),
        }),
        level: level.into(),
        apply_to_children: children,
    }
}

async fn revoke(channel: &Channel, revocation: pb::AccessGrant) -> pb::Effect {
    let request = pb::RevokeAccessRequest {
        tenant: "acme".into(),
        revocations: vec![revocation],
        ..Default::default()
    };
    let mut client = AccessRightsServiceClient::new(channel.clone());
    let answer = client.revoke_access(request).await.unwrap();
    answer.into_inner().effect.unwrap()
}

async fn grant(channel: &Channel, grant: pb::AccessGrant) -> pb::Effect {
    let request = pb::GrantAccessRequest {
        tenant: "acme".into(),
        grants: vec![grant],
        ..Default::default()
    };
    let mut client = AccessRightsServiceClient::new(channel.clone());
    let answer = client.grant_access(request).await.unwrap();
    answer.into_inner().effect.unwrap()
}

async fn delete_tree(channel: &Channel) -> pb::Effect {
    let request = pb::DeleteCategoriesRequest {
        tenant: "acme".into(),
        codes: vec!["c1".into()],
        cascade: true,
        ..Default::default()
    };
    let mut client = CatalogServiceClient::new(channel.clone());
    let answer = client.delete_categories(request).await.unwrap();
    answer.into_inner().effect.unwrap()
}

/// Lists what julia may view.
fn request(kind: &str, tree: &str, category: &str) -> pb::ListAllowedRequest {
    pb::ListAllowedRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        resource_type: kind.into(),
        filter: Some(pb::ListFilter {
            tree: tree.into(),
            category: category.into(),
            ids: Vec::new(),
        }),
        page_size: 10_000,
        ..Default::default()
    }
}

/// Sends lists until the server answers products and categories from memory.
async fn warm(server: &TestServer) {
    let mut client = server.client().await;
    let warmed = async {
        for kind in ["product", "category"] {
            let before = server.status().await.pages_from_memory;
            while server.status().await.pages_from_memory == before {
                lists::all_pages(&mut client, &request(kind, "", "")).await;
            }
        }
    };
    let warmed = tokio::time::timeout(Duration::from_mins(1), warmed);
    warmed.await.unwrap();
}

/// Compares how many products and categories julia may view in the tree, in
/// some of its categories, and through her access filter, from memory and from
/// the database.
async fn compare(server: &TestServer, uncached: &TestServer, levels: usize, hidden: usize) {
    warm(server).await;
    let before = server.status().await.pages_from_memory;
    let mut clients = [server.client().await, uncached.client().await];
    let mut pages = 0;
    for (tree, level) in [
        (true, 1),
        (false, 1),
        (false, 2),
        (false, levels / 2 + 1),
        (false, levels),
    ] {
        let code = format!("c{level}");
        let (tree, category) = if tree { (&*code, "") } else { ("", &*code) };
        let viewed = |level: &usize| *level > hidden;
        let within = (level..=levels).filter(viewed);
        let products = [1, levels / 2, levels]
            .into_iter()
            .filter(|at| *at >= level);
        let products = products.filter(viewed).count();
        let expected = [products, within.clone().count(), within.count()];
        for client in &mut clients {
            let mut found = [0; 3];
            for (kind, found) in ["product", "category", "enriched_category"]
                .into_iter()
                .zip(&mut found)
            {
                *found = lists::all_pages(client, &request(kind, tree, category))
                    .await
                    .len();
            }
            assert_eq!(found, expected, "{code} of {levels}");
        }
        pages += 3;
    }
    let after = server.status().await.pages_from_memory;
    assert!(after >= before + pages, "{before} {after}");
    assert_eq!(uncached.status().await.pages_from_memory, 0);
    let mut filters = Vec::new();
    for client in &mut clients {
        let filter_request = pb::GetAccessFilterRequest {
            tenant: "acme".into(),
            subject: user("julia"),
            action: "view".into(),
            resource_type: "product".into(),
            ..Default::default()
        };
        filters.push(
            client
                .get_access_filter(filter_request)
                .await
                .unwrap()
                .into_inner(),
        );
    }
    assert_eq!(filters[0], filters[1]);
    let expected = if hidden == 0 { 0 } else { levels - hidden };
    assert_eq!(filters[0].any_category.len(), expected);
}

#[tokio::test]
async fn rule_3_10_lists_filters_and_cascades_agree_at_1000_levels() {
    let (server, channel) = tenant().await;
    let uncached = TestServer::start_without_memory(server.database.clone()).await;
    put(&channel, chain("c", MOST), false).await.unwrap();
    put_products(&channel, MOST).await;
    compare(&server, &uncached, MOST, 0).await;
    let taken = revoke(&channel, right("All", pb::Level::View, None)).await;
    assert_eq!(taken.removed, 1_000);
    compare(&server, &uncached, MOST, MOST).await;
    let given = grant(&channel, right("editors", pb::Level::View, None)).await;
    assert_eq!(given.created, 1_000);
    compare(&server, &uncached, MOST, 0).await;
    revoke(&channel, right("editors", pb::Level::View, Some(false))).await;
    compare(&server, &uncached, MOST, 1).await;
    // The categories, and a right on each but the root; the products are kept,
    // without their category.
    let gone = delete_tree(&channel).await;
    assert_eq!((gone.removed, gone.changed), (1_999, 3));
}

/// Trees that an older release stored deeper can still be read, deleted and put
/// where they are; only moving their categories too deep, or others below them,
/// is refused.
#[tokio::test]
async fn rule_3_10_trees_stored_deeper_stay_readable_and_deletable() {
    const DEEPER: &str = "BEGIN; SET LOCAL pim_authz.door = 'test';
        UPDATE pim_authz.item SET parent_id = (SELECT id FROM pim_authz.item WHERE code = 'c1000') WHERE code = 'c1001';
        COMMIT";
    let (first, channel) = tenant().await;
    let mut deeper = chain("c", MOST + 500);
    // `c1001` is a root before the statement moves it.
    deeper[499].parent = None;
    put(&channel, deeper, false).await.unwrap();
    first.database.execute(DEEPER).await;
    let server = TestServer::start_beside(&first).await;
    let uncached = TestServer::start_without_memory(first.database.clone()).await;
    let channel = server.channel().await;
    put_products(&channel, MOST + 500).await;
    compare(&server, &uncached, MOST + 500, 0).await;
    let same = put(&channel, chain("c", MOST + 500), false).await.unwrap();
    assert_eq!((same.unchanged, same.created), (1_500, 0));
    assert_too_deep(&channel, moved("x", "c1200"), (0, "x", 1_201)).await;
    assert_too_deep(&channel, moved("c1101", "c1000"), (0, "c1500", 1_400)).await;
    // A move is allowed if the subtree fits afterwards.
    put(&channel, moved("c1001", "c500"), false).await.unwrap();
    put(&channel, moved("x", "c1500"), true).await.unwrap_err();
    let gone = delete_tree(&channel).await;
    assert_eq!((gone.removed, gone.changed), (3_000, 3));
}
