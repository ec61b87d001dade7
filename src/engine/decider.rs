use crate::domain::{Decision, FactSource, Facts, Question};

use super::{
    categories::{CategoryLevels, LONG},
    decision,
    effective_access::EffectiveAccess,
    requirements::{self, Requirements},
};

/// Fixed cost of a decision beside the counted work, in reads of a right.
const A_DECISION: u64 = 64;

/// Approximate number of reads per group of the subject in one decision:
/// channels, locales, an attribute group or item, a list of categories.
const LOOKS_A_GROUP: u64 = 4;

/// Decides the questions of one call and computes only once what they share, such
/// as the level of a user group on 10,000 categories that come with each
/// question.
///
/// For example, 200 users are checked on a product that is described with 10,000
/// categories. The categories are resolved once; the highest level on them is
/// computed once per group; for each user only the levels of its groups are
/// compared.
///
/// Invariant: all facts passed to one decider belong to one tenant and are true
/// at one instant.
#[derive(Debug, Default)]
pub struct Decider {
    /// Levels on long lists of categories, shared by the questions of the call.
    levels: CategoryLevels,
    /// True if a stored product has a long list of categories; `None` until
    /// computed.
    has_long_lists: Option<bool>,
}

impl Decider {
    /// Decides one question, as [`super::decide`] does, and counts its work.
    #[must_use]
    pub fn decide(&mut self, question: &Question, facts: &dyn FactSource) -> Decision {
        let access = EffectiveAccess::of(question.subject(), facts);
        decision(question, &self.requirements(question, &access))
    }

    /// Evaluates the rules that apply to one question, and counts the work.
    pub(super) fn requirements<'f>(
        &mut self,
        question: &'f Question,
        access: &EffectiveAccess<'f>,
    ) -> Requirements<'f> {
        let work = access.number_of_groups().saturating_mul(LOOKS_A_GROUP);
        self.levels.add_work(work.saturating_add(A_DECISION));
        requirements::collect(question, access, &mut self.levels)
    }

    /// Does a part of the work of [`Decider::decide`] in advance, up to about
    /// `most` reads of rights. The caller can yield before it continues.
    ///
    /// True if more is left; false at once if no list of categories is long.
    #[must_use]
    pub fn prepare(&mut self, question: &Question, facts: &Facts, most: u64) -> bool {
        let described = question
            .resource()
            .and_then(|resource| resource.description.categories.as_ref());
        let is_long = described.is_some_and(|codes| codes.len() >= LONG);
        if !is_long && !self.has_long_lists(facts) {
            return false;
        }
        let access = EffectiveAccess::of(question.subject(), facts);
        let looks = question.rule().requires_resource && access.is_enterprise();
        let resource = question.resource().filter(|_| looks);
        let lists = resource.and_then(|resource| {
            let kind = resource.kind.product_kind()?;
            access.category_lists(kind, resource)
        });
        lists.is_some_and(|lists| self.levels.prepare(&lists, &access, most))
    }

    /// True if a stored product of `facts` has a long list of categories,
    /// computed once.
    fn has_long_lists(&mut self, facts: &Facts) -> bool {
        *self.has_long_lists.get_or_insert_with(|| {
            let mut products = facts.products.values();
            products.any(|product| product.categories.len() >= LONG)
        })
    }

    /// Returns the work done so far, in reads of a group's right on an item.
    /// About 16,000 reads take half a millisecond.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.levels.work()
    }
}
