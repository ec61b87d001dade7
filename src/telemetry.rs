//! Which metrics and log formats there are, declared once.

mod complaint;
mod log_writer;
pub mod logs;
pub mod metrics;

pub use self::complaint::Complaint;
