//! Rules §3: levels and axes.

use pim_authz::domain::{
    Edition, ItemKind,
    Level::{self, Edit, Execute, ExecuteAndEdit, Hidden, Own, View},
};

use crate::support::{SpecificTo, World, assert_answers, item, question, subject};

/// Returns a world where julia has a level on an import profile.
///
/// Her role has the permissions to launch and to edit import profiles.
fn runner(level: Level) -> World {
    World::enterprise()
        .role("Runner", &["import_profile.launch", "import_profile.edit"])
        .user("julia", &["Runners"])
        .with_roles("julia", &["Runner"])
        .group("Runners")
        .may(level)
        .import_profile("nightly")
}

#[test]
fn rule_3_1_each_level_includes_the_ones_below_it() {
    let cases = [
        // level held, and whether it allows view, edit and own
        (Hidden, [false, false, false]),
        (View, [true, false, false]),
        (Edit, [true, true, false]),
        (Own, [true, true, true]),
    ];
    for (level, expected) in cases {
        let world = World::enterprise()
            .user("julia", &["Redactors"])
            .group("Redactors")
            .may(level)
            .category("Hats");
        let allowed = ["view", "edit", "own"].map(|action| {
            let answer = world.answer(question("user:julia", action, "category:Hats"));
            answer == format!("allowed at {level}")
        });
        assert_eq!(allowed, expected, "{level}");
    }
}

#[test]
fn rule_3_1_granting_a_level_never_lowers_the_one_held() {
    let world = World::enterprise()
        .user("julia", &["Redactors"])
        .group("Redactors")
        .may(Own)
        .category("Hats")
        .may(View)
        .category("Hats");
    assert_answers(
        &world,
        [(
            question("user:julia", "own", "category:Hats"),
            "allowed at own",
        )],
    );
}

/// Returns a world where julia has a given level on each of the four axes.
///
/// It has a product, a channel, a locale, and an attribute specific to both.
fn four_axes(channel: Level, locale: Level, category: Level, group: Level) -> World {
    World::enterprise()
        .user("julia", &["G"])
        .with_attribute("name", "General", SpecificTo::Both)
        .with_product("hat", &["Hats"])
        .group("G")
        .may(channel)
        .channel("ecommerce")
        .may(locale)
        .locale("en_US")
        .may(category)
        .category("Hats")
        .may(group)
        .attribute_group("General")
}

#[test]
fn rule_3_2_axes_are_checked_from_parent_to_child() {
    let cases = [
        ([Hidden, Hidden, Hidden, Hidden], "channel ecommerce"),
        ([Edit, Hidden, Hidden, Hidden], "locale en_US"),
        ([Edit, Edit, Hidden, Hidden], "category Hats"),
        ([Edit, Edit, Edit, Hidden], "attribute_group General"),
    ];
    for ([channel, locale, category, group], first) in cases {
        let world = four_axes(channel, locale, category, group);
        let answer = world.answer(
            question("user:julia", "edit", "product:hat")
                .channel("ecommerce")
                .locale("en_US")
                .attribute("name"),
        );
        assert_eq!(
            answer,
            format!("denied at {category}: {first} needs edit, has none")
        );
    }
}

#[test]
fn rule_3_3_families_and_entities_are_independent_of_other_axes() {
    // julia has no right on any channel, locale, category or attribute group
    let world = four_axes(Hidden, Hidden, Hidden, Hidden)
        .group("G")
        .may(Edit)
        .asset_family("packshots")
        .may(View)
        .reference_entity("brands");
    assert_answers(
        &world,
        [
            (
                question("user:julia", "edit", "asset_family:packshots"),
                "allowed at edit",
            ),
            (
                question("user:julia", "view", "reference_entity:brands"),
                "allowed at view",
            ),
            (
                question("user:julia", "edit", "reference_entity:brands"),
                "denied at view: item reference_entity brands needs edit, has view",
            ),
        ],
    );
}

#[test]
fn rule_3_3_execute_and_edit_on_a_profile_are_independent() {
    let cases = [
        // held         launch                         edit
        (
            Execute,
            "allowed at execute",
            "denied at execute: item import_profile nightly needs edit, has execute",
        ),
        (
            Edit,
            "denied at edit: item import_profile nightly needs execute, has edit",
            "allowed at edit",
        ),
        (
            ExecuteAndEdit,
            "allowed at execute_and_edit",
            "allowed at execute_and_edit",
        ),
        (
            Hidden,
            "denied at none: item import_profile nightly needs execute, has none",
            "denied at none: item import_profile nightly needs edit, has none",
        ),
    ];
    for (level, launch, edit) in cases {
        let nightly = |action| question("user:julia", action, "import_profile:nightly");
        assert_answers(
            &runner(level),
            [
                (nightly("import_profile.launch"), launch),
                (nightly("import_profile.edit"), edit),
            ],
        );
    }
}

