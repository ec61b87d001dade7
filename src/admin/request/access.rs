use std::collections::BTreeSet;

use crate::{
    admin::{
        fault::Fault,
        plan::{AccessVerb, Levels, Order, Planner, ReplacedRights},
        rights::GroupLevels,
    },
    domain::{AccessRight, Code, ItemKind, ItemRef},
    store::{Relatives, RightsWanted, WantedEntities},
};

use super::{AccessChange, Children, ItemRights, distinct};

fn items_wanted<'e>(
    items: impl Iterator<Item = (&'e ItemRef, Children)> + Clone,
) -> WantedEntities {
    let below = items
        .clone()
        .any(|(_, children)| children == Children::Included);
    let items: BTreeSet<&ItemRef> = items.map(|(item, _)| item).collect();
    let items = items.into_iter().map(|item| (item.kind, item.code.clone()));
    WantedEntities {
        items: items.collect(),
        relatives: if below {
            Relatives::Descendants
        } else {
            Relatives::Themselves
        },
        ..WantedEntities::default()
    }
}

pub(super) fn change_wants(entries: &[AccessChange]) -> WantedEntities {
    let groups: BTreeSet<&Code> = entries.iter().map(|entry| &entry.right.group).collect();
    WantedEntities {
        rights: RightsWanted::OnItemsOf(groups.into_iter().cloned().collect()),
        ..items_wanted(
            entries
                .iter()
                .map(|entry| (&entry.right.item, entry.children)),
        )
    }
}

pub(super) fn replace_wants(entries: &[ItemRights]) -> WantedEntities {
    WantedEntities {
        rights: RightsWanted::OnItems,
        ..items_wanted(entries.iter().map(|entry| (&entry.item, entry.children)))
    }
}

pub(super) fn grant(planner: &mut Planner<'_>, entries: &[AccessChange]) -> Result<u64, Fault> {
    change(planner, AccessVerb::Grant, "grants", entries)
}

pub(super) fn revoke(planner: &mut Planner<'_>, entries: &[AccessChange]) -> Result<u64, Fault> {
    change(planner, AccessVerb::Revoke, "revocations", entries)
}

fn change(
    planner: &mut Planner<'_>,
    verb: AccessVerb,
    field: &str,
    entries: &[AccessChange],
) -> Result<u64, Fault> {
    let entries = distinct(field, entries, |entry| {
        (&entry.right.group, &entry.right.item)
    })?;
    let mut orders = Vec::with_capacity(entries.len());
    for (index, entry) in entries {
        let AccessRight { group, item, level } = &entry.right;
        let of_entry = |fault: Fault| fault.of_entry(field, index);
        let group = planner.group("group", group).map_err(of_entry)?;
        orders.push(Order {
            item: planner
                .item("item.id", item.kind, &item.code)
                .map_err(of_entry)?,
            reaches_below: reaches_below(item, entry.children),
            what: Levels::from([(group, *level)]),
        });
    }
    Ok(planner.change_rights(verb, orders))
}

fn reaches_below(item: &ItemRef, children: Children) -> bool {
    item.kind == ItemKind::Category && children == Children::Included
}

pub(super) fn replace(planner: &mut Planner<'_>, entries: &[ItemRights]) -> Result<u64, Fault> {
    let entries = distinct("items", entries, |entry| &entry.item)?;
    let mut orders = Vec::with_capacity(entries.len());
    for (index, entry) in entries {
        let ItemRights {
            item,
            rights,
            children,
        } = entry;
        let of_entry = |fault: Fault| fault.of_entry("items", index);
        let id = planner
            .item("item.id", item.kind, &item.code)
            .map_err(of_entry)?;
        let mut levels = GroupLevels::with_capacity(rights.len());
        for (place, (group, level)) in rights.iter().enumerate() {
            let field = format!("rights[{place}].group");
            let group = planner.group(&field, group).map_err(of_entry)?;
            levels.push((group, *level));
        }
        orders.push(Order {
            item: id,
            reaches_below: reaches_below(item, *children),
            what: ReplacedRights::new(index, &levels),
        });
    }
    Ok(planner.replace_rights(orders))
}
