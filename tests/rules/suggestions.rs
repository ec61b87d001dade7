//! Rules 8.2: the smallest set of grants that reverses a denial, by example.

use pim_authz::domain::{
    Edition, Explanation,
    Level::{Edit, Own, View},
    Remedy,
};

use crate::support::{QuestionBuilder, SpecificTo, World, question};

/// Renders the remedies of an explanation, or the reason why it has none.
fn suggested(explanation: &Explanation) -> String {
    use pim_authz::domain::CATALOGUE;
    let word = |remedy: &Remedy| match remedy {
        Remedy::Access { group, item, level } => format!("{group} {level} {item}"),
        Remedy::Permission { role, permission } => {
            format!("{role} may {}", CATALOGUE.permission(*permission).code)
        }
        Remedy::Scope(scope) => format!("scope {}", CATALOGUE.scope(*scope).code),
        Remedy::Membership { group } => format!("join {group}"),
    };
    let words: Vec<String> = explanation.remedies.iter().map(word).collect();
    if let Some(why) = &explanation.no_remedy_reason {
        assert!(words.is_empty(), "{words:?}");
        return format!("nothing: {why}");
    }
    words.join(" + ")
}

#[track_caller]
fn assert_suggests<const N: usize>(world: &World, cases: [(QuestionBuilder, &str); N]) {
    for (builder, expected) in cases {
        let question = builder.clone().build();
        let explanation = world.explain(&question);
        assert!(!explanation.decision.is_allowed(), "{builder:?}");
        assert_eq!(suggested(&explanation), expected, "{builder:?}");
    }
}

#[test]
fn rule_8_2_smallest_set_of_grants_is_suggested() {
    let world = World::enterprise()
        .role("Editor", &[])
        .role("Assistant", &[])
        .user("julia", &["Beta", "Alpha"])
        .with_roles("julia", &["Editor", "Assistant"])
        .user("mary", &["Alpha"])
        .user("peter", &[])
        .with_channels(&["print"])
        .with_locales(&["en_US"])
        .with_product("hat", &["Hats", "Caps"])
        .group("Owners")
        .may(Own)
        .category("Hats")
        .may(Edit)
        .channel("ecommerce")
        .locale("fr_FR")
        .group("All")
        .may(View)
        .category("Caps");
    assert_suggests(
        &world,
        [
            // one membership gives as much as three raised levels
            (question("user:julia", "own", "product:hat"), "join Owners"),
            (
                question("user:julia", "own", "product:hat").channel("print"),
                "join Owners + Alpha edit channel:print",
            ),
            // a single raised level is preferred to a membership
            (
                question("user:julia", "view", "channel:ecommerce"),
                "Alpha view channel:ecommerce",
            ),
            // `All` is raised only because peter is in no other group
            (
                question("user:peter", "edit", "category:Caps"),
                "All edit category:Caps",
            ),
            // permissions go to the first role by code
            (
                question("user:julia", "product.list", ""),
                "Assistant may product.list",
            ),
            (
                question("user:julia", "category.reorder", ""),
                "Assistant may category.reorder + Assistant may category.list",
            ),
            (
                question("user:julia", "category.edit_attributes", ""),
                "Assistant may category.edit",
            ),
            // a user without a role cannot be given a permission
            (
                question("user:mary", "product.list", ""),
                "nothing: the subject holds no role that a permission could be added to",
            ),
        ],
    );
}

#[test]
fn rule_8_2_joining_two_groups_is_preferred_to_four_raised_levels() {
    let world = World::enterprise()
        .user("julia", &["Redactors"])
        .with_product("hat", &["Hats"])
        .group("Places")
        .may(View)
        .channel("ecommerce")
        .locale("en_US")
        .group("Things")
        .may(View)
        .category("Hats")
        .attribute_group("General");
    assert_suggests(
        &world,
        [(
            question("user:julia", "view", "product:hat").attribute_group("General"),
            "join Places + join Things",
        )],
    );
}

#[test]
fn rule_8_2_joining_groups_without_all_is_preferred() {
    let world = World::enterprise()
        .connection("erp", &["Redactors"])
        .with_product("hat", &["Hats"])
        .group("A")
        .may(View)
        .channel("ecommerce")
        .locale("en_US")
        .group("All")
        .may(View)
        .category("Hats")
        .attribute_group("General")
        .group("B")
        .may(View)
        .channel("ecommerce")
        .category("Hats")
        .group("C")
        .may(View)
        .locale("en_US")
        .attribute_group("General");
    assert_suggests(
        &world,
        [(
            question("connection:erp", "view", "product:hat").attribute_group("General"),
            "join B + join C",
        )],
    );
}

