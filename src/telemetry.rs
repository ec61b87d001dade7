//! Metrics, traces, log formats and the decision log.

mod decision_log;
mod decisions;
mod log_throttle;
mod log_writer;
pub mod logs;
pub mod metrics;
mod recorder;
mod requests;
mod sampling;
pub mod traces;

pub use self::{
    decision_log::{DecisionLog, DecisionLogSettings, LoggedDecisions},
    decisions::DecisionRecorder,
    log_throttle::LogThrottle,
    recorder::Exposition,
    requests::{RequestMeter, RequestMeters, code_name},
};
