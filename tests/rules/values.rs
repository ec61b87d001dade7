//! Rules 4.4, 4.5 and 4.10: values, the hierarchy, and its gate.

use pim_authz::domain::Level::{self, Edit, Hidden, Own, View};

use crate::support::{QuestionBuilder, SpecificTo, World, assert_answers, question};

/// Returns a tenant with a product that julia owns.
///
/// She may edit `General`, which has attributes of each kind, and view `Legal`.
fn shop() -> World {
    World::enterprise()
        .user("julia", &["G"])
        .with_attribute("color", "General", SpecificTo::Nothing)
        .with_attribute("price", "General", SpecificTo::Channel)
        .with_attribute("name", "General", SpecificTo::Locale)
        .with_attribute("text", "General", SpecificTo::Both)
        .with_attribute("terms", "Legal", SpecificTo::Nothing)
        .with_product("hat", &["Hats"])
        .group("G")
        .may(Own)
        .category("Hats")
        .may(Edit)
        .attribute_group("General")
        .may(View)
        .attribute_group("Legal")
}

fn hat(action: &str) -> QuestionBuilder {
    question("user:julia", action, "product:hat")
}

#[test]
fn rule_4_4_value_needs_the_level_on_its_attribute_group() {
    assert_answers(
        &shop(),
        [
            (hat("edit").attribute("color"), "allowed at own, direct"),
            (hat("view").attribute("terms"), "allowed at own"),
            (
                hat("edit").attribute("terms"),
                "denied at own: attribute_group Legal needs edit, has view",
            ),
            // `own` requires `edit` on the attribute group
            (hat("own").attribute("color"), "allowed at own"),
            (
                hat("change_categories").attribute("terms"),
                "denied at own: attribute_group Legal needs edit, has view",
            ),
        ],
    );
}

#[test]
fn rule_4_4_channel_and_locale_apply_to_attributes_specific_to_them() {
    let world = shop()
        .group("G")
        .may(View)
        .channel("seen")
        .locale("en_US")
        .may(Edit)
        .channel("edited")
        .locale("fr_FR");
    let on_seen = |attribute| {
        hat("edit")
            .attribute(attribute)
            .channel("seen")
            .locale("en_US")
    };
    let seen = "denied at own: channel seen needs edit, has view";
    assert_answers(
        &world,
        [
            (on_seen("color"), "allowed at own, direct"),
            (on_seen("price"), seen),
            (
                on_seen("name"),
                "denied at own: locale en_US needs edit, has view",
            ),
            (on_seen("text"), seen),
            (
                hat("edit")
                    .attribute("text")
                    .channel("edited")
                    .locale("fr_FR"),
                "allowed at own, direct",
            ),
            // an unknown channel is ignored if the attribute is not specific to one
            (
                hat("edit")
                    .attribute("name")
                    .channel("nowhere")
                    .locale("fr_FR"),
                "allowed at own, direct",
            ),
            (
                hat("edit").attribute("price").channel("nowhere"),
                "denied at own: channel nowhere needs edit, has none",
            ),
        ],
    );
}

#[test]
fn rule_4_4_unnamed_channel_or_locale_must_be_held_somewhere() {
    let cases = [
        // on channel, on locale     price                text
        (
            Edit,
            Edit,
            "allowed at own, direct",
            "allowed at own, direct",
        ),
        (
            Edit,
            View,
            "allowed at own, direct",
            "denied at own: locale (any) needs edit, has view",
        ),
        (
            View,
            Edit,
            "denied at own: channel (any) needs edit, has view",
            "denied at own: channel (any) needs edit, has view",
        ),
    ];
    for (channel, locale, price, text) in cases {
        let world = shop()
            .with_channels(&["another"])
            .with_locales(&["de_DE"])
            .group("G")
            .may(channel)
            .channel("ecommerce")
            .may(locale)
            .locale("en_US");
        assert_answers(
            &world,
            [
                (hat("edit").attribute("price"), price),
                (hat("edit").attribute("text"), text),
            ],
        );
    }
}

#[test]
fn rule_4_4_specific_values_are_denied_without_channels_or_locales() {
    let none = "denied at own: channel (any) needs view, has none";
    for world in [
        shop(),
        shop().in_edition(pim_authz::domain::Edition::Community),
    ] {
        assert_answers(
            &world,
            [
                (hat("view").attribute("price"), none),
                (
                    hat("view").attribute("name"),
                    "denied at own: locale (any) needs view, has none",
                ),
                (hat("view").attribute("color"), "allowed at own"),
            ],
        );
    }
}

#[test]
fn rule_4_4_attribute_group_is_checked_without_an_attribute() {
    let world = shop().group("G").may(View).channel("seen");
    assert_answers(
        &world,
        [
            (
                hat("edit").attribute_group("General"),
                "allowed at own, direct",
            ),
            (
                hat("edit").attribute_group("Legal"),
                "denied at own: attribute_group Legal needs edit, has view",
            ),
            // channel and locale follow rules 4.5
            (
                hat("edit").attribute_group("General").channel("seen"),
                "denied at own: channel seen needs edit, has view",
            ),
        ],
    );
}

