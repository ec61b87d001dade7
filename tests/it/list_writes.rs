//! Long lists: they are complete, however their candidates are found and
//! whatever is written between their pages.

use std::collections::BTreeSet;

use pim_authz::{
    pb::{
        self, authorization_service_client::AuthorizationServiceClient,
        stream_allowed_response::Event,
    },
    store,
};
use tonic::transport::Channel;

use crate::{
    harness::{Database, MadeCatalog, TestServer, file, lists, user},
    support::Entropy,
};

const TENANT: &str = "acme";

/// Groups that may view one category of sixty, one of six, and all. Products of
/// the first are found by its categories, those of the last by a scan of all
/// products.
const GROUPS: [(&str, usize); 3] = [("few", 60), ("some", 6), ("every", 1)];

fn request(group: &str, page_size: i32) -> pb::ListAllowedRequest {
    pb::ListAllowedRequest {
        tenant: TENANT.into(),
        subject: user(group),
        action: "view".into(),
        resource_type: "product".into(),
        page_size,
        ..Default::default()
    }
}

fn codes(listed: lists::Listed) -> Vec<String> {
    listed.into_iter().map(|(code, _)| code).collect()
}

#[tokio::test]
async fn rule_9_long_list_is_complete_at_any_page_size() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let mut entropy = Entropy::seeded(5, 200_000);
    let catalog = MadeCatalog::make(3_000, &GROUPS, &mut entropy);
    let enterprise = pb::Edition::Enterprise;
    server.import(TENANT, enterprise, &catalog.files()).await;
    for (group, _) in GROUPS {
        let viewed = catalog.viewed_by(group);
        let mut orders = Vec::new();
        for page_size in [97, 1_000, 10_000] {
            let request = request(group, page_size);
            orders.push(codes(lists::all_pages(&mut client, &request).await));
            orders.push(codes(
                lists::whole_stream(&mut client, &request, true).await,
            ));
        }
        assert_eq!(orders[0].len(), viewed.len(), "{group}");
        assert_eq!(orders[0].iter().cloned().collect::<BTreeSet<_>>(), viewed);
        assert!(orders.iter().all(|order| *order == orders[0]), "{group}");
    }
}

#[tokio::test]
async fn writes_between_pages_cause_no_gaps_or_duplicates() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let mut entropy = Entropy::seeded(6, 400_000);
    for (group, page_size) in [("few", 7), ("some", 40), ("every", 150)] {
        let mut catalog = MadeCatalog::make(2_000, &GROUPS, &mut entropy);
        let enterprise = pb::Edition::Enterprise;
        server.import(TENANT, enterprise, &catalog.files()).await;
        let mut viewed = catalog.viewed_by(group);
        let mut throughout = viewed.clone();
        let mut listed = Vec::new();
        let mut request = request(group, page_size);
        loop {
            let page = client.list_allowed(request.clone()).await.unwrap();
            let page = page.into_inner();
            let found = page.resources.into_iter().map(|resource| resource.id);
            let found: Vec<String> = found.collect();
            assert!(found.iter().all(|code| viewed.contains(code)), "{group}");
            listed.extend(found);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
            catalog.change(&mut entropy);
            server.import(TENANT, enterprise, &catalog.files()).await;
            viewed = catalog.viewed_by(group);
            throughout.retain(|code| viewed.contains(code));
        }
        let once: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(once.len(), listed.len(), "{group}");
        assert!(throughout.is_subset(&once), "{group}");
        assert!(!throughout.is_empty(), "{group}");
    }
}

#[tokio::test]
async fn stream_resumed_after_writes_has_no_gaps_or_duplicates() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let mut entropy = Entropy::seeded(7, 200_000);
    let mut catalog = MadeCatalog::make(2_000, &GROUPS, &mut entropy);
    let enterprise = pb::Edition::Enterprise;
    server.import(TENANT, enterprise, &catalog.files()).await;
    let request = request("every", 100);
    let mut throughout = catalog.viewed_by("every");
    let mut listed = Vec::new();
    let mut token = String::new();
    for batches in [1, 3, 2] {
        let stream = lists::as_stream(&request, false, &token);
        let mut stream = client.stream_allowed(stream).await.unwrap().into_inner();
        for _ in 0..batches {
            let message = stream.message().await.unwrap().unwrap();
            let Some(pb::stream_allowed_response::Event::Batch(batch)) = message.event else {
                panic!("{message:?}");
            };
            listed.extend(batch.resources.into_iter().map(|resource| resource.id));
            token = batch.resume_token;
        }
        drop(stream);
        catalog.change(&mut entropy);
        server.import(TENANT, enterprise, &catalog.files()).await;
        let viewed = catalog.viewed_by("every");
        throughout.retain(|code| viewed.contains(code));
    }
    let rest = lists::stream(&mut client, lists::as_stream(&request, false, &token)).await;
    assert!(rest.status.is_none());
    let count = u64::try_from(rest.listed.len()).unwrap();
    assert_eq!(rest.end.unwrap().count, count);
    listed.extend(codes(rest.listed));
    let once: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(once.len(), listed.len());
    assert!(throughout.is_subset(&once));
}

