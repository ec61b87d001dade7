use crate::{
    domain::{AccessRight, Code, ItemId, ItemKind, ItemRef, Level, SubjectRef},
    engine,
    store::{Snapshot, StoreError},
};

/// The level that a subject holds on an item, with the user groups that give it.
pub type EffectiveRight = AccessRight<Vec<Code>, ItemRef>;

/// Lists the next items after an id on which a subject holds a level, at most
/// `limit` of them, in the order of ids; `kind` restricts them to one kind.
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
    limit: usize,
) -> Result<Vec<(ItemId, EffectiveRight)>, StoreError> {
    let edition = snapshot.tenant().edition;
    let right = |item: ItemRef, rights: Vec<(Code, Level)>| {
        let (level, group) = engine::effective_right(edition, item.kind, rights);
        EffectiveRight { group, item, level }
    };
    if !edition.is_enterprise() {
        let items = snapshot.items_of_subject_after(subject, kind, after, limit);
        let items = items.await?.into_iter();
        return Ok(items
            .map(|(id, item)| (id, right(item, Vec::new())))
            .collect());
    }
    let rows = snapshot.rights_of_subject_after(subject, kind, after, limit);
    let rows = rows.await?;
    let of_items = rows.chunk_by(|one, next| one.0 == next.0);
    let rights = of_items.filter_map(|rows| {
        let (id, first) = rows.first()?;
        let held = rows.iter().map(|(_, row)| (row.group.clone(), row.level));
        Some((*id, right(first.item.clone(), held.collect())))
    });
    Ok(rights.collect())
}
