//! Serves on a private PostgreSQL, and keeps it running.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use crate::{
    embedded::{EmbeddedError, EmbeddedOptions, EmbeddedPostgres},
    server::{self, DatabaseStart, ServeConfig},
};

use super::{Ending, How, RunError};

/// How often PostgreSQL may die within [`WITHIN`] before it is given up.
const DEATHS: usize = 3;
const WITHIN: Duration = Duration::from_mins(1);

/// Serves on a private PostgreSQL, which starts first and ends last.
///
/// If PostgreSQL ends by itself it is started again, and calls go on; if that
/// fails, or is in vain again and again, the server stops with what happened.
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
        tls: how.tls,
        database_url: postgres.url(),
        migrate_url: Some(postgres.url()),
        // It may die while the server starts.
        database_start: DatabaseStart::Awaited,
        default_tenant: how.default_tenant,
        watch_patience: how.watch_patience,
        cache: how.cache,
        drain: how.drain,
        limits: how.limits,
        callers: how.callers,
        observation: how.observation,
    };
    let (give_up, abandoned) = oneshot::channel();
    let shutdown = async {
        tokio::select! {
            () = ending.came() => {}
            Ok(()) = abandoned => {}
        }
    };
    let mut served = Box::pin(server::serve(config, shutdown, ready));
    let mut postgres = Some(postgres);
    tokio::select! {
        served = &mut served => {
            let stopped = match postgres {
                Some(postgres) => postgres.stop().await,
                // It was about to start again: that ends in the background.
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

/// Starts PostgreSQL again whenever it dies; completes with why that is given
/// up. `None` while it starts.
async fn keep_running(postgres: &mut Option<EmbeddedPostgres>) -> EmbeddedError {
    let mut deaths: Vec<Instant> = Vec::new();
    loop {
        let Some(running) = postgres.as_mut() else {
            return EmbeddedError::Interrupted;
        };
        let died = running.died().await;
        deaths.retain(|death| death.elapsed() < WITHIN);
        deaths.push(Instant::now());
        let Some(running) = postgres.take().filter(|_| deaths.len() <= DEATHS) else {
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
