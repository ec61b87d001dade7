use std::sync::Arc;

use super::{Code, ItemKind};

/// Types of resources that a question can be about (rules 9).
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
    /// Returns the product kind of a product or product model; `None` for other
    /// types.
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

    /// Returns the kind of the item whose access rights apply to a resource of
    /// this type: the item itself, the category of an enriched category, the
    /// family or entity of an asset or record (rules 4.9). `None` for products,
    /// attributes, grid views and the system version.
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

    /// True if resources of this type belong to a family or entity that the
    /// question must name as `resource.parent` (assets and records).
    #[must_use]
    pub fn has_parent(self) -> bool {
        matches!(self, Self::Asset | Self::ReferenceEntityRecord)
    }

    /// True if resources of this type are stored, or are views of stored ones, so
    /// that they can be listed (rules 9).
    #[must_use]
    pub fn is_listed(self) -> bool {
        !self.has_parent() && self != Self::SystemVersion
    }

    /// True if resources of this type are assigned to categories, or are
    /// categories (rules 9, filters).
    #[must_use]
    pub fn has_categories(self) -> bool {
        self.product_kind().is_some() || self.ruling_item() == Some(ItemKind::Category)
    }

    /// True if `context.channel` and `context.locale` apply to it (rules 9).
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
    /// A model, root or sub-model, that has variants.
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

/// Reference to a product or model, as in a question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductRef {
    /// Code space of `code`.
    pub kind: ProductKind,
    /// Code: a SKU or identifier, or a model's code.
    pub code: Code,
}

/// Resource of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Type of the resource.
    pub kind: ResourceType,
    /// Code; absent only if it is ignored, or if `description` replaces it.
    pub id: Option<Code>,
    /// Facts given in the question (rules 7.1).
    pub description: Description,
}

/// Facts about a resource that are given in the question and replace the stored
/// ones, for this question only (rules 7.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Categories of the product itself; an empty list for none. Questions of one
    /// call share it.
    pub categories: Option<Arc<[Code]>>,
    /// Parent model of a product; the family or entity of an asset or record.
    pub parent: Option<Parent>,
}

impl Description {
    /// True if any fact is given; then a product need not be stored.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.categories.is_some() || self.parent.is_some()
    }
}

/// Parent given in a question (rules 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The field is present and empty: the resource has no parent.
    Absent,
    /// Code of the parent.
    Code(Code),
}
