//! The requirements on a resource and its context (rules 3 and 4).
//!
//! Robert wants to `view` the value of the attribute `name` of the product `hat`
//! in the locale `de_DE`. The attribute is localizable and not scopable, so that
//! four requirements apply to him:
//!
//! - channel: it does not count, but he must be able to view at least one (rules
//!   4.5);
//! - locale: he must hold `de_DE` at `view` (rules 4.4);
//! - category: he must hold a category of `hat` at `view` (rules 4.1);
//! - attribute group: he must hold the group of `name` at `view` (rules 4.4).
//!
//! An attribute as the resource of a question has no gate and no category. A grid
//! view is decided by its attribute groups, any other type by the right on one
//! item.

use crate::domain::{
    Attribute, Code, ItemId, ItemKind, ItemRef, Level, Question, ReasonCode, ReasonItem, Resource,
    ResourceType, Strictness, UnknownName,
};

use super::{
    categories::{CategoryLevels, OnProduct},
    effective_access::{EffectiveAccess, OpenAxis},
    needs::ruling_item,
    requirement::{Requirement, Source},
};

/// Evaluates the rules on the resource and its context. Adds the requirements to
/// `found` and returns the level held on the resource.
pub(super) fn require_resource<'f>(
    question: &'f Question,
    resource: &'f Resource,
    access: &EffectiveAccess<'f>,
    levels: &mut CategoryLevels,
    found: &mut Vec<Requirement<'f>>,
) -> Level {
    if let Some(kind) = resource.kind.product_kind() {
        let lists = access.category_lists(kind, resource);
        let on_product = lists.map(|lists| levels.on_product(lists, access));
        require_product(question, resource, on_product.as_ref(), access, found);
        return on_product.map_or(Level::Hidden, |on_product| on_product.held);
    }
    if resource.kind == ResourceType::Attribute {
        return require_attribute(question, resource, access, found);
    }
    if resource.kind == ResourceType::GridView {
        return require_grid_view(resource, access, found);
    }
    require_item(question, resource, access, found)
}

/// Evaluates the axes of a product, model or value of it: channel, locale,
/// category, attribute group (rules 3.2, 4.1 to 4.8).
fn require_product<'f>(
    question: &'f Question,
    resource: &Resource,
    on_product: Option<&OnProduct>,
    access: &EffectiveAccess<'f>,
    found: &mut Vec<Requirement<'f>>,
) {
    let needed = question.rule().level.unwrap_or_default();
    let other_axes = needed.on_other_axes();
    let context = question.context();
    let attribute = match &context.attribute {
        None => Named::Unsaid,
        Some(code) => {
            let stored = access.vocabulary.attributes.get(code);
            stored.map_or(Named::Unknown(code), Named::Stored)
        }
    };
    let specific = |is: fn(&Attribute) -> bool| match attribute {
        Named::Unsaid => Specific::Unsaid,
        Named::Stored(attribute) if is(attribute) => Specific::Yes,
        Named::Stored(_) | Named::Unknown(_) => Specific::No,
    };
    let channel = specific(|attribute| attribute.scopable);
    let locale = specific(|attribute| attribute.localizable);
    let axes = [
        (OpenAxis::Channel, &context.channel, channel),
        (OpenAxis::Locale, &context.locale, locale),
    ];
    for (axis, named, specific) in axes {
        let named = named.as_ref();
        found.push(require_axis(axis, named, specific, other_axes, access));
    }
    if let Some(on_product) = on_product {
        let strictness = question.rule().strictness;
        found.push(require_categories(on_product, needed, strictness, access));
    }
    found.extend(require_value_group(question, other_axes, attribute, access));
    found.push(require_known(on_product.is_some(), resource));
}

/// The attribute that a product question names.
#[derive(Clone, Copy, Debug)]
enum Named<'q> {
    /// The question names no attribute.
    Unsaid,
    /// The attribute is not stored (rules 1.7).
    Unknown(&'q Code),
    /// The stored attribute decides which axes count (rules 4.4).
    Stored(&'q Attribute),
}

/// Whether a value is specific to a channel or locale (rules 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Specific {
    /// The question names no attribute.
    Unsaid,
    /// The axis counts at the level needed.
    Yes,
    /// The axis does not count; only the gate applies (rules 4.5).
    No,
}

/// Requires the channel or locale of a question on a product or attribute.
///
/// - Named, and the value is specific to it or no attribute is named: that one
///   at the level needed (rules 4.4, 4.5).
/// - Not named, and the value is specific to it: at least one at the level
///   needed (rules 4.4).
/// - Otherwise: the gate, at least one viewable (rules 4.5).
fn require_axis<'f>(
    axis: OpenAxis,
    named: Option<&'f Code>,
    specific: Specific,
    needed: Level,
    access: &EffectiveAccess<'f>,
) -> Requirement<'f> {
    match (named, specific) {
        (Some(code), Specific::Unsaid) => require_named(axis.kind(), code, "4.5", needed, access),
        (Some(code), Specific::Yes) => require_named(axis.kind(), code, "4.4", needed, access),
        (None, Specific::Yes) => require_any(axis, "4.4", needed, access),
        (None, Specific::Unsaid) | (_, Specific::No) => require_gate(axis, access),
    }
}

