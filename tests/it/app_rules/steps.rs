use pim_authz::pb::{
    self, AppStep, Edition, app_service_client::AppServiceClient,
    directory_service_client::DirectoryServiceClient,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{STEPS, acme, become_edition, held, scopes};
use crate::harness::{Steps, file, header, refusal, viewing_all};

fn next_step(status: &Status) -> String {
    let (code, reason, _) = refusal(status);
    assert_eq!(
        (code, reason.as_str()),
        (Code::FailedPrecondition, "STEP_OUT_OF_ORDER"),
        "{status:?}"
    );
    status.get_details_error_info().unwrap().metadata["next_step"].clone()
}

fn named(status: &Status) -> (Code, String, String) {
    let (code, reason, field) = refusal(status);
    (code, reason, field.unwrap_or_default())
}

fn invalid(field: &str) -> (Code, String, String) {
    (
        Code::InvalidArgument,
        "INVALID_REQUEST".into(),
        field.into(),
    )
}

#[tokio::test]
async fn rule_5_1_actor_must_be_a_user() {
    let (_server, channel) = acme(Edition::Enterprise).await;
    let (mut steps, _) = Steps::start(&channel, "shop", &["read_products"]).await;
    for actor in ["", "app:shop", "connection:erp", "admin", "user:"] {
        actor.clone_into(&mut steps.actor);
        let mut other = steps.clone();
        let refused = [
            other.begin("shop", &[]).await.unwrap_err(),
            steps.authorize().await.unwrap_err(),
            steps.permit(viewing_all()).await.unwrap_err(),
            steps.confirm().await.unwrap_err(),
            steps.cancel().await.unwrap_err(),
        ];
        for status in refused {
            assert_eq!(named(&status), invalid("actor"), "{actor}: {status:?}");
        }
    }
}

#[tokio::test]
async fn rule_5_1_each_step_checks_its_own_actor() {
    let (_server, channel) = acme(Edition::Enterprise).await;
    let (mut steps, _) = Steps::start(&channel, "shop", &["read_products"]).await;
    for actor in ["user:julia", "user:nobody"] {
        actor.clone_into(&mut steps.actor);
        let mut other = steps.clone();
        let refused = [
            other.begin("shop", &[]).await.unwrap_err(),
            steps.authorize().await.unwrap_err(),
            steps.permit(viewing_all()).await.unwrap_err(),
            steps.confirm().await.unwrap_err(),
            steps.cancel().await.unwrap_err(),
        ];
        for status in refused {
            let (code, reason, _) = refusal(&status);
            let found = (code, reason.as_str());
            assert_eq!(found, (Code::PermissionDenied, "ACTOR_NOT_PERMITTED"));
        }
    }
    "user:admin".clone_into(&mut steps.actor);
    steps.finish(&STEPS).await;
}

/// Rehearses a step of a request.
async fn rehearse_step(steps: &Steps, step: AppStep, rights: bool) -> Result<(), Status> {
    let mut steps = steps.clone();
    steps.dry_run = true;
    match step {
        AppStep::Unspecified => panic!("no step"),
        AppStep::Authorize => steps.authorize().await.map(|_| ()),
        AppStep::Permissions if rights => steps.permit(viewing_all()).await,
        AppStep::Permissions => steps.permit(pb::AppRights::default()).await,
        AppStep::Confirm => steps.confirm().await.map(|_| ()),
    }
}

/// Tries each step; a step out of order is refused and names the next one.
async fn assert_next(steps: &Steps, left: &[AppStep], done: &[AppStep], about: &str) {
    let name = |step: &AppStep| match step {
        AppStep::Unspecified => "",
        AppStep::Authorize => "AuthorizeScopes",
        AppStep::Permissions => "SetPermissions",
        AppStep::Confirm => "ConfirmConnection",
    };
    for step in STEPS {
        for rights in [false, true] {
            let result = rehearse_step(steps, step, rights).await;
            // A step may be repeated until the last step is taken.
            if left[0] == step || done.contains(&step) {
                result.unwrap_or_else(|status| panic!("{about} {step:?}: {status:?}"));
                continue;
            }
            let Err(status) = result else {
                panic!("{about} {step:?}: {result:?}");
            };
            if step == AppStep::Permissions && rights && left == [AppStep::Confirm] {
                // Rights are invalid where the step is not required
                // (rules 5.6).
                assert_eq!(named(&status), invalid("trees.view"), "{about}");
                continue;
            }
            assert_eq!(next_step(&status), name(&left[0]), "{about} {step:?}");
        }
    }
}

#[tokio::test]
async fn rule_5_1_next_step_follows_the_current_edition() {
    use AppStep::{Authorize, Confirm};
    let (_server, channel) = acme(Edition::Enterprise).await;
    let requested: [&[&str]; 2] = [&["write_products"], &["read_categories"]];
    for scopes in requested {
        let all: Vec<AppStep> = if scopes == ["write_products"] {
            STEPS.to_vec()
        } else {
            vec![Authorize, Confirm]
        };
        for taken in 0..all.len() {
            for other in [Edition::Growth, Edition::Community] {
                let about = format!("{scopes:?} after {taken} steps in {other:?}");
                let (mut steps, left) = Steps::start(&channel, &about, scopes).await;
                assert_eq!(left, all, "{about}");
                for step in &all[..taken] {
                    match step {
                        Authorize => drop(steps.authorize().await.unwrap()),
                        _ => steps.permit(viewing_all()).await.unwrap(),
                    }
                }
                assert_next(&steps, &all[taken..], &all[..taken], &about).await;
                become_edition(&channel, other).await;
                assert_next(&steps, &[Authorize], &[], &about).await;
                become_edition(&channel, Edition::Enterprise).await;
                assert_next(&steps, &all[taken..], &all[..taken], &about).await;
                become_edition(&channel, other).await;
                let connected = steps.authorize().await.unwrap();
                assert!(connected.steps.is_empty(), "{about}");
                assert_eq!(self::scopes(&channel, &about).await, scopes, "{about}");
                become_edition(&channel, Edition::Enterprise).await;
            }
        }
        become_edition(&channel, Edition::Growth).await;
        let (steps, left) = Steps::start(&channel, "late", scopes).await;
        assert_eq!(left, [Authorize]);
        assert_next(&steps, &[Authorize], &[], "in growth").await;
        become_edition(&channel, Edition::Enterprise).await;
        assert_next(&steps, &all, &[], "upgraded").await;
    }
}

#[tokio::test]
async fn rule_5_1_rights_chosen_before_a_downgrade_are_required_again() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let (mut steps, _) = Steps::start(&channel, "shop", &["read_products"]).await;
    steps.authorize().await.unwrap();
    steps.permit(viewing_all()).await.unwrap();
    become_edition(&channel, Edition::Growth).await;
    steps.authorize().await.unwrap();
    assert_eq!(
        held(&server, "shop").await,
        ["channel print 3", "channel web 3"]
    );
    become_edition(&channel, Edition::Enterprise).await;
    let (_, left) = Steps::start(&channel, "shop", &["read_products"]).await;
    assert_eq!(left, STEPS);
}

