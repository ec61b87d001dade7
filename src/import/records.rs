#[cfg(test)]
mod tests;

use std::str;

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

use crate::domain::Code;

/// The longest record that is read, in bytes as written, quotes included; a
/// longer one is refused like any other row.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// How much of a longer record is kept while its end is looked for.
const SKIPPED_BYTES: usize = 64 * 1024;

/// What the buffers keep between two records, in bytes and in cells.
const KEPT_CAPACITY: usize = 64 * 1024;

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Finds the records of a file whose bytes come one by one, and what breaks
/// RFC 4180 in them: `csv-core` would find a meaning for anything.
#[derive(Debug)]
pub(super) struct Records {
    state: State,
    /// The line that the next byte is on, from 1.
    line: u64,
    first_line: u64,
    quote_line: u64,
    /// The cells of the record so far, the unfinished one included.
    cells: usize,
    raw: Vec<u8>,
    /// Of a record that is too long: the line feeds in what was dropped of it.
    skipped_lines: Option<u64>,
    decoder: csv_core::Reader,
    decoded: Vec<u8>,
    ends: Vec<usize>,
}

/// What a file holds next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    /// A record.
    Record(Record<'a>),
    /// A record of more than [`MAX_RECORD_BYTES`], which was not kept.
    TooLong {
        /// The line it begins on.
        line: u64,
    },
}

/// One record without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// The line it begins on.
    pub(super) line: u64,
    text: &'a str,
    ends: &'a [usize],
}

/// Why the rest of a file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The line of the fault; 0: the whole file.
    pub(super) line: u64,
    /// What is wrong and what is allowed.
    pub(super) message: String,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes of a byte order mark were there.
    Mark(usize),
    CellStart,
    Bare,
    Quoted,
    /// After a quote in a quoted cell: the first of two, or the last.
    QuoteSeen,
    ReturnSeen,
}

/// Whether the bytes of a record are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Ended,
    Unfinished,
}

enum Step {
    Keep(State),
    Drop(State),
    End,
}

impl Records {
    pub(super) fn new() -> Self {
        Self {
            state: State::Mark(0),
            line: 1,
            first_line: 1,
            quote_line: 1,
            cells: 1,
            raw: Vec::new(),
            skipped_lines: None,
            decoder: ReaderBuilder::new()
                .delimiter(b';')
                .terminator(Terminator::Any(b'\n'))
                .build(),
            decoded: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Takes the next byte and gives the record that it ends. Blank lines are
    /// no records. After an error nothing more may be pushed.
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<Found<'_>>, Broken> {
        match self.step(byte)? {
            Step::Keep(next) => {
                self.raw.push(byte);
                self.state = next;
            }
            Step::Drop(next) => self.state = next,
            Step::End => return self.end_record(),
        }
        let most = match self.skipped_lines {
            Some(_) => SKIPPED_BYTES,
            None => MAX_RECORD_BYTES,
        };
        if self.raw.len() > most {
            self.skip()?;
        }
        Ok(None)
    }

    /// Gives back the memory that a large record took.
    pub(super) fn shrink(&mut self) {
        self.raw.shrink_to(KEPT_CAPACITY);
        if self.decoded.capacity() > KEPT_CAPACITY {
            self.decoded = Vec::new();
        }
        if self.ends.capacity() > KEPT_CAPACITY {
            self.ends = Vec::new();
        }
    }

    /// Drops what was read of a record that is too long, but for a character
    /// that is not whole yet.
    fn skip(&mut self) -> Result<(), Broken> {
        let whole = self.check_utf8(Whole::Unfinished)?;
        let lines = count_lines(self.raw.get(..whole).unwrap_or_default());
        self.skipped_lines = Some(self.skipped_lines.unwrap_or_default() + lines);
        self.raw.drain(..whole);
        Ok(())
    }

    /// Returns how many bytes of the record so far are whole characters.
    fn check_utf8(&self, whole: Whole) -> Result<usize, Broken> {
        let Err(error) = str::from_utf8(&self.raw) else {
            return Ok(self.raw.len());
        };
        let good = error.valid_up_to();
        if whole == Whole::Unfinished && error.error_len().is_none() {
            return Ok(good);
        }
        let lines_before = count_lines(self.raw.get(..good).unwrap_or_default());
        Err(broken(
            self.first_line + self.skipped_lines.unwrap_or_default() + lines_before,
            "holds bytes that are not UTF-8; save the file as UTF-8",
        ))
    }

    /// Ends the file and gives the record that no line feed ends.
    pub(super) fn finish(&mut self) -> Result<Option<Found<'_>>, Broken> {
        match self.state {
            State::Quoted => Err(broken(
                self.quote_line,
                "the file ends inside a quoted cell that begins here; a quote must be closed",
            )),
            State::ReturnSeen => Err(self.lone_return()),
            State::Mark(_) | State::CellStart | State::Bare | State::QuoteSeen => self.end_record(),
        }
    }

