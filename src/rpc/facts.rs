use crate::{
    cache::Cache,
    domain::{Code, FactsNeeded, Revision},
};

use super::failure::Failure;

/// Answers a call from facts that are confirmed to be current: reads them,
/// evaluates an expression (which may await) to the whole response, and confirms
/// the facts; if they were invalidated meanwhile, repeats all of it.
macro_rules! answer {
    ($cache:expr, $tenant:expr, $needed:expr, $minimum:expr, |$facts:ident| $decide:expr) => {{
        let mut reader = $cache.ask($tenant, $needed, $minimum);
        loop {
            let answer = match reader.facts().await? {
                Some($facts) => Some($decide),
                None => None,
            };
            if reader.is_confirmed()? {
                break answer.ok_or_else(|| Failure::TenantNotFound($tenant.clone()));
            }
        }
    }};
}
pub(super) use answer;

/// Waits until the tenant has reached revision `minimum`; later reads are at
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
