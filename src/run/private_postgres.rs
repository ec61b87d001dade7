//! Serves on a private PostgreSQL.

use std::{net::SocketAddr, path::PathBuf};

use tokio::sync::oneshot;

use crate::{
    embedded::{EmbeddedOptions, EmbeddedPostgres},
    server::{self, DatabaseStart, ServeConfig},
};

use super::{Ending, How, RunError};

/// Serves on a private PostgreSQL, which starts first and ends last.
pub(super) async fn serve_embedded(
    listen: SocketAddr,
    data_dir: Option<PathBuf>,
    how: How,
    mut ending: Ending,
    ready: oneshot::Sender<SocketAddr>,
) -> Result<(), RunError> {
    let options = EmbeddedOptions {
        data_dir,
        ..EmbeddedOptions::default()
    };
    let postgres = tokio::select! {
        started = EmbeddedPostgres::start(options) => started?,
        // What was begun ends in the background before the process does.
        () = ending.wait() => return Ok(()),
    };
    tracing::info!(
        postgres.home = %postgres.home().display(),
        postgres.process_id = postgres.process_id(),
        "a private PostgreSQL runs in `{}`",
        postgres.home().display()
    );
    let config = ServeConfig {
        listen,
        database_url: postgres.url(),
        migrate_url: Some(postgres.url()),
        database_start: DatabaseStart::Required,
        default_tenant: how.default_tenant,
        watch_patience: how.watch_patience,
        cache: how.cache,
        drain: how.drain,
    };
    let served = server::serve(config, ending.came(), ready).await;
    let stopped = postgres.stop().await;
    served?;
    Ok(stopped?)
}
