//! The effect that a dry run predicts, compared with the effect of the write.

use std::collections::BTreeMap;

use pim_authz::pb::{
    self, Edition, Level, access_rights_service_client::AccessRightsServiceClient,
    catalog_service_client::CatalogServiceClient, directory_service_client::DirectoryServiceClient,
};
use tonic::transport::Channel;

use crate::harness::{TestServer, file, product, user};

const USERS: [&str; 5] = ["julia", "mary", "peter", "admin", "asleep"];
const PRODUCTS: [&str; 7] = ["hat", "cap", "boot", "tie", "free", "deep", "new"];
const ITEMS: [(&str, &str); 5] = [
    ("category", "master"),
    ("category", "shoes"),
    ("category", "hats"),
    ("locale", "en_US"),
    ("attribute_group", "marketing"),
];
const PERMISSIONS: [&str; 3] = ["product.create", "category.edit", "role.edit"];

async fn world() -> TestServer {
    let server = TestServer::start().await;
    let files = [
        file("user_groups.csv", &["code;name", "editors;", "readers;"]),
        file(
            "user_roles.csv",
            &[
                "role;permissions",
                "admin;role.edit,role.list,system_configuration.access",
                "editor;product.create,category.edit",
            ],
        ),
        file(
            "users.csv",
            &[
                "username;roles;groups;enabled",
                "julia;editor;editors;1",
                "mary;;readers;1",
                "peter;editor;;1",
                "admin;admin;;1",
                "asleep;editor;editors;0",
            ],
        ),
        file("locales.csv", &["code", "en_US"]),
        file("attribute_groups.csv", &["code", "marketing"]),
        file(
            "categories.csv",
            &["code;parent", "master;", "shoes;master", "hats;master"],
        ),
        file("product_models.csv", &["code;categories", "boots;shoes"]),
        file(
            "products.csv",
            &[
                "sku;categories;parent",
                "hat;hats;",
                "cap;hats,shoes;",
                "boot;;boots",
                "tie;master;",
                "free;;",
                "deep;hats;boots",
            ],
        ),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "master;readers;editors;",
                "shoes;readers;editors;editors",
                "hats;;editors;",
            ],
        ),
    ];
    server.import("acme", Edition::Enterprise, &files).await;
    server
}

