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
    let end = Instant::now() + LONGEST_WAIT;
    let mut found = read(store, tenant, needed).await?;
    let mut pause = FIRST_PAUSE;
    while found.revision < minimum {
        let not_reached = Failure::RevisionNotReached {
            wanted: minimum,
            found: found.revision,
        };
        let next_look = async {
            sleep(pause).await;
            read(store, tenant, needed).await
        };
        found = timeout_at(end, next_look)
            .await
            .map_err(|_| not_reached)??;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(found)
}

async fn read(store: &Store, tenant: &Code, needed: &FactsNeeded) -> Result<Facts, Failure> {
    let facts = store.facts(tenant, needed).await?;
    facts.ok_or_else(|| Failure::TenantNotFound(tenant.clone()))
}
