use crate::{
    cache::Cache,
    domain::{Code, FactsNeeded, Revision},
};

use super::failure::Failure;

/// Answers a call's questions from facts that are certainly current: collects
/// them, lets an expression make the whole answer, which may await its turn, and
/// confirms it; or all of it once more.
macro_rules! answer {
    ($cache:expr, $tenant:expr, $needed:expr, $minimum:expr, |$facts:ident| $decide:expr) => {{
        let mut asking = $cache.ask($tenant, $needed, $minimum);
        loop {
            let answer = match asking.facts().await? {
                Some($facts) => Some($decide),
                None => None,
            };
            if asking.is_confirmed()? {
                break answer.ok_or_else(|| Failure::TenantNotFound($tenant.clone()));
            }
        }
    }};
}
pub(super) use answer;

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
    let nothing = FactsNeeded::default();
    answer!(cache, tenant, &nothing, minimum, |_facts| ())
}
