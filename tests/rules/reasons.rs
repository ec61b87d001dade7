//! Rules §8: the reason of a denial, and its explanation.

use pim_authz::domain::{
    Code, Edition, Explanation,
    Level::{Edit, Own, View},
    ReasonCode, Remedy, Step,
};

use crate::support::{Ask, SpecificTo, World, ask, assert_answers, told};

/// A tenant in which nothing is held yet.
fn nothing_held() -> World {
    World::growth()
        .user("julia", &["G"])
        .with_channels(&["ecommerce"])
        .with_locales(&["en_US"])
        .with_attribute("name", "General", SpecificTo::Both)
        .with_trees(&["Hats"])
}

/// What turns one denial.
type Mending = fn(World) -> World;

/// A question that every rule has a say in.
fn everything(user: &str) -> Ask {
    ask(user, "product.restore", "product:hat")
        .in_categories(&["Hats"])
        .channel("ecommerce")
        .locale("en_US")
        .attribute("name")
}

#[test]
fn rule_8_1_a_denial_names_the_first_rule_that_decided() {
    let bare = nothing_held();
    assert_answers(
        &bare,
        [
            (everything("user:nobody"), "denied at none: subject_unknown"),
            (
                everything("user:julia"),
                "denied at own: edition product.restore",
            ),
        ],
    );
    // each mending shows what comes next
    let mendings: [(Mending, &str); 6] = [
        (
            |world| world.in_edition(Edition::Enterprise),
            "denied at none: permission product.restore",
        ),
        (
            |world| {
                let world = world.role("Restorer", &["product.restore"]);
                world.with_roles("julia", &["Restorer"])
            },
            "denied at none: channel ecommerce needs edit, has none",
        ),
        (
            |world| world.group("G").may(Edit).channel("ecommerce"),
            "denied at none: locale en_US needs edit, has none",
        ),
        (
            |world| world.group("G").may(Edit).locale("en_US"),
            "denied at none: category Hats needs own, has none",
        ),
        (
            |world| world.group("G").may(Own).category("Hats"),
            "denied at own: attribute_group General needs edit, has none",
        ),
        (
            |world| world.group("G").may(Edit).attribute_group("General"),
            "allowed at own",
        ),
    ];
    let mut world = bare;
    for (mend, expected) in mendings {
        world = mend(world);
        assert_answers(&world, [(everything("user:julia"), expected)]);
    }
    assert_answers(
        &world.disabled("julia"),
        [(everything("user:julia"), "denied at none: subject_disabled")],
    );
}

#[test]
fn rule_8_1_the_category_named_is_the_one_held_highest_and_first_by_code() {
    let world = World::enterprise()
        .user("julia", &["G"])
        .with_trees(&["a"])
        .with_product("hat", &["z", "m", "b", "a"])
        .group("G")
        .may(View)
        .category("z")
        .category("m")
        .category("b");
    assert_answers(
        &world,
        [
            (
                ask("user:julia", "edit", "product:hat"),
                "denied at view: category b needs edit, has view",
            ),
            // unknown ones are not in force
            (
                ask("user:julia", "edit", "product:").in_categories(&["0", "Z"]),
                "denied at view: category z needs edit, has view",
            ),
        ],
    );
}

#[test]
fn rule_8_1_an_enterprise_permission_elsewhere_is_denied_by_edition() {
    let world = World::growth()
        .user("julia", &[])
        .app("sync", &[])
        .with_product("hat", &[])
        .with(pim_authz::domain::ItemKind::AssetFamily, &["packshots"]);
    assert_answers(
        &world,
        [
            (
                ask("user:julia", "asset.edit", "asset:photo").under("packshots"),
                "denied at edit: edition asset.edit",
            ),
            (
                ask("app:sync", "product.restore", "product:hat"),
                "denied at own: edition product.restore",
            ),
            (
                ask("user:julia", "publish", "product:hat"),
                "denied at own: edition",
            ),
            (
                ask("user:julia", "publish", "product:nowhere"),
                "denied at none: edition",
            ),
        ],
    );
}

/// The grants of a set, one a word, and the reason where there is none.
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
fn assert_suggests<const N: usize>(world: &World, cases: [(Ask, &str); N]) {
    for (ask, expected) in cases {
        let question = ask.clone().question();
        let explanation = world.explain(&question);
        assert!(!explanation.decision.is_allowed(), "{ask:?}");
        assert_eq!(suggested(&explanation), expected, "{ask:?}");
    }
}

#[test]
fn rule_8_2_the_smallest_set_of_grants_is_suggested() {
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
            // one group gives what three raises would
            (ask("user:julia", "own", "product:hat"), "join Owners"),
            (
                ask("user:julia", "own", "product:hat").channel("print"),
                "join Owners + Alpha edit channel:print",
            ),
            // a single raise comes before joining
            (
                ask("user:julia", "view", "channel:ecommerce"),
                "Alpha view channel:ecommerce",
            ),
            // any group before `All`, which is all that peter has
            (
                ask("user:peter", "edit", "category:Caps"),
                "All edit category:Caps",
            ),
            // permissions go to the first role by code
            (
                ask("user:julia", "product.list", ""),
                "Assistant may product.list",
            ),
            (
                ask("user:julia", "category.reorder", ""),
                "Assistant may category.reorder + Assistant may category.list",
            ),
            (
                ask("user:julia", "category.edit_attributes", ""),
                "Assistant may category.edit",
            ),
            // no role, no permission
            (
                ask("user:mary", "product.list", ""),
                "nothing: the subject holds no role that a permission could be added to",
            ),
        ],
    );
}

