//! The messages of entities, as the domain's entities: the one place where a
//! message becomes a patch, and an entity a message.

use crate::{
    domain::{
        AccessRight, App, Attribute, AttributePatch, Audience, CATALOGUE, Category, CategoryPatch,
        Channel, ChannelPatch, Code, GridView, GridViewPatch, ItemKind, ItemRef, Level, PlainItem,
        Product, ProductKind, ProductPatch, ProfilePatch, Role, SelectionAxis, Subject,
        SubjectPatch, UserGroup,
    },
    listing::EffectiveRight,
    pb,
    rpc::{
        failure::InvalidField,
        parse::{self, code, optional_code},
        render,
    },
    store::entries::ListedApp,
};

use super::parse_entries::{label, list, optional_codes};

/// A patch, or an entity, that messages of the type `M` hold.
pub(super) trait FromMessage<M>: Sized {
    /// Parses a message; fails with the field that is invalid.
    fn from_message(message: M) -> Result<Self, InvalidField>;
}

/// Users and connections have messages of the same fields.
macro_rules! subjects {
    ($($message:ident),+) => {$(
        impl FromMessage<pb::$message> for SubjectPatch {
            fn from_message(message: pb::$message) -> Result<Self, InvalidField> {
                let pb::$message { code: text, groups, roles, enabled } = message;
                Ok(Self {
                    code: code("code", &text)?,
                    groups: optional_codes("groups", groups)?,
                    roles: optional_codes("roles", roles)?,
                    enabled,
                })
            }
        }

        impl From<&Subject<Code, Code>> for pb::$message {
            fn from(subject: &Subject<Code, Code>) -> Self {
                Self {
                    code: subject.code.to_string(),
                    groups: Some(code_list(&subject.groups)),
                    roles: Some(code_list(&subject.roles)),
                    enabled: Some(subject.enabled),
                }
            }
        }
    )+};
}

subjects!(User, Connection);

impl FromMessage<pb::UserGroup> for UserGroup {
    fn from_message(message: pb::UserGroup) -> Result<Self, InvalidField> {
        let pb::UserGroup {
            code: text,
            label: name,
            private: _,
        } = message;
        Ok(Self {
            code: code("code", &text)?,
            label: label("label", &name)?,
            private: false,
        })
    }
}

impl From<&UserGroup> for pb::UserGroup {
    fn from(group: &UserGroup) -> Self {
        Self {
            code: group.code.to_string(),
            label: group.label.to_string(),
            private: group.private,
        }
    }
}

impl From<&Role> for pb::Role {
    fn from(role: &Role) -> Self {
        let audience = match role.audience {
            Audience::User => pb::Audience::User,
            Audience::Connection => pb::Audience::Connection,
        };
        let codes = CATALOGUE.permission_codes(&role.permissions);
        Self {
            code: role.code.to_string(),
            label: role.label.to_string(),
            audience: audience.into(),
            permissions: Some(pb::CodeList {
                codes: codes.map(str::to_owned).collect(),
            }),
        }
    }
}

/// Items that have nothing but their code.
macro_rules! plain_items {
    ($($message:ident: $kind:ident),+) => {$(
        impl FromMessage<pb::$message> for PlainItem {
            fn from_message(message: pb::$message) -> Result<Self, InvalidField> {
                Ok(Self {
                    kind: ItemKind::$kind,
                    code: code("code", &message.code)?,
                })
            }
        }

        impl From<&PlainItem> for pb::$message {
            fn from(item: &PlainItem) -> Self {
                Self { code: item.code.to_string() }
            }
        }
    )+};
}

plain_items! {
    Locale: Locale,
    AttributeGroup: AttributeGroup,
    AssetFamily: AssetFamily,
    ReferenceEntity: ReferenceEntity
}

