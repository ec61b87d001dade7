use crate::domain::{Decision, Facts, Question};

use super::{
    categories::{CategoryLevels, LONG},
    decision,
    effective_access::EffectiveAccess,
    requirements,
};

/// How much a decision costs beside what is counted, in looks at a right.
const A_DECISION: u64 = 64;

/// How many looks at each of the subject's groups a decision takes, about:
/// channels, locales, an attribute group or item, a list of categories.
const LOOKS_A_GROUP: u64 = 4;

/// Decides the questions of one call: what they share is found once, such as
/// the level of a user group on 10,000 categories that come with each of them.
///
/// Two hundred users are asked about a product that is described with 10,000
/// categories. These are resolved once; of each group the highest level on them
/// is found once; and of each user the levels of its groups are compared.
///
/// Invariant: all facts that it is given are true at one instant, of one
/// tenant.
#[derive(Debug, Default)]
pub struct Decider {
    levels: CategoryLevels,
    /// Whether a stored product has a long list of categories, once that was
    /// looked at.
    has_long_lists: Option<bool>,
}

impl Decider {
    /// Decides one question, as [`super::decide`] does.
    #[must_use]
    pub fn decide(&mut self, question: &Question, facts: &Facts) -> Decision {
        let access = EffectiveAccess::of(question.subject(), facts);
        let groups = access.subject.map_or(0, |subject| subject.groups.len());
        let groups = u64::try_from(groups).unwrap_or(u64::MAX);
        let work = groups.saturating_mul(LOOKS_A_GROUP);
        self.levels.add_work(work.saturating_add(A_DECISION));
        let asked = requirements::collect(question, &access, &mut self.levels);
        decision(question, &asked)
    }

    /// Finds a part of what [`Decider::decide`] will take, as long as `most`
    /// looks at rights, so that the caller can rest in between. Whether more is
    /// left; nothing is, where a question takes little.
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
        let looks = question.rule().looks_at_resource && access.is_enterprise();
        let resource = question.resource().filter(|_| looks);
        let lists = resource.and_then(|resource| {
            let kind = resource.kind.product_kind()?;
            access.category_lists(kind, resource)
        });
        lists.is_some_and(|lists| self.levels.prepare(&lists, access, most))
    }

    fn has_long_lists(&mut self, facts: &Facts) -> bool {
        *self.has_long_lists.get_or_insert_with(|| {
            let mut products = facts.products.values();
            products.any(|product| product.categories.len() >= LONG)
        })
    }

    /// How much was done so far, in looks at a group's right on an item: some
    /// 16,000 take about half a millisecond.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.levels.work()
    }
}
