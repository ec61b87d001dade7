use hashbrown::HashSet;
use tokio::task::yield_now;

use crate::{
    domain::{
        AllowedResource, Code, Facts, FactsNeeded, ItemId, ItemKind, ListFilter, ListingQuestion,
        Question, ResourceType,
    },
    engine,
    store::{Listed, ListedEntity, Snapshot, StoreError},
};

use super::{Page, Place, PlacedPage, filter_categories, levels, yielding::YieldingDecider};

/// Minimum and maximum number of entities that one statement reads.
const FEWEST_AT_ONCE: usize = 64;
const MOST_AT_ONCE: usize = 1_024;

/// The items, attributes or grid views that a subject may do an action on: each
/// is decided on its own, in the order of the folded codes.
#[derive(Debug)]
pub(super) struct EntityList {
    question: ListingQuestion,
    filter: ListFilter,
    ids: HashSet<Code>,
}

impl EntityList {
    pub(super) fn new(question: ListingQuestion, mut filter: ListFilter) -> Self {
        let ids = std::mem::take(&mut filter.ids).into_iter().collect();
        Self {
            question,
            filter,
            ids,
        }
    }

    /// Returns the facts that a page from memory needs beside the whole
    /// vocabulary.
    pub(super) fn needed(&self) -> FactsNeeded {
        engine::needs([&self.question.without_categories()])
    }

    /// Builds the next `size` after a place; `facts` holds the whole vocabulary.
    pub(super) async fn page_from_memory(
        &self,
        facts: &Facts,
        after: Option<&Place>,
        size: usize,
    ) -> PlacedPage {
        let mut page = Page::empty(facts.revision);
        let after = Place::folded_code(after);
        let within = levels::filter_categories(&self.filter, facts);
        let is_meant = |(id, code): &(Option<ItemId>, &Code)| {
            code.folded() > after
                && (self.ids.is_empty() || self.ids.contains(*code))
                && within.iter().all(|set| id.is_some_and(|id| set.holds(id)))
        };
        let all = all_of(self.question.kind(), facts).into_iter();
        let mut meant: Vec<&Code> = all.filter(is_meant).map(|(_, code)| code).collect();
        meant.sort_unstable();
        let mut decider = YieldingDecider::default();
        for code in meant {
            let question = self.question.about(code.clone());
            let decision = decider.decide(&question, facts).await;
            if !decision.is_allowed() {
                continue;
            }
            let found = AllowedResource {
                code: code.clone(),
                level: decision.level,
            };
            let place = Place::Entity(code.folded().to_owned());
            if !page.push(found, place, size) {
                break;
            }
        }
        page
    }

    /// Reads the next `size` after a place.
    pub(super) async fn page(
        &self,
        snapshot: &Snapshot<'_>,
        after: Option<Place>,
        size: usize,
    ) -> Result<PlacedPage, StoreError> {
        let mut page = Page::empty(snapshot.tenant().revision);
        let Some(entity) = listed_entity(self.question.kind()) else {
            return Ok(page);
        };
        let mut looked_at = Place::folded_code(after.as_ref()).to_owned();
        let within = filter_categories(snapshot, &self.filter).await?;
        let is_meant = |(id, code): &Listed| {
            (self.ids.is_empty() || self.ids.contains(code))
                && within
                    .iter()
                    .all(|set| id.is_some_and(|id| set.contains(&id)))
        };
        let mut window = (size + 1).clamp(FEWEST_AT_ONCE, MOST_AT_ONCE);
        loop {
            let entities = snapshot.entities_after(entity, &looked_at, window).await?;
            let Some((_, last)) = entities.last() else {
                return Ok(page);
            };
            looked_at = last.folded().to_owned();
            let meant = entities.into_iter().filter(is_meant).map(|(_, code)| code);
            for resource in self.allowed(meant.collect(), snapshot).await? {
                let place = Place::Entity(resource.code.folded().to_owned());
                if !page.push(resource, place, size) {
                    return Ok(page);
                }
            }
            window = (window * 2).min(MOST_AT_ONCE);
            yield_now().await;
        }
    }

    /// Returns those of `codes` that a Check allows.
    async fn allowed(
        &self,
        codes: Vec<Code>,
        snapshot: &Snapshot<'_>,
    ) -> Result<Vec<AllowedResource>, StoreError> {
        let about = |code: &Code| self.question.about(code.clone());
        let questions: Vec<Question> = codes.iter().map(about).collect();
        let facts = snapshot.facts(&engine::needs(&questions)).await?;
        let mut decider = YieldingDecider::default();
        let mut allowed = Vec::new();
        for (code, question) in codes.into_iter().zip(&questions) {
            let decision = decider.decide(question, &facts).await;
            let level = decision.level;
            if decision.is_allowed() {
                allowed.push(AllowedResource { code, level });
            }
        }
        Ok(allowed)
    }
}

/// Returns all resources of a type, with their ids if they are items.
fn all_of(kind: ResourceType, facts: &Facts) -> Vec<(Option<ItemId>, &Code)> {
    let vocabulary = &facts.vocabulary;
    match listed_entity(kind) {
        None => Vec::new(),
        Some(ListedEntity::Attribute) => {
            let all = vocabulary.attributes.values();
            all.map(|attribute| (None, &attribute.code)).collect()
        }
        Some(ListedEntity::GridView) => {
            let all = vocabulary.grid_views.values();
            all.map(|view| (None, &view.code)).collect()
        }
        Some(ListedEntity::Item(kind)) => {
            let all = vocabulary.item_facts.iter();
            all.filter(|(_, item)| item.kind == kind)
                .map(|(id, item)| (Some(*id), &item.code))
                .collect()
        }
    }
}

/// Returns where resources of a type are stored. `None`: they are not stored, or
/// are products.
fn listed_entity(kind: ResourceType) -> Option<ListedEntity> {
    let item: Option<ItemKind> = kind.ruling_item().filter(|_| kind.is_listed());
    if kind == ResourceType::Attribute {
        Some(ListedEntity::Attribute)
    } else if kind == ResourceType::GridView {
        Some(ListedEntity::GridView)
    } else {
        item.map(ListedEntity::Item)
    }
}
