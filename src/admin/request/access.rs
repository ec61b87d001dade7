use std::collections::{BTreeSet, HashMap};

use crate::{
    admin::{
        fault::Fault,
        plan::{AccessVerb, Descendants, Planner},
        rights::GroupLevels,
    },
    domain::{Code, ItemKind, ItemRef, Level},
    store::{Kin, NounsWanted, RightsWanted},
};

use super::{AccessEntry, Children, ItemRightsEntry, distinct};

fn items_wanted<'e>(items: impl Iterator<Item = (&'e ItemRef, Children)> + Clone) -> NounsWanted {
    let below = items
        .clone()
        .any(|(_, children)| children == Children::Included);
    let items: BTreeSet<&ItemRef> = items.map(|(item, _)| item).collect();
    let items = items.into_iter().map(|item| (item.kind, item.code.clone()));
    NounsWanted {
        items: items.collect(),
        kin: if below {
            Kin::Descendants
        } else {
            Kin::Themselves
        },
        ..NounsWanted::default()
    }
}

pub(super) fn change_wants(entries: &[AccessEntry]) -> NounsWanted {
    let groups: BTreeSet<&Code> = entries.iter().map(|entry| &entry.group).collect();
    NounsWanted {
        rights: RightsWanted::OnItemsOf(groups.into_iter().cloned().collect()),
        ..items_wanted(entries.iter().map(|entry| (&entry.item, entry.children)))
    }
}

pub(super) fn replace_wants(entries: &[ItemRightsEntry]) -> NounsWanted {
    NounsWanted {
        rights: RightsWanted::OnItems,
        ..items_wanted(entries.iter().map(|entry| (&entry.item, entry.children)))
    }
}

pub(super) fn grant(planner: &mut Planner<'_>, entries: &[AccessEntry]) -> Result<u64, Fault> {
    change(planner, AccessVerb::Grant, "grants", entries)
}

pub(super) fn revoke(planner: &mut Planner<'_>, entries: &[AccessEntry]) -> Result<u64, Fault> {
    change(planner, AccessVerb::Revoke, "revocations", entries)
}

fn change(
    planner: &mut Planner<'_>,
    verb: AccessVerb,
    field: &str,
    entries: &[AccessEntry],
) -> Result<u64, Fault> {
    let entries = distinct(field, entries, |entry| (&entry.group, &entry.item))?;
    let below = planner.descendants();
    let mut touched = Touched::default();
    for (index, entry) in entries {
        let AccessEntry {
            group,
            item,
            level,
            children,
        } = entry;
        let of_entry = |fault: Fault| fault.of_entry(field, index);
        let group = planner.ruling_group("group", group).map_err(of_entry)?;
        let id = planner.ruled_item(item).map_err(of_entry)?;
        let items = reached(&below, item.kind, id, *children);
        touched.note(planner, &items, group);
        planner.change_rights(verb, group, &items, *level);
    }
    Ok(touched.unchanged(planner))
}

fn reached(below: &Descendants, kind: ItemKind, id: i32, children: Children) -> Vec<i32> {
    if kind == ItemKind::Category && children == Children::Included {
        return below.with(id);
    }
    vec![id]
}

pub(super) fn replace(
    planner: &mut Planner<'_>,
    entries: &[ItemRightsEntry],
) -> Result<u64, Fault> {
    let entries = distinct("items", entries, |entry| &entry.item)?;
    let below = planner.descendants();
    let mut touched = Touched::default();
    for (index, entry) in entries {
        let ItemRightsEntry {
            item,
            rights,
            children,
        } = entry;
        let of_entry = |fault: Fault| fault.of_entry("items", index);
        let id = planner.ruled_item(item).map_err(of_entry)?;
        let mut levels = GroupLevels::with_capacity(rights.len());
        for (place, (group, level)) in rights.iter().enumerate() {
            let field = format!("rights[{place}].group");
            let group = planner.ruling_group(&field, group).map_err(of_entry)?;
            levels.push((group, *level));
        }
        let items = reached(&below, item.kind, id, *children);
        for (group, _) in &levels {
            touched.note(planner, &items, *group);
        }
        planner.replace_rights(&items, &levels);
    }
    Ok(touched.unchanged(planner))
}

/// The rights that entries speak of, as they were before the first one: what
/// several entries name is counted once.
#[derive(Default)]
struct Touched(HashMap<(i32, i32), Level>);

impl Touched {
    fn note(&mut self, planner: &Planner<'_>, items: &[i32], group: i32) {
        for item in items {
            let held = planner.world.rights.level(*item, group);
            self.0.entry((*item, group)).or_insert(held);
        }
    }

    fn unchanged(&self, planner: &Planner<'_>) -> u64 {
        let same = self
            .0
            .iter()
            .filter(|((item, group), held)| planner.world.rights.level(*item, *group) == **held);
        u64::try_from(same.count()).unwrap_or(u64::MAX)
    }
}
