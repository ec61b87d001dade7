use super::{ItemKind, ProductKind, SubjectKind};

/// Kinds of entities that have a code or number and can be missing, already exist
/// or be in use.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::EnumIter, strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the PIM's own entities")]
pub enum EntityKind {
    Tenant,
    User,
    App,
    Connection,
    UserGroup,
    Role,
    Permission,
    Scope,
    Channel,
    Locale,
    Category,
    AttributeGroup,
    Attribute,
    Product,
    ProductModel,
    AssetFamily,
    ReferenceEntity,
    ImportProfile,
    ExportProfile,
    GridView,
    /// A pending connection of an app (rules 5.1).
    AppRequest,
    /// A client of this service (`api.md`, "Who calls").
    Caller,
    /// A key of a caller.
    CallerKey,
}

impl EntityKind {
    /// Returns the name in words: `user group`.
    #[must_use]
    pub fn words(self) -> String {
        <&str>::from(self).replace('_', " ")
    }
}

impl From<ItemKind> for EntityKind {
    fn from(kind: ItemKind) -> Self {
        match kind {
            ItemKind::Category => Self::Category,
            ItemKind::Channel => Self::Channel,
            ItemKind::Locale => Self::Locale,
            ItemKind::AttributeGroup => Self::AttributeGroup,
            ItemKind::AssetFamily => Self::AssetFamily,
            ItemKind::ReferenceEntity => Self::ReferenceEntity,
            ItemKind::ImportProfile => Self::ImportProfile,
            ItemKind::ExportProfile => Self::ExportProfile,
        }
    }
}

impl From<SubjectKind> for EntityKind {
    fn from(kind: SubjectKind) -> Self {
        match kind {
            SubjectKind::User => Self::User,
            SubjectKind::App => Self::App,
            SubjectKind::Connection => Self::Connection,
        }
    }
}

impl From<ProductKind> for EntityKind {
    fn from(kind: ProductKind) -> Self {
        match kind {
            ProductKind::Product => Self::Product,
            ProductKind::Model => Self::ProductModel,
        }
    }
}
