//! Rules §2: role permissions.

use pim_authz::domain::{CATALOGUE, Edition};

use crate::support::{World, assert_answers, question};

#[test]
fn rule_2_1_every_catalogue_permission_can_be_granted_and_checked() {
    for permission in CATALOGUE.permissions() {
        let requires = permission.requires.iter();
        let mut codes: Vec<&str> = requires.map(|id| CATALOGUE.permission(id).code).collect();
        codes.push(permission.code);
        let world = World::enterprise()
            .role("Holder", &codes)
            .user("julia", &[])
            .with_roles("julia", &["Holder"])
            .user("mary", &[]);
        let held = world.answer(question("user:julia", permission.code, ""));
        assert_eq!(held, "allowed", "{}", permission.code);
        let lacked = world.answer(question("user:mary", permission.code, ""));
        assert_eq!(lacked, format!("denied: permission {}", permission.code));
    }
}

#[test]
fn rule_2_2_subject_has_the_permissions_of_all_its_roles() {
    let world = World::community()
        .role("Lister", &["product.list"])
        .role("Commenter", &["product.comment"])
        .role("Nobody's", &["product.remove"])
        .user("julia", &[])
        .with_roles("julia", &["Lister", "Commenter"])
        .user("mary", &[])
        .with_roles("mary", &["Lister"]);
    assert_answers(
        &world,
        [
            (question("user:julia", "product.list", ""), "allowed"),
            (question("user:julia", "product.comment", ""), "allowed"),
            (
                question("user:julia", "product.remove", ""),
                "denied: permission product.remove",
            ),
            (
                question("user:mary", "product.comment", ""),
                "denied: permission product.comment",
            ),
        ],
    );
}

/// Checks a permission for a user whose only role has other permissions.
#[track_caller]
fn assert_held(cases: &[(&[&str], &str, &str)]) {
    for (held, permission, expected) in cases {
        let world = World::enterprise()
            .role("Role", held)
            .user("julia", &[])
            .with_roles("julia", &["Role"]);
        let answer = world.answer(question("user:julia", permission, ""));
        let expected = match *expected {
            "held" => "allowed".to_owned(),
            missing => format!("denied: permission {missing}"),
        };
        assert_eq!(answer, expected, "{permission}, holding {held:?}");
    }
}

#[test]
fn rule_2_3_permission_may_imply_another() {
    let edits: &[&str] = &["category.edit"];
    assert_held(&[
        // granted          checked                     missing
        (edits, "category.edit_attributes", "held"),
        (edits, "category.manage_template", "held"),
        (&["category.create"], "category.manage_template", "held"),
        (&["app.manage"], "app.open", "held"),
        (&["app.open"], "app.manage", "app.manage"),
        (edits, "category.create", "category.create"),
    ]);
}

#[test]
fn rule_2_3_permission_has_no_effect_without_its_required_permission() {
    let history = "association_type.view_history";
    assert_held(&[
        // granted              checked                     missing
        (&[history], history, "association_type.edit"),
        (&[history, "association_type.edit"], history, "held"),
        (
            &["category.view_history"],
            "category.view_history",
            "category.edit",
        ),
        (
            &["category.view_history", "category.edit"],
            "category.view_history",
            "held",
        ),
        (
            &["category.manage_permissions"],
            "category.manage_permissions",
            "category.edit",
        ),
        (
            &["api.product.list"],
            "api.product.list",
            "api.overall_access",
        ),
        (
            &["api.overall_access"],
            "api.product.list",
            "api.product.list",
        ),
        (
            &["api.product.list", "api.overall_access"],
            "api.product.list",
            "held",
        ),
    ]);
}

#[test]
fn rule_2_3_implications_apply_before_requirements() {
    let reorder = "category.reorder";
    assert_held(&[
        // granted              checked                     missing
        (&["category.edit"], reorder, "category.list"),
        (&["category.edit", "category.list"], reorder, "held"),
        (&["category.list"], reorder, reorder),
        (&[reorder], reorder, "category.list"),
        (
            &["category.edit_attributes"],
            "category.edit_attributes",
            "category.edit",
        ),
    ]);
}

#[test]
fn rule_2_3_required_permission_may_come_from_another_role() {
    let world = World::community()
        .connection_role("Entry", &["api.overall_access"])
        .connection_role("Lister", &["api.product.list"])
        .connection("erp", &["All"])
        .with_roles("erp", &["Entry", "Lister"]);
    assert_answers(
        &world,
        [(
            question("connection:erp", "api.product.list", ""),
            "allowed",
        )],
    );
}

#[test]
fn rule_2_4_enterprise_permissions_have_effect_in_enterprise_tenants_only() {
    let enterprise: Vec<&str> = CATALOGUE
        .permissions()
        .iter()
        .filter(|permission| permission.enterprise)
        .map(|permission| permission.code)
        .collect();
    assert!(!enterprise.is_empty());
    let mut held = enterprise.clone();
    held.extend(["api.overall_access", "category.edit"]);
    for edition in [Edition::Community, Edition::Growth, Edition::Enterprise] {
        // granted before a downgrade: still stored, but without effect
        let world = World::new(edition)
            .role("Administrator", &held)
            .user("julia", &[])
            .with_roles("julia", &["Administrator"])
            .user("mary", &[]);
        for code in &enterprise {
            let expected = if edition.is_enterprise() {
                "allowed".to_owned()
            } else {
                format!("denied: edition {code}")
            };
            assert_eq!(world.answer(question("user:julia", code, "")), expected);
            // whether granted or not (rules 8.1)
            if !edition.is_enterprise() {
                assert_eq!(world.answer(question("user:mary", code, "")), expected);
            }
        }
    }
}

#[test]
fn rule_2_5_connection_uses_the_api_permissions_of_its_roles() {
    let world = World::enterprise()
        .connection_role("API", &["api.overall_access", "api.product.edit"])
        .connection("erp", &["ERP"])
        .with_roles("erp", &["API"])
        .group("ERP")
        .may(pim_authz::domain::Level::Edit)
        .category("Hats")
        .with_product("hat", &["Hats"]);
    assert_answers(
        &world,
        [
            (
                question("connection:erp", "api.product.edit", "product:hat"),
                "allowed at edit, proposal",
            ),
            (
                question("connection:erp", "api.product.list", "product:hat"),
                "denied at edit: permission api.product.list",
            ),
            (
                question("connection:erp", "product.list", "product:hat"),
                "denied at edit: permission product.list",
            ),
        ],
    );
}