#[test]
fn rule_8_2_two_groups_are_joined_where_they_give_what_four_raises_would() {
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
            ask("user:julia", "view", "product:hat").attribute_group("General"),
            "join Places + join Things",
        )],
    );
}

#[test]
fn rule_8_2_two_groups_without_all_come_before_two_with_it() {
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
            ask("connection:erp", "view", "product:hat").attribute_group("General"),
            "join B + join C",
        )],
    );
}

#[test]
fn rule_8_2_a_connection_in_no_group_joins_one_first() {
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
                ask("connection:erp", "view", "category:Caps"),
                "join Redactors",
            ),
            (
                ask("connection:erp", "view", "category:Hats"),
                "join Redactors + Redactors view category:Hats",
            ),
        ],
    );
}

#[test]
fn rule_8_2_a_scope_is_suggested_before_one_that_implies_it() {
    let world = World::enterprise().app("sync", &["openid"]);
    assert_suggests(
        &world,
        [
            (
                ask("app:sync", "api.product.list", ""),
                "scope read_products",
            ),
            (
                ask("app:sync", "api.product.edit", ""),
                "scope write_products",
            ),
            (
                ask("app:sync", "product.list", ""),
                "nothing: no scope gives `product.list`",
            ),
        ],
    );
}

#[test]
fn rule_8_2_where_no_grant_can_the_answer_says_why() {
    let world = World::enterprise()
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
        .category("Hats");
    let hat = |action| ask("user:julia", action, "product:hat");
    assert_suggests(
        &world,
        [
            (
                ask("user:nobody", "view", "product:hat"),
                "nothing: the tenant has no such subject",
            ),
            (
                ask("user:mary", "view", "product:hat"),
                "nothing: the subject is disabled",
            ),
            (
                ask("user:julia", "view", "product:nowhere"),
                "nothing: the tenant has no product `nowhere`",
            ),
            (
                hat("send_proposal"),
                "nothing: the product is held at own: an owner has no need to send a proposal",
            ),
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
            (
                ask("connection:erp", "product.list", ""),
                "nothing: no role for a connection may hold `product.list`",
            ),
            (
                ask("connection:shop", "send_proposal", "product:hat"),
                "nothing: every user group that the subject could join would make it an owner of the product",
            ),
        ],
    );
    let growth = world.in_edition(Edition::Growth);
    assert_suggests(
        &growth,
        [(
            hat("publish"),
            "nothing: the tenant's edition does not have the action",
        )],
    );
}

#[test]
fn rule_8_2_no_group_is_suggested_that_makes_a_proposer_an_owner() {
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
            ask("user:julia", "send_proposal", "product:hat"),
            "Redactors view channel:ecommerce + Redactors view locale:en_US",
        )],
    );
}

/// A step and every step below it.
fn steps(step: &Step) -> Vec<&Step> {
    let below = step.steps.iter().flat_map(steps);
    std::iter::once(step).chain(below).collect()
}

#[test]
fn rule_8_2_an_explanation_shows_each_axis_with_the_groups_that_give_its_level() {
    let world = World::enterprise()
        .role("Lister", &["product.list"])
        .user("julia", &["A", "B", "C"])
        .with_roles("julia", &["Lister"])
        .with_attribute("name", "General", SpecificTo::Both)
        .with_product("hat", &["Hats"])
        .group("A")
        .may(View)
        .category("Hats")
        .channel("ecommerce")
        .group("B")
        .may(Edit)
        .category("Hats")
        .locale("en_US")
        .group("C")
        .may(Edit)
        .category("Hats");
    let question = ask("user:julia", "product.list", "product:hat")
        .channel("ecommerce")
        .locale("en_US")
        .attribute("name")
        .question();
    let explanation = world.explain(&question);
    assert_eq!(
        told(&explanation.decision),
        "denied at edit: attribute_group General needs view, has none"
    );
    assert!(!explanation.root.passed);
    assert_eq!(explanation.root.axis, None);
    let all = steps(&explanation.root);
    let of = |axis| {
        let mut found = all.iter().filter(|step| step.axis == Some(axis));
        let step = *found.next().unwrap();
        let groups: Vec<&str> = step.groups.iter().map(Code::as_str).collect();
        (step.passed, step.needed, step.held, groups.join(" "))
    };
    let hidden = Some(pim_authz::domain::Level::Hidden);
    let cases = [
        (ReasonCode::Channel, true, Some(View), "A"),
        (ReasonCode::Locale, true, Some(Edit), "B"),
        (ReasonCode::Category, true, Some(Edit), "B C"),
        (ReasonCode::AttributeGroup, false, hidden, ""),
    ];
    for (axis, passed, held, groups) in cases {
        let expected = (passed, Some(View), held, groups.to_owned());
        assert_eq!(of(axis), expected, "{axis}");
    }
    let permission = all
        .iter()
        .find(|step| step.axis == Some(ReasonCode::Permission));
    let permission = permission.unwrap();
    assert!(permission.passed);
    assert_eq!(permission.permission, Some("product.list"));
    assert_eq!(permission.roles, [crate::support::code("Lister")]);
    for step in all {
        assert!(!step.message.is_empty(), "{step:?}");
    }
}
