//! Axes: the requirement of each, and whether it denies.

use pim_authz::domain::{
    Code, ItemKind, ItemRef, Level, Parent, ProductKind, ProductRef, Reason, ReasonCode,
    ReasonItem, ResourceType, UnknownName,
};

use super::{Case, named, reason, unknown_item};

/// Requirement on a channel or locale.
enum Limit {
    /// The named one must be held at this level.
    Named(Code, Level),
    /// At least one must be held at this level; in a tenant that has none, there
    /// is no such value.
    AtLeastOne(Level),
    /// At least one must be viewable, if the tenant has any.
    Gate,
}

impl Case<'_> {
    /// Rules 4.4, 4.5 and 4.9: the requirement on the channel or locale of the
    /// question; `None` if there is none.
    fn limit(&self, axis: ItemKind) -> Option<Limit> {
        let context = self.question.context();
        let resource = self.question.resource()?;
        let needed = self.requirements.level?;
        let named = match axis {
            ItemKind::Channel => context.channel.clone(),
            _ => context.locale.clone(),
        };
        let varies = |attribute: Option<&Code>| {
            let stored = self.world.attributes.get(attribute?)?;
            Some(match axis {
                ItemKind::Channel => stored.scopable,
                _ => stored.localizable,
            })
        };
        let level = needed.on_other_axes();
        let of_value = |named| match named {
            Some(code) => Limit::Named(code, level),
            None => Limit::AtLeastOne(level),
        };
        match resource.kind {
            ResourceType::Product | ResourceType::ProductModel => {
                Some(match (&context.attribute, named) {
                    (None, Some(code)) => Limit::Named(code, level),
                    (None, None) => Limit::Gate,
                    (Some(attribute), named) => match varies(Some(attribute)) {
                        Some(true) => of_value(named),
                        Some(false) | None => Limit::Gate,
                    },
                })
            }
            // Rules 4.4: an attribute that is the resource of the question has no
            // gate.
            ResourceType::Attribute => match varies(resource.id.as_ref()) {
                Some(true) => Some(of_value(named)),
                Some(false) | None => None,
            },
            // Rules 4.9: for `edit`, channel and locale do not limit.
            ResourceType::Asset
            | ResourceType::ReferenceEntityRecord
            | ResourceType::EnrichedCategory
                if needed == Level::View =>
            {
                named.map(|code| Limit::Named(code, Level::View))
            }
            _ => None,
        }
    }

    /// Rules 4.4, 4.5, 4.9, and 4.12 for a channel or locale itself.
    pub(super) fn channel_or_locale_denial(&self, axis: ItemKind) -> Option<Reason> {
        let code = match axis {
            ItemKind::Channel => ReasonCode::Channel,
            _ => ReasonCode::Locale,
        };
        let any = ReasonItem {
            kind: axis,
            code: None,
        };
        let (item, needed, held) = match self.limit(axis) {
            None => return self.ruling_item_denial(code),
            Some(Limit::Named(code, needed)) => {
                let item = ItemRef { kind: axis, code };
                return self.named_too_low(&item, needed);
            }
            Some(Limit::AtLeastOne(needed)) => (any, needed, self.highest_of(axis)),
            Some(Limit::Gate) if self.world.items_of(axis).next().is_none() => return None,
            Some(Limit::Gate) => (any, Level::View, self.highest_of(axis)),
        };
        too_low(code, Some(item), needed, held)
    }

    /// Rules 4.1, 4.3, and 4.12 for a category itself.
    pub(super) fn category_denial(&self) -> Option<Reason> {
        let is_product = self.question.resource()?.kind.product_kind().is_some();
        if !is_product {
            return self.ruling_item_denial(ReasonCode::Category);
        }
        let needed = self.requirements.level?;
        if !self.resource_is_known() {
            return None;
        }
        let held = self.product_level();
        let enough = if self.requirements.exactly {
            held == needed
        } else {
            held.allows(needed)
        };
        let item = self.category_held_highest().as_ref().map(named);
        let unknown = if item.is_none() {
            self.first_unknown_in_force()
        } else {
            None
        };
        let denial = Reason {
            item,
            needed: Some(needed),
            held: Some(held),
            unknown,
            ..reason(ReasonCode::Category)
        };
        (!enough).then_some(denial)
    }

    /// Rules 4.4 and 4.10, and 4.12 for an attribute group itself.
    pub(super) fn attribute_group_denial(&self) -> Option<Reason> {
        let axis = ReasonCode::AttributeGroup;
        let needed = self.requirements.level?.on_other_axes();
        match self.question.resource()?.kind {
            ResourceType::Product | ResourceType::ProductModel => self.value_group_denial(needed),
            ResourceType::Attribute if self.resource_is_known() => {
                let group = self.stored_group_of_the_attribute();
                too_low(axis, Some(named(&group)), needed, self.held(&group))
            }
            ResourceType::GridView if self.resource_is_known() => {
                let group = self.first_hidden_group()?;
                too_low(axis, Some(named(&group)), Level::View, Level::Hidden)
            }
            _ => self.ruling_item_denial(axis),
        }
    }

    /// Rules 4.4: the group of the attribute named, or the group named.
    fn value_group_denial(&self, needed: Level) -> Option<Reason> {
        let context = self.question.context();
        let kind = ItemKind::AttributeGroup;
        // Rules 7.1: the group named replaces the stored one.
        let given = context.attribute_group.clone();
        let code = match &context.attribute {
            None => given?,
            Some(attribute) => match self.world.attributes.get(attribute) {
                Some(stored) => given.unwrap_or_else(|| stored.group.clone()),
                // Rules 1.7: an unknown attribute is held at none, whether its
                // group is given or not.
                None => return Some(unknown_attribute(attribute, needed)),
            },
        };
        self.named_too_low(&ItemRef { kind, code }, needed)
    }

    /// Denies if an item that a question names is held at less than `needed`, or
    /// is unknown (rules 1.7).
    fn named_too_low(&self, item: &ItemRef, needed: Level) -> Option<Reason> {
        let code = match item.kind {
            ItemKind::Channel => ReasonCode::Channel,
            ItemKind::Locale => ReasonCode::Locale,
            _ => ReasonCode::AttributeGroup,
        };
        let denial = too_low(code, Some(named(item)), needed, self.held(item))?;
        let is_stored = self.world.items.contains(item);
        Some(Reason {
            unknown: (!is_stored).then(|| unknown_item(item.kind, &item.code)),
            ..denial
        })
    }

    /// `api.md`: a denial names no category if none is known; returns the first
    /// category or else the parent of the question that is not stored.
    fn first_unknown_in_force(&self) -> Option<UnknownName> {
        let described = &self.resource().description;
        let codes = described.categories.iter().flat_map(|codes| codes.iter());
        let mut unknown = codes.filter(|code| self.known_category((*code).clone()).is_none());
        if let Some(code) = unknown.next() {
            return Some(unknown_item(ItemKind::Category, code));
        }
        let Some(Parent::Code(code)) = described.parent.clone() else {
            return None;
        };
        let kind = ProductKind::Model;
        let model = ProductRef { kind, code };
        let is_stored = self.world.products.contains_key(&model);
        (!is_stored).then_some(UnknownName {
            kind: ResourceType::ProductModel,
            code: model.code,
        })
    }

    /// Rules 4.9, 4.11, 4.12: denial by the item that alone determines access to
    /// the resource, if `axis` is its axis.
    pub(super) fn ruling_item_denial(&self, axis: ReasonCode) -> Option<Reason> {
        let (item, own_axis) = self.ruling_item()?;
        let needed = self.requirements.level?;
        if own_axis != axis || !self.world.items.contains(&item) {
            return None;
        }
        too_low(axis, Some(named(&item)), needed, self.held(&item))
    }
}

/// Rules 8.1 and 1.7: denial by attribute group, without an item.
fn unknown_attribute(attribute: &Code, needed: Level) -> Reason {
    Reason {
        needed: Some(needed),
        held: Some(Level::Hidden),
        unknown: Some(UnknownName {
            kind: ResourceType::Attribute,
            code: attribute.clone(),
        }),
        ..reason(ReasonCode::AttributeGroup)
    }
}

fn too_low(
    code: ReasonCode,
    item: Option<ReasonItem>,
    needed: Level,
    held: Level,
) -> Option<Reason> {
    let denial = Reason {
        item,
        needed: Some(needed),
        held: Some(held),
        ..reason(code)
    };
    (!held.allows(needed)).then_some(denial)
}
