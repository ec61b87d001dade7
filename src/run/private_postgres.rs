//! Runs a server on a private PostgreSQL, and restarts PostgreSQL if it dies.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use tokio::{sync::oneshot, time::Instant};

use pim_authz::{
    embedded::{EmbeddedError, EmbeddedOptions, EmbeddedPostgres},
    server::{self, DatabaseStart, ServeConfig},
};

use super::{RunError, ShutdownSignals};

/// Maximum number of restarts of PostgreSQL within [`RESTART_WINDOW`].
const MAX_RESTARTS: usize = 3;
const RESTART_WINDOW: Duration = Duration::from_mins(1);

/// Serves on a private PostgreSQL, which starts before the server and stops after
/// it.
///
/// If PostgreSQL exits by itself it is restarted while the server keeps running;
/// if a restart fails, or [`MAX_RESTARTS`] is exceeded, the server shuts down and
/// the error is returned. `config` makes the configuration from the URL of the
/// database, the URL to migrate it by, and how to start.
pub(super) async fn serve_embedded(
    data_dir: Option<PathBuf>,
    config: impl FnOnce(SecretString, Option<SecretString>, DatabaseStart) -> ServeConfig,
    mut shutdown: ShutdownSignals,
    ready: oneshot::Sender<SocketAddr>,
) -> Result<(), RunError> {
    let options = EmbeddedOptions {
        data_dir,
        ..EmbeddedOptions::default()
    };
    let postgres = tokio::select! {
        started = EmbeddedPostgres::start(options) => started?,
        // A start under way ends in the background before the process exits.
        () = shutdown.wait() => return Ok(()),
    };
    tracing::info!(
        postgres.home = %postgres.home().display(),
        postgres.process_id = postgres.process_id(),
        "a private PostgreSQL runs in `{}`",
        postgres.home().display()
    );
    // PostgreSQL may die while the server starts.
    let start = DatabaseStart::Awaited;
    let config = config(postgres.url(), Some(postgres.url()), start);
    let (give_up, abandoned) = oneshot::channel();
    let shutdown = async {
        tokio::select! {
            () = shutdown.came() => {}
            Ok(()) = abandoned => {}
        }
    };
    let mut served = Box::pin(server::serve(config, shutdown, ready));
    let mut postgres = Some(postgres);
    tokio::select! {
        served = &mut served => {
            let stopped = match postgres {
                Some(postgres) => postgres.stop().await,
                // A restart is under way: it ends in the background.
                None => Ok(()),
            };
            served?;
            Ok(stopped?)
        }
        error = keep_running(&mut postgres) => {
            tracing::error!(%error, "the private PostgreSQL is gone: the server stops");
            let _already_ended = give_up.send(());
            if let Err(error) = served.await {
                tracing::warn!(%error, "the server did not stop in order");
            }
            Err(error.into())
        }
    }
}

/// Restarts PostgreSQL whenever it dies; returns the error when it gives up.
/// `postgres` is `None` during a restart.
async fn keep_running(postgres: &mut Option<EmbeddedPostgres>) -> EmbeddedError {
    let mut deaths: Vec<Instant> = Vec::new();
    loop {
        let Some(running) = postgres.as_mut() else {
            return EmbeddedError::Interrupted;
        };
        let died = running.died().await;
        deaths.retain(|death| death.elapsed() < RESTART_WINDOW);
        deaths.push(Instant::now());
        let Some(running) = postgres.take().filter(|_| deaths.len() <= MAX_RESTARTS) else {
            return died;
        };
        tracing::error!(error = %died, "the private PostgreSQL ended; it is started again");
        match running.start_again().await {
            Ok(running) => {
                tracing::info!(
                    postgres.process_id = running.process_id(),
                    "the private PostgreSQL runs again"
                );
                *postgres = Some(running);
            }
            Err(error) => return error,
        }
    }
}