/// Requires at least one viewable channel or locale, if the tenant has any (rules
/// 4.5).
fn require_gate<'f>(axis: OpenAxis, access: &EffectiveAccess<'_>) -> Requirement<'f> {
    let requirement = require_any(axis, "4.5", Level::View, access);
    let passed = requirement.passed || access.first_of(axis).is_none();
    Requirement {
        passed,
        ..requirement
    }
}

/// Requires at least one channel or locale held at `needed`.
fn require_any<'f>(
    axis: OpenAxis,
    rule: &'static str,
    needed: Level,
    access: &EffectiveAccess<'_>,
) -> Requirement<'f> {
    let item = ReasonItem {
        kind: axis.kind(),
        code: None,
    };
    let held = access.highest_on_any(axis);
    Requirement::level(axis_code(axis.kind()), rule, Some(item), needed, held)
        .from(Source::Any(axis))
}

/// Requires that a stored item is held at `needed`.
fn require_stored<'f>(
    kind: ItemKind,
    id: ItemId,
    rule: &'static str,
    needed: Level,
    access: &EffectiveAccess<'f>,
) -> Requirement<'f> {
    let item = ReasonItem {
        kind,
        code: access.code_of(id),
    };
    let held = access.level_on(id);
    Requirement::level(axis_code(kind), rule, Some(item), needed, held).from(Source::Item(id))
}

/// Requires that the named item is held at `needed`. An item that is not stored is
/// hidden in every edition (rules 1.7).
fn require_named<'f>(
    kind: ItemKind,
    code: &'f Code,
    rule: &'static str,
    needed: Level,
    access: &EffectiveAccess<'f>,
) -> Requirement<'f> {
    let named = ItemRef {
        kind,
        code: code.clone(),
    };
    if let Some(id) = access.find(&named) {
        return require_stored(kind, id, rule, needed, access);
    }
    let unknown = UnknownName {
        kind: kind.into(),
        code: code.clone(),
    };
    let item = ReasonItem {
        kind,
        code: Some(code),
    };
    Requirement::level(axis_code(kind), rule, Some(item), needed, Level::Hidden)
        .naming(Some(unknown))
}

/// Requires that the resource is stored, or described by the request (rules 1.7).
fn require_known<'f>(is_known: bool, resource: &Resource) -> Requirement<'f> {
    let requirement = Requirement::new(ReasonCode::ResourceUnknown, "1.7", is_known);
    if is_known {
        return requirement;
    }
    // An asset or record is not stored; its family or entity is (rules 9).
    let ruling = ruling_item(resource).filter(|_| resource.kind.has_parent());
    let unknown = match ruling {
        Some(ItemRef { kind, code }) => Some((kind.into(), code)),
        None => resource.id.clone().map(|code| (resource.kind, code)),
    };
    requirement.naming(unknown.map(|(kind, code)| UnknownName { kind, code }))
}

/// Requires that the level on the product suffices (rules 4.1, 4.3).
fn require_categories<'f>(
    on_product: &OnProduct,
    needed: Level,
    strictness: Strictness,
    access: &EffectiveAccess<'f>,
) -> Requirement<'f> {
    let OnProduct {
        held,
        highest,
        unknown,
    } = on_product;
    let uncategorised = highest.is_none() && unknown.is_none();
    let rule = if uncategorised { "4.3" } else { "4.1" };
    let item = highest.map(|id| ReasonItem {
        kind: ItemKind::Category,
        code: access.code_of(id),
    });
    let passed = strictness.suffices(*held, needed);
    let unknown = unknown.clone().filter(|_| item.is_none() && !passed);
    let requirement = Requirement::level(ReasonCode::Category, rule, item, needed, *held);
    let requirement = requirement.from(Source::Categories(strictness));
    Requirement {
        passed,
        ..requirement
    }
    .naming(unknown)
}

/// Requires the attribute group of a value (rules 4.4, 4.10, 7.1).
fn require_value_group<'f>(
    question: &'f Question,
    needed: Level,
    attribute: Named<'_>,
    access: &EffectiveAccess<'f>,
) -> Option<Requirement<'f>> {
    let named = question.context().attribute_group.as_ref();
    match (attribute, named) {
        (Named::Unsaid, None) => None,
        // An unknown attribute is held at `none`, whatever its group (rules 1.7).
        (Named::Unknown(code), _) => {
            let unknown = UnknownName {
                kind: ResourceType::Attribute,
                code: code.clone(),
            };
            let axis = ReasonCode::AttributeGroup;
            let requirement = Requirement::level(axis, "1.7", None, needed, Level::Hidden);
            Some(requirement.naming(Some(unknown)))
        }
        (Named::Stored(_) | Named::Unsaid, Some(code)) => Some(require_named(
            ItemKind::AttributeGroup,
            code,
            "4.4",
            needed,
            access,
        )),
        (Named::Stored(attribute), None) => Some(require_stored_group(attribute, needed, access)),
    }
}

