//! Access to all products of a tenant at once, for lists and access filters.
//!
//! Mary may view the products of some categories. Whether she is enabled and can
//! view any channel and any locale is the same for every product and is decided
//! once; what remains for each product is a test of the levels on its effective
//! categories.

use crate::domain::{Facts, Level, ListingQuestion, Strictness};

use super::{
    categories::CategoryLevels,
    effective_access::{self, EffectiveAccess},
    requirement::Source,
    requirements,
};

/// Which products or models a subject may do an action on.
///
/// It holds everything that is the same for all products, so that a listing does
/// not decide one question per product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductAccess {
    /// None: a requirement that does not depend on the product fails.
    Nothing,
    /// All of them, each held at this level. `None`: the action needs no level.
    Everything(Option<Level>),
    /// Those whose effective categories pass the test.
    ByCategory(CategoryTest),
}

/// Test of the levels on a product's effective categories (rules 4.1, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CategoryTest {
    /// The level that the action needs on the product.
    needed: Level,
    /// Whether a higher level suffices too; it does not for `send_proposal`
    /// (rules 9).
    strictness: Strictness,
}

/// Decides the part of a question about every product that no product changes.
///
/// `facts` holds what [`super::needs`] returns for
/// [`ListingQuestion::without_categories`].
#[must_use]
pub fn product_access(question: &ListingQuestion, facts: &Facts) -> ProductAccess {
    let question_of_all = question.without_categories();
    let access = EffectiveAccess::of(question.subject(), facts);
    let levels = &mut CategoryLevels::default();
    let requirements = requirements::collect(&question_of_all, &access, levels);
    let mut others = requirements
        .requirements
        .iter()
        .filter(|requirement| !matches!(requirement.source, Source::Categories(_)));
    if others.any(|requirement| !requirement.passed) {
        return ProductAccess::Nothing;
    }
    let rule = question.rule();
    match rule.level {
        Some(needed) if facts.vocabulary.edition.is_enterprise() => {
            ProductAccess::ByCategory(CategoryTest {
                needed,
                strictness: rule.strictness,
            })
        }
        // Outside the enterprise edition every subject owns every product (rules
        // 3.4).
        Some(_) => ProductAccess::Everything(Some(Level::Own)),
        None => ProductAccess::Everything(None),
    }
}

impl CategoryTest {
    /// Returns the level on a product, given the levels on its effective
    /// categories. `None`: the level does not suffice.
    #[must_use]
    pub fn level(self, on_categories: impl IntoIterator<Item = Level>) -> Option<Level> {
        let held = effective_access::level_of_categories(on_categories);
        self.strictness.suffices(held, self.needed).then_some(held)
    }

    /// Returns the level at which at least one of the categories must be held.
    #[must_use]
    pub fn needed(self) -> Level {
        self.needed
    }

    /// True if a product without effective categories passes (rules 4.3).
    #[must_use]
    pub fn allows_uncategorised(self) -> bool {
        self.level([]).is_some()
    }

    /// True if a category held at `level` lets its products pass, unless another
    /// of their categories excludes them.
    #[must_use]
    pub fn lets_in(self, level: Level) -> bool {
        self.level([level]).is_some()
    }

    /// True if a category held at `level` excludes its products, whatever their
    /// other categories are.
    #[must_use]
    pub fn keeps_out(self, level: Level) -> bool {
        self.strictness == Strictness::Exactly && level.allows(self.needed) && !self.lets_in(level)
    }
}
