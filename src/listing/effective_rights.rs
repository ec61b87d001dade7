use crate::{
    domain::{AccessRight, Code, ItemId, ItemKind, ItemRef, Level, SubjectRef},
    engine,
    store::{Snapshot, StoreError},
};

/// The level that a subject holds on an item, with the user groups that give it.
pub type EffectiveRight = AccessRight<Vec<Code>, ItemRef>;

/// Maximum number of rights that one page reads.
const MAX_RIGHTS: usize = 100_000;

/// A page of the levels that a subject holds.
#[derive(Debug)]
pub struct EffectiveRights {
    /// In the order of the items' ids: up to `size` and, if there is a next page,
    /// one more.
    pub rights: Vec<(ItemId, EffectiveRight)>,
    /// Size of the page.
    pub size: usize,
}

/// Lists the next items after an id on which a subject holds a level, in the order
/// of ids; `kind` restricts them to one kind. The page has up to `size` items, fewer
/// for a subject in many user groups, so that it reads at most 100,000 rights.
///
/// A subject that is unknown or disabled holds nothing (rules 1.6). Outside the
/// enterprise edition every other one holds the highest level on every item
/// (rules 3.4).
///
/// # Errors
///
/// [`StoreError::Unavailable`] if the database is unavailable.
pub async fn effective_rights(
    snapshot: &Snapshot<'_>,
    subject: &SubjectRef,
    kind: Option<ItemKind>,
    after: ItemId,
    size: usize,
) -> Result<EffectiveRights, StoreError> {
    let edition = snapshot.tenant().edition;
    let right = |item: ItemRef, rights: Vec<(Code, Level)>| {
        let (level, group) = engine::effective_right(edition, item.kind, rights);
        EffectiveRight { group, item, level }
    };
    if !edition.is_enterprise() {
        let items = snapshot.items_of_subject_after(subject, kind, after, size + 1);
        let items = items.await?.into_iter();
        let rights = items.map(|(id, item)| (id, right(item, Vec::new())));
        let rights = rights.collect();
        return Ok(EffectiveRights { rights, size });
    }
    let groups = snapshot.count_groups(subject).await?;
    let size = size.min(MAX_RIGHTS / groups.max(1)).max(1);
    let rows = snapshot.rights_of_subject_after(subject, kind, after, size + 1);
    let rows = rows.await?;
    let of_items = rows.chunk_by(|one, next| one.0 == next.0);
    let rights = of_items.filter_map(|rows| {
        let (id, first) = rows.first()?;
        let held = rows.iter().map(|(_, row)| (row.group.clone(), row.level));
        Some((*id, right(first.item.clone(), held.collect())))
    });
    Ok(EffectiveRights {
        rights: rights.collect(),
        size,
    })
}
