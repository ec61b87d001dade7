//! What is seen of the server from outside, over plain HTTP and without
//! credentials: metrics, and whether the process lives and answers.
//!
//! Nothing here names a tenant, a subject or an item.

mod listener;

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

pub use self::listener::serve;

/// The format of `/metrics`.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// Not yet, or not at the moment: its database is away, or not migrated.
    NotReady,
    /// Not any more.
    Stopping,
}

/// What is shown.
#[derive(Clone)]
pub struct Shown {
    /// The metrics of the process.
    pub exposition: Exposition,
    /// Sets the gauges that are read rather than counted; called before each
    /// rendering, and may take some microseconds.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
    /// Whether the server answers.
    pub readiness: watch::Receiver<Readiness>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

/// `GET /metrics`, `/livez` and `/readyz`; nothing else.
fn routes(shown: Shown) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(shown)
}

async fn metrics(State(shown): State<Shown>) -> Response {
    // Thousands of lines: not on the threads of the connections.
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

/// The process alone: a restart brings no database back.
async fn livez() -> &'static str {
    "alive\n"
}

async fn readyz(State(shown): State<Shown>) -> (StatusCode, &'static str) {
    match *shown.readiness.borrow() {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::NotReady => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: the database is away or not migrated, so that there is no lease; the log \
             says which\n",
        ),
        Readiness::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}
