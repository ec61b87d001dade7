use crate::domain::{
    AttributeFacts, Code, ItemKind, ItemRef, Level, Question, ReasonCode, ReasonItem, Resource,
    ResourceType, Strictness, UnknownName,
};

use super::{
    asks::{Ask, Source},
    categories::{CategoryLevels, OnProduct},
    needs::ruling_item,
    reach::{OpenAxis, Reach},
};

/// Asks the rules on the resource and its context; gives the level held on it
/// too.
pub(super) fn ask_catalog(
    question: &Question,
    resource: &Resource,
    reach: Reach<'_>,
    levels: &mut CategoryLevels,
) -> (Vec<Ask>, Level) {
    if let Some(kind) = resource.kind.product_kind() {
        let lists = reach.category_lists(kind, resource);
        let on_product = lists.map(|lists| levels.on_product(lists, reach));
        return ask_product(question, resource, on_product.as_ref(), reach);
    }
    if resource.kind == ResourceType::Attribute {
        return ask_attribute(question, resource, reach);
    }
    if resource.kind == ResourceType::GridView {
        return ask_grid_view(resource, reach);
    }
    ask_item(question, resource, reach)
}

/// A product, model or value of it: channel, locale, category, attribute group
/// (rules 3.2, 4.1 to 4.8).
fn ask_product(
    question: &Question,
    resource: &Resource,
    on_product: Option<&OnProduct>,
    reach: Reach<'_>,
) -> (Vec<Ask>, Level) {
    let needed = question.rule().level.unwrap_or_default();
    let other_axes = needed.on_other_axes();
    let context = question.context();
    let attribute = match &context.attribute {
        None => Named::Unsaid,
        Some(code) => reach
            .facts
            .vocabulary
            .attributes
            .get(code)
            .map_or(Named::Unknown(code), Named::Stored),
    };
    let specific = |is: fn(&AttributeFacts) -> bool| match attribute {
        Named::Unsaid => Specific::Unsaid,
        Named::Stored(attribute) if is(attribute) => Specific::Yes,
        Named::Stored(_) | Named::Unknown(_) => Specific::No,
    };
    let channel = specific(|attribute| attribute.scopable);
    let locale = specific(|attribute| attribute.localizable);
    let mut asks = vec![
        ask_axis(
            OpenAxis::Channel,
            context.channel.as_ref(),
            channel,
            other_axes,
            reach,
        ),
        ask_axis(
            OpenAxis::Locale,
            context.locale.as_ref(),
            locale,
            other_axes,
            reach,
        ),
    ];
    if let Some(on_product) = on_product {
        let strictness = question.rule().strictness;
        asks.push(ask_categories(on_product, needed, strictness, reach));
    }
    asks.extend(ask_value_group(question, other_axes, attribute, reach));
    asks.push(ask_known(on_product.is_some(), resource));
    let held = on_product.map(|on_product| on_product.held);
    (asks, held.unwrap_or_default())
}

/// The attribute that a product question names.
#[derive(Clone, Copy, Debug)]
enum Named<'q> {
    Unsaid,
    Unknown(&'q Code),
    Stored(&'q AttributeFacts),
}

/// Whether a value is specific to a channel or locale (rules 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Specific {
    /// The question names no attribute.
    Unsaid,
    /// The axis counts.
    Yes,
    /// The axis does not count; the gate still stands.
    No,
}

/// Asks the channel or locale of a product question (rules 4.4, 4.5).
fn ask_axis(
    axis: OpenAxis,
    named: Option<&Code>,
    specific: Specific,
    needed: Level,
    reach: Reach<'_>,
) -> Ask {
    match (named, specific) {
        (Some(code), Specific::Unsaid) => ask_named(axis.kind(), code, "4.5", needed, reach),
        (Some(code), Specific::Yes) => ask_named(axis.kind(), code, "4.4", needed, reach),
        (None, Specific::Yes) => ask_any(axis, "4.4", needed, reach),
        (None, Specific::Unsaid) | (_, Specific::No) => ask_gate(axis, reach),
    }
}

