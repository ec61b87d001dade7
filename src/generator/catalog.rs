use std::io;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{
    GeneratorError, Plan, Topic,
    files::{Files, Rows},
    popularity::Popularity,
};

/// How many children a category has, and how many categories lie on a level
/// before the next begins.
const CHILDREN: u32 = 10;

/// Writes what is in the catalog.
pub(super) fn write(
    plan: &Plan,
    popularity: &Popularity,
    files: &mut Files,
) -> Result<(), GeneratorError> {
    files.add("categories.csv", "code;parent", |rows| {
        categories(plan, rows)
    })?;
    vocabularies(files)?;
    let mut chance = plan.chance(Topic::Models);
    files.add("product_models.csv", "code;parent;categories", |rows| {
        models(plan, popularity, &mut chance, rows)
    })?;
    let mut chance = plan.chance(Topic::Products);
    files.add("products.csv", "sku;categories;parent", |rows| {
        (0..plan.products).try_for_each(|number| {
            let (categories, parent) = product(plan, popularity, &mut chance);
            rows.write(format_args!("SKU-{number:08};{categories};{parent}"))
        })
    })
}

/// The code of a category.
pub(super) fn category(number: u32) -> String {
    format!("category_{number}")
}

fn categories(plan: &Plan, rows: &mut Rows) -> io::Result<()> {
    (0..plan.categories).try_for_each(|number| {
        let code = category(number);
        let parent = match number.checked_sub(plan.trees) {
            None => String::new(),
            Some(below) => category(below / CHILDREN),
        };
        rows.write(format_args!("{code};{parent}"))
    })
}

fn vocabularies(files: &mut Files) -> Result<(), GeneratorError> {
    files.add_rows(
        "channels.csv",
        "code;tree;locales",
        &[
            "web;category_0;en_US,de_DE,fr_FR",
            "print;category_0;en_US,de_DE",
            "mobile;category_0;en_US",
        ],
    )?;
    files.add_rows(
        "locales.csv",
        "code",
        &["en_US", "de_DE", "fr_FR", "es_ES", "ja_JP"],
    )?;
    let groups = ["marketing", "technical", "erp", "media", "legal"];
    files.add_rows("attribute_groups.csv", "code", &groups)?;
    files.add(
        "attributes.csv",
        "code;group;scopable;localizable",
        |rows| {
            groups.iter().try_for_each(|group| {
                // Of four attributes one is scopable, one localizable, one both.
                (0..8).try_for_each(|number: u8| {
                    let (scopable, localizable) = (number & 1, number >> 1 & 1);
                    rows.write(format_args!(
                        "{group}_{number};{group};{scopable};{localizable}"
                    ))
                })
            })
        },
    )?;
    files.add_rows(
        "asset_families.csv",
        "code",
        &["packshots", "manuals", "videos"],
    )?;
    files.add_rows(
        "reference_entities.csv",
        "code",
        &["brands", "designers", "materials"],
    )?;
    files.add_rows(
        "import_profiles.csv",
        "code",
        &["csv_product_import", "xlsx_product_import"],
    )?;
    files.add_rows(
        "export_profiles.csv",
        "code",
        &["csv_product_export", "xlsx_product_export"],
    )?;
    files.add_rows(
        "grid_views.csv",
        "code;attribute_groups",
        &[
            "texts;marketing,legal",
            "everything;marketing,technical,erp,media,legal",
        ],
    )
}

/// Every fifth model lies below one of those before it that lie below none.
fn models(
    plan: &Plan,
    popularity: &Popularity,
    chance: &mut ChaCha8Rng,
    rows: &mut Rows,
) -> io::Result<()> {
    (0..plan.models).try_for_each(|number| {
        let parent = if number % 5 == 4 {
            let above = chance.random_range(0..number);
            format!("model_{}", above - u32::from(above % 5 == 4))
        } else {
            String::new()
        };
        let categories = codes(&[popularity.pick(chance)]);
        rows.write(format_args!("model_{number};{parent};{categories}"))
    })
}

/// The categories and the parent of a product. A quarter are variants, and half
/// of those have no category of their own.
fn product(plan: &Plan, popularity: &Popularity, chance: &mut ChaCha8Rng) -> (String, String) {
    if chance.random_range(0..1_000) < plan.uncategorised_per_mille {
        return (String::new(), String::new());
    }
    let is_variant = plan.models > 0 && chance.random_range(0..4) == 0;
    if !is_variant {
        return (codes(&popularity.pick_some(chance)), String::new());
    }
    let parent = format!("model_{}", chance.random_range(0..plan.models));
    let categories = if chance.random_bool(0.5) {
        String::new()
    } else {
        codes(&popularity.pick_some(chance))
    };
    (categories, parent)
}

fn codes(categories: &[u32]) -> String {
    let codes: Vec<String> = categories.iter().map(|number| category(*number)).collect();
    codes.join(",")
}
