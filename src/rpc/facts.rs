use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    domain::{Code, Facts, FactsNeeded, Revision},
    store::Store,
};

use super::failure::Failure;

/// How long a call waits for `minimum_revision`, unless its own deadline comes
/// first.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The first pause between two looks; each next one is twice as long, up to
/// [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);

const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Reads the facts of some questions in one statement, and again until the
/// tenant has reached `minimum`.
pub(super) async fn facts(
    store: &Store,
    tenant: &Code,
    needed: &FactsNeeded,
    minimum: Revision,
) -> Result<Facts, Failure> {
    let read = || async {
        let facts = store.facts(tenant, needed).await?;
        facts.ok_or_else(|| Failure::TenantNotFound(tenant.clone()))
    };
    reached(minimum, read, |facts| facts.revision).await
}

/// Waits until the tenant has reached `minimum`; what is read afterwards is at
/// least as new.
pub(super) async fn wait_for_revision(
    store: &Store,
    tenant: &Code,
    minimum: Revision,
) -> Result<(), Failure> {
    if minimum == Revision::default() {
        return Ok(());
    }
    let read = || async {
        let found = store.find_tenant(tenant).await?;
        found.ok_or_else(|| Failure::TenantNotFound(tenant.clone()))
    };
    reached(minimum, read, |tenant| tenant.revision).await?;
    Ok(())
}

/// Reads something until it is at `minimum` or later.
async fn reached<T, R>(
    minimum: Revision,
    read: impl Fn() -> R,
    revision: impl Fn(&T) -> Revision,
) -> Result<T, Failure>
where
    R: Future<Output = Result<T, Failure>>,
{
    let end = Instant::now() + LONGEST_WAIT;
    let mut found = read().await?;
    let mut pause = FIRST_PAUSE;
    while revision(&found) < minimum {
        let not_reached = Failure::RevisionNotReached {
            wanted: minimum,
            found: revision(&found),
        };
        let next_look = async {
            sleep(pause).await;
            read().await
        };
        found = timeout_at(end, next_look)
            .await
            .map_err(|_| not_reached)??;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(found)
}
