use std::time::Duration;

use crate::rpc::CallerRate;

/// Limits on the concurrent load of a server; what exceeds them is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all pending calls together, in bytes; one tenant, and likewise
    /// one caller, may use half of it.
    pub call_bytes: usize,
    /// Largest number of open connections, further limited by the limit of open
    /// files.
    pub connections: usize,
    /// Largest number of concurrent calls per connection; callers queue further
    /// ones.
    pub calls_a_connection: u32,
    /// Rate limit of each caller; `None`: unlimited.
    pub caller_rate: Option<CallerRate>,
    /// Timeout of a TLS handshake, and then of the beginning of HTTP/2.
    pub beginning: Duration,
    /// Time that a connection may be idle before it is sent a ping.
    pub ping_after: Duration,
    /// Timeout of a ping; then the connection is closed.
    pub ping_answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_bytes: 512 << 20,
            connections: 4_096,
            calls_a_connection: 128,
            caller_rate: None,
            beginning: Duration::from_secs(10),
            ping_after: Duration::from_secs(30),
            ping_answer: Duration::from_secs(10),
        }
    }
}
