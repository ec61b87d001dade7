use std::collections::BTreeMap;

use crate::{
    admin::{change_set::ChangeSet, error::AdminError, rights::pairs, work::Work},
    domain::{EntityKind, GroupId, ItemId, Level},
};

/// The steps of work for a changed right.
const STEPS_OF_A_RIGHT: usize = 3;

/// Describes the changed rights of each user group, equal changes merged.
///
/// # Errors
///
/// [`AdminError::DeadlinePassed`] when the caller no longer waits.
pub(super) fn sentences(
    change_set: &ChangeSet,
    work: &mut Work,
) -> Result<Vec<String>, AdminError> {
    // By group, level before and after: number of items, and one of them.
    let mut alike: BTreeMap<(GroupId, u8, u8), (usize, ItemId)> = BTreeMap::new();
    for (item, before, after) in change_set.rights.changes() {
        work.step((before.len() + after.len()) * STEPS_OF_A_RIGHT)?;
        for (group, old, new) in pairs(before, after) {
            if old != new {
                let key = (group, old.bits(), new.bits());
                alike.entry(key).or_insert((0, item)).0 += 1;
            }
        }
    }
    let mut described: Vec<(bool, String)> = Vec::new();
    for ((group, old, new), (count, item)) in alike {
        let (old, new) = (Level::from_bits(old), Level::from_bits(new));
        let group = change_set
            .groups
            .ever(group)
            .map_or("", |row| row.code.as_str());
        let (entity, code) = change_set
            .items
            .ever(item)
            .map(|row| (EntityKind::from(row.kind()).words(), row.code().as_str()))
            .unwrap_or_default();
        let more = match count {
            1 => String::new(),
            _ => format!(" and {} more", count - 1),
        };
        let sentence = format!(
            "user group `{group}` would have `{new}` instead of `{old}` on {entity} `{code}`{more}"
        );
        described.push((new.allows(old), sentence));
    }
    // Losses first.
    described.sort_by_key(|(gains, _)| *gains);
    let sentences = described.into_iter().map(|(_, sentence)| sentence);
    Ok(sentences.collect())
}
