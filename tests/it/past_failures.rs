//! Known failures of other authorization engines, reproduced against this one.
//!
//! Two more are tested elsewhere: that a list and a `Check` never differ while
//! nothing is written (`SpiceDB`: CVE-2023-35930, GHSA-9m7r-g8hg-x3vr) by
//! `listings::lists_match_the_reference_on_random_worlds`, and that a modified
//! token is rejected by `page_tokens::truncated_or_modified_token_is_rejected`.

mod given_up;
mod keys;
pub(crate) mod leaks;

use pim_authz::{
    cache::CacheMode,
    pb::{self, Edition, check_result::Outcome},
};

use crate::harness::{Database, File, TestServer, context, file, product, user};

/// A server with a cache and one without, on the same database.
async fn both_servers() -> [TestServer; 2] {
    let database = Database::create().await;
    let warm = TestServer::start_on(database.clone()).await;
    let mut config = TestServer::config(&database);
    config.cache.mode = CacheMode::Off;
    [warm, TestServer::start_with(config, database).await]
}

async fn batch(server: &TestServer, batch: &pb::BatchCheckRequest) -> Vec<bool> {
    let answer = server.client().await.batch_check(batch.clone()).await;
    let results = answer.unwrap().into_inner().results.into_iter();
    let allowed = results.map(|result| match result.outcome.unwrap() {
        Outcome::Decision(decision) => decision.allowed,
        Outcome::Error(error) => panic!("{error:?}"),
    });
    allowed.collect()
}

/// The files of a tenant in which Julia may edit everything in English and
/// nothing in French.
fn languages() -> Vec<File> {
    vec![
        file("locales.csv", &["code", "en_US", "fr_FR"]),
        file("categories.csv", &["code;parent", "master;"]),
        file("attribute_groups.csv", &["code", "marketing"]),
        file(
            "attributes.csv",
            &["code;group;localizable;scopable", "name;marketing;1;0"],
        ),
        file("products.csv", &["sku;categories", "hat;master"]),
        file(
            "user_roles.csv",
            &[
                "role;audience;permissions",
                "editor;user;product.list,product.edit_attributes",
            ],
        ),
        file("user_groups.csv", &["code;name", "manager;Manager"]),
        file(
            "users.csv",
            &["username;roles;groups", "julia;editor;manager"],
        ),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "master;manager;manager;manager",
            ],
        ),
        file(
            "locale_accesses.csv",
            &[
                "locale;view_products;edit_products",
                "en_US;manager;manager",
                "fr_FR;;",
            ],
        ),
    ]
}

/// `OpenFGA`, CVE-2026-34972: a batch contained the same subject, action and
/// resource in several contexts, and all items received the answer of the
/// first.
#[tokio::test]
async fn duplicate_batch_items_are_decided_in_their_own_context() {
    let servers = both_servers().await;
    servers[0]
        .import("default", Edition::Enterprise, &languages())
        .await;
    let locale = |code: &str| {
        let code = code.to_owned();
        context(|context| {
            context.locale = code;
            context.attribute = "name".into();
        })
    };
    let contexts = [locale("en_US"), locale("fr_FR"), None];
    let items = (0..600).map(|number| pb::CheckItem {
        context: contexts[number % 3].clone(),
        ..Default::default()
    });
    let request = pb::BatchCheckRequest {
        subject: user("julia"),
        action: "edit".into(),
        resource: product("hat"),
        // An item inherits from the batch the fields that it does not set.
        context: locale("fr_FR"),
        items: items.collect(),
        ..Default::default()
    };
    let expected: Vec<bool> = (0..600).map(|number| number % 3 == 0).collect();
    for server in &servers {
        for _ in 0..2 {
            assert_eq!(batch(server, &request).await, expected);
        }
        for (number, context) in contexts[..2].iter().enumerate() {
            let check = pb::CheckRequest {
                subject: user("julia"),
                action: "edit".into(),
                resource: product("hat"),
                context: context.clone(),
                ..Default::default()
            };
            let answer = server.client().await.check(check).await.unwrap();
            assert_eq!(answer.into_inner().allowed, number == 0);
        }
    }
}

/// `SpiceDB`, CVE-2024-27101: more than 65,535 entries overflowed a counter,
/// and the rest were ignored.
#[tokio::test]
async fn batch_of_more_than_65535_items_is_answered_completely() {
    const PRODUCTS: usize = 70_000;
    let servers = both_servers().await;
    let codes: Vec<String> = (0..PRODUCTS).map(|number| format!("p{number}")).collect();
    let in_category = |number: usize| ["open", "secret"][number % 2];
    let rows: Vec<String> = std::iter::once("sku;categories".to_owned())
        .chain((0..PRODUCTS).map(|number| format!("p{number};{}", in_category(number))))
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let files = [
        file("categories.csv", &["code;parent", "open;", "secret;"]),
        file(
            "user_roles.csv",
            &["role;permissions", "reader;product.list"],
        ),
        file("users.csv", &["username;roles", "julia;reader"]),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "open;All;;",
                "secret;;;",
            ],
        ),
        file("products.csv", &rows),
    ];
    servers[0]
        .import("default", Edition::Enterprise, &files)
        .await;
    let items = codes.iter().map(|code| pb::CheckItem {
        resource: product(code),
        ..Default::default()
    });
    let request = pb::BatchCheckRequest {
        subject: user("julia"),
        action: "view".into(),
        items: items.collect(),
        ..Default::default()
    };
    let expected: Vec<bool> = (0..PRODUCTS).map(|number| number % 2 == 0).collect();
    for server in &servers {
        assert!(batch(server, &request).await == expected);
    }
}