    fn step(&mut self, byte: u8) -> Result<Step, Broken> {
        match self.state {
            State::Mark(seen) => return self.mark(seen, byte),
            State::Quoted => {
                if byte == b'\n' {
                    self.line += 1;
                }
                let next = if byte == b'"' {
                    State::QuoteSeen
                } else {
                    State::Quoted
                };
                return Ok(Step::Keep(next));
            }
            State::ReturnSeen if byte != b'\n' => return Err(self.lone_return()),
            State::CellStart if byte == b'"' => {
                self.quote_line = self.line;
                return Ok(Step::Keep(State::Quoted));
            }
            State::QuoteSeen if byte == b'"' => return Ok(Step::Keep(State::Quoted)),
            State::ReturnSeen | State::CellStart | State::QuoteSeen | State::Bare => {}
        }
        match (byte, self.state) {
            (b'\n', _) => Ok(Step::End),
            (b'\r', _) => Ok(Step::Drop(State::ReturnSeen)),
            (b';', _) => {
                self.cells += 1;
                Ok(Step::Keep(State::CellStart))
            }
            (_, State::QuoteSeen) => Err(broken(
                self.line,
                "text follows a closing quote; a quote inside a quoted cell is written twice",
            )),
            (b'"', _) => Err(broken(
                self.line,
                "a quote stands inside a cell that does not begin with one; \
                 such a cell is quoted as a whole, and the quote written twice",
            )),
            _ => Ok(Step::Keep(State::Bare)),
        }
    }

    fn mark(&mut self, seen: usize, byte: u8) -> Result<Step, Broken> {
        if BOM.get(seen) == Some(&byte) {
            if seen + 1 < BOM.len() {
                return Ok(Step::Keep(State::Mark(seen + 1)));
            }
            self.raw.clear();
            return Ok(Step::Drop(State::CellStart));
        }
        self.state = if seen == 0 {
            State::CellStart
        } else {
            State::Bare
        };
        self.step(byte)
    }

    fn lone_return(&self) -> Broken {
        broken(
            self.line,
            "a carriage return stands without a line feed; \
             lines end with LF or CRLF, and a cell with a line break is quoted",
        )
    }

    fn end_record(&mut self) -> Result<Option<Found<'_>>, Broken> {
        self.check_utf8(Whole::Ended)?;
        let line = self.first_line;
        let cells = self.cells;
        self.line += 1;
        self.first_line = self.line;
        self.cells = 1;
        self.state = State::CellStart;
        if self.skipped_lines.take().is_some() {
            self.raw.clear();
            return Ok(Some(Found::TooLong { line }));
        }
        if cells == 1 && str::from_utf8(&self.raw).is_ok_and(|text| Code::trim(text).is_empty()) {
            self.raw.clear();
            return Ok(None);
        }
        self.decode(line, cells)
    }

    /// Takes the quotes off. The buffers are as large as the record needs.
    fn decode(&mut self, line: u64, cells: usize) -> Result<Option<Found<'_>>, Broken> {
        self.raw.push(b'\n');
        self.decoded.resize(self.raw.len(), 0);
        self.ends.resize(cells + 1, 0);
        let (result, _, written, ended) =
            self.decoder
                .read_record(&self.raw, &mut self.decoded, &mut self.ends);
        self.raw.clear();
        let text = self
            .decoded
            .get(..written)
            .and_then(|bytes| str::from_utf8(bytes).ok());
        match (result, text, self.ends.get(..ended)) {
            (ReadRecordResult::Record, Some(text), Some(ends)) if ended == cells => {
                Ok(Some(Found::Record(Record { line, text, ends })))
            }
            _ => Err(broken(line, "the record is not readable as CSV (RFC 4180)")),
        }
    }
}

impl<'a> Record<'a> {
    /// How many cells it has, at least one.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cell at `place`, from 0, without the white space around it.
    pub(super) fn cell(&self, place: usize) -> Option<&'a str> {
        let end = *self.ends.get(place)?;
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(Code::trim(self.text.get(start..end)?))
    }

    /// All cells in order.
    pub(super) fn cells(self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).filter_map(move |place| self.cell(place))
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    let lines = bytes.split(|byte| *byte == b'\n').count() - 1;
    u64::try_from(lines).unwrap_or(u64::MAX)
}

pub(super) fn broken(line: u64, message: impl Into<String>) -> Broken {
    Broken {
        line,
        message: message.into(),
    }
}
