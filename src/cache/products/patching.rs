use std::sync::Arc;

use crate::{cache::core::Core, domain::ProductRef};

use super::tenant::TenantProducts;

/// Maximum number of products that one statement reads again.
const AT_ONCE: usize = 500;

/// Reads marked products again once their writes are settled, as long as the
/// server runs.
pub(crate) async fn patch_all(core: Arc<Core>) {
    loop {
        core.products.settling.notified().await;
        for products in core.products.all() {
            while let Some(marked) = settled(&core, &products) {
                if !patch(&core, &products, marked).await {
                    break;
                }
            }
        }
    }
}

/// Returns some of the products whose marks are settled; `None` if there are
/// none.
fn settled(core: &Core, products: &TenantProducts) -> Option<Vec<ProductRef>> {
    let settled = core.products.settled();
    let shown = products.shown();
    shown.view.as_ref()?;
    let marked = shown.marks.iter().filter(|(_, seq)| **seq < settled);
    let marked: Vec<ProductRef> = marked
        .take(AT_ONCE)
        .map(|(product, _)| product.clone())
        .collect();
    (!marked.is_empty()).then_some(marked)
}

/// Reads `marked` again and patches the index. False: some are still marked, and
/// are retried later.
async fn patch(core: &Core, products: &TenantProducts, marked: Vec<ProductRef>) -> bool {
    let read = core
        .store
        .indexed_products(products.tenant(), marked.iter().cloned());
    let taken = match read.await {
        Ok(taken) => taken,
        Err(error) => {
            tracing::debug!(%error, "marked products were not read");
            return false;
        }
    };
    if taken.tenant.is_none_or(|(id, _)| id != products.id()) {
        // The code belongs to another tenant now, whose numbers refer to other
        // products.
        products.forget();
        return false;
    }
    products.patch(&marked, &taken.found, &taken.as_of);
    core.counters
        .products_patched
        .add(u64::try_from(marked.len()).unwrap_or_default());
    let shown = products.shown();
    !marked
        .iter()
        .any(|product| shown.marks.contains_key(product))
}
