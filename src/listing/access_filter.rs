use crate::{
    cache::{Cache, CacheError},
    domain::{AccessFilter, Code, EveryQuestion, ItemKind, Revision},
    engine,
    store::Store,
};

/// The axes whose levels come with an access filter.
const AXES: [ItemKind; 4] = [
    ItemKind::Category,
    ItemKind::Channel,
    ItemKind::Locale,
    ItemKind::AttributeGroup,
];

/// Says which products a subject may do an action on, by their effective
/// categories, and at which revision that is true; `None`: there is no such
/// tenant.
///
/// # Errors
///
/// [`CacheError::Store`] when the database does not answer,
/// [`CacheError::LeaseLost`] when what it answers may not be current.
pub async fn access_filter(
    cache: &Cache,
    store: &Store,
    tenant: &Code,
    question: &EveryQuestion,
) -> Result<Option<(AccessFilter, Revision)>, CacheError> {
    let mut reader = store.reader().await?;
    let Some(snapshot) = reader.snapshot(tenant).await? else {
        return Ok(None);
    };
    let needed = engine::needs([&question.about_no_category()]);
    let facts = snapshot.facts(&needed).await?;
    let subject = facts.subjects.get(question.subject());
    let groups = subject.map_or(&[][..], |subject| &subject.groups);
    let granted = snapshot.levels_of_kinds(groups, &AXES).await?;
    let filter = engine::access_filter(question, &facts, granted);
    cache.confirm_snapshot(snapshot.epoch()).await?;
    Ok(Some((filter, facts.revision)))
}