/// Requires `needed` on the group that a stored attribute belongs to (rules 4.4).
fn require_stored_group<'f>(
    attribute: &Attribute,
    needed: Level,
    access: &EffectiveAccess<'f>,
) -> Requirement<'f> {
    let kind = ItemKind::AttributeGroup;
    require_stored(kind, attribute.group, "4.4", needed, access)
}

/// Evaluates the rules of an attribute (rules 4.4, 9): the level on its group,
/// and channel and locale where its values are specific to them. There is no
/// gate.
fn require_attribute<'f>(
    question: &'f Question,
    resource: &Resource,
    access: &EffectiveAccess<'f>,
    found: &mut Vec<Requirement<'f>>,
) -> Level {
    let needed = question.rule().level.unwrap_or_default();
    let attribute = resource
        .id
        .as_ref()
        .and_then(|id| access.vocabulary.attributes.get(id));
    let Some(attribute) = attribute else {
        found.push(require_known(false, resource));
        return Level::Hidden;
    };
    let context = question.context();
    let axes = [
        (OpenAxis::Channel, attribute.scopable, &context.channel),
        (OpenAxis::Locale, attribute.localizable, &context.locale),
    ];
    let counted = axes.into_iter().filter(|(_, counts, _)| *counts);
    found.extend(
        counted.map(|(axis, _, named)| {
            require_axis(axis, named.as_ref(), Specific::Yes, needed, access)
        }),
    );
    found.push(require_stored_group(attribute, needed, access));
    access.level_on(attribute.group)
}

/// Requires that all attribute groups of a grid view are viewable (rules 4.10).
fn require_grid_view<'f>(
    resource: &Resource,
    access: &EffectiveAccess<'f>,
    found: &mut Vec<Requirement<'f>>,
) -> Level {
    let view = resource
        .id
        .as_ref()
        .and_then(|id| access.vocabulary.grid_views.get(id));
    let Some(view) = view else {
        found.push(require_known(false, resource));
        return Level::Hidden;
    };
    let kind = ItemKind::AttributeGroup;
    let mut level = Level::View;
    for id in &view.attribute_groups {
        let requirement = require_stored(kind, *id, "4.10", Level::View, access);
        if !requirement.passed {
            level = Level::Hidden;
        }
        found.push(requirement);
    }
    level
}

/// Evaluates the rules of every other type, which the right on one item decides
/// (rules 3.3, 4.9, 4.11, 4.12).
fn require_item<'f>(
    question: &'f Question,
    resource: &Resource,
    access: &EffectiveAccess<'f>,
    found: &mut Vec<Requirement<'f>>,
) -> Level {
    let needed = question.rule().level;
    if resource.kind.takes_channel_and_locale() && needed == Some(Level::View) {
        let context = question.context();
        let named = [
            (ItemKind::Channel, &context.channel),
            (ItemKind::Locale, &context.locale),
        ];
        found.extend(named.into_iter().filter_map(|(kind, code)| {
            Some(require_named(
                kind,
                code.as_ref()?,
                "4.9",
                Level::View,
                access,
            ))
        }));
    }
    let item = ruling_item(resource).and_then(|item| access.find(&item));
    if let (Some(id), Some(needed), Some(kind)) = (item, needed, resource.kind.ruling_item()) {
        let rule = item_rule(resource.kind);
        found.push(require_stored(kind, id, rule, needed, access));
    }
    found.push(require_known(item.is_some(), resource));
    item.map_or(Level::Hidden, |id| access.level_on(id))
}

/// Returns the kind of rule that a right on an item belongs to (rules 8.1).
fn axis_code(kind: ItemKind) -> ReasonCode {
    match kind {
        ItemKind::Category => ReasonCode::Category,
        ItemKind::Channel => ReasonCode::Channel,
        ItemKind::Locale => ReasonCode::Locale,
        ItemKind::AttributeGroup => ReasonCode::AttributeGroup,
        ItemKind::AssetFamily
        | ItemKind::ReferenceEntity
        | ItemKind::ImportProfile
        | ItemKind::ExportProfile => ReasonCode::Item,
    }
}

/// Returns the number of the rule that governs the level on a type of resource.
fn item_rule(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::ImportProfile | ResourceType::ExportProfile => "4.11",
        ResourceType::Asset
        | ResourceType::ReferenceEntityRecord
        | ResourceType::EnrichedCategory => "4.9",
        ResourceType::AssetFamily | ResourceType::ReferenceEntity => "3.3",
        ResourceType::Category
        | ResourceType::Channel
        | ResourceType::Locale
        | ResourceType::AttributeGroup
        | ResourceType::Attribute
        | ResourceType::Product
        | ResourceType::ProductModel
        | ResourceType::GridView
        | ResourceType::SystemVersion => "4.12",
    }
}
