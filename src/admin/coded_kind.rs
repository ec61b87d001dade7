use crate::domain::{ItemKind, SubjectKind};

/// Kinds of entities of which one is named by its code alone, products and tenants
/// excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each holds the entities of that name")]
pub enum CodedKind {
    UserGroups,
    Roles,
    Subjects(SubjectKind),
    Items(ItemKind),
    Attributes,
    GridViews,
}
