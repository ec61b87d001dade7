//! A proxy between one server and PostgreSQL that parses the wire protocol, so
//! that a test can intercept a named statement.
//!
//! The name of a statement is in the first line of its SQL text, `-- use_intent`.
//! A point is a statement's [`request`] or its [`reply`]; there a test holds,
//! cuts, swallows or only observes:
//!
//! ```ignore
//! let held = proxy.hold(reply(commit_of("finish_write")));
//! // … a write begins …
//! held.arrived().await; // PostgreSQL has committed, the server does not know.
//! held.release();
//! ```
//!
//! The whole traffic can also be delayed, held or refused: [`Traffic`].
//!
//! Test binaries include it:
//! `#[path = "../support/postgres_proxy/proxy.rs"] mod postgres_proxy;`.

mod conversation;
mod faults;
mod forwarding;
mod wire;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use self::faults::{Action, Faults};
pub(crate) use self::faults::{
    Fault, Place, Point, Turn, Turns, begin, begin_of, commit_of, reply, request, rollback_of,
    within,
};

/// Treatment of all traffic of the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Traffic passes unchanged.
    #[default]
    Passes,
    /// Traffic is delayed by this duration.
    IsLate(Duration),
    /// Traffic is held back until the setting changes.
    IsHeld,
    /// Connections are closed, and new ones refused.
    IsRefused,
    /// Connections are closed after a COMMIT was forwarded, before its reply.
    IsCutAfterCommit,
    /// Notifications are dropped.
    DropsNotifications,
}

/// A proxy on a loopback port of its own; closes its connections when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    upstream: Arc<Mutex<SocketAddr>>,
    faults: Arc<Faults>,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (traffic, received) = watch::channel(Traffic::default());
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            traffic,
            upstream: Arc::new(Mutex::new(upstream)),
            faults: Arc::default(),
        };
        let (upstream, faults) = (Arc::clone(&proxy.upstream), Arc::clone(&proxy.faults));
        tokio::spawn(accept(listener, received, upstream, faults));
        proxy
    }

    /// Starts a proxy for the PostgreSQL of a URL, and returns it with the URL
    /// through it.
    pub(crate) async fn before(url: &SecretString) -> (Self, SecretString) {
        let proxy = Self::start(address_of(url)).await;
        let through = proxy.url(url);
        (proxy, through)
    }

    /// Returns the URL with the proxy's host and port.
    pub(crate) fn url(&self, url: &SecretString) -> SecretString {
        let (before, database) = url.expose_secret().rsplit_once('/').unwrap();
        let (login, _) = before.rsplit_once('@').unwrap();
        format!("{login}@{}/{database}", self.address).into()
    }

    /// Sets the treatment of all traffic from now on.
    pub(crate) fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }

    /// Redirects new connections to another address.
    pub(crate) fn set_upstream(&self, upstream: SocketAddr) {
        *self.upstream.lock().unwrap() = upstream;
    }

    /// Holds the request or reply at a point until [`Fault::release`]. Later
    /// messages in the same direction of the connection wait behind it, including
    /// its closing; other connections are not affected.
    pub(crate) fn hold(&self, at: impl Into<Point>) -> Fault {
        self.faults.add(at.into(), Action::Hold)
    }

    /// Closes the connection at a point, on both sides: at a request before the
    /// statement is forwarded, at a reply after PostgreSQL has executed it.
    pub(crate) fn cut(&self, at: impl Into<Point>) -> Fault {
        self.faults.add(at.into(), Action::Cut)
    }

    /// Drops the request or reply at a point and everything later on that
    /// connection, in both directions. Both sides stay connected until
    /// [`Fault::release`], which closes them, or until one of them is closed by
    /// its own side's proxy.
    pub(crate) fn swallow(&self, at: impl Into<Point>) -> Fault {
        self.faults.add(at.into(), Action::Swallow)
    }

    /// Returns the names of all statements that have passed.
    pub(crate) fn seen(&self) -> BTreeSet<String> {
        self.faults.seen()
    }

    /// Lets every named statement and its reply wait for its turn; `None`: none waits.
    pub(crate) fn take_turns(&self, turns: Option<Turns>) {
        self.faults.take_turns(turns);
    }

    /// Only records that a point was reached.
    pub(crate) fn observe(&self, at: impl Into<Point>) -> Fault {
        self.faults.add(at.into(), Action::Observe)
    }
}

/// Returns the address of the PostgreSQL of a URL.
pub(crate) fn address_of(url: &SecretString) -> SocketAddr {
    let (_, rest) = url.expose_secret().rsplit_once('@').unwrap();
    let (address, _) = rest.split_once('/').unwrap();
    address.replace("localhost", "127.0.0.1").parse().unwrap()
}

/// Connects each client to PostgreSQL by a connection of its own.
async fn accept(
    listener: TcpListener,
    traffic: watch::Receiver<Traffic>,
    upstream: Arc<Mutex<SocketAddr>>,
    faults: Arc<Faults>,
) {
    let mut over = traffic.clone();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            () = dropped(&mut over) => return,
        };
        let to = *upstream.lock().unwrap();
        let (traffic, faults) = (traffic.clone(), Arc::clone(&faults));
        tokio::spawn(async move {
            if *traffic.borrow() == Traffic::IsRefused {
                return;
            }
            // If the upstream refuses, the client's connection is dropped.
            let Ok(server) = TcpStream::connect(to).await else {
                return;
            };
            let mut over = traffic.clone();
            tokio::select! {
                () = forwarding::join(client, server, traffic, faults) => {}
                () = dropped(&mut over) => {}
            }
        });
    }
}

/// Waits until the proxy is dropped.
async fn dropped(traffic: &mut watch::Receiver<Traffic>) {
    while traffic.changed().await.is_ok() {}
}
