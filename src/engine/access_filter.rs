//! Access filters: access to products as categories to include and to exclude.
//!
//! Mary views `caps` and edits `hats`: for `view` both categories are included;
//! for `edit` only `hats`. For `send_proposal`, which needs exactly `edit`, a
//! category that she owns is excluded: a product in it is hers, whatever its
//! other categories.

use crate::domain::{AccessFilter, Code, Facts, FilterScope, ItemKind, Level, ListingQuestion};

use super::{
    app_scopes::highest_usable_level,
    effective_access::EffectiveAccess,
    product_access::{CategoryTest, ProductAccess, product_access},
};

/// Returns which products a subject may do an action on, as a filter over their
/// effective categories.
///
/// `granted` holds every category, channel, locale and attribute group of the
/// tenant with the highest level that a group of the subject was granted on it.
#[must_use]
pub fn access_filter(
    question: &ListingQuestion,
    facts: &Facts,
    granted: Vec<(ItemKind, Code, Level)>,
) -> AccessFilter {
    let access = EffectiveAccess::of(question.subject(), facts);
    let held: Vec<(ItemKind, Code, Level)> = granted
        .into_iter()
        .map(|(kind, code, level)| (kind, code, access.level_of_granted(kind, level)))
        .collect();
    // The scopes of an app limit the level that it can use (rules 5.12).
    let most = highest_usable_level(&access).unwrap_or(Level::Own);
    let viewable = |axis: ItemKind| -> Vec<(Code, Level)> {
        let of_axis = held.iter().filter(|(kind, ..)| *kind == axis);
        of_axis
            .map(|(_, code, level)| (code.clone(), level.at_most(most)))
            .filter(|(_, level)| level.allows(Level::View))
            .collect()
    };
    let categories = held.iter().filter(|(kind, ..)| *kind == ItemKind::Category);
    let categories: Vec<(&Code, Level)> = categories.map(|(_, code, at)| (code, *at)).collect();
    AccessFilter {
        scope: scope(product_access(question, facts), &categories),
        channels: viewable(ItemKind::Channel),
        locales: viewable(ItemKind::Locale),
        attribute_groups: viewable(ItemKind::AttributeGroup),
    }
}

/// Converts access to products into categories to include and to exclude.
///
/// Returns `Everything` if every category is included and uncategorized products
/// are too.
fn scope(access: ProductAccess, categories: &[(&Code, Level)]) -> FilterScope {
    let test = match access {
        ProductAccess::Nothing => return FilterScope::Nothing,
        ProductAccess::Everything(_) => return FilterScope::Everything,
        ProductAccess::ByCategory(test) => test,
    };
    let of = |is: fn(CategoryTest, Level) -> bool| -> Vec<Code> {
        let meant = categories.iter().filter(|(_, level)| is(test, *level));
        meant.map(|(code, _)| (*code).clone()).collect()
    };
    let any = of(CategoryTest::lets_in);
    let none = of(CategoryTest::keeps_out);
    let include_uncategorised = test.allows_uncategorised();
    if any.is_empty() && !include_uncategorised {
        return FilterScope::Nothing;
    }
    if any.len() == categories.len() && include_uncategorised {
        return FilterScope::Everything;
    }
    FilterScope::Categories {
        any,
        none,
        include_uncategorised,
    }
}
