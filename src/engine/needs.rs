//! The facts that questions need, by name, before anything is read.
//!
//! Only what a question names is listed. The rest is read along with it: access
//! rights with the user groups of the subjects, ancestors with a product,
//! attribute groups with an attribute or grid view.

use hashbrown::HashSet;

use crate::domain::{
    Code, FactsNeeded, ItemKind, ItemRef, Parent, Question, Resource, ResourceType,
};

/// Returns the facts that `questions` need. Facts of several questions are read
/// together, so that all are decided at one revision.
#[must_use]
pub fn needs<'q>(questions: impl IntoIterator<Item = &'q Question>) -> FactsNeeded {
    let mut needed = FactsNeeded::default();
    // A list of categories that several questions share is added once.
    let mut added = HashSet::new();
    for question in questions {
        needed.subjects.insert(question.subject().clone());
        if !question.rule().requires_resource {
            continue;
        }
        needed.products.extend(question.products());
        if let Some(resource) = question.resource() {
            add_resource(&mut needed, resource);
            let described = resource.description.categories.as_ref();
            if let Some(codes) = described.filter(|codes| added.insert(codes.as_ptr())) {
                add_categories(&mut needed, codes);
            }
            add_context(&mut needed, question);
        }
    }
    needed
}

/// Adds the facts of a resource that is no product: its item, attribute or grid view.
fn add_resource(needed: &mut FactsNeeded, resource: &Resource) {
    if resource.kind.product_kind().is_some() {
        return;
    }
    if let Some(item) = ruling_item(resource) {
        needed.items.insert(item);
        return;
    }
    let Some(code) = resource.id.clone() else {
        return;
    };
    if resource.kind == ResourceType::Attribute {
        needed.attributes.insert(code);
    } else if resource.kind == ResourceType::GridView {
        needed.grid_views.insert(code);
    }
}

/// Adds the categories that describe a product in the request (rules 7.1).
fn add_categories(needed: &mut FactsNeeded, codes: &[Code]) {
    let categories = codes.iter().map(|code| ItemRef {
        kind: ItemKind::Category,
        code: code.clone(),
    });
    needed.items.extend(categories);
}

/// Adds the channel, locale, attribute and attribute group that the context
/// names.
fn add_context(needed: &mut FactsNeeded, question: &Question) {
    let context = question.context();
    let named = [
        (ItemKind::Channel, &context.channel),
        (ItemKind::Locale, &context.locale),
        (ItemKind::AttributeGroup, &context.attribute_group),
    ];
    for (kind, code) in named {
        if let Some(code) = code.clone() {
            needed.items.insert(ItemRef { kind, code });
        }
    }
    needed.attributes.extend(context.attribute.clone());
}

/// Returns the item whose right decides for a resource that is not a product:
/// itself, or the family or entity of an asset or record.
pub(super) fn ruling_item(resource: &Resource) -> Option<ItemRef> {
    let kind = resource.kind.ruling_item()?;
    let code = if resource.kind.has_parent() {
        match resource.description.parent.as_ref()? {
            Parent::Code(code) => code.clone(),
            Parent::Absent => return None,
        }
    } else {
        resource.id.clone()?
    };
    Some(ItemRef { kind, code })
}
