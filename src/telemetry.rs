//! Which metrics and log formats there are, declared once.

pub mod logs;
pub mod metrics;
