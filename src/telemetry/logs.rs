//! The log: format, filter and destination of its lines.

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

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// Text for human readers.
    #[default]
    Text,
    /// One JSON object per line, for programs.
    Json,
}

/// Filter used unless `RUST_LOG` is set. Some dependencies log every step of a
/// migration at level `info`, and the pool logs each broken connection at level
/// `warn`, which the store already logs once.
const DEFAULT_FILTER: &str = "info,refinery_core=warn,tokio_postgres=warn,deadpool.postgres=error";

/// Maximum time that the shutdown waits for the last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Log writer of this process, once started.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// Starts writing log lines to standard error: those of level `info` and above,
/// unless `RUST_LOG` is set (an empty value is treated as unset). Further calls
/// have no effect.
///
/// A dedicated thread writes the lines. If the reader of standard error is slow,
/// absent or full, lines are dropped and counted; the process is neither blocked
/// nor ended. Panics are logged too.
///
/// # Errors
///
/// Returns the error of the operating system if the thread cannot be spawned.
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
        // Internal errors would be written to standard error directly, with a
        // panic if that fails.
        .log_internal_errors(false)
        .with_writer(writer);
    // An existing subscriber stays in place.
    let _first_wins = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    log_panics();
    Ok(())
}

/// Writes `last_words` to standard error, after the queued log lines, and waits
/// up to 1 s until they are written.
pub fn finish(last_words: &str) {
    let Some(writer) = WRITER.get() else {
        // Standard error may have no reader.
        io::stderr().write_all(last_words.as_bytes()).ok();
        return;
    };
    if !last_words.is_empty() {
        writer.line(last_words.as_bytes());
    }
    writer.flush(FLUSH_TIMEOUT);
}

fn filter() -> EnvFilter {
    let configured = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let configured = (!configured.is_empty())
        .then(|| configured.parse().ok())
        .flatten();
    configured.unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER))
}

fn report_dropped(lines: u64) {
    tracing::warn!(
        log.dropped_lines = lines,
        "{lines} log lines were dropped: the reader of standard error did not take them"
    );
}

/// Logs panics through the log writer: a direct write to standard error would
/// block if its reader is stuck.
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
