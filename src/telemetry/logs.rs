//! How log lines look, which are written, and where.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal as _, Write as _},
    panic,
    sync::OnceLock,
    thread,
    time::Duration,
};

use tracing_subscriber::EnvFilter;

use super::{log_writer::LogWriter, metrics::LOG_LINES_DROPPED};

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// What is written unless `RUST_LOG` says otherwise. The crates below us tell
/// every step of a migration at level `info`, and the pool each connection that
/// broke at level `warn`: the store logs that once.
const USUAL: &str = "info,refinery_core=warn,tokio_postgres=warn,deadpool.postgres=error";

/// How long the end of the process waits for the reader of the log.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The writer of this process, once it logs.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// Starts writing log lines to standard error: those of level `info` and
/// above, unless `RUST_LOG` says otherwise (empty counts as unset). Only the
/// first call counts.
///
/// Lines are written by a thread of their own. A reader of standard error that
/// is slow, gone or full loses lines, which are counted; it never holds up or
/// ends the process. Panics are log lines too.
///
/// # Errors
///
/// What the operating system returns when it gives no thread.
pub fn start(format: LogFormat) -> io::Result<()> {
    if WRITER.get().is_some() {
        return Ok(());
    }
    let writer = LogWriter::start(
        "pim-authz-log",
        io::stderr(),
        &LOG_LINES_DROPPED,
        report_dropped,
    )?;
    if WRITER.set(writer.clone()).is_err() {
        return Ok(());
    }
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_ansi(io::stderr().is_terminal())
        // It would write to standard error, and panic if that fails.
        .log_internal_errors(false)
        .with_writer(writer);
    // A subscriber that is in place already stays.
    let _first_wins = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    log_panics();
    Ok(())
}

/// Writes the last words of this process to standard error, after the log
/// lines so far, and waits a moment until they are written.
pub fn finish(last_words: &str) {
    let Some(writer) = WRITER.get() else {
        // Nobody may be reading.
        io::stderr().write_all(last_words.as_bytes()).ok();
        return;
    };
    if !last_words.is_empty() {
        writer.line(last_words.as_bytes());
    }
    writer.flush(LAST_LINES);
}

fn filter() -> EnvFilter {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let asked = (!asked.is_empty()).then(|| asked.parse().ok()).flatten();
    asked.unwrap_or_else(|| EnvFilter::new(USUAL))
}

fn report_dropped(lines: u64) {
    tracing::warn!(
        log.dropped_lines = lines,
        "{lines} log lines were dropped: the reader of standard error did not take them"
    );
}

/// Makes a panic a log line: written to standard error directly, it would wait
/// for a reader that stands still.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let message = panic
            .payload_as_str()
            .unwrap_or("a panic without a message");
        let location = panic.location().map(ToString::to_string);
        let thread = thread::current();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
        tracing::error!(
            panic.location = location.as_deref(),
            panic.backtrace = backtrace.as_ref().map(tracing::field::display),
            thread.name = thread.name(),
            "panicked, a bug of the service: {message}"
        );
    }));
}
