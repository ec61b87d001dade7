//! Which metrics and log formats there are, declared once.

mod log_writer;
pub mod logs;
pub mod metrics;
