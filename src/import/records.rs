#[cfg(test)]
mod tests;

use std::str;

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

use crate::domain::Code;

/// Maximum length of a record in bytes as written, including quotes. A longer
/// record is rejected like any bad row.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Buffer size in bytes while skipping to the end of an overlong record.
const SKIPPED_BYTES: usize = 64 * 1024;

/// Maximum capacity of the buffers between two records, in bytes or cells.
const KEPT_CAPACITY: usize = 64 * 1024;

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Splits a file into records, byte by byte, and detects violations of RFC 4180,
/// because `csv-core` accepts any input.
#[derive(Debug)]
pub(super) struct Records {
    state: State,
    /// Line of the next byte, from 1.
    line: u64,
    first_line: u64,
    quote_line: u64,
    /// Number of cells of the record so far, including the unfinished one.
    cells: usize,
    raw: Vec<u8>,
    /// Number of line feeds in the dropped part of an overlong record; `None` for
    /// other records.
    skipped_lines: Option<u64>,
    decoder: csv_core::Reader,
    decoded: Vec<u8>,
    ends: Vec<usize>,
}

/// Next record of a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    /// Complete record.
    Record(Record<'a>),
    /// Record of more than [`MAX_RECORD_BYTES`], whose content was dropped.
    TooLong {
        /// Line on which it begins, from 1.
        line: u64,
    },
}

/// Unquoted record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// Line on which it begins, from 1.
    pub(super) line: u64,
    text: &'a str,
    ends: &'a [usize],
}

/// Error after which the rest of a file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Line of the error; 0 for the whole file.
    pub(super) line: u64,
    /// Description of the error and of what is allowed.
    pub(super) message: String,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// At the start of the file, after this many bytes of a byte order mark.
    ByteOrderMark(usize),
    CellStart,
    Bare,
    Quoted,
    /// After a quote in a quoted cell: it escapes a second quote or ends the cell.
    QuoteSeen,
    ReturnSeen,
}

/// Completeness of a record's bytes.
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
            state: State::ByteOrderMark(0),
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

    /// Reads the next byte and returns the record that it ends, if any. Skips blank
    /// lines. Must not be called again after an error.
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

    /// Frees the memory of a large record, down to [`KEPT_CAPACITY`].
    pub(super) fn shrink(&mut self) {
        self.raw.shrink_to(KEPT_CAPACITY);
        if self.decoded.capacity() > KEPT_CAPACITY {
            self.decoded = Vec::new();
        }
        if self.ends.capacity() > KEPT_CAPACITY {
            self.ends = Vec::new();
        }
    }

    /// Drops the buffered part of an overlong record, except an incomplete character
    /// at its end.
    fn skip(&mut self) -> Result<(), Broken> {
        let whole = self.check_utf8(Whole::Unfinished)?;
        let lines = count_lines(self.raw.get(..whole).unwrap_or_default());
        self.skipped_lines = Some(self.skipped_lines.unwrap_or_default() + lines);
        self.raw.drain(..whole);
        Ok(())
    }

    /// Validates the buffered bytes as UTF-8 and returns the length of their complete
    /// characters, in bytes.
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

    /// Ends the file and returns its last record if no line feed ends it.
    pub(super) fn finish(&mut self) -> Result<Option<Found<'_>>, Broken> {
        match self.state {
            State::Quoted => Err(broken(
                self.quote_line,
                "the file ends inside a quoted cell that begins here; a quote must be closed",
            )),
            State::ReturnSeen => Err(self.lone_return()),
            State::ByteOrderMark(_) | State::CellStart | State::Bare | State::QuoteSeen => {
                self.end_record()
            }
        }
    }

    fn step(&mut self, byte: u8) -> Result<Step, Broken> {
        match self.state {
            State::ByteOrderMark(seen) => return self.byte_order_mark(seen, byte),
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

    fn byte_order_mark(&mut self, seen: usize, byte: u8) -> Result<Step, Broken> {
        if BOM.get(seen) == Some(&byte) {
            if seen + 1 < BOM.len() {
                return Ok(Step::Keep(State::ByteOrderMark(seen + 1)));
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

    /// Unquotes the buffered record. The buffers grow to the size of the record.
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
    /// Returns the number of cells, at least one.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the trimmed cell at `place`, from 0; `None` beyond the last cell.
    pub(super) fn cell(&self, place: usize) -> Option<&'a str> {
        let end = *self.ends.get(place)?;
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(Code::trim(self.text.get(start..end)?))
    }

    /// Iterates over all trimmed cells, in order.
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
