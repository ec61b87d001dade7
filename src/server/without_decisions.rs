use std::future::pending;

use super::{ServeConfig, ServerError, Starting, services::Decisions};
use crate::pb::authorization_service_server::AuthorizationService;

/// Serves `decisions` in place of the decisions that this server makes, behind the same
/// transport and layers: what a call costs without a decision, for measurements
/// (`examples/serve_no_decisions.rs`). There is no database, so that other calls are
/// rejected. Serves until it is dropped.
///
/// # Errors
///
/// [`ServerError`] if the server cannot start.
pub async fn serve_without_decisions<A: AuthorizationService>(
    config: ServeConfig,
    decisions: A,
) -> Result<(), ServerError> {
    let (starting, listener, _) = Starting::prepare(&config).await?;
    let routes = starting.routes.clone();
    starting.services.install(routes, Decisions::new(decisions));
    starting.gate.open();
    starting.answer(listener, &config, pending()).await;
    Ok(())
}
