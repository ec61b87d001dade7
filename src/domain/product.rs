use super::{Code, ProductKind};

/// Maximum number of models above a product (rules 4.2).
pub const MODELS_ABOVE: usize = 2;

/// A product or product model (rules 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Which of the two it is; each has a code space of its own.
    pub kind: ProductKind,
    /// Code, as it was first written.
    pub code: Code,
    /// Code of the model above it.
    pub parent: Option<Code>,
    /// Codes of its own categories, not inherited ones, in the order of codes.
    pub categories: Vec<Code>,
}

/// A product or model to create, or to change: fields that are `None` keep the
/// stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductPatch {
    /// Which of the two it is.
    pub kind: ProductKind,
    /// Code of the product or model.
    pub code: Code,
    /// Code of the model above it; `Some(None)`: none.
    pub parent: Option<Option<Code>>,
    /// Codes of its own categories.
    pub categories: Option<Vec<Code>>,
}
