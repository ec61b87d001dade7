//! Connections that mean no good: each test attacks a server in one way, while
//! another caller is answered, health is told, and the lease is kept. Afterwards
//! connections and memory are free as before.

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

use self::frames::{PATIENCE, Wire};

/// How many connections the servers here have.
const CONNECTIONS: usize = 24;

/// A server that is attacked.
struct Attacked {
    server: TestServer,
    others: Others,
}

impl Attacked {
    /// One that is asked by others all the time.
    async fn start() -> Self {
        let database = Database::create().await;
        let mut config = TestServer::config(&database);
        config.limits = Limits {
            call_bytes: 16 << 20,
            connections: CONNECTIONS,
            // Shorter than usual, for the tests, and long for who means well.
            beginning: Duration::from_secs(3),
            ping_after: Duration::from_secs(2),
            ping_answer: Duration::from_secs(4),
            ..Limits::default()
        };
        let server = TestServer::start_with(config, database).await;
        others::create(&server).await;
        let others = Others::asked_all_the_time(&server).await;
        Self { server, others }
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Everybody else was answered, and everything is as it was.
    async fn assert_as_before(self) {
        self.others.were_all_answered().await;
        // Attackers leave places for it.
        let mut client = self.server.client().await;
        let address = self.server.address;
        // All connections but this one are free again.
        let free = async { while !can_have(CONNECTIONS - 1, address).await {} };
        timeout(PATIENCE, free).await.unwrap();
        // And so is memory: this takes most of what calls have.
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

/// Whether so many connections can be had at once.
async fn can_have(connections: usize, address: SocketAddr) -> bool {
    let mut all = Vec::new();
    for _ in 0..connections {
        let mut wire = Wire::connect(address).await;
        if !wire.is_taken().await {
            return false;
        }
        all.push(wire);
    }
    true
}
