use std::sync::Arc;

use super::{Code, ItemKind};

/// The types of resources that a question can be about (rules 9).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the PIM's own entities; rules 9 describes each"
)]
pub enum ResourceType {
    Product,
    ProductModel,
    Category,
    Channel,
    Locale,
    AttributeGroup,
    Attribute,
    AssetFamily,
    ReferenceEntity,
    Asset,
    ReferenceEntityRecord,
    EnrichedCategory,
    ImportProfile,
    ExportProfile,
    GridView,
    SystemVersion,
}

impl ResourceType {
    /// The product kind of a product or product model.
    #[must_use]
    pub fn product_kind(self) -> Option<ProductKind> {
        if self == Self::Product {
            Some(ProductKind::Product)
        } else if self == Self::ProductModel {
            Some(ProductKind::Model)
        } else {
            None
        }
    }

    /// The kind of the item whose right counts for a resource of this type: the
    /// item itself, the category of an enriched category, the family or entity
    /// of an asset or record (rules 4.9). `None` for products, attributes, grid
    /// views and the system version.
    #[must_use]
    pub fn ruling_item(self) -> Option<ItemKind> {
        match self {
            Self::Category | Self::EnrichedCategory => Some(ItemKind::Category),
            Self::Channel => Some(ItemKind::Channel),
            Self::Locale => Some(ItemKind::Locale),
            Self::AttributeGroup => Some(ItemKind::AttributeGroup),
            Self::AssetFamily | Self::Asset => Some(ItemKind::AssetFamily),
            Self::ReferenceEntity | Self::ReferenceEntityRecord => Some(ItemKind::ReferenceEntity),
            Self::ImportProfile => Some(ItemKind::ImportProfile),
            Self::ExportProfile => Some(ItemKind::ExportProfile),
            Self::Product
            | Self::ProductModel
            | Self::Attribute
            | Self::GridView
            | Self::SystemVersion => None,
        }
    }

    /// Whether resources of this type lie in a family or entity that the
    /// question must name as `resource.parent` (assets and records).
    #[must_use]
    pub fn lies_in_parent(self) -> bool {
        matches!(self, Self::Asset | Self::ReferenceEntityRecord)
    }

    /// Whether resources of this type are stored, or are stored ones seen
    /// differently, so that they can be listed (rules 9).
    #[must_use]
    pub fn is_listed(self) -> bool {
        !self.lies_in_parent() && self != Self::SystemVersion
    }

    /// Whether resources of this type lie in categories, or are categories
    /// (rules 9, filters).
    #[must_use]
    pub fn lies_in_categories(self) -> bool {
        self.product_kind().is_some() || self.ruling_item() == Some(ItemKind::Category)
    }

    /// Whether `context.channel` and `context.locale` belong to it (rules 9).
    #[must_use]
    pub fn takes_channel_and_locale(self) -> bool {
        matches!(
            self,
            Self::Product
                | Self::ProductModel
                | Self::Attribute
                | Self::EnrichedCategory
                | Self::Asset
                | Self::ReferenceEntityRecord
        )
    }
}

/// Products and product models; each has a code space of its own (rules 1.5).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[strum(serialize_all = "snake_case")]
pub enum ProductKind {
    /// A simple product or a variant.
    Product,
    /// A model, root or sub-model, that variants lie under.
    #[strum(serialize = "product_model")]
    Model,
}

impl From<ProductKind> for ResourceType {
    fn from(kind: ProductKind) -> Self {
        match kind {
            ProductKind::Product => Self::Product,
            ProductKind::Model => Self::ProductModel,
        }
    }
}

impl From<ItemKind> for ResourceType {
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

/// A product or model as a question names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductRef {
    /// Which code space `code` is of.
    pub kind: ProductKind,
    /// Its code: a SKU or identifier, or a model's code.
    pub code: Code,
}

/// What a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its type.
    pub kind: ResourceType,
    /// Its code; absent only where it is not looked at, or where `description`
    /// takes its place.
    pub id: Option<Code>,
    /// Facts that come with the question (rules 7.1).
    pub description: Description,
}

/// Facts about a resource that come with the question and replace the stored
/// ones, for this question only (rules 7.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The categories of a product's own; empty: none. Questions of one call
    /// share them.
    pub categories: Option<Arc<[Code]>>,
    /// The model above a product; the family or entity of an asset or record.
    pub parent: Option<Parent>,
}

impl Description {
    /// Whether it says anything; then a product need not be stored.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.categories.is_some() || self.parent.is_some()
    }
}

/// The parent that a question names (rules 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Present and empty: there is none.
    Absent,
    /// The parent's code.
    Code(Code),
}
