use crate::{
    cache::{Cache, CacheError, with_page_facts},
    domain::{AccessFilter, Code, Facts, ItemKind, Level, ListingQuestion, Revision, SubjectRef},
    engine,
    store::{Bounds, Store, StoreError, read_tenant},
};

use super::levels::Levels;

/// The axes whose levels an access filter contains.
const AXES: [ItemKind; 4] = [
    ItemKind::Category,
    ItemKind::Channel,
    ItemKind::Locale,
    ItemKind::AttributeGroup,
];

/// Returns which products a subject may do an action on, by their effective
/// categories, and the revision at which that is true. `None`: the tenant does
/// not exist.
///
/// # Errors
///
/// [`CacheError::Store`] if the database does not answer,
/// [`CacheError::LeaseLost`] if its answer may not be current.
pub async fn access_filter(
    cache: &Cache,
    store: &Store,
    tenant: &Code,
    question: &ListingQuestion,
) -> Result<Option<(AccessFilter, Revision)>, CacheError> {
    let needed = engine::needs([&question.without_categories()]);
    let built = with_page_facts!(cache, tenant, &needed, false, |cached| {
        let granted = granted(question.subject(), &cached.facts).await;
        Some(engine::access_filter(question, &cached.facts, granted))
    });
    if let Some((filter, cached)) = built {
        return Ok(Some((filter, cached.facts.revision)));
    }
    let read = read_tenant!(store, tenant, Bounds::READ, |snapshot| {
        let facts = snapshot.facts(&needed).await?;
        let subject = facts.subjects.get(question.subject());
        let groups = subject.map_or(&[][..], |subject| &subject.groups);
        let granted = snapshot.levels_of_kinds(groups, &AXES).await?;
        let filter = engine::access_filter(question, &facts, granted);
        Ok::<_, StoreError>((filter, facts.revision))
    })?;
    cache.confirmed(read).await
}

/// Returns every item of the axes with the highest level of the subject's groups,
/// ordered by axis and code. `facts` holds the whole vocabulary.
async fn granted(subject: &SubjectRef, facts: &Facts) -> Vec<(ItemKind, Code, Level)> {
    let levels = Levels::of(subject, facts).await;
    let items = facts.vocabulary.item_facts.iter();
    let items = items.filter(|(_, item)| AXES.contains(&item.kind));
    let granted = items.map(|(id, item)| (item.kind, item.code.clone(), levels.on(*id)));
    let mut granted: Vec<(ItemKind, Code, Level)> = granted.collect();
    granted
        .sort_by(|(kind, code, _), (other_kind, other, _)| (kind, code).cmp(&(other_kind, other)));
    granted
}
