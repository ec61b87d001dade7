//! Metrics, traces, log formats and the decision log.

mod complaint;
mod decision_log;
mod decisions;
mod log_writer;
pub mod logs;
pub mod metrics;
mod recorder;
mod requests;
pub mod traces;

pub use self::{
    complaint::Complaint,
    decision_log::{DecisionLog, DecisionLogSettings, LoggedDecisions},
    decisions::DecisionRecorder,
    recorder::Exposition,
    requests::{RequestMeter, RequestMeters, code_name},
};
