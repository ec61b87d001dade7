//! Prints a list row by row as it comes, so that its length does not matter:
//! lines for people, one JSON object a line for programs.

use std::{
    fmt,
    io::{self, Write},
};

use indicatif::ProgressBar;
use serde::Serialize;

use super::{
    Answer, CliError, Exit, Output, json,
    report::{counted, line},
};

/// Where rows go.
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

    /// How many were printed.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Prints some.
    ///
    /// # Errors
    ///
    /// [`CliError::Output`] when nobody takes them.
    pub(super) fn print<R: fmt::Display + Serialize>(
        &mut self,
        rows: impl Iterator<Item = R>,
    ) -> Result<(), CliError> {
        let mut text = String::new();
        let mut count = 0;
        for row in rows {
            match self.output {
                Output::Table => text.extend([row.to_string().as_str(), "\n"]),
                Output::Json => text.push_str(&line(&row)),
            }
            count += 1;
        }
        // At once: standard output writes each line by itself.
        let written = self.out.write_all(text.as_bytes());
        written
            .and_then(|()| self.out.flush())
            .map_err(CliError::Output)?;
        self.count += count;
        self.bar.set_position(self.count as u64);
        Ok(())
    }

    /// What is left to say once the list has ended at a revision, or broke off.
    pub(super) fn end(self, ended: Result<u64, CliError>, entity: &str) -> Answer {
        self.bar.finish_and_clear();
        let error = match ended {
            Ok(revision) => {
                let count = counted(self.count, entity);
                return Answer {
                    out: String::new(),
                    err: format!("{count} at revision {revision}\n"),
                    exit: Exit::Done,
                };
            }
            // Who closes a list early, as `head` does, has what they want.
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
