use std::{sync::Arc, time::Duration};

use crate::{
    cache::{
        clock::Clock,
        core::Core,
        turns::{Progress, in_turn},
    },
    store::{AsOf, Bounds, Snapshot, StoreError, read_tenant},
};

use super::{
    base::{Base, Building, TooLarge},
    tenant::TenantProducts,
};

/// Minimum pause after a load before the next one.
const PAUSE: Duration = Duration::from_millis(100);

/// Pause after a load that did not fit, whose tenant is gone, or that panicked.
const LONG_PAUSE: Duration = Duration::from_mins(10);

/// The next load is delayed by this multiple of the last one's duration.
/// Otherwise a tenant whose products are announced as a whole repeatedly would
/// load all the time.
const PUT_OFF: u32 = 4;

/// The result of a load.
enum Loaded {
    Whole(Box<Base>, AsOf),
    /// A write of all products is pending: the index would be invalid.
    BeingWritten,
    /// The tenant does not exist any more.
    Gone,
    TooLarge,
}

/// Starts loading the products of a tenant in the background, unless a load is
/// under way or they are loaded.
pub(crate) fn want(core: &Arc<Core>, products: &Arc<TenantProducts>) {
    products.note_request();
    let is_current = {
        let shown = products.shown();
        let epoch = core.lease.hold().epoch;
        let current = shown.view.as_ref();
        current.is_some_and(|it| it.epoch == epoch && !it.view.must_be_reloaded())
    };
    if is_current || !core.keeps() {
        return;
    }
    {
        let mut loading = products.loading();
        let too_early = loading
            .not_before
            .is_some_and(|not_before| Clock::default().now() < not_before);
        if loading.is_under_way || too_early {
            return;
        }
        loading.is_under_way = true;
    }
    let under_way = UnderWay {
        products: Arc::clone(products),
        pause: LONG_PAUSE,
    };
    core.runtimes.work.spawn(load(Arc::clone(core), under_way));
}

/// A load under way. Dropping this ends it, after a panic too: otherwise the
/// products of the tenant would never be loaded again.
#[derive(Debug)]
struct UnderWay {
    products: Arc<TenantProducts>,
    /// Pause before the next load.
    pause: Duration,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut loading = self.products.loading();
        loading.is_under_way = false;
        loading.not_before = Some(Clock::default().now().plus(self.pause));
    }
}

async fn load(core: Arc<Core>, mut under_way: UnderWay) {
    let products = Arc::clone(&under_way.products);
    let begun = Clock::default().now();
    let progress = Progress::default();
    let reading = Box::pin(read(&core, &products, &progress));
    let loaded = in_turn(&core.products.turns, &progress, reading).await;
    let took = Clock::default().now().since(begun);
    under_way.pause = match loaded {
        Ok(Loaded::Whole(base, as_of)) => {
            let (rows, bytes) = (base.len(), base.bytes());
            core.counters.index_loads.add(1);
            let is_taken = products.install(*base, &as_of);
            tracing::debug!(
                tenant = %products.tenant(), products = rows, bytes, is_taken,
                took_ms = took.as_millis(), "the products of a tenant were loaded"
            );
            PAUSE + took * PUT_OFF
        }
        Ok(Loaded::BeingWritten) => PAUSE,
        Ok(Loaded::Gone) => LONG_PAUSE,
        Ok(Loaded::TooLarge) => {
            products.forget();
            tracing::warn!(
                tenant = %products.tenant(), limit_bytes = core.products.limit,
                "the products of a tenant do not fit half of the memory and are kept one by one; lists read the database. Raise --cache-mib"
            );
            LONG_PAUSE
        }
        Err(error) => {
            tracing::debug!(%error, "the products of a tenant were not loaded");
            PAUSE + took * PUT_OFF
        }
    };
}

async fn read(
    core: &Arc<Core>,
    products: &Arc<TenantProducts>,
    progress: &Progress,
) -> Result<Loaded, StoreError> {
    let (store, tenant) = (&core.background, products.tenant());
    let read = read_tenant!(store, tenant, Bounds::READ_WHOLE, |snapshot| {
        read_snapshot(core, products, progress, &snapshot).await
    })?;
    // Cached with the position in the log, at which it is compared when it is used.
    Ok(read.into_unconfirmed_value().unwrap_or(Loaded::Gone))
}

async fn read_snapshot(
    core: &Arc<Core>,
    products: &Arc<TenantProducts>,
    progress: &Progress,
    snapshot: &Snapshot<'_>,
) -> Result<Loaded, StoreError> {
    if snapshot.tenant().id != products.id() {
        return Ok(Loaded::Gone);
    }
    progress.advance();
    let as_of = snapshot.as_of().await?;
    if products.are_being_written(&as_of) {
        return Ok(Loaded::BeingWritten);
    }
    let mut building = Building::new(core.products.room_for(products));
    if copy(snapshot, &mut building, progress).await? == Err(TooLarge) {
        return Ok(Loaded::TooLarge);
    }
    progress.compute();
    let finished = tokio::task::spawn_blocking(|| building.finish()).await;
    let base = finished.map_err(StoreError::unreachable)?;
    Ok(Loaded::Whole(Box::new(base), as_of))
}

async fn copy(
    snapshot: &Snapshot<'_>,
    building: &mut Building,
    progress: &Progress,
) -> Result<Result<(), TooLarge>, StoreError> {
    building.expect(snapshot.products_ever());
    let products = snapshot.copy_products(|row| {
        progress.advance();
        building.product(row).is_ok()
    });
    if !products.await? {
        return Ok(Err(TooLarge));
    }
    let categories = snapshot.copy_product_categories(|product, category| {
        progress.advance();
        building.category(product, category).is_ok()
    });
    let is_whole = categories.await?;
    Ok(if is_whole { Ok(()) } else { Err(TooLarge) })
}
