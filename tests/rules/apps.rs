//! Rules §5, the part that concerns decisions: scopes and what they grant.

use pim_authz::domain::{
    CATALOGUE, Edition,
    Level::{Edit, Own},
    ScopeKind,
};

use crate::support::{QuestionBuilder, World, assert_answers, question};

fn may(permission: &str) -> QuestionBuilder {
    question("app:sync", permission, "")
}

#[test]
fn rule_5_3_write_implies_read_and_delete_implies_write() {
    let cases = [
        // scope             reads       edits      removes
        ("read_products", [true, false, false]),
        ("write_products", [true, true, false]),
        ("delete_products", [true, true, true]),
    ];
    for (scope, expected) in cases {
        let world = World::enterprise().app("sync", &[scope]);
        let actions = ["api.product.list", "api.product.edit", "api.product.remove"];
        let allowed = actions.map(|action| world.answer(may(action)) == "allowed");
        assert_eq!(allowed, expected, "{scope}");
    }
}

#[test]
fn rule_5_4_app_without_authorization_scope_reads_only_the_version() {
    for scopes in [&[][..], &["openid", "profile", "email"]] {
        for edition in [Edition::Community, Edition::Growth, Edition::Enterprise] {
            let world = World::new(edition).app("sync", scopes);
            assert_eq!(world.answer(may("system_version.read")), "allowed");
            for permission in CATALOGUE.permissions() {
                let answer = world.answer(may(permission.code));
                assert!(answer.starts_with("denied: "), "{}", permission.code);
            }
        }
    }
}

#[test]
fn rule_5_5_authorization_scope_grants_its_permissions_and_overall_access() {
    for scope in CATALOGUE.scopes() {
        let world = World::enterprise().app("sync", &[scope.code]);
        let expected = if scope.kind == ScopeKind::Authorization {
            "allowed"
        } else {
            "denied: scope api.overall_access"
        };
        assert_eq!(world.answer(may("api.overall_access")), expected);
        for permission in scope.permissions.iter() {
            let code = CATALOGUE.permission(permission).code;
            assert_eq!(world.answer(may(code)), "allowed", "{} {code}", scope.code);
        }
    }
}

#[test]
fn rule_5_5_app_is_decided_like_a_connection_with_the_same_permissions() {
    let world = World::enterprise()
        .connection_role("API", &["api.overall_access", "api.product.edit"])
        .connection("erp", &["Redactors"])
        .with_roles("erp", &["API"])
        .app("sync", &["write_products"])
        .with_trees(&["Cellar"])
        .with_product("hat", &["Hats"])
        .with_product("wine", &["Cellar"])
        .group("Redactors")
        .may(Edit)
        .category("Hats")
        .group("app:sync")
        .may(Edit)
        .category("Hats");
    for subject in ["app:sync", "connection:erp"] {
        assert_answers(
            &world,
            [
                (
                    question(subject, "api.product.edit", "product:hat"),
                    "allowed at edit, proposal",
                ),
                (
                    question(subject, "api.product.edit", "product:wine"),
                    "denied at none: category Cellar needs edit, has none",
                ),
                (
                    question(subject, "send_proposal", "product:hat"),
                    "allowed at edit, proposal",
                ),
            ],
        );
    }
}

#[test]
fn rule_5_5_scope_not_offered_by_the_edition_has_no_effect() {
    // granted before a downgrade
    let world = World::growth().app("sync", &["write_assets", "read_products"]);
    assert_answers(
        &world,
        [
            (may("api.asset.edit"), "denied: edition api.asset.edit"),
            (may("api.product.list"), "allowed"),
        ],
    );
}

#[test]
fn rule_5_7_app_has_edit_on_every_channel_including_later_ones() {
    let world = World::enterprise()
        .with_channels(&["ecommerce"])
        .app("sync", &["write_products"])
        .with_channels(&["print"])
        .with_product("hat", &["Hats"])
        .group("app:sync")
        .may(Own)
        .category("Hats");
    let hat = || question("app:sync", "api.product.edit", "product:hat");
    assert_answers(
        &world,
        [
            (hat().channel("ecommerce"), "allowed at own, direct"),
            (hat().channel("print"), "allowed at own, direct"),
            (
                question("app:sync", "edit", "channel:print"),
                "allowed at edit",
            ),
        ],
    );
}

#[test]
fn rule_5_10_permission_to_manage_apps_implies_opening_them() {
    let cases: [(&[&str], [bool; 3]); 4] = [
        // held                     open   manage  manage custom ones
        (&["app.open"], [true, false, false]),
        (&["app.manage"], [true, true, false]),
        (&["app.manage_custom"], [false, false, true]),
        (&[], [false, false, false]),
    ];
    for (held, expected) in cases {
        let world = World::community()
            .role("Role", held)
            .user("julia", &[])
            .with_roles("julia", &["Role"]);
        let actions = ["app.open", "app.manage", "app.manage_custom"];
        let allowed = actions.map(|action| {
            let answer = world.answer(question("user:julia", action, ""));
            answer == "allowed"
        });
        assert_eq!(allowed, expected, "{held:?}");
    }
}
