use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{interval, sleep, timeout},
};

use super::probes::{Shown, routes};

/// Largest number of concurrent connections; further ones are closed. Probes and
/// a few scrapers need one each.
const CONNECTIONS: usize = 256;

/// Timeout for reading the head of a request, including the wait for it.
const HEAD: Duration = Duration::from_secs(30);

/// Longest duration of a connection.
const LIFE: Duration = Duration::from_mins(5);

/// Delay after a failed accept.
const PAUSE: Duration = Duration::from_secs(1);

/// Interval at which histograms are summed up, so that they take no memory if
/// nothing scrapes them.
const SUM_UP: Duration = Duration::from_secs(5);

/// Serves the endpoints for as long as it is polled.
pub async fn serve(listener: TcpListener, shown: Shown) {
    let exposition = shown.exposition.clone();
    let summing_up = async move {
        let mut ticks = interval(SUM_UP);
        loop {
            ticks.tick().await;
            exposition.run_upkeep();
        }
    };
    tokio::join!(summing_up, accept_all(listener, routes(shown)));
}

async fn accept_all(listener: TcpListener, routes: Router) {
    let turns = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without a permit the connection is closed.
                if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
                    let serving = serve_connection(stream, routes.clone());
                    tokio::spawn(async move {
                        let _turn = turn;
                        serving.await;
                    });
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a connection for metrics was not accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, routes: Router) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    if let Ok(Err(error)) = timeout(LIFE, serving).await {
        tracing::debug!(%error, "a connection for metrics ended");
    }
}
