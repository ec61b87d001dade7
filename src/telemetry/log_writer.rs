//! Writes log lines on a dedicated thread, so that a slow, absent or full reader
//! of the log neither blocks nor ends the service.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

use super::metrics::Metric;

/// Maximum number of queued lines; further ones are dropped.
const QUEUE_CAPACITY: usize = 8_192;

/// Pause before retrying to send to a full queue.
const RETRY_PAUSE: Duration = Duration::from_millis(1);

/// A message to the thread.
#[derive(Debug)]
enum Message {
    /// A line, including its newline.
    Line(Vec<u8>),
    /// Acknowledged once all earlier lines are written or dropped.
    Flush(SyncSender<()>),
}

/// A writer of log lines that neither blocks nor fails: a line that cannot be
/// queued or written is dropped and counted.
#[derive(Clone, Debug)]
pub(super) struct LogWriter {
    queue: SyncSender<Message>,
    dropped: Dropped,
}

/// Number of lines dropped since the start.
#[derive(Clone, Debug)]
struct Dropped {
    total: Arc<AtomicU64>,
    /// Metric that counts them.
    meter: &'static Metric,
}

impl Dropped {
    fn count(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.meter.add(1);
    }

    fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

impl LogWriter {
    /// Starts the thread that writes to `out`; its `name` has at most 15 bytes.
    /// Dropped lines are counted by `meter`. `report` is called on that thread
    /// with the number of lines dropped since its last call, after the next line
    /// that is written.
    ///
    /// # Errors
    ///
    /// Returns the error of the operating system if the thread cannot be spawned.
    pub(super) fn start(
        name: &str,
        out: impl Write + Send + 'static,
        meter: &'static Metric,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, messages) = mpsc::sync_channel(QUEUE_CAPACITY);
        let dropped = Dropped {
            total: Arc::default(),
            meter,
        };
        let writer = Self {
            queue,
            dropped: dropped.clone(),
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || write_all(&messages, out, &dropped, report))?;
        Ok(writer)
    }

    /// Queues a line, or drops it if the queue is full.
    pub(super) fn line(&self, line: &[u8]) {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.count();
        }
    }

    /// Waits until the lines queued so far are written or dropped, for at most
    /// `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (done, written) = mpsc::sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            match self.queue.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < until => message = back,
                // The process does not wait longer for the reader of its log.
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            }
            thread::sleep(RETRY_PAUSE);
        }
        let left = until.saturating_duration_since(Instant::now());
        let _late_or_gone = written.recv_timeout(left);
    }
}

fn write_all(
    messages: &Receiver<Message>,
    mut out: impl Write,
    dropped: &Dropped,
    report: impl Fn(u64),
) {
    let mut reported = 0;
    while let Ok(message) = messages.recv() {
        match message {
            Message::Line(line) => {
                if out.write_all(&line).and_then(|()| out.flush()).is_err() {
                    dropped.count();
                    continue;
                }
                let total = dropped.total();
                if total > reported {
                    report(total - reported);
                    reported = total;
                }
            }
            // The caller may have timed out.
            Message::Flush(done) => drop(done.try_send(())),
        }
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// Accepts whole lines, as the formatter of `tracing` writes them.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a LogWriter);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::telemetry::metrics::LOG_LINES_DROPPED;

    /// Records the lines written to it; fails while `fails` is set.
    #[derive(Clone, Default)]
    struct Reader {
        lines: Arc<Mutex<Vec<String>>>,
        fails: Arc<Mutex<bool>>,
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            if *self.fails.lock().unwrap() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let text = String::from_utf8(line.to_vec()).unwrap();
            self.lines.lock().unwrap().push(text);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const PATIENCE: Duration = Duration::from_mins(1);

    fn start(reader: Reader, report: impl Fn(u64) + Send + 'static) -> LogWriter {
        LogWriter::start("test", reader, &LOG_LINES_DROPPED, report).unwrap()
    }

    #[test]
    fn dropped_lines_are_reported_after_the_next_written_line() {
        let reader = Reader::default();
        let (reports, reported) = mpsc::channel();
        let report = move |lines| reports.send(lines).unwrap();
        let writer = start(reader.clone(), report);
        writer.line(b"first");
        writer.flush(PATIENCE);
        *reader.fails.lock().unwrap() = true;
        writer.line(b"lost");
        writer.line(b"lost");
        writer.flush(PATIENCE);
        *reader.fails.lock().unwrap() = false;
        writer.line(b"second");
        writer.line(b"third");
        writer.flush(PATIENCE);
        let written = reader.lines.lock().unwrap().clone();
        assert_eq!(written, ["first", "second", "third"]);
        assert_eq!(reported.try_iter().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn blocked_reader_does_not_block_writers() {
        let reader = Reader::default();
        let (reports, reported) = mpsc::channel();
        let report = move |lines| reports.send(lines).unwrap();
        let blocked = reader.fails.lock().unwrap();
        let writer = start(reader.clone(), report);
        // At most one line is being written; the queue holds `QUEUE_CAPACITY` more.
        for _ in 0..QUEUE_CAPACITY + 11 {
            writer.line(b"line");
        }
        let dropped = writer.dropped.total();
        assert!((10..=11).contains(&dropped), "{dropped}");
        drop(blocked);
        writer.flush(PATIENCE);
        writer.line(b"last");
        writer.flush(PATIENCE);
        assert_eq!(reported.try_iter().sum::<u64>(), dropped);
    }
}
