use std::iter;

use rand::RngExt as _;

use super::{
    CatalogSize, GeneratorError,
    draws::{Draws, Stream, draws, some_of},
    folder::Folder,
    names::{Group, List, Named, category},
    reader::Reader,
    readers::Readers,
};
use pim_authz::domain::Level;

/// The access level of a user group on a category.
#[derive(Clone, Copy, Debug)]
struct CategoryRight {
    category: u32,
    group: Group,
    level: Level,
}

/// An item type whose rights have two columns: view and edit.
struct Axis {
    file: &'static str,
    header: &'static str,
    kind: &'static str,
    count: u32,
    /// Items whose number is a multiple of this are hidden from `All`; 0: none.
    hidden: u32,
}

/// Writes the access rights of all groups.
pub(super) fn write(
    folder: &mut Folder,
    size: &CatalogSize,
    readers: &Readers,
) -> Result<(), GeneratorError> {
    write_categories(folder, size, readers)?;
    let mut chance = draws(size.seed, Stream::OtherRights);
    for axis in axes(size) {
        write_axis(folder, size, &axis, &mut chance)?;
    }
    write_profiles(folder, size, &mut chance)
}

fn axes(size: &CatalogSize) -> [Axis; 5] {
    [
        Axis {
            file: "channel_accesses.csv",
            header: "channel;view_products;edit_products",
            kind: "channel",
            count: size.channels,
            hidden: 0,
        },
        Axis {
            file: "locale_accesses.csv",
            header: "locale;view_products;edit_products",
            kind: "locale",
            count: size.locales,
            hidden: 0,
        },
        Axis {
            file: "attribute_group_accesses.csv",
            header: "attribute_group;view_attributes;edit_attributes",
            kind: "attribute_group",
            count: size.attribute_groups,
            hidden: 5,
        },
        Axis {
            file: "asset_family_accesses.csv",
            header: "asset_family;view;edit",
            kind: "asset_family",
            count: size.asset_families,
            hidden: 0,
        },
        Axis {
            file: "reference_entity_accesses.csv",
            header: "reference_entity;view;edit",
            kind: "reference_entity",
            count: size.reference_entities,
            hidden: 0,
        },
    ]
}

fn write_categories(
    folder: &mut Folder,
    size: &CatalogSize,
    readers: &Readers,
) -> Result<(), GeneratorError> {
    let mut rights = category_rights(size, readers).into_iter().peekable();
    let header = "category;view_items;edit_items;own_items";
    folder.write("product_category_accesses.csv", header, |table| {
        (1..=size.categories).try_for_each(|number| {
            let row: Vec<CategoryRight> =
                iter::from_fn(|| rights.next_if(|right| right.category == number)).collect();
            let holders = |level: Level| {
                let allowed = row.iter().filter(move |right| right.level.allows(level));
                List(allowed.map(|right| right.group))
            };
            table.row(&[
                &category(number),
                &holders(Level::View),
                &holders(Level::Edit),
                &holders(Level::Own),
            ])
        })
    })
}

/// Draws the rights on categories, sorted by category and group.
fn category_rights(size: &CatalogSize, readers: &Readers) -> Vec<CategoryRight> {
    let mut chance = draws(size.seed, Stream::CategoryRights);
    let mut rights = Vec::new();
    let mut give = |group: Group, categories: &[u32], chance: &mut Draws| {
        rights.extend(categories.iter().map(|category| CategoryRight {
            category: *category,
            group,
            level: draw_level(chance),
        }));
    };
    for number in 1..=size.groups {
        let categories = some_of(&mut chance, size.categories, size.group_categories);
        give(Group::Numbered(number), &categories, &mut chance);
    }
    for (reader, categories) in readers.iter() {
        give(Group::Reader(reader), categories, &mut chance);
    }
    rights.sort_unstable_by_key(|right| (right.category, right.group));
    rights
}

fn draw_level(chance: &mut Draws) -> Level {
    match chance.random_range(0..10) {
        0 => Level::Own,
        1..=4 => Level::Edit,
        _ => Level::View,
    }
}

/// Writes the rights on one item type. `All` views what is not hidden, so that no
/// user is kept from all product data (rules 4.5); half of the groups and the
/// readers edit.
fn write_axis(
    folder: &mut Folder,
    size: &CatalogSize,
    axis: &Axis,
    chance: &mut Draws,
) -> Result<(), GeneratorError> {
    folder.write(axis.file, axis.header, |table| {
        (1..=axis.count).try_for_each(|number| {
            let hidden = number.is_multiple_of(axis.hidden);
            let all = (!hidden).then_some(Group::All);
            let editing = editors(size, chance);
            let editing = editing.iter().copied();
            let viewing = List(all.into_iter().chain(editing.clone()));
            table.row(&[&Named(axis.kind, number.into()), &viewing, &List(editing)])
        })
    })
}

fn write_profiles(
    folder: &mut Folder,
    size: &CatalogSize,
    chance: &mut Draws,
) -> Result<(), GeneratorError> {
    let header = "job_profile;execute_job_profile;edit_job_profile";
    folder.write("job_profile_accesses.csv", header, |table| {
        ["import_profile", "export_profile"]
            .into_iter()
            .try_for_each(|kind| {
                (1..=size.profiles.into()).try_for_each(|number| {
                    let editing = editors(size, chance);
                    table.row(&[&Named(kind, number), &Group::All, &List(editing.iter())])
                })
            })
    })
}

fn editors(size: &CatalogSize, chance: &mut Draws) -> Vec<Group> {
    let half = some_of(chance, size.groups, size.groups / 2);
    let numbered = half.into_iter().map(Group::Numbered);
    numbered.chain(Reader::ALL.map(Group::Reader)).collect()
}