#[tokio::test]
async fn rule_1_5_the_code_of_an_app_has_at_most_251_bytes() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let long = "a".repeat(252);
    let good = "a".repeat(251);
    let (mut steps, left) = Steps::start(&channel, &good, &["read_products"]).await;
    let mut apps = AppServiceClient::new(channel.clone());
    let update = pb::UpdateScopesRequest {
        tenant: "acme".into(),
        app: long.clone(),
        ..Default::default()
    };
    let disconnect = pb::DisconnectRequest {
        tenant: "acme".into(),
        app: long.clone(),
        ..Default::default()
    };
    let refused = [
        steps.clone().begin(&long, &[]).await.unwrap_err(),
        steps
            .clone()
            .begin(&"é".repeat(126), &[])
            .await
            .unwrap_err(),
        apps.update_scopes(update).await.unwrap_err(),
        apps.disconnect(disconnect).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(named(&status), invalid("app"), "{status:?}");
        assert!(status.message().contains("251"), "{status:?}");
    }
    steps.finish(&left).await;
    assert_eq!(scopes(&channel, &good).await, ["read_products"]);
    let row = |code: &str| file("apps.csv", &["code;scopes", &format!("{code};")]);
    let mut header = header("acme", Edition::Unspecified);
    header.dry_run = true;
    let outcome = server.try_import(header.clone(), &[row(&long)]).await;
    let refused = &outcome.summary.unwrap().refused[0];
    assert_eq!((refused.line, refused.column.as_str()), (2, "code"));
    assert!(refused.message.contains("251"), "{refused:?}");
    let outcome = server.try_import(header, &[row(&"b".repeat(251))]).await;
    outcome.ended.unwrap();
}

