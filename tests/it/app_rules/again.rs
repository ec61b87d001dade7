use pim_authz::pb::{
    self, AppStep, Edition, access_rights_service_client::AccessRightsServiceClient,
    catalog_service_client::CatalogServiceClient,
};
use tonic::{Code, transport::Channel};

use super::{STEPS, acme, become_edition, held, scopes};
use crate::harness::{File, Steps, file, refusal, viewing_all};

fn right(kind: &str, code: &str, level: pb::Level) -> pb::AccessGrant {
    pb::AccessGrant {
        group: "app:shop".into(),
        item: Some(pb::Item {
            r#type: kind.into(),
            id: code.into(),
        }),
        level: level.into(),
        apply_to_children: None,
    }
}

/// Gives the app's group rights on items outside the wizard, raises some that
/// the wizard sets, and revokes one of its channels.
async fn changed_by_an_administrator(channel: &Channel, withheld: Option<&str>) {
    let mut access = AccessRightsServiceClient::new(channel.clone());
    let grant = pb::GrantAccessRequest {
        tenant: "acme".into(),
        grants: vec![
            right("asset_family", "packshots", pb::Level::Edit),
            right("reference_entity", "brands", pb::Level::View),
            right("export_profile", "nightly", pb::Level::Execute),
            right("category", "sales", pb::Level::Own),
            right("locale", "fr_FR", pb::Level::Edit),
            right("attribute_group", "erp", pb::Level::Edit),
        ],
        ..Default::default()
    };
    access.grant_access(grant).await.unwrap();
    if let Some(withheld) = withheld {
        let revoke = pb::RevokeAccessRequest {
            tenant: "acme".into(),
            revocations: vec![right("channel", withheld, pb::Level::Edit)],
            ..Default::default()
        };
        access.revoke_access(revoke).await.unwrap();
    }
}

/// Creates a channel; without default rights, no group has rights on it
/// (rules 3.8).
async fn put_channel(channel: &Channel, code: &str, without_default_rights: bool) {
    let request = pb::PutChannelsRequest {
        tenant: "acme".into(),
        channels: vec![pb::Channel {
            code: code.into(),
            ..Default::default()
        }],
        without_default_rights,
        ..Default::default()
    };
    let mut catalog = CatalogServiceClient::new(channel.clone());
    catalog.put_channels(request).await.unwrap();
}

/// The rights of the group on items other than trees, locales, attribute groups
/// and channels.
const KEPT: [&str; 3] = [
    "asset_family packshots 3",
    "export_profile nightly 8",
    "reference_entity brands 1",
];

async fn authorized_again(channel: &Channel, scopes: &[&str]) -> pb::Effect {
    let (mut steps, left) = Steps::start(channel, "shop", scopes).await;
    assert_eq!(left, STEPS);
    steps.authorize().await.unwrap();
    let rights = pb::SetPermissionsRequest {
        trees: Some(viewing_all()),
        ..Default::default()
    };
    steps.set_permissions(rights).await.unwrap();
    steps.confirm().await.unwrap().effect.unwrap()
}

#[tokio::test]
async fn rule_5_8_reauthorization_replaces_only_trees_locales_and_attribute_groups() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let (mut steps, left) = Steps::start(&channel, "shop", &["read_products"]).await;
    steps.finish(&left).await;
    changed_by_an_administrator(&channel, Some("print")).await;
    let held_before = held(&server, "shop").await;
    assert!(held_before.contains(&"channel print 1".to_owned()));
    authorized_again(&channel, &["write_products"]).await;
    let mut expected = vec![
        "category master 1",
        "category sales 1",
        "category shoes 1",
        "channel print 1",
        "channel web 3",
    ];
    expected.extend(KEPT);
    expected.sort_unstable();
    assert_eq!(held(&server, "shop").await, expected);
    // The administrator's change ended the right on later channels (rules 5.7).
    put_channel(&channel, "late", false).await;
    assert_eq!(held(&server, "shop").await, expected);
}

