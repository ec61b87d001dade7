use std::time::Duration;

use crate::rpc::CallerRate;

/// What a server takes on at once; more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes the calls under way may take together, half of it those of
    /// one tenant, and half of it those of one caller.
    pub call_bytes: usize,
    /// How many connections may be open, at most as many as the limit of open
    /// files allows.
    pub connections: usize,
    /// How many calls may be under way on one connection; callers wait with more.
    pub calls_a_connection: u32,
    /// How many calls are taken of each caller; `None`: as many as it makes.
    pub caller_rate: Option<CallerRate>,
    /// How long a TLS handshake may take, and then the beginning of HTTP/2.
    pub beginning: Duration,
    /// How long a connection may be silent until it is sent a ping.
    pub ping_after: Duration,
    /// How long a ping may be unanswered; then the connection is closed.
    pub ping_answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_bytes: 512 << 20,
            connections: 4_096,
            calls_a_connection: 1_024,
            caller_rate: None,
            beginning: Duration::from_secs(10),
            ping_after: Duration::from_secs(30),
            ping_answer: Duration::from_secs(10),
        }
    }
}