#[test]
fn rule_4_4_attribute_as_resource_has_no_gate() {
    let world = shop()
        .with_channels(&["ecommerce"])
        .with_locales(&["en_US"]);
    let attribute =
        |action, code: &str| question("user:julia", action, &format!("attribute:{code}"));
    assert_answers(
        &world,
        [
            (attribute("edit", "color"), "allowed at edit"),
            (attribute("view", "terms"), "allowed at view"),
            (
                attribute("edit", "terms"),
                "denied at view: attribute_group Legal needs edit, has view",
            ),
            (
                attribute("view", "price"),
                "denied at edit: channel (any) needs view, has none",
            ),
            (
                attribute("view", "price").channel("ecommerce"),
                "denied at edit: channel ecommerce needs view, has none",
            ),
            (
                attribute("view", "name"),
                "denied at edit: locale (any) needs view, has none",
            ),
            (
                attribute("edit", "color")
                    .channel("ecommerce")
                    .locale("nowhere"),
                "allowed at edit",
            ),
        ],
    );
}

#[test]
fn rule_4_5_named_channel_or_locale_needs_the_level_of_the_action() {
    let cases = [
        // held    view                edit                  own
        (
            Edit,
            ["allowed at own", "allowed at own, direct", "allowed at own"],
        ),
        (
            View,
            [
                "allowed at own",
                "denied at own: LOC needs edit, has view",
                "denied at own: LOC needs edit, has view",
            ],
        ),
        (
            Hidden,
            [
                "denied at own: LOC needs view, has none",
                "denied at own: LOC needs edit, has none",
                "denied at own: LOC needs edit, has none",
            ],
        ),
    ];
    for (level, answers) in cases {
        let world = shop()
            .group("G")
            .may(Edit)
            .channel("other")
            .locale("fr_FR")
            .may(level)
            .channel("ecommerce")
            .locale("en_US");
        for (action, answer) in ["view", "edit", "own"].into_iter().zip(answers) {
            let on_channel = world.answer(hat(action).channel("ecommerce"));
            assert_eq!(on_channel, answer.replace("LOC", "channel ecommerce"));
            let on_locale = world.answer(hat(action).locale("en_US"));
            assert_eq!(on_locale, answer.replace("LOC", "locale en_US"));
        }
    }
}

#[test]
fn rule_4_5_product_data_needs_a_viewable_channel_and_locale() {
    let world = |channel: Level, locale: Level| {
        shop()
            .with_model("shirt", &[])
            .group("G")
            .may(channel)
            .channel("ecommerce")
            .may(locale)
            .locale("en_US")
    };
    let channel = "denied at own: channel (any) needs view, has none";
    let locale = "denied at own: locale (any) needs view, has none";
    let cases = [
        (Hidden, Hidden, channel),
        (Hidden, Edit, channel),
        (Edit, Hidden, locale),
        (View, View, "allowed at own"),
    ];
    for (on_channel, on_locale, expected) in cases {
        assert_answers(
            &world(on_channel, on_locale),
            [
                (hat("view"), expected),
                (
                    question("user:julia", "own", "product_model:shirt"),
                    expected,
                ),
                // the gate also applies to values specific to neither
                (hat("view").attribute("color"), expected),
                (hat("view").attribute_group("General"), expected),
            ],
        );
    }
}

#[test]
fn rule_4_5_gate_requires_only_view_for_every_action() {
    let world = shop()
        .group("G")
        .may(View)
        .channel("ecommerce")
        .locale("en_US");
    assert_answers(
        &world,
        [
            (hat("edit"), "allowed at own, direct"),
            (hat("own").attribute("color"), "allowed at own"),
        ],
    );
}

#[test]
fn rule_4_5_tenant_without_channels_and_locales_has_no_gate() {
    assert_answers(&shop(), [(hat("own"), "allowed at own")]);
}

#[test]
fn rule_4_5_naming_a_locale_keeps_the_gate_of_channels() {
    let world = shop()
        .with_channels(&["ecommerce"])
        .group("G")
        .may(Edit)
        .locale("en_US");
    assert_answers(
        &world,
        [(
            hat("edit").locale("en_US"),
            "denied at own: channel (any) needs view, has none",
        )],
    );
}

#[test]
fn rule_4_10_view_allows_export_and_edit_allows_import() {
    let cases = [
        // held    view   export edit   import
        (Edit, [true, true, true, true]),
        (View, [true, true, false, false]),
        (Hidden, [false, false, false, false]),
    ];
    for (level, expected) in cases {
        let world = shop().group("G").may(level).attribute_group("Marketing");
        let allowed = ["view", "export", "edit", "import"].map(|action| {
            let answer = world.answer(hat(action).attribute_group("Marketing"));
            answer.starts_with("allowed")
        });
        assert_eq!(allowed, expected, "{level}");
    }
}

#[test]
fn rule_4_10_grid_view_needs_view_on_all_its_attribute_groups() {
    let world = shop()
        .with_grid_view("both", &["General", "Legal"])
        .with_grid_view("one too many", &["General", "Zoo", "Media"])
        .with_grid_view("plain", &[]);
    let view = |code: &str| question("user:julia", "view", &format!("grid_view:{code}"));
    assert_answers(
        &world,
        [
            (view("both"), "allowed at view"),
            (view("plain"), "allowed at view"),
            (
                view("one too many"),
                "denied at none: attribute_group Media needs view, has none",
            ),
        ],
    );
}