#[tokio::test]
async fn rule_5_8_reauthorization_grants_no_withheld_channel() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let (mut steps, left) = Steps::start(&channel, "shop", &["read_products"]).await;
    steps.finish(&left).await;
    put_channel(&channel, "closed", true).await;
    let (print, web) = ("channel print 3".to_owned(), "channel web 3".to_owned());
    let is_channel = |right: &String| right.starts_with("channel");
    authorized_again(&channel, &["write_products"]).await;
    let mut channels = held(&server, "shop").await;
    channels.retain(is_channel);
    assert_eq!(channels, [print.clone(), web.clone()]);
    let apps = file(
        "apps.csv",
        &[
            "code;scopes;trees_view;locales_view",
            "shop;write_products;*;*",
        ],
    );
    server.import("acme", Edition::Unspecified, &[apps]).await;
    let mut channels = held(&server, "shop").await;
    channels.retain(is_channel);
    assert_eq!(channels, [print, web]);
    // No administrator's change ended the right on later channels.
    put_channel(&channel, "late", false).await;
    assert!(
        held(&server, "shop")
            .await
            .contains(&"channel late 3".to_owned())
    );
}

#[tokio::test]
async fn rule_5_8_reimporting_apps_keeps_rights_absent_from_the_file() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let columns = "code;scopes;trees_own;trees_edit;trees_view;locales_edit;locales_view;attribute_groups_edit;attribute_groups_view";
    let apps = |row| -> [File; 1] { [file("apps.csv", &[columns, row])] };
    let first = apps("shop;write_products;;;*;;*;;*");
    server.import("acme", Edition::Unspecified, &first).await;
    changed_by_an_administrator(&channel, Some("web")).await;
    let again = server.import("acme", Edition::Unspecified, &first).await;
    // Only the levels that the administrator raised change: a tree, a locale, a
    // group.
    assert_eq!(again.effect.unwrap().changed, 3);
    let mut expected = vec![
        "attribute_group erp 1",
        "attribute_group marketing 1",
        "category master 1",
        "category sales 1",
        "category shoes 1",
        "channel print 3",
        "channel web 1",
        "locale en_US 1",
        "locale fr_FR 1",
    ];
    expected.extend(KEPT);
    expected.sort_unstable();
    assert_eq!(held(&server, "shop").await, expected);
    let revision = again.revision;
    let again = server.import("acme", Edition::Unspecified, &first).await;
    assert_eq!(again.revision, revision, "the same again changes nothing");
}

#[tokio::test]
async fn rule_5_2_reauthorized_app_is_not_counted_again() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let (mut steps, left) = Steps::start(&channel, "shop", &["read_products"]).await;
    steps.finish(&left).await;
    let rows: Vec<String> = (0..99).map(|number| format!("erp_{number};")).collect();
    let rows = std::iter::once("code;roles").chain(rows.iter().map(String::as_str));
    let connections = file("connections.csv", &rows.collect::<Vec<_>>());
    server
        .import("acme", Edition::Unspecified, &[connections])
        .await;
    let effect = authorized_again(&channel, &["write_products"]).await;
    assert_eq!((effect.created, effect.removed), (0, 0));
    let apps = file("apps.csv", &["code;scopes", "shop;delete_products"]);
    server.import("acme", Edition::Unspecified, &[apps]).await;
    let (mut other, _) = Steps::start(&channel, "other", &[]).await;
    other.authorize().await.unwrap();
    let (code, reason, _) = refusal(&other.confirm().await.unwrap_err());
    assert_eq!(
        (code, reason.as_str()),
        (Code::ResourceExhausted, "APP_LIMIT")
    );
}

#[tokio::test]
async fn rule_5_8a_upgrade_makes_connected_apps_take_the_permissions_step() {
    let (server, channel) = acme(Edition::Growth).await;
    for (app, scopes) in [("shop", "write_products"), ("sync", "read_categories")] {
        let (mut steps, left) = Steps::start(&channel, app, &[scopes]).await;
        assert_eq!(left, [AppStep::Authorize]);
        steps.authorize().await.unwrap();
        let (_, again) = Steps::start(&channel, app, &[scopes]).await;
        assert_eq!(again, [], "no step is left in growth");
    }
    become_edition(&channel, Edition::Enterprise).await;
    let (_, left) = Steps::start(&channel, "sync", &["read_categories"]).await;
    assert_eq!(left, [], "no products scope");
    let (_, left) = Steps::start(&channel, "shop", &["write_products"]).await;
    assert_eq!(left, STEPS, "its scopes equal");
    let (_, left) = Steps::start(&channel, "shop", &[]).await;
    assert_eq!(left, [], "no products scope any more");
    let (_, left) = Steps::start(&channel, "shop", &["write_products"]).await;
    assert_eq!(left, STEPS, "its scopes grow");
    let (mut steps, left) = Steps::start(&channel, "shop", &["write_products"]).await;
    steps.finish(&left).await;
    for scopes in [&["write_products"][..], &["read_products"]] {
        let (_, left) = Steps::start(&channel, "shop", scopes).await;
        assert_eq!(left, [], "it passed the step");
    }
    assert!(
        held(&server, "shop")
            .await
            .contains(&"category master 1".to_owned())
    );
}

