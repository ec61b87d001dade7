/// What a server takes on at once; more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes the calls under way may take together, half of it those of
    /// one tenant.
    pub call_bytes: usize,
    /// How many connections may be open, at most as many as the limit of open
    /// files allows.
    pub connections: usize,
    /// How many calls may be under way on one connection; callers wait with more.
    pub calls_a_connection: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_bytes: 512 << 20,
            connections: 4_096,
            calls_a_connection: 1_024,
        }
    }
}
