use std::vec;

use hashbrown::HashMap;

use crate::domain::{
    Code, GroupFacts, GroupId, ItemId, ItemKind, Level, Question, ReasonCode, ReasonItem, Step,
};

use super::effective_access::{EffectiveAccess, effective_right, most_permissive};

/// Cost of the step of one category beside its rights, in reads of a right.
const A_STEP: u64 = 32;

/// The rights of user groups on the effective categories of a product, for an
/// explanation and its remedies.
///
/// A product in 10,000 categories and a tenant of 300 user groups take millions of
/// reads; they are read in parts, between which the caller can yield. Nothing is
/// read outside the enterprise edition, where rights do not apply (rules 3.4).
#[derive(Debug)]
pub(super) struct CategoryRights<'f> {
    /// The effective categories that are stored, by code.
    ids: Vec<ItemId>,
    /// One step for each category read so far (rules 8.2).
    steps: Vec<Step>,
    /// The highest level of each group read so far on any of the categories.
    highest: HashMap<GroupId, Level>,
    /// The groups left to read, beside those of the subject.
    others: vec::IntoIter<(GroupId, &'f GroupFacts)>,
}

impl<'f> CategoryRights<'f> {
    /// Finds the effective categories of the product that the question names.
    ///
    /// With `for_remedies`, the rights of the other groups are read too.
    pub(super) fn of(
        question: &Question,
        access: &EffectiveAccess<'f>,
        for_remedies: bool,
    ) -> Self {
        let resource = question.resource().filter(|_| access.is_enterprise());
        let lists = resource.and_then(|resource| {
            let kind = resource.kind.product_kind()?;
            access.category_lists(kind, resource)
        });
        let ids = lists.map(|lists| lists.ids(access)).unwrap_or_default();
        let mut others = Vec::new();
        if for_remedies && !ids.is_empty() {
            others.extend(access.all_groups());
        }
        Self {
            ids,
            steps: Vec::new(),
            highest: HashMap::new(),
            others: others.into_iter(),
        }
    }

    /// Reads about `most` rights. True if more is left.
    ///
    /// `needed` is the level that the question requires on one of the categories.
    pub(super) fn read(&mut self, needed: Level, access: &EffectiveAccess<'f>, most: u64) -> bool {
        let mut read = 0;
        while let Some(id) = self.ids.get(self.steps.len()).copied() {
            if read >= most {
                return true;
            }
            let rights = access.numbered_groups();
            let rights: Vec<_> = rights
                .map(|(number, group)| (number, group, group.right(id)))
                .collect();
            read += A_STEP + u64::try_from(rights.len()).unwrap_or(u64::MAX);
            for (number, _, level) in &rights {
                let highest = self.highest.entry(*number).or_default();
                *highest = highest.or(*level);
            }
            let rights = rights.into_iter();
            let rights = rights.map(|(_, group, level)| (&group.code, level));
            self.steps.push(step(id, needed, rights.collect(), access));
        }
        while read < most {
            let Some((number, group)) = self.others.next() else {
                return false;
            };
            if self.highest.contains_key(&number) {
                continue; // the subject is in the group
            }
            let levels = self.ids.iter().map(|id| group.right(*id));
            self.highest.insert(number, most_permissive(levels));
            read += u64::try_from(self.ids.len()).unwrap_or(u64::MAX);
        }
        !self.others.as_slice().is_empty()
    }

    /// Returns the highest level of a group on any of the categories; `Hidden` if
    /// it was not read.
    pub(super) fn highest(&self, group: GroupId) -> Level {
        self.highest.get(&group).copied().unwrap_or_default()
    }

    /// Returns the first of the categories by code.
    pub(super) fn first(&self) -> Option<ItemId> {
        self.ids.first().copied()
    }

    /// Returns one step per category: the level held and the groups that give it.
    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}

/// Returns the sentence for a level held on an item: ``Category `caps`: held is
/// `edit`.``
pub(super) fn held_on(item: ReasonItem<&Code>, held: Level) -> String {
    let item = item.to_string();
    let mut letters = item.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let capitalised: String = first.chain(letters).collect();
    format!("{capitalised}: held is `{held}`.")
}

/// Returns the step of one category from the rights of the subject's groups on it.
fn step(
    id: ItemId,
    needed: Level,
    rights: Vec<(&Code, Level)>,
    access: &EffectiveAccess<'_>,
) -> Step {
    let edition = access.vocabulary.edition;
    let (held, giving) = effective_right(edition, ItemKind::Category, rights);
    let item = ReasonItem {
        kind: ItemKind::Category,
        code: access.code_of(id),
    };
    Step {
        axis: Some(ReasonCode::Category),
        message: held_on(item, held),
        item: Some(item.cloned()),
        needed: Some(needed),
        held: Some(held),
        groups: giving.into_iter().cloned().collect(),
        passed: held.allows(needed),
        ..Step::failed("3.5")
    }
}
