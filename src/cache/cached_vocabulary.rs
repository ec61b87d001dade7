use std::sync::{Arc, atomic::AtomicU64};

use crate::domain::Vocabulary;

use super::products::TenantProducts;

/// A tenant's vocabulary, with the highest revision of the tenant known so far.
#[derive(Clone, Debug)]
pub(super) struct CachedVocabulary {
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) revision: Arc<AtomicU64>,
    pub(super) products: Arc<TenantProducts>,
}