#[tokio::test]
async fn rule_5_8a_shrunk_scopes_apply_before_the_required_permissions_step() {
    let (server, channel) = acme(Edition::Growth).await;
    let (mut steps, _) = Steps::start(&channel, "shop", &["write_products"]).await;
    steps.authorize().await.unwrap();
    become_edition(&channel, Edition::Enterprise).await;
    let mut rehearsed = steps.clone();
    rehearsed.dry_run = true;
    let answer = rehearsed.begin("shop", &["read_products"]).await.unwrap();
    assert_eq!((answer.request_id.as_str(), answer.steps.len()), ("", 3));
    assert_eq!(answer.effect.unwrap().changed, 1);
    assert_eq!(scopes(&channel, "shop").await, ["write_products"]);
    let answer = steps.begin("shop", &["read_products"]).await.unwrap();
    let left: Vec<AppStep> = answer.steps().collect();
    assert_eq!(
        (left.as_slice(), answer.effect.unwrap().changed),
        (&STEPS[..], 1)
    );
    assert_eq!(scopes(&channel, "shop").await, ["read_products"]);
    // After a cancellation, the step is required again the next time.
    steps.cancel().await.unwrap();
    let (mut steps, left) = Steps::start(&channel, "shop", &["read_products"]).await;
    assert_eq!(left, STEPS);
    steps.finish(&left).await;
    assert!(
        held(&server, "shop")
            .await
            .contains(&"category sales 1".to_owned())
    );
    let (_, left) = Steps::start(&channel, "shop", &["read_products"]).await;
    assert_eq!(left, []);
}

#[tokio::test]
async fn rule_5_8a_right_columns_in_a_file_complete_the_permissions_step() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let cases: [(&str, &[&str], &[AppStep]); 4] = [
        ("none", &["code;scopes", "none;read_products"], &STEPS),
        (
            "empty",
            &["code;scopes;locales_view", "empty;read_products;"],
            &[],
        ),
        (
            "some",
            &["code;scopes;trees_view", "some;read_products;master"],
            &[],
        ),
        (
            "none",
            &["code;scopes;trees_view", "none;read_products;"],
            &[],
        ),
    ];
    for (app, lines, expected) in cases {
        let files = [file("apps.csv", lines)];
        server.import("acme", Edition::Unspecified, &files).await;
        let (_, left) = Steps::start(&channel, app, &["read_products"]).await;
        assert_eq!(left, expected, "{lines:?}");
    }
}

/// The migration that creates the column in an upgraded database.
const V6: &str = include_str!("../../../src/store/migrations/V6__apps_permissions_step.sql");

#[tokio::test]
async fn rule_5_8a_database_upgrade_derives_passed_step_from_chosen_rights() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let apps = file(
        "apps.csv",
        &[
            "code;scopes;trees_view",
            "chosen;read_products;master",
            "nothing;read_products;",
        ],
    );
    server.import("acme", Edition::Unspecified, &[apps]).await;
    let (client, _session) = server.database.connect().await;
    let drop = "SET search_path = pim_authz; ALTER TABLE app DROP COLUMN permissions_passed;";
    client.batch_execute(&format!("{drop} {V6}")).await.unwrap();
    let cases: [(&str, &[AppStep]); 2] = [("chosen", &[]), ("nothing", &STEPS)];
    for (app, expected) in cases {
        let (_, left) = Steps::start(&channel, app, &["read_products"]).await;
        assert_eq!(left, expected, "{app}");
    }
}
