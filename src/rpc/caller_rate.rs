use std::num::NonZeroU32;

/// Rate at which one server accepts calls of each caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerRate {
    /// Sustained calls per second.
    pub calls_per_second: NonZeroU32,
    /// Calls accepted at once from a caller that was idle.
    pub burst: NonZeroU32,
}
