use std::{
    fs::OpenOptions,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Map, Value, json};
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime as _, SystemTime},
};

use super::{log_writer::LogWriter, metrics, sampling::is_in_sample};
use crate::domain::{Code, Decision, Question, Resource, Revision};

/// Which decisions are logged, and to which file.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionLogSettings {
    /// Log file, to which each decision is appended as a line of JSON.
    pub file: PathBuf,
    /// Which decisions are logged.
    pub of: LoggedDecisions,
    /// Share of these that is logged, from 0 to 1; samples are evenly spaced.
    pub share: f64,
}

/// Which decisions are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoggedDecisions {
    /// All decisions.
    #[default]
    All,
    /// Denials only.
    Denials,
}

/// Writes decisions to a file: tenant, subject, action, resource, and the decision
/// with its reason.
///
/// A dedicated thread writes the lines; lines that cannot be queued or written in
/// time are dropped and counted. No call waits for the file.
#[derive(Clone, Debug)]
pub struct DecisionLog(Arc<Log>);

#[derive(Debug)]
struct Log {
    of: LoggedDecisions,
    share: f64,
    /// Number of decisions so far that match `of`.
    seen: AtomicU64,
    writer: LogWriter,
}

impl DecisionLog {
    /// Opens the file for appending. It is created if missing, readable by its
    /// owner only.
    ///
    /// # Errors
    ///
    /// Returns the error of the operating system if the file cannot be opened or
    /// the thread cannot be spawned.
    pub fn open(settings: &DecisionLogSettings) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&settings.file)?;
        let path = settings.file.display().to_string();
        let report = move |lines| {
            tracing::warn!(
                decision_log.dropped_lines = lines,
                "{lines} lines of the decision log were dropped: `{path}` did not take them"
            );
        };
        let meter = &metrics::DECISION_LOG_DROPPED;
        let writer = LogWriter::start("authz-decisions", file, meter, report)?;
        Ok(Self(Arc::new(Log {
            of: settings.of,
            share: settings.share,
            seen: AtomicU64::new(0),
            writer,
        })))
    }

    /// Logs a decision if it matches the settings and is sampled.
    pub fn note(
        &self,
        tenant: &Code,
        question: &Question,
        decision: &Decision,
        revision: Revision,
    ) {
        if self.0.of == LoggedDecisions::Denials && decision.is_allowed() {
            return;
        }
        if !is_in_sample(self.0.seen.fetch_add(1, Ordering::Relaxed), self.0.share) {
            return;
        }
        let mut line = line(tenant, question, decision, revision).to_string();
        line.push('\n');
        self.0.writer.line(line.as_bytes());
    }
}

fn line(tenant: &Code, question: &Question, decision: &Decision, revision: Revision) -> Value {
    let context = question.context();
    let resource = question.resource().map(resource_name);
    let reason = decision.denial.as_ref();
    let text = |code: &Option<Code>| code.as_ref().map(|code| json!(code.as_str()));
    let fields = [
        ("time", Some(json!(now()))),
        ("tenant", Some(json!(tenant.as_str()))),
        ("subject", Some(json!(question.subject().to_string()))),
        ("action", Some(json!(question.action().as_str()))),
        ("resource", resource.map(|resource| json!(resource))),
        ("channel", text(&context.channel)),
        ("locale", text(&context.locale)),
        ("attribute", text(&context.attribute)),
        ("attribute_group", text(&context.attribute_group)),
        ("allowed", Some(json!(decision.is_allowed()))),
        (
            "reason",
            reason.map(|reason| json!(reason.code.to_string())),
        ),
        ("why", reason.map(|reason| json!(reason.to_string()))),
        (
            "level",
            decision.level.map(|level| json!(level.to_string())),
        ),
        (
            "edit_mode",
            decision.edit_mode.map(|mode| json!(mode.to_string())),
        ),
        ("revision", Some(json!(revision.0))),
    ];
    let known = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(known.collect::<Map<_, _>>())
}

/// Returns the type and code, `product:hat`, or only the type if there is no
/// code.
fn resource_name(resource: &Resource) -> String {
    match &resource.id {
        Some(id) => format!("{}:{id}", resource.kind),
        None => resource.kind.to_string(),
    }
}

/// Returns the current time in RFC 3339 format.
fn now() -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    SystemTime.format_time(&mut Writer::new(&mut text)).ok();
    text
}