impl FromMessage<pb::Channel> for ChannelPatch {
    fn from_message(message: pb::Channel) -> Result<Self, InvalidField> {
        let pb::Channel {
            code: text,
            tree,
            locales,
        } = message;
        Ok(Self {
            code: code("code", &text)?,
            tree: Some(optional_code("tree", &tree)?),
            locales: Some(list("locales", &locales)?),
        })
    }
}

impl From<&Channel<Code>> for pb::Channel {
    fn from(channel: &Channel<Code>) -> Self {
        let tree = channel.tree.as_ref();
        Self {
            code: channel.code.to_string(),
            tree: tree.map(Code::to_string).unwrap_or_default(),
            locales: render::codes(&channel.locales),
        }
    }
}

impl FromMessage<pb::Category> for CategoryPatch {
    fn from_message(message: pb::Category) -> Result<Self, InvalidField> {
        let pb::Category { code: text, parent } = message;
        Ok(Self {
            code: code("code", &text)?,
            parent: parent
                .map(|text| optional_code("parent", &text))
                .transpose()?,
        })
    }
}

impl From<&Category<Code>> for pb::Category {
    fn from(category: &Category<Code>) -> Self {
        Self {
            code: category.code.to_string(),
            parent: category.parent.as_ref().map(Code::to_string),
        }
    }
}

impl FromMessage<pb::Attribute> for AttributePatch {
    fn from_message(message: pb::Attribute) -> Result<Self, InvalidField> {
        let pb::Attribute {
            code: text,
            group,
            scopable,
            localizable,
        } = message;
        Ok(Self {
            code: code("code", &text)?,
            group: optional_code("group", &group)?,
            scopable: Some(scopable),
            localizable: Some(localizable),
        })
    }
}

impl From<&Attribute<Code>> for pb::Attribute {
    fn from(attribute: &Attribute<Code>) -> Self {
        Self {
            code: attribute.code.to_string(),
            group: attribute.group.to_string(),
            scopable: attribute.scopable,
            localizable: attribute.localizable,
        }
    }
}

impl FromMessage<pb::GridView> for GridViewPatch {
    fn from_message(message: pb::GridView) -> Result<Self, InvalidField> {
        let pb::GridView {
            code: text,
            attribute_groups,
        } = message;
        Ok(Self {
            code: code("code", &text)?,
            attribute_groups: Some(list("attribute_groups", &attribute_groups)?),
        })
    }
}

impl From<&GridView<Code>> for pb::GridView {
    fn from(view: &GridView<Code>) -> Self {
        Self {
            code: view.code.to_string(),
            attribute_groups: render::codes(&view.attribute_groups),
        }
    }
}

impl FromMessage<pb::Profile> for ProfilePatch {
    fn from_message(message: pb::Profile) -> Result<Self, InvalidField> {
        let pb::Profile { code: text, kind } = message;
        Ok(Self {
            code: code("code", &text)?,
            kind: profile_kind(kind)?,
        })
    }
}

impl From<&PlainItem> for pb::Profile {
    fn from(profile: &PlainItem) -> Self {
        let kind = if profile.kind == ItemKind::ExportProfile {
            pb::ProfileKind::Export
        } else {
            pb::ProfileKind::Import
        };
        Self {
            code: profile.code.to_string(),
            kind: kind.into(),
        }
    }
}

/// Parses the kind of a profile; `None`: not given.
pub(super) fn profile_kind(number: i32) -> Result<Option<ItemKind>, InvalidField> {
    let allowed = "PROFILE_KIND_IMPORT, PROFILE_KIND_EXPORT";
    Ok(match parse::value("kind", number, allowed)? {
        pb::ProfileKind::Unspecified => None,
        pb::ProfileKind::Import => Some(ItemKind::ImportProfile),
        pb::ProfileKind::Export => Some(ItemKind::ExportProfile),
    })
}

