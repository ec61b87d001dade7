//! Worlds are written as the files that `pim-authz import` reads.

use pim_authz::domain::Level::{Edit, Execute, ExecuteAndEdit, Own, View};

use crate::support::{Entropy, SpecificTo, World, random_importable_world};

#[test]
fn a_world_is_written_as_the_pims_files() {
    let world = World::enterprise()
        .role("Administrator", &["role.edit", "role.list"])
        .connection_role("API", &["api.overall_access"])
        .user("julia", &["Redactors", "Managers"])
        .with_roles("julia", &["Administrator"])
        .user("mary", &[])
        .disabled("mary")
        .connection("erp", &["All"])
        .with_roles("erp", &["API"])
        .connection("shop", &[])
        .with_category_under("Master", "Hats")
        .with_attribute("name", "General", SpecificTo::Locale)
        .with_grid_view("mine", &["General", "Media"])
        .with_model("shirt", &["Hats"])
        .with_variant("shirt; \"XL\"", "shirt", &["Master", "Hats"])
        .app("sync", &["write_products"])
        .group("Redactors")
        .may(View)
        .channel("ecommerce")
        .locale("en_US")
        .may(Own)
        .category("Hats")
        .may(Execute)
        .import_profile("nightly")
        .group("Managers")
        .may(Edit)
        .category("Hats")
        .attribute_group("General")
        .asset_family("packshots")
        .reference_entity("brands")
        .may(ExecuteAndEdit)
        .import_profile("nightly")
        .may(Edit)
        .export_profile("feed")
        .group("app:sync")
        .may(Own)
        .tree("Master")
        .may(View)
        .locale("en_US");
    let files = world.files();
    let text: Vec<String> = files
        .iter()
        .map(|(name, text)| format!("== {name}\n{text}"))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn access_rows_equal_items_in_random_worlds() {
    for seed in 0..100 {
        let world = random_importable_world(&mut Entropy::seeded(seed, 900));
        let files = world.files();
        let rows: usize = files
            .iter()
            .filter(|(name, _)| name.ends_with("_accesses.csv"))
            .map(|(_, text)| text.lines().count() - 1)
            .sum();
        assert_eq!(rows, world.items.len(), "seed {seed}");
    }
}
