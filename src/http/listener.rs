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

use super::{Shown, routes};

/// The most connections at once; more are closed. Probes and a few that scrape
/// need one each.
const CONNECTIONS: usize = 256;

/// How long the head of a request may take, the wait for it included.
const HEAD: Duration = Duration::from_secs(30);

/// How long a connection may last.
const LIFE: Duration = Duration::from_mins(5);

/// How long to wait after a failed accept.
const PAUSE: Duration = Duration::from_secs(1);

/// How often histograms are summed up, so that they take no memory where nobody
/// scrapes.
const SUM_UP: Duration = Duration::from_secs(5);

/// Shows what there is to see, for as long as it is polled.
pub async fn serve(listener: TcpListener, shown: Shown) {
    let exposition = shown.exposition.clone();
    let summing_up = async move {
        let mut ticks = interval(SUM_UP);
        loop {
            ticks.tick().await;
            exposition.sum_up();
        }
    };
    tokio::join!(summing_up, accept_all(listener, routes(shown)));
}

async fn accept_all(listener: TcpListener, routes: Router) {
    let turns = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without one it is closed.
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
