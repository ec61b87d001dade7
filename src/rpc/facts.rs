use crate::{
    cache::{Asking, Cache},
    domain::{Code, Facts, FactsNeeded, Revision},
};

use super::failure::Failure;

/// Answers a call's questions from facts that are certainly current: collects
/// them, lets `decide` make the whole answer, and confirms it; or all of it once
/// more.
pub(super) async fn answer<A: Send>(
    cache: &Cache,
    tenant: &Code,
    needed: &FactsNeeded,
    minimum: Revision,
    decide: impl Fn(&Facts) -> A + Send + Sync,
) -> Result<A, Failure> {
    let mut asking: Asking<'_> = cache.ask(tenant, needed, minimum);
    loop {
        let answer = asking.facts().await?.map(&decide);
        if asking.is_confirmed()? {
            return answer.ok_or_else(|| Failure::TenantNotFound(tenant.clone()));
        }
    }
}

/// Waits until the tenant has reached `minimum`; what is read afterwards is at
/// least as new.
pub(super) async fn wait_for_revision(
    cache: &Cache,
    tenant: &Code,
    minimum: Revision,
) -> Result<(), Failure> {
    if minimum == Revision::default() {
        return Ok(());
    }
    answer(cache, tenant, &FactsNeeded::default(), minimum, |_| ()).await
}