/// At least one must be viewable, if the tenant has any (rules 4.5).
fn ask_gate(axis: OpenAxis, reach: Reach<'_>) -> Ask {
    let ask = ask_any(axis, "4.5", Level::View, reach);
    let passed = ask.passed || reach.first_of(axis).is_none();
    Ask { passed, ..ask }
}

/// At least one must be held at the level needed.
fn ask_any(axis: OpenAxis, rule: &'static str, needed: Level, reach: Reach<'_>) -> Ask {
    let item = ReasonItem {
        kind: axis.kind(),
        code: None,
    };
    let held = reach.highest_on_any(axis);
    Ask::level(axis_code(axis.kind()), rule, Some(item), needed, held).from(Source::Any(axis))
}

/// The item that the question names must be held at the level needed.
fn ask_named(
    kind: ItemKind,
    code: &Code,
    rule: &'static str,
    needed: Level,
    reach: Reach<'_>,
) -> Ask {
    let named = ItemRef {
        kind,
        code: code.clone(),
    };
    let found = reach.find(&named);
    let held = reach.level_on_named(&named);
    let spelled = found
        .and_then(|id| reach.code_of(id))
        .unwrap_or(code)
        .clone();
    let item = ReasonItem {
        kind,
        code: Some(spelled),
    };
    let ask = Ask::level(axis_code(kind), rule, Some(item), needed, held);
    match found {
        Some(id) => ask.from(Source::Item(id)),
        None => ask.naming(Some(UnknownName {
            kind: kind.into(),
            code: code.clone(),
        })),
    }
}

/// The resource must be stored, or described by the question (rules 1.7).
fn ask_known(is_known: bool, resource: &Resource) -> Ask {
    let ask = Ask::new(ReasonCode::ResourceUnknown, "1.7", is_known);
    if is_known {
        return ask;
    }
    // An asset or record is not stored; its family or entity is (rules 9).
    let ruling = ruling_item(resource).filter(|_| resource.kind.lies_in_parent());
    let unknown = match ruling {
        Some(ItemRef { kind, code }) => Some((kind.into(), code)),
        None => resource.id.clone().map(|code| (resource.kind, code)),
    };
    ask.naming(unknown.map(|(kind, code)| UnknownName { kind, code }))
}

/// The level on the product must suffice (rules 4.1, 4.3).
fn ask_categories(
    on_product: &OnProduct,
    needed: Level,
    strictness: Strictness,
    reach: Reach<'_>,
) -> Ask {
    let OnProduct {
        held,
        highest,
        unknown,
    } = on_product;
    let uncategorised = highest.is_none() && unknown.is_none();
    let rule = if uncategorised { "4.3" } else { "4.1" };
    let item = highest.map(|id| ReasonItem {
        kind: ItemKind::Category,
        code: reach.code_of(id).cloned(),
    });
    let passed = strictness.suffices(*held, needed);
    let unknown = unknown.clone().filter(|_| item.is_none() && !passed);
    let ask = Ask::level(ReasonCode::Category, rule, item, needed, *held);
    let ask = ask.from(Source::Categories(Vec::new(), strictness));
    Ask { passed, ..ask }.naming(unknown)
}

/// The attribute group of a value (rules 4.4, 4.10, 7.1).
fn ask_value_group(
    question: &Question,
    needed: Level,
    attribute: Named<'_>,
    reach: Reach<'_>,
) -> Option<Ask> {
    let named = question.context().attribute_group.as_ref();
    match (attribute, named) {
        (Named::Unsaid, None) => None,
        // An unknown attribute is held at `none`, whatever its group (1.7).
        (Named::Unknown(code), _) => {
            let unknown = UnknownName {
                kind: ResourceType::Attribute,
                code: code.clone(),
            };
            let axis = ReasonCode::AttributeGroup;
            let ask = Ask::level(axis, "1.7", None, needed, Level::Hidden);
            Some(ask.naming(Some(unknown)))
        }
        (Named::Stored(_) | Named::Unsaid, Some(code)) => Some(ask_named(
            ItemKind::AttributeGroup,
            code,
            "4.4",
            needed,
            reach,
        )),
        (Named::Stored(attribute), None) => Some(ask_stored_group(attribute, needed, reach)),
    }
}

