use std::collections::BTreeSet;

use crate::{
    admin::{
        fault::Fault,
        plan::{CategoryPlace, DefaultRights, Outcome, Planner},
    },
    domain::{
        AttributePatch, CategoryPatch, ChannelPatch, Code, GridViewPatch, ItemKind, ProfilePatch,
    },
    store::{GroupedWanted, Relatives, RightsWanted, WantedEntities},
};

use super::{distinct, put_each};

fn named<'c>(
    kind: ItemKind,
    codes: impl IntoIterator<Item = &'c Code>,
) -> impl Iterator<Item = (ItemKind, Code)> {
    codes.into_iter().map(move |code| (kind, code.clone()))
}

pub(super) fn items_wanted<'c>(
    kind: ItemKind,
    codes: impl IntoIterator<Item = &'c Code>,
) -> WantedEntities {
    WantedEntities {
        items: named(kind, codes).collect(),
        ..WantedEntities::default()
    }
}

fn field_of(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Category => "categories",
        ItemKind::Channel => "channels",
        ItemKind::Locale => "locales",
        ItemKind::AttributeGroup => "attribute_groups",
        ItemKind::AssetFamily => "asset_families",
        ItemKind::ReferenceEntity => "reference_entities",
        ItemKind::ImportProfile | ItemKind::ExportProfile => "profiles",
    }
}

pub(super) fn put_items(
    planner: &mut Planner<'_>,
    kind: ItemKind,
    codes: &[Code],
    defaults: DefaultRights,
) -> Result<u64, Fault> {
    let field = field_of(kind);
    let entries = distinct(field, codes, |code| code)?;
    let unchanged = put_each(field, entries, |code| planner.put_item("code", kind, code))?;
    planner.give_defaults(defaults);
    Ok(unchanged)
}

pub(super) fn profiles_wanted<'c>(codes: impl Iterator<Item = &'c Code>) -> WantedEntities {
    // Both kinds share one code space: either finds both.
    items_wanted(ItemKind::ImportProfile, codes)
}

pub(super) fn put_profiles(
    planner: &mut Planner<'_>,
    entries: &[ProfilePatch],
    defaults: DefaultRights,
) -> Result<u64, Fault> {
    let entries = distinct("profiles", entries, |entry| &entry.code)?;
    let unchanged = put_each("profiles", entries, |entry| match entry.kind {
        Some(kind) => planner.put_item("code", kind, &entry.code),
        None if planner.change_set.find_profile(&entry.code).is_some() => Ok(Outcome::Unchanged),
        None => {
            let message = "is missing; a new profile is PROFILE_KIND_IMPORT or PROFILE_KIND_EXPORT";
            Err(Fault::invalid("kind", message))
        }
    })?;
    planner.give_defaults(defaults);
    Ok(unchanged)
}

pub(super) fn put_channels_wants(entries: &[ChannelPatch]) -> WantedEntities {
    let channels = named(ItemKind::Channel, entries.iter().map(|entry| &entry.code));
    let trees = named(
        ItemKind::Category,
        entries
            .iter()
            .filter_map(|entry| entry.tree.as_ref()?.as_ref()),
    );
    let locales: BTreeSet<&Code> = entries
        .iter()
        .filter_map(|entry| entry.locales.as_ref())
        .flatten()
        .collect();
    let locales = named(ItemKind::Locale, locales);
    WantedEntities {
        items: channels.chain(trees).chain(locales).collect(),
        ..WantedEntities::default()
    }
}

pub(super) fn put_channels(
    planner: &mut Planner<'_>,
    entries: &[ChannelPatch],
    defaults: DefaultRights,
) -> Result<u64, Fault> {
    let entries = distinct("channels", entries, |entry| &entry.code)?;
    let unchanged = put_each("channels", entries, |channel| planner.put_channel(channel))?;
    planner.give_defaults(defaults);
    Ok(unchanged)
}

pub(super) fn put_categories_wants(entries: &[CategoryPatch]) -> WantedEntities {
    let codes: BTreeSet<&Code> = entries
        .iter()
        .flat_map(|entry| {
            let parent = entry.parent.as_ref().and_then(Option::as_ref);
            std::iter::once(&entry.code).chain(parent)
        })
        .collect();
    let moved = entries.iter().filter_map(|entry| {
        let parent = entry.parent.as_ref()?.as_ref()?;
        Some((entry.code.clone(), parent.clone()))
    });
    WantedEntities {
        relatives: Relatives::Ancestors,
        moved: moved.collect(),
        rights: RightsWanted::OnItems,
        ..items_wanted(ItemKind::Category, codes)
    }
}

pub(super) fn put_categories(
    planner: &mut Planner<'_>,
    entries: &[CategoryPatch],
    defaults: DefaultRights,
) -> Result<u64, Fault> {
    let entries = distinct("categories", entries, |entry| &entry.code)?;
    let parents: Vec<Option<Code>> = entries
        .iter()
        .map(|(_, entry)| match &entry.parent {
            Some(parent) => parent.clone(),
            None => planner.stored_parent(&entry.code),
        })
        .collect();
    let places = entries
        .iter()
        .zip(&parents)
        .map(|((_, entry), parent)| CategoryPlace {
            code: &entry.code,
            parent: parent.as_ref(),
        });
    if let Some((place, fault)) = planner.refused_categories(places.clone()).pop_first() {
        let index = entries.get(place).map_or(place, |(index, _)| *index);
        return Err(fault.of_entry("categories", index));
    }
    let outcomes = planner.store_categories(places);
    planner.give_defaults(defaults);
    let unchanged = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Unchanged);
    Ok(u64::try_from(unchanged.count()).unwrap_or(u64::MAX))
}

pub(super) fn put_attributes_wants(entries: &[AttributePatch]) -> WantedEntities {
    let groups: BTreeSet<&Code> = entries
        .iter()
        .filter_map(|entry| entry.group.as_ref())
        .collect();
    WantedEntities {
        attributes: GroupedWanted::Named(entries.iter().map(|entry| entry.code.clone()).collect()),
        ..items_wanted(ItemKind::AttributeGroup, groups)
    }
}

pub(super) fn put_attributes(
    planner: &mut Planner<'_>,
    entries: &[AttributePatch],
) -> Result<u64, Fault> {
    let entries = distinct("attributes", entries, |entry| &entry.code)?;
    put_each("attributes", entries, |attribute| {
        planner.put_attribute(attribute)
    })
}

pub(super) fn put_grid_views_wants(entries: &[GridViewPatch]) -> WantedEntities {
    let groups: BTreeSet<&Code> = entries
        .iter()
        .filter_map(|entry| entry.attribute_groups.as_ref())
        .flatten()
        .collect();
    WantedEntities {
        grid_views: GroupedWanted::Named(entries.iter().map(|entry| entry.code.clone()).collect()),
        ..items_wanted(ItemKind::AttributeGroup, groups)
    }
}

pub(super) fn put_grid_views(
    planner: &mut Planner<'_>,
    entries: &[GridViewPatch],
) -> Result<u64, Fault> {
    let entries = distinct("grid_views", entries, |entry| &entry.code)?;
    put_each("grid_views", entries, |view| planner.put_grid_view(view))
}