/// The permissions and levels that every user holds, including levels on
/// products.
type Held = BTreeMap<(&'static str, String), String>;

async fn held(server: &TestServer) -> Held {
    let mut client = server.client().await;
    let mut held = Held::new();
    for subject in USERS {
        let mut check = async |action: &str, resource: Option<pb::Resource>, key: String| {
            let request = pb::CheckRequest {
                tenant: "acme".into(),
                subject: user(subject),
                action: action.into(),
                resource,
                ..Default::default()
            };
            let answer = client.check(request).await.unwrap().into_inner();
            let level = format!("{} {:?}", answer.allowed, answer.level());
            held.insert((subject, key), level);
        };
        for permission in PERMISSIONS {
            check(permission, None, permission.to_owned()).await;
        }
        for (kind, code) in ITEMS {
            let item = pb::Resource {
                r#type: kind.into(),
                id: code.into(),
                ..Default::default()
            };
            check("view", Some(item), format!("{kind} {code}")).await;
        }
        for code in PRODUCTS {
            check("view", product(code), format!("product {code}")).await;
        }
    }
    held
}

/// Number of subjects whose permissions or levels differ, and of products on
/// which a level differs; models are not included.
fn difference(before: &Held, after: &Held) -> (u64, u64) {
    let changed = before.iter().filter(|(key, held)| after[*key] != **held);
    let changed: Vec<&(&str, String)> = changed.map(|(key, _)| key).collect();
    let subjects = USERS
        .iter()
        .filter(|user| changed.iter().any(|(subject, _)| subject == *user));
    let products = PRODUCTS.iter().filter(|code| {
        let product = format!("product {code}");
        changed.iter().any(|(_, key)| *key == product)
    });
    let count = |count| u64::try_from(count).unwrap();
    (count(subjects.count()), count(products.count()))
}

fn codes(codes: &[&str]) -> Option<pb::CodeList> {
    Some(pb::CodeList {
        codes: codes.iter().map(|&code| code.into()).collect(),
    })
}

fn grants(group: &str, id: &str, level: Level) -> Vec<pb::AccessGrant> {
    let item = pb::Item {
        r#type: "category".into(),
        id: id.into(),
    };
    vec![pb::AccessGrant {
        group: group.into(),
        item: Some(item),
        level: level.into(),
        apply_to_children: None,
    }]
}

async fn change_access(channel: Channel, number: usize, dry_run: bool) -> Option<pb::Effect> {
    let mut access = AccessRightsServiceClient::new(channel);
    let tenant = String::from("acme");
    if number == 0 {
        let grants = grants("readers", "master", Level::Own);
        let request = pb::GrantAccessRequest {
            tenant,
            dry_run,
            grants,
            ..Default::default()
        };
        return access
            .grant_access(request)
            .await
            .unwrap()
            .into_inner()
            .effect;
    }
    let revocations = grants("editors", "shoes", Level::Edit);
    let request = pb::RevokeAccessRequest {
        tenant,
        dry_run,
        revocations,
        ..Default::default()
    };
    access
        .revoke_access(request)
        .await
        .unwrap()
        .into_inner()
        .effect
}

async fn change_users(channel: Channel, users: Vec<pb::User>, dry_run: bool) -> Option<pb::Effect> {
    let request = pb::PutUsersRequest {
        tenant: "acme".into(),
        dry_run,
        users,
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(channel);
    client.put_users(request).await.unwrap().into_inner().effect
}

async fn change_directory(channel: Channel, number: usize, dry_run: bool) -> Option<pb::Effect> {
    let mut client = DirectoryServiceClient::new(channel);
    let tenant = String::from("acme");
    if number == 2 {
        let request = pb::DeleteUserGroupsRequest {
            tenant,
            dry_run,
            codes: vec!["editors".into()],
            cascade: true,
            ..Default::default()
        };
        let answer = client.delete_user_groups(request).await;
        return answer.unwrap().into_inner().effect;
    }
    let role = pb::Role {
        code: "editor".into(),
        permissions: codes(&["product.create"]),
        ..Default::default()
    };
    let request = pb::PutRolesRequest {
        tenant,
        dry_run,
        roles: vec![role],
        ..Default::default()
    };
    client.put_roles(request).await.unwrap().into_inner().effect
}

async fn change_catalog(channel: Channel, number: usize, dry_run: bool) -> Option<pb::Effect> {
    let mut client = CatalogServiceClient::new(channel);
    let tenant = String::from("acme");
    if number == 3 {
        let request = pb::DeleteCategoriesRequest {
            tenant,
            dry_run,
            codes: vec!["hats".into()],
            cascade: true,
            ..Default::default()
        };
        let answer = client.delete_categories(request).await;
        return answer.unwrap().into_inner().effect;
    }
    let put = |code: &str, kind: pb::ProductKind, categories| pb::Product {
        code: code.into(),
        kind: kind.into(),
        categories,
        ..Default::default()
    };
    let request = pb::PutProductsRequest {
        tenant,
        dry_run,
        products: vec![
            put("hat", pb::ProductKind::Product, codes(&[])),
            put("boots", pb::ProductKind::Model, codes(&["hats"])),
            put("new", pb::ProductKind::Product, None),
        ],
        ..Default::default()
    };
    client
        .put_products(request)
        .await
        .unwrap()
        .into_inner()
        .effect
}

/// The write of a test with this number, dry or not.
async fn write(channel: Channel, number: usize, dry_run: bool) -> pb::Effect {
    let user = |code: &str| pb::User {
        code: code.into(),
        ..Default::default()
    };
    let disabled = pb::User {
        enabled: Some(false),
        ..user("julia")
    };
    let moved = pb::User {
        groups: codes(&["editors"]),
        ..user("mary")
    };
    let effect = match number {
        0 | 1 => change_access(channel, number, dry_run).await,
        2 | 5 => change_directory(channel, number, dry_run).await,
        3 | 6 => change_catalog(channel, number, dry_run).await,
        4 => change_users(channel, vec![disabled], dry_run).await,
        _ => change_users(channel, vec![moved], dry_run).await,
    };
    effect.unwrap()
}

#[tokio::test]
async fn dry_run_counts_affected_subjects_and_products_and_changes_nothing() {
    for number in 0..8 {
        let server = world().await;
        let before = held(&server).await;
        let predicted = write(server.channel().await, number, true).await;
        assert_eq!(held(&server).await, before, "{number}: {predicted:?}");
        let done = write(server.channel().await, number, false).await;
        let (subjects, products) = difference(&before, &held(&server).await);
        // Levels on the one model are not read: it changes together with its
        // variants.
        let models = u64::from([0, 1, 2, 4, 6, 7].contains(&number));
        assert_eq!(
            predicted.subjects_affected, subjects,
            "{number}: {predicted:#?}"
        );
        assert_eq!(
            predicted.products_affected,
            products + models,
            "{number}: {predicted:#?}"
        );
        assert!(!predicted.sample.is_empty() && predicted.sample.len() <= 20);
        let counts = |effect: &pb::Effect| {
            (
                effect.created,
                effect.changed,
                effect.removed,
                effect.unchanged,
            )
        };
        assert_eq!(counts(&predicted), counts(&done), "{number}");
        assert_eq!(done.subjects_affected + done.products_affected, 0);
    }
}

#[tokio::test]
async fn rule_3_9_dry_run_names_products_that_become_everyones() {
    let server = world().await;
    let predicted = write(server.channel().await, 3, true).await;
    assert_eq!(
        predicted.sample[0],
        "1 products would lie in no category and become everyone's: `hat`"
    );
    let predicted = write(server.channel().await, 5, true).await;
    assert_eq!(
        predicted.sample[..2],
        [
            "user `julia` would lose `category.edit`, `category.edit_attributes`, `category.manage_template`",
            "user `peter` would lose `category.edit`, `category.edit_attributes`, `category.manage_template`",
        ]
    );
    let predicted = write(server.channel().await, 1, true).await;
    assert_eq!(
        predicted.sample[0],
        "user group `editors` would have `view` instead of `own` on category `shoes`"
    );
}