#[tokio::test]
async fn rule_4_3_descendants_of_uncategorized_models_are_listed_for_everyone() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let row = |name: &str, header: &str, rows: &[&str]| file(name, &[&[header], rows].concat());
    let set_up = [
        row("categories.csv", "code;parent", &["shoes;"]),
        row(
            "product_category_accesses.csv",
            "category;view_items;edit_items;own_items",
            &["shoes;;;"],
        ),
        row("users.csv", "username;roles", &["julia;"]),
        row(
            "product_models.csv",
            "code;parent;categories",
            &["root;;shoes", "sub;root;"],
        ),
        row(
            "products.csv",
            "sku;parent;categories",
            &["boot;sub;", "clog;root;", "sock;sub;shoes"],
        ),
    ];
    server
        .import(TENANT, pb::Edition::Enterprise, &set_up)
        .await;
    let models = |rows: &[&str]| vec![row("product_models.csv", "code;parent;categories", rows)];
    // The rows of models to import, and the uncategorized products and models
    // afterwards, which everyone may view.
    let cases = [
        (models(&["root;;shoes"]), vec![], vec![]),
        (
            models(&["root;;"]),
            vec!["boot", "clog"],
            vec!["root", "sub"],
        ),
        (models(&["sub;root;shoes"]), vec!["clog"], vec!["root"]),
        (
            models(&["sub;;"]),
            vec!["boot", "clog"],
            vec!["root", "sub"],
        ),
        (models(&["root;;shoes"]), vec!["boot"], vec!["sub"]),
        (models(&["sub;root;"]), vec![], vec![]),
    ];
    for (files, products, models) in cases {
        server.import(TENANT, pb::Edition::Enterprise, &files).await;
        for (kind, expected) in [("product", products), ("product_model", models)] {
            let request = pb::ListAllowedRequest {
                resource_type: kind.into(),
                ..request("julia", 10)
            };
            let mut listed = codes(lists::all_pages(&mut client, &request).await);
            listed.sort();
            assert_eq!(listed, expected, "{files:?}");
        }
    }
}

/// During a rollout, servers of the previous release write too. Their writes
/// are simulated by SQL that does not maintain the columns that lists depend
/// on.
#[tokio::test]
async fn writes_of_earlier_release_leave_lists_complete() {
    const PERMIT_WRITES: &str =
        "SET search_path = pim_authz; SET pim_authz.door = 'release before'";
    // These writes announce nothing, so the server must read from the database.
    let server = TestServer::start_without_memory(Database::create().await).await;
    let mut client = server.client().await;
    let files = [
        file("categories.csv", &["code;parent", "shoes;"]),
        file(
            "product_category_accesses.csv",
            &["category;view_items;edit_items;own_items", "shoes;;;"],
        ),
        file("users.csv", &["username;roles", "julia;"]),
        file(
            "product_models.csv",
            &[
                "code;parent;categories",
                "root;;shoes",
                "sub;root;",
                "bare;;",
            ],
        ),
        file(
            "products.csv",
            &["sku;parent;categories", "boot;sub;", "sock;;shoes"],
        ),
    ];
    server.import(TENANT, pb::Edition::Enterprise, &files).await;
    let product = "(SELECT id FROM product WHERE key = '{}')";
    let of = |code: &str| product.replace("{}", code);
    // The statement, and the uncategorized products afterwards, which everyone
    // may view.
    let cases = [
        (String::new(), vec![]),
        (
            format!("DELETE FROM product_category WHERE product_id = {}", of("root")),
            vec!["boot"],
        ),
        (
            "INSERT INTO product (tenant_id, id, model, code, key) VALUES (1, 1000, false, 'New', 'new')"
                .to_owned(),
            vec!["New", "boot"],
        ),
        (
            format!("INSERT INTO product_category VALUES (1, {}, (SELECT id FROM item WHERE key = 'shoes'))", of("root")),
            vec!["New"],
        ),
        (
            format!("UPDATE product SET parent_id = {} WHERE key = 'sub'", of("bare")),
            vec!["New", "boot"],
        ),
    ];
    for (statement, expected) in cases {
        server
            .database
            .execute(&format!("{PERMIT_WRITES}; {statement}"))
            .await;
        let mut listed = codes(lists::all_pages(&mut client, &request("julia", 10)).await);
        listed.sort();
        assert_eq!(listed, expected, "{statement}");
    }
}

/// The schema versions after version 1, which did not support lists.
const SINCE: [&str; 11] = [
    "V2__listing",
    "V3__audit_reading",
    "V4__administration",
    "V5__coherence",
    "V6__apps_permissions_step",
    "V7__installation",
    "V8__index_references",
    "V9__callers",
    "V10__restored_databases",
    "V11__uncategorised_once",
    "V12__cheaper_functions",
];

