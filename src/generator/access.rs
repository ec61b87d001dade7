use std::collections::BTreeMap;

use rand::{RngExt as _, seq::index};

use super::{
    GeneratorError, Plan, Topic,
    catalog::category,
    directory::{group, index_of},
    files::Files,
    popularity::Popularity,
};

/// The users to measure with, each in a group of the same name, and the share of
/// the products that they may view.
pub(super) const READERS: [(&str, f64); 3] = [
    ("reader_0_1", 0.001),
    ("reader_10", 0.1),
    ("reader_100", 1.0),
];

/// The groups of one category by level.
#[derive(Debug, Default)]
struct Holders {
    view: Vec<String>,
    edit: Vec<String>,
    own: Vec<String>,
}

/// Writes which group may do what with which item. Everyone may view and edit
/// all but categories.
pub(super) fn write(
    plan: &Plan,
    popularity: &Popularity,
    files: &mut Files,
) -> Result<(), GeneratorError> {
    let holders = holders(plan, popularity);
    let header = "category;view_items;edit_items;own_items";
    files.add("product_category_accesses.csv", header, |rows| {
        let nobody = Holders::default();
        (0..plan.categories).try_for_each(|number| {
            let Holders { view, edit, own } = holders.get(&number).unwrap_or(&nobody);
            let code = category(number);
            let (view, edit, own) = (view.join(","), edit.join(","), own.join(","));
            rows.write(format_args!("{code};{view};{edit};{own}"))
        })
    })?;
    files.add_rows(
        "channel_accesses.csv",
        "channel;view_products;edit_products",
        &["web;All;All", "print;All;All", "mobile;All;All"],
    )?;
    files.add_rows(
        "locale_accesses.csv",
        "locale;view_products;edit_products",
        &[
            "en_US;All;All",
            "de_DE;All;All",
            "fr_FR;All;All",
            "es_ES;All;",
            "ja_JP;All;",
        ],
    )?;
    files.add_rows(
        "attribute_group_accesses.csv",
        "attribute_group;view_attributes;edit_attributes",
        &[
            "marketing;All;All",
            "technical;All;All",
            "erp;All;",
            "media;All;All",
            "legal;All;",
        ],
    )
}

/// Of the categories that a group views it edits a half and owns a fifth.
fn holders(plan: &Plan, popularity: &Popularity) -> BTreeMap<u32, Holders> {
    let mut holders: BTreeMap<u32, Holders> = BTreeMap::new();
    let mut chance = plan.chance(Topic::Groups);
    for number in 0..plan.groups {
        let (all, some) = (plan.categories, plan.categories_per_group);
        let viewed = index::sample(&mut chance, index_of(all), index_of(some));
        for category in viewed {
            let Ok(category) = u32::try_from(category) else {
                continue;
            };
            let held = holders.entry(category).or_default();
            match chance.random_range(0..10) {
                0..2 => held.own.push(group(number)),
                2..5 => held.edit.push(group(number)),
                _ => held.view.push(group(number)),
            }
        }
    }
    for (reader, share) in READERS {
        for category in popularity.reaching(share) {
            let held = holders.entry(category).or_default();
            held.view.push(reader.to_owned());
        }
    }
    holders
}
