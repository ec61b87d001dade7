use rand::RngExt as _;

use super::{
    CatalogSize, GeneratorError,
    draws::{Stream, draws, some_of},
    folder::Folder,
    names::{List, Named, category},
};

/// Writes the parts of a catalog other than categories, models and products.
pub(super) fn write(folder: &mut Folder, size: &CatalogSize) -> Result<(), GeneratorError> {
    for (file, kind, count) in [
        ("locales.csv", "locale", size.locales),
        (
            "attribute_groups.csv",
            "attribute_group",
            size.attribute_groups,
        ),
        ("asset_families.csv", "asset_family", size.asset_families),
        (
            "reference_entities.csv",
            "reference_entity",
            size.reference_entities,
        ),
        ("import_profiles.csv", "import_profile", size.profiles),
        ("export_profiles.csv", "export_profile", size.profiles),
    ] {
        folder.write(file, "code", |table| {
            (1..=count.into()).try_for_each(|number| table.row(&[&Named(kind, number)]))
        })?;
    }
    let mut chance = draws(size.seed, Stream::Structure);
    folder.write("channels.csv", "code;tree;locales", |table| {
        (1..=size.channels).try_for_each(|number| {
            let tree = category(1 + (number - 1) % size.trees);
            let locales = some_of(&mut chance, size.locales, size.locales.div_ceil(2));
            let locales = List(
                locales
                    .iter()
                    .map(|locale| Named("locale", (*locale).into())),
            );
            table.row(&[&Named("channel", number.into()), &tree, &locales])
        })
    })?;
    let header = "code;group;localizable;scopable";
    folder.write("attributes.csv", header, |table| {
        (1..=size.attributes.into()).try_for_each(|number| {
            let group = chance.random_range(1..=size.attribute_groups.into());
            let localizable = u8::from(chance.random_ratio(1, 3));
            let scopable = u8::from(chance.random_ratio(1, 5));
            let group = Named("attribute_group", group);
            table.row(&[&Named("attribute", number), &group, &localizable, &scopable])
        })
    })?;
    folder.write("grid_views.csv", "code;attribute_groups", |table| {
        (1..=size.grid_views.into()).try_for_each(|number| {
            let count = chance.random_range(1..=3);
            let groups = some_of(&mut chance, size.attribute_groups, count);
            let groups = List(
                groups
                    .iter()
                    .map(|group| Named("attribute_group", (*group).into())),
            );
            table.row(&[&Named("grid_view", number), &groups])
        })
    })
}