impl FromMessage<pb::Product> for ProductPatch {
    fn from_message(message: pb::Product) -> Result<Self, InvalidField> {
        let pb::Product {
            code: text,
            kind,
            parent,
            categories,
        } = message;
        Ok(Self {
            kind: product_kind(kind)?,
            code: code("code", &text)?,
            parent: parent
                .map(|text| optional_code("parent", &text))
                .transpose()?,
            categories: optional_codes("categories", categories)?,
        })
    }
}

impl From<&Product> for pb::Product {
    fn from(product: &Product) -> Self {
        let kind = match product.kind {
            ProductKind::Product => pb::ProductKind::Product,
            ProductKind::Model => pb::ProductKind::Model,
        };
        Self {
            code: product.code.to_string(),
            kind: kind.into(),
            parent: product.parent.as_ref().map(Code::to_string),
            categories: Some(code_list(&product.categories)),
        }
    }
}

/// Parses the kind of a product; by default a product.
pub(super) fn product_kind(number: i32) -> Result<ProductKind, InvalidField> {
    let allowed = "0, PRODUCT_KIND_PRODUCT, PRODUCT_KIND_MODEL";
    Ok(match parse::value("kind", number, allowed)? {
        pb::ProductKind::Unspecified | pb::ProductKind::Product => ProductKind::Product,
        pb::ProductKind::Model => ProductKind::Model,
    })
}

impl From<&ItemRef> for pb::Item {
    fn from(item: &ItemRef) -> Self {
        Self {
            r#type: item.kind.to_string(),
            id: item.code.to_string(),
        }
    }
}

impl From<&AccessRight<Code, ItemRef>> for pb::AccessGrant {
    fn from(right: &AccessRight<Code, ItemRef>) -> Self {
        Self {
            group: right.group.to_string(),
            item: Some((&right.item).into()),
            level: render::level(Some(right.level)).into(),
            apply_to_children: None,
        }
    }
}

impl From<&EffectiveRight> for pb::EffectiveRight {
    fn from(right: &EffectiveRight) -> Self {
        Self {
            item: Some((&right.item).into()),
            level: render::level(Some(right.level)).into(),
            groups: render::codes(&right.group),
        }
    }
}

impl From<&ListedApp> for pb::App {
    fn from(listed: &ListedApp) -> Self {
        let ListedApp {
            code,
            app,
            connected_at,
        } = listed;
        let scopes = CATALOGUE.scope_codes(app.scopes).map(str::to_owned);
        let rights = |axis| Some(app_rights(app, axis));
        Self {
            code: code.to_string(),
            scopes: scopes.collect(),
            trees: rights(SelectionAxis::Tree),
            locales: rights(SelectionAxis::Locale),
            attribute_groups: rights(SelectionAxis::AttributeGroup),
            group: app.group.to_string(),
            connected_by: app.connected_by.clone(),
            connected_at: Some(timestamp(*connected_at)),
        }
    }
}

fn app_rights(app: &App<Code, Code>, axis: SelectionAxis) -> pb::AppRights {
    let at = |level: Level| {
        let here = app.selections.iter();
        let here = here.filter(|one| one.axis == axis && one.level == level.bits());
        let mut selection: Option<pb::AppSelection> = None;
        for one in here {
            let selection = selection.get_or_insert_default();
            match &one.item {
                None => selection.all = true,
                Some(code) => selection.codes.push(code.to_string()),
            }
        }
        selection
    };
    pb::AppRights {
        own: at(Level::Own),
        edit: at(Level::Edit),
        view: at(Level::View),
    }
}

/// Converts microseconds since 1970 to a timestamp message.
pub(super) fn timestamp(microseconds: i64) -> prost_types::Timestamp {
    let nanos = microseconds.rem_euclid(1_000_000) * 1_000;
    prost_types::Timestamp {
        seconds: microseconds.div_euclid(1_000_000),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

fn code_list<'c>(codes: impl IntoIterator<Item = &'c Code>) -> pb::CodeList {
    pb::CodeList {
        codes: render::codes(codes),
    }
}