#[tokio::test]
async fn migrated_database_of_version_1_lists_completely() {
    const BEFORE: &str = "SET search_path = pim_authz;
        SET pim_authz.door = 'undo';
        DROP TABLE caller_key, caller_oidc_identity, caller_subject_alternative_name, caller_tenant, caller;
        DROP FUNCTION audit_row_hash(bigint, integer, timestamptz, text, text, text, text, text, text, text, text, text, text, uuid, text);
        ALTER TABLE audit DROP COLUMN caller;
        DELETE FROM tenant WHERE id = -1;
        DROP INDEX product_uncategorised;
        ALTER TABLE product DROP COLUMN uncategorised;
        DROP INDEX product_in_order;
        DROP TRIGGER product_category_left ON product_category;
        DROP TRIGGER product_moved ON product;
        DROP FUNCTION forget_uncategorised_of_left, forget_uncategorised_of_moved;
        DROP TABLE secret_key;
        DROP FUNCTION erase_name;
        DROP INDEX audit_by_actor, audit_by_item, audit_by_subject, audit_by_time;
        ALTER TABLE audit DROP COLUMN item_key, DROP COLUMN subject_key, DROP COLUMN erased;
        DROP INDEX tenant_deleted;
        ALTER TABLE tenant DROP COLUMN deleted_key;
        DROP INDEX app_request_by_end;
        DROP FUNCTION primary_fingerprint;
        ALTER TABLE commit_log DROP COLUMN member;
        ALTER TABLE lease DROP COLUMN length_ms;
        ALTER TABLE head DROP COLUMN longest_lease_ms;
        ALTER TABLE app DROP COLUMN permissions_passed;
        DROP INDEX item_by_tree, channel_locale_by_locale, grid_view_group_by_group, app_by_group, app_selection_by_item;
        DROP TABLE installation, written;
        DROP FUNCTION is_owner, mark_written, mark_rewritten, mark_tenant_written, require_audit CASCADE;
        DELETE FROM refinery_schema_history WHERE version >= 2";
    let mut server = TestServer::start().await;
    let mut entropy = Entropy::seeded(8, 100_000);
    let catalog = MadeCatalog::make(1_500, &GROUPS, &mut entropy);
    server
        .import(TENANT, pb::Edition::Enterprise, &catalog.files())
        .await;
    server.begin_stop();
    let database = server.ended_with_its_database().await;
    database.execute(BEFORE).await;
    let report = store::migrate(database.url(), &store::RuntimeRole::Stored)
        .await
        .unwrap();
    assert_eq!(report.applied, SINCE,);
    let server = TestServer::start_on(database).await;
    let mut client = server.client().await;
    for (group, _) in GROUPS {
        let listed = codes(lists::all_pages(&mut client, &request(group, 500)).await);
        let listed: BTreeSet<String> = listed.into_iter().collect();
        assert_eq!(listed, catalog.viewed_by(group), "{group}");
    }
}

/// A client whose small window holds only a few unread messages.
async fn slow_client(server: &TestServer) -> AuthorizationServiceClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", server.address)).unwrap();
    let endpoint = endpoint.initial_stream_window_size(512);
    AuthorizationServiceClient::new(endpoint.connect().await.unwrap())
}

#[tokio::test]
async fn single_item_batches_match_list_and_omit_revoked_resources() {
    let server = TestServer::start().await;
    let uncached = TestServer::start_without_memory(server.database.clone()).await;
    let mut entropy = Entropy::seeded(8, 400_000);
    let enterprise = pb::Edition::Enterprise;
    for listing in [&server, &uncached] {
        let mut catalog = MadeCatalog::make(1_500, &GROUPS, &mut entropy);
        server.import(TENANT, enterprise, &catalog.files()).await;
        let mut client = slow_client(listing).await;
        let at_once = lists::whole_stream(&mut client, &request("every", 1_000), true).await;
        assert!(at_once.len() > 1_000);
        let single = request("every", 1);
        let one_by_one = lists::whole_stream(&mut client, &single, true).await;
        assert_eq!(one_by_one, at_once);

        let stream = lists::as_stream(&single, true, "");
        let mut stream = client.stream_allowed(stream).await.unwrap().into_inner();
        let mut next = async || {
            let message = stream.message().await.unwrap().unwrap();
            match message.event.unwrap() {
                Event::Batch(batch) => batch.ids,
                Event::End(_) => Vec::new(),
            }
        };
        assert_eq!(next().await, [at_once[0].0.clone()]);
        let before = catalog.viewed_by("every");
        for _ in 0..10 {
            catalog.change(&mut entropy);
        }
        server.import(TENANT, enterprise, &catalog.files()).await;
        let after = catalog.viewed_by("every");
        assert!(
            before.difference(&after).count() > 5,
            "some were taken away"
        );
        // The messages that fit in the window were sent before the write.
        for _ in 0..32 {
            next().await;
        }
        loop {
            let ids = next().await;
            let Some(id) = ids.first() else { break };
            assert!(
                after.contains(id),
                "{id} was taken away before it was given"
            );
        }
    }
}