#[test]
fn rule_3_4_outside_enterprise_everyone_holds_the_highest_level() {
    for edition in [Edition::Community, Edition::Growth] {
        let world = World::new(edition)
            .role("Runner", &["export_profile.launch"])
            .user("julia", &[])
            .with_roles("julia", &["Runner"])
            .with_trees(&["Hats"])
            .with_channels(&["ecommerce"])
            .with_locales(&["en_US"])
            .with_attribute("name", "General", SpecificTo::Both)
            .with(ItemKind::AssetFamily, &["packshots"])
            .with(ItemKind::ReferenceEntity, &["brands"])
            .with(ItemKind::ExportProfile, &["nightly"])
            .with_grid_view("mine", &["General"])
            .with_product("hat", &["Hats"]);
        let mine = |action, resource| question("user:julia", action, resource);
        assert_answers(
            &world,
            [
                (mine("own", "product:hat"), "allowed at own"),
                (mine("own", "category:Hats"), "allowed at own"),
                (mine("edit", "channel:ecommerce"), "allowed at edit"),
                (mine("edit", "locale:en_US"), "allowed at edit"),
                (mine("edit", "attribute_group:General"), "allowed at edit"),
                (mine("edit", "attribute:name"), "allowed at edit"),
                (mine("edit", "asset_family:packshots"), "allowed at edit"),
                (mine("edit", "reference_entity:brands"), "allowed at edit"),
                (
                    mine("edit", "asset:photo").under("packshots"),
                    "allowed at edit",
                ),
                (mine("view", "grid_view:mine"), "allowed at view"),
                (
                    mine("export_profile.launch", "export_profile:nightly"),
                    "allowed at execute_and_edit",
                ),
                // roles still apply
                (
                    mine("export_profile.edit", "export_profile:nightly"),
                    "denied at execute_and_edit: permission export_profile.edit",
                ),
                // a described product is held at own, whatever its categories
                (
                    mine("edit", "product:").in_categories(&["nowhere"]),
                    "allowed at own, direct",
                ),
                (
                    mine("edit", "product:").under("nowhere"),
                    "allowed at own, direct",
                ),
            ],
        );
    }
}

#[test]
fn rule_3_4_stored_rights_apply_after_an_upgrade_to_enterprise() {
    let world = World::community()
        .user("julia", &["Redactors"])
        .with_product("hat", &["Hats"])
        .group("Redactors")
        .may(View)
        .category("Hats");
    let hat = || question("user:julia", "edit", "product:hat");
    assert_answers(&world, [(hat(), "allowed at own, direct")]);
    assert_answers(
        &world.in_edition(Edition::Enterprise),
        [(hat(), "denied at view: category Hats needs edit, has view")],
    );
}

#[test]
fn rule_3_5_highest_level_of_several_groups_applies_on_each_axis() {
    let world = World::enterprise()
        .user("julia", &["A", "B", "C"])
        .user("mary", &["A"])
        .user("peter", &["B"])
        .with_attribute("name", "General", SpecificTo::Locale)
        .with_product("hat", &["Hats"])
        .group("A")
        .may(Own)
        .category("Hats")
        .may(View)
        .locale("en_US")
        .group("B")
        .may(Edit)
        .locale("en_US")
        .may(View)
        .category("Hats")
        .group("C")
        .may(Edit)
        .attribute_group("General");
    let name = |user| {
        question(user, "edit", "product:hat")
            .attribute("name")
            .locale("en_US")
    };
    assert_answers(
        &world,
        [
            (name("user:julia"), "allowed at own, direct"),
            (
                name("user:mary"),
                "denied at own: locale en_US needs edit, has view",
            ),
            (
                name("user:peter"),
                "denied at view: category Hats needs edit, has view",
            ),
        ],
    );
}

#[test]
fn rule_3_5_profile_flags_of_several_groups_are_combined() {
    let world = runner(Execute)
        .group("Editors")
        .may(Edit)
        .import_profile("nightly")
        .user("julia", &["Runners", "Editors"])
        .with_roles("julia", &["Runner"]);
    assert_answers(
        &world,
        [(
            question(
                "user:julia",
                "import_profile.edit",
                "import_profile:nightly",
            ),
            "allowed at execute_and_edit",
        )],
    );
}

#[test]
fn rule_3_6_decisions_inherit_no_rights_between_categories() {
    let world = World::enterprise()
        .user("julia", &["Redactors"])
        .with_category_under("Master", "Hats")
        .with_category_under("Hats", "Caps")
        .with_product("cap", &["Caps"])
        .with_product("hat", &["Hats"])
        .group("Redactors")
        .may(Own)
        .category("Hats");
    assert_answers(
        &world,
        [
            (
                question("user:julia", "own", "product:hat"),
                "allowed at own",
            ),
            (
                question("user:julia", "view", "product:cap"),
                "denied at none: category Caps needs view, has none",
            ),
            (
                question("user:julia", "view", "category:Master"),
                "denied at none: category Master needs view, has none",
            ),
        ],
    );
}

#[test]
fn world_builder_sets_the_described_rights() {
    let world = World::enterprise()
        .with_category_under("Master", "Hats")
        .with_category_under("Hats", "Caps")
        .with_trees(&["Print"])
        .app("sync", &["read_products"])
        .with_channels(&["ecommerce"])
        .group("app:sync")
        .may(View)
        .tree("Master");
    let sync = &world.groups_of(&subject("app:sync")).into_iter().next();
    let held = |kind, text| world.right(sync.as_ref().unwrap(), &item(kind, text));
    assert_eq!(held(ItemKind::Category, "caps"), View);
    assert_eq!(held(ItemKind::Category, "print"), Hidden);
    assert_eq!(held(ItemKind::Channel, "ecommerce"), Edit);
}