#[test]
fn rule_8_2_of_equal_sets_the_lowest_raised_level_is_preferred() {
    let world = World::enterprise()
        .user("julia", &["Redactors"])
        .with_locales(&["en_US"])
        .with_trees(&["Hats"])
        .group("A")
        .may(Edit)
        .channel("ecommerce")
        .locale("en_US")
        .group("B")
        .may(Edit)
        .channel("ecommerce")
        .may(Own)
        .category("Hats")
        .with_product("hat", &["Hats"]);
    let hat = question("user:julia", "own", "product:hat").channel("ecommerce");
    assert_suggests(
        &world,
        [(hat.locale("en_US"), "join B + Redactors edit locale:en_US")],
    );
}

#[test]
fn rule_8_2_connection_without_group_is_suggested_a_membership_first() {
    let world = World::enterprise()
        .connection("erp", &[])
        .with_trees(&["Hats"])
        .group("Redactors")
        .may(View)
        .category("Caps");
    assert_suggests(
        &world,
        [
            (
                question("connection:erp", "view", "category:Caps"),
                "join Redactors",
            ),
            (
                question("connection:erp", "view", "category:Hats"),
                "join Redactors + Redactors view category:Hats",
            ),
        ],
    );
}

#[test]
fn rule_8_2_scope_is_preferred_to_one_that_implies_it() {
    let world = World::enterprise().app("sync", &["openid"]);
    assert_suggests(
        &world,
        [
            (
                question("app:sync", "api.product.list", ""),
                "scope read_products",
            ),
            (
                question("app:sync", "api.product.edit", ""),
                "scope write_products",
            ),
            (
                question("app:sync", "product.list", ""),
                "nothing: no scope gives `product.list`",
            ),
        ],
    );
}

/// Returns a tenant in which many denials have no remedy.
fn without_remedies() -> World {
    World::enterprise()
        .role("Editor", &["product.edit_attributes"])
        .user("julia", &["G"])
        .with_roles("julia", &["Editor"])
        .user("mary", &[])
        .disabled("mary")
        .connection_role("API", &[])
        .connection("erp", &[])
        .with_roles("erp", &["API"])
        .connection("shop", &[])
        .with_attribute("price", "General", SpecificTo::Channel)
        .with_product("hat", &["Hats"])
        .group("G")
        .may(Own)
        .category("Hats")
        .group("All")
        .may(Own)
        .category("Hats")
}

#[test]
fn rule_8_2_denial_without_remedy_has_a_reason() {
    assert_suggests(
        &without_remedies(),
        [
            (
                question("user:nobody", "view", "product:hat"),
                "nothing: the tenant has no such subject",
            ),
            (
                question("user:mary", "view", "product:hat"),
                "nothing: the subject is disabled",
            ),
            (
                question("user:julia", "view", "product:nowhere"),
                "nothing: the tenant has no product `nowhere`",
            ),
            (
                question("connection:erp", "product.list", ""),
                "nothing: no role for a connection may hold `product.list`",
            ),
            (
                question("user:julia", "send_proposal", "product:hat"),
                "nothing: the product is held at own: an owner has no need to send a proposal",
            ),
            (
                question("connection:shop", "send_proposal", "product:hat"),
                "nothing: every user group that the subject could join would make it an owner of the product",
            ),
        ],
    );
    let growth = without_remedies().in_edition(Edition::Growth);
    assert_suggests(
        &growth,
        [(
            question("user:julia", "publish", "product:hat"),
            "nothing: the tenant's edition does not have the action",
        )],
    );
}

#[test]
fn rule_8_2_no_remedy_reason_names_what_the_tenant_lacks() {
    let hat = |action| question("user:julia", action, "product:hat");
    assert_suggests(
        &without_remedies(),
        [
            (
                hat("view").attribute("price"),
                "nothing: the tenant has no channel",
            ),
            (
                hat("view").attribute("nowhere"),
                "nothing: the tenant has no attribute `nowhere`",
            ),
            (
                hat("view").channel("nowhere"),
                "nothing: the tenant has no channel `nowhere`",
            ),
            (
                hat("view").in_categories(&["nowhere"]),
                "nothing: the tenant has no category `nowhere`",
            ),
        ],
    );
}

#[test]
fn rule_8_2_membership_that_would_make_a_proposer_owner_is_avoided() {
    let world = World::enterprise()
        .user("julia", &["Redactors"])
        .with_product("hat", &["Hats"])
        .group("Redactors")
        .may(Edit)
        .category("Hats")
        .group("Managers")
        .may(Own)
        .category("Hats")
        .may(Edit)
        .channel("ecommerce")
        .locale("en_US");
    assert_suggests(
        &world,
        [(
            question("user:julia", "send_proposal", "product:hat"),
            "Redactors view channel:ecommerce + Redactors view locale:en_US",
        )],
    );
}
