use crate::{
    cache::Cache,
    domain::{Code, FactsNeeded, Revision},
};

use super::failure::Failure;

/// Answers a call from facts that are confirmed to be current: reads them,
/// evaluates an expression (which may await) to the whole response, and confirms
/// the facts; if they were invalidated meanwhile, repeats all of it.
macro_rules! with_current_facts {
    ($cache:expr, $tenant:expr, $needed:expr, $minimum:expr, |$facts:ident| $decide:expr) => {{
        let mut reader = $cache.fact_reader($tenant, $needed, $minimum);
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
pub(super) use with_current_facts;

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
    with_current_facts!(cache, tenant, &nothing, minimum, |_facts| ())
}