fn ask_stored_group(attribute: &AttributeFacts, needed: Level, reach: Reach<'_>) -> Ask {
    let held = reach.level_on(attribute.group);
    let code = reach.code_of(attribute.group).cloned();
    let item = ReasonItem {
        kind: ItemKind::AttributeGroup,
        code,
    };
    Ask::level(ReasonCode::AttributeGroup, "4.4", Some(item), needed, held)
        .from(Source::Item(attribute.group))
}

/// An attribute: its group's level, with channel and locale where its values
/// are specific to them; no gate (rules 4.4, 9).
fn ask_attribute(question: &Question, resource: &Resource, reach: Reach<'_>) -> (Vec<Ask>, Level) {
    let needed = question.rule().level.unwrap_or_default();
    let attribute = resource
        .id
        .as_ref()
        .and_then(|id| reach.facts.vocabulary.attributes.get(id));
    let Some(attribute) = attribute else {
        return (vec![ask_known(false, resource)], Level::Hidden);
    };
    let context = question.context();
    let axes = [
        (OpenAxis::Channel, attribute.scopable, &context.channel),
        (OpenAxis::Locale, attribute.localizable, &context.locale),
    ];
    let counted = axes.into_iter().filter(|(_, counts, _)| *counts);
    let mut asks: Vec<Ask> = counted
        .map(|(axis, _, named)| ask_axis(axis, named.as_ref(), Specific::Yes, needed, reach))
        .collect();
    asks.push(ask_stored_group(attribute, needed, reach));
    (asks, reach.level_on(attribute.group))
}

/// A grid view is shown only if all its attribute groups are viewable
/// (rules 4.10).
fn ask_grid_view(resource: &Resource, reach: Reach<'_>) -> (Vec<Ask>, Level) {
    let view = resource
        .id
        .as_ref()
        .and_then(|id| reach.facts.vocabulary.grid_views.get(id));
    let Some(view) = view else {
        return (vec![ask_known(false, resource)], Level::Hidden);
    };
    let asks: Vec<Ask> = view
        .attribute_groups
        .iter()
        .map(|id| {
            let code = reach.code_of(*id).cloned();
            let item = ReasonItem {
                kind: ItemKind::AttributeGroup,
                code,
            };
            let held = reach.level_on(*id);
            Ask::level(
                ReasonCode::AttributeGroup,
                "4.10",
                Some(item),
                Level::View,
                held,
            )
            .from(Source::Item(*id))
        })
        .collect();
    let shown = asks.iter().all(|ask| ask.passed);
    (asks, if shown { Level::View } else { Level::Hidden })
}

/// Everything else is ruled by the right on one item (rules 3.3, 4.9, 4.11,
/// 4.12).
fn ask_item(question: &Question, resource: &Resource, reach: Reach<'_>) -> (Vec<Ask>, Level) {
    let needed = question.rule().level;
    let mut asks = Vec::new();
    if resource.kind.takes_channel_and_locale() && needed == Some(Level::View) {
        let context = question.context();
        let named = [
            (ItemKind::Channel, &context.channel),
            (ItemKind::Locale, &context.locale),
        ];
        asks.extend(named.into_iter().filter_map(|(kind, code)| {
            Some(ask_named(kind, code.as_ref()?, "4.9", Level::View, reach))
        }));
    }
    let found = ruling_item(resource).and_then(|item| reach.find(&item));
    let held = found.map_or(Level::Hidden, |id| reach.level_on(id));
    if let (Some(id), Some(needed), Some(kind)) = (found, needed, resource.kind.ruling_item()) {
        let item = ReasonItem {
            kind,
            code: reach.code_of(id).cloned(),
        };
        let ask = Ask::level(
            axis_code(kind),
            item_rule(resource.kind),
            Some(item),
            needed,
            held,
        );
        asks.push(ask.from(Source::Item(id)));
    }
    asks.push(ask_known(found.is_some(), resource));
    (asks, held)
}

/// Which kind of rule a right on an item is (rules 8.1).
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
