//! Malicious connections: each test attacks a server in one way, while another
//! caller is answered, health is reported, and the lease is kept. Afterwards,
//! connections and memory are available as before.

mod connections;
mod floods;
mod frames;
mod memory;
mod messages;

use std::{net::SocketAddr, time::Duration};

use pim_authz::{pb, server::Limits};
use tokio::time::timeout;

use crate::{
    bounded::others::{self, Others},
    harness::{Database, TestServer, refusal, user},
};

use self::frames::{PATIENCE, PREFACE, Wire};

/// The maximum number of connections of the servers in these tests.
const CONNECTIONS: usize = 24;

/// A server under attack.
struct Attacked {
    server: TestServer,
    others: Others,
}

impl Attacked {
    /// Starts a server that other callers query continuously.
    async fn start() -> Self {
        let database = Database::create().await;
        let mut config = TestServer::config(&database);
        config.limits = Limits {
            call_bytes: 16 << 20,
            connections: CONNECTIONS,
            // Shorter than the defaults to keep tests fast, but long enough for
            // well-behaved clients.
            beginning: Duration::from_secs(3),
            ping_after: Duration::from_secs(2),
            ping_answer: Duration::from_secs(4),
            ..Limits::default()
        };
        let server = TestServer::start_with(config, database).await;
        others::create(&server).await;
        let others = Others::start(&server).await;
        Self { server, others }
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Checks that all other callers were answered and that connections and
    /// memory are available as before.
    async fn assert_as_before(self) {
        self.others.were_all_answered().await;
        // Attackers leave free connections for this client.
        let mut client = self.server.client().await;
        let address = self.server.address;
        // All connections except this one are free again.
        let free = async { while !can_have(CONNECTIONS - 1, address).await {} };
        timeout(PATIENCE, free).await.unwrap();
        // Memory is free again: this call takes most of the memory of calls.
        let large = pb::CheckRequest {
            tenant: "other".into(),
            action: "x".repeat(3 << 20),
            subject: user("u1"),
            ..Default::default()
        };
        let free = async {
            while refusal(&client.check(large.clone()).await.unwrap_err()).1 == "OVERLOADED" {}
        };
        timeout(PATIENCE, free).await.unwrap();
    }
}

/// Whether this number of connections can be opened at the same time.
async fn can_have(connections: usize, address: SocketAddr) -> bool {
    let mut all = Vec::new();
    for _ in 0..connections {
        let mut wire = Wire::connect(address).await;
        // A connection beyond the limit may be closed before this is sent. Until the
        // server has read it, it does not know which HTTP the caller speaks.
        let begun = wire.send(PREFACE).await;
        if begun.is_err() || !wire.is_taken().await {
            return false;
        }
        all.push(wire);
    }
    true
}
