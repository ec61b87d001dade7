use crate::domain::{EveryQuestion, Facts, Level, Strictness};

use super::{
    categories::CategoryLevels,
    effective_access::{self, EffectiveAccess},
    requirements::{self, Source},
};

/// Which products or models a subject may do an action on: all that a product
/// itself decides, so that a listing never requirements one question a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductAccess {
    /// None: something that is no product's denies.
    Nothing,
    /// All of them, each held at this level; `None`: levels are not asked.
    Everything(Option<Level>),
    /// Those whose effective categories say so.
    ByCategory(CategoryTest),
}

/// What the effective categories of a product must come to (rules 4.1, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CategoryTest {
    needed: Level,
    strictness: Strictness,
}

/// Decides all that no product changes of a question about every product.
///
/// `facts` holds what [`super::needs`] says of
/// [`EveryQuestion::about_no_category`].
#[must_use]
pub fn product_access(question: &EveryQuestion, facts: &Facts) -> ProductAccess {
    let access = EffectiveAccess::of(question.subject(), facts);
    let levels = &mut CategoryLevels::default();
    let asked = requirements::collect(&question.about_no_category(), &access, levels);
    let mut others = asked
        .requirements
        .iter()
        .filter(|requirement| !matches!(requirement.source, Source::Categories(..)));
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
        // Outside the enterprise edition everyone owns every product (3.4).
        Some(_) => ProductAccess::Everything(Some(Level::Own)),
        None => ProductAccess::Everything(None),
    }
}

impl CategoryTest {
    /// The level on a product, by the levels on each of its effective
    /// categories, if it suffices.
    #[must_use]
    pub fn level(self, on_categories: impl IntoIterator<Item = Level>) -> Option<Level> {
        let held = effective_access::level_of_categories(on_categories);
        self.strictness.suffices(held, self.needed).then_some(held)
    }

    /// The level that one of the categories must be held at.
    #[must_use]
    pub fn needed(self) -> Level {
        self.needed
    }

    /// Whether a product is allowed that has no effective category.
    #[must_use]
    pub fn allows_uncategorised(self) -> bool {
        self.level([]).is_some()
    }

    /// Whether a category that is held at `level` lets its products in, as long
    /// as no other is in the way.
    #[must_use]
    pub fn lets_in(self, level: Level) -> bool {
        self.level([level]).is_some()
    }

    /// Whether a category that is held at `level` keeps its products out,
    /// whatever others they lie in.
    #[must_use]
    pub fn keeps_out(self, level: Level) -> bool {
        self.strictness == Strictness::Exactly && level.allows(self.needed) && !self.lets_in(level)
    }
}
