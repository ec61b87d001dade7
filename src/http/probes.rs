//! Plain HTTP endpoints without credentials: metrics, liveness and readiness.
//!
//! They expose no tenant, subject or item.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

use tokio::sync::watch;

use crate::telemetry::Exposition;

/// The content type of `/metrics`.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether the server answers calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// Not yet, or currently not: its database is unavailable or not migrated.
    NotReady,
    /// Not any more: it is shutting down.
    Stopping,
}

/// What the endpoints expose.
#[derive(Clone)]
pub struct Shown {
    /// The metrics of the process.
    pub exposition: Exposition,
    /// Sets the gauges that are sampled rather than counted. Called before each
    /// rendering; may take some microseconds.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
    /// Whether the server answers calls.
    pub readiness: watch::Receiver<Readiness>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

/// Routes `GET /metrics`, `/livez` and `/readyz`; nothing else.
pub(super) fn routes(shown: Shown) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(shown)
}

async fn metrics(State(shown): State<Shown>) -> Response {
    // Thousands of lines: rendered off the threads that serve connections.
    let rendering = tokio::task::spawn_blocking(move || {
        (shown.refresh)();
        shown.exposition.render()
    });
    match rendering.await {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics were not rendered, a bug of the service");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Reports the process alone, since a restart does not bring a database back.
async fn livez() -> &'static str {
    "alive\n"
}

async fn readyz(State(shown): State<Shown>) -> (StatusCode, &'static str) {
    match *shown.readiness.borrow() {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::NotReady => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: the database is away or not migrated, so that there is no lease; the log \
             states which\n",
        ),
        Readiness::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}
