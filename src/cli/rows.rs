//! Prints a list row by row as it arrives, in memory that does not grow with its
//! length: lines of text, or one JSON object per line.

use std::io::{self, Write};

use indicatif::ProgressBar;
use prost::Name;

use super::{Answer, CliError, Exit, Output, json, report::line, words};

/// Prints the rows of a list and counts them.
pub(super) struct Rows<'a> {
    out: &'a mut dyn Write,
    output: Output,
    bar: ProgressBar,
    count: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(out: &'a mut dyn Write, output: Output, bar: ProgressBar) -> Self {
        Self {
            out,
            output,
            bar,
            count: 0,
        }
    }

    /// Returns the number of rows printed.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Prints messages of the contract and flushes them, each as what `show` makes of
    /// it or as JSON.
    ///
    /// # Errors
    ///
    /// [`CliError::Output`] if writing fails.
    pub(super) fn print<M: Name>(
        &mut self,
        rows: &[M],
        show: impl Fn(&M) -> String,
    ) -> Result<(), CliError> {
        self.print_as(rows, show, |row| line(&json::Message::of(row)))
    }

    /// Like [`Rows::print`], for rows that are no messages.
    pub(super) fn print_as<R>(
        &mut self,
        rows: &[R],
        show: impl Fn(&R) -> String,
        json_line: impl Fn(&R) -> String,
    ) -> Result<(), CliError> {
        let text: String = match self.output {
            Output::Table => rows.iter().map(|row| show(row) + "\n").collect(),
            Output::Json => rows.iter().map(json_line).collect(),
        };
        // One write for all rows: standard output would write each line separately.
        let written = self.out.write_all(text.as_bytes());
        written
            .and_then(|()| self.out.flush())
            .map_err(CliError::Output)?;
        self.count += rows.len();
        self.bar.set_position(self.count as u64);
        Ok(())
    }

    /// Returns the answer for a list that has ended at a revision, or broke off.
    pub(super) fn end(self, ended: Result<u64, CliError>, entity: &str) -> Answer {
        self.bar.finish_and_clear();
        let error = match ended {
            Ok(revision) => {
                return Answer {
                    out: String::new(),
                    err: words::counted_at(self.count, entity, revision) + "\n",
                    exit: Exit::Done,
                };
            }
            // A closed pipe is no error: the reader, such as `head`, has enough.
            Err(CliError::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => {
                return Answer::new(String::new(), Exit::Done);
            }
            Err(error) if self.count == 0 => error,
            Err(cause) => CliError::NotWhole {
                rows: self.count,
                cause: Box::new(cause),
            },
        };
        match self.output {
            Output::Table => Answer::failed(&error, self.output),
            Output::Json => Answer::new(line(&json::Failed::render(&error)), Exit::Failed),
        }
    }
}