#[tokio::test]
async fn rule_1_4_group_codes_of_apps_are_reserved() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let mut directory = DirectoryServiceClient::new(channel);
    let codes = [
        "app:shop".to_owned(),
        "APP:".to_owned(),
        format!("app:{}", "a".repeat(251)),
    ];
    for code in codes {
        let files = [file("user_groups.csv", &["code;name", &format!("{code};")])];
        let request = pb::PutUserGroupsRequest {
            tenant: "acme".into(),
            user_groups: vec![pb::UserGroup {
                code,
                ..Default::default()
            }],
            ..Default::default()
        };
        let status = directory.put_user_groups(request).await.unwrap_err();
        let (code, reason, _) = refusal(&status);
        let found = (code, reason.as_str());
        assert_eq!(found, (Code::FailedPrecondition, "GROUP_IS_PRIVATE"));
        let header = header("acme", Edition::Unspecified);
        let outcome = server.try_import(header, &files).await;
        assert_eq!(refusal(&outcome.ended.unwrap_err()).1, "IMPORT_REFUSED");
    }
}

#[tokio::test]
async fn rule_5_3_scopes_that_are_not_granted_are_listed_by_every_call() {
    let (_server, channel) = acme(Edition::Growth).await;
    let requested = ["read_products", "fly", "read_assets", "fly"];
    let (mut steps, _) = Steps::start(&channel, "shop", &["read_products"]).await;
    steps.authorize().await.unwrap();
    let same = steps.begin("shop", &requested).await.unwrap();
    let new = steps.begin("other", &requested).await.unwrap();
    let update = pb::UpdateScopesRequest {
        tenant: "acme".into(),
        app: "shop".into(),
        scopes: requested.map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let mut apps = AppServiceClient::new(channel.clone());
    let updated = apps.update_scopes(update).await.unwrap().into_inner();
    let answers = [
        (same.granted_scopes, same.ungranted_scopes),
        (new.granted_scopes, new.ungranted_scopes),
        (updated.granted_scopes, updated.ungranted_scopes),
    ];
    for (granted, ungranted) in answers {
        assert_eq!(granted, ["read_products"]);
        assert_eq!(ungranted, ["fly", "read_assets"]);
    }
}

fn listed(codes: &[&str]) -> Option<pb::AppSelection> {
    let codes = codes.iter().map(|&code| code.into()).collect();
    Some(pb::AppSelection { all: false, codes })
}

/// Rights as `axis level code,code`; `*` for all.
fn rights(text: &str) -> pb::SetPermissionsRequest {
    let words: Vec<&str> = text.split(' ').collect();
    let mut chosen = pb::AppRights::default();
    let codes: Vec<&str> = words[2].split(',').collect();
    let selection = listed(&codes).map(|selection| pb::AppSelection {
        all: codes.contains(&"*"),
        ..selection
    });
    match words[1] {
        "own" => chosen.own = selection,
        "edit" => chosen.edit = selection,
        _ => chosen.view = selection,
    }
    let mut request = pb::SetPermissionsRequest::default();
    match words[0] {
        "trees" => request.trees = Some(chosen),
        "locales" => request.locales = Some(chosen),
        _ => request.attribute_groups = Some(chosen),
    }
    request
}

#[tokio::test]
async fn rule_5_6_rights_that_the_step_does_not_offer_are_refused() {
    let (server, channel) = acme(Edition::Enterprise).await;
    let cases = [
        // Scopes, rights, the field that is refused.
        ("read_products", "trees view master", ""),
        ("read_products", "trees edit master", "trees.edit"),
        ("read_products", "trees own *", "trees.own"),
        ("read_products", "locales edit en_US", "locales.edit"),
        (
            "read_products",
            "attribute_groups edit *",
            "attribute_groups.edit",
        ),
        ("write_products", "trees own sales", ""),
        ("write_products", "trees own shoes", "trees.own"),
        ("write_products", "locales own en_US", "locales.own"),
        (
            "write_products",
            "attribute_groups own *",
            "attribute_groups.own",
        ),
        ("write_products", "locales edit en_US,*", ""),
        ("read_categories", "trees view master", "trees.view"),
        ("openid", "locales view *", "locales.view"),
    ];
    for (scope, text, field) in cases {
        let (mut steps, _) = Steps::start(&channel, "shop", &[scope]).await;
        steps.authorize().await.unwrap();
        let result = steps.set_permissions(rights(text)).await;
        if field.is_empty() {
            result.unwrap();
        } else {
            let status = result.unwrap_err();
            assert_eq!(named(&status), invalid(field), "{scope} {text}");
        }
    }
    // `all` takes precedence over a list, and the highest level over lower
    // ones.
    let (mut steps, _) = Steps::start(&channel, "shop", &["write_products"]).await;
    steps.authorize().await.unwrap();
    let mut request = rights("locales view *,en_US");
    request.locales.as_mut().unwrap().edit = listed(&["fr_FR"]);
    steps.set_permissions(request).await.unwrap();
    steps.confirm().await.unwrap();
    let mut locales = held(&server, "shop").await;
    locales.retain(|right| right.starts_with("locale"));
    assert_eq!(locales, ["locale en_US 1", "locale fr_FR 3"]);
}
