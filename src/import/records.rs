#[cfg(test)]
mod tests;

use std::str;

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

/// The longest record that is read, in bytes as written, quotes included.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

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
    decoder: csv_core::Reader,
    decoded: Vec<u8>,
    ends: Vec<usize>,
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
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<Record<'_>>, Broken> {
        match self.step(byte)? {
            Step::Keep(next) => {
                self.raw.push(byte);
                self.state = next;
            }
            Step::Drop(next) => self.state = next,
            Step::End => return self.end_record(),
        }
        if self.raw.len() > MAX_RECORD_BYTES {
            let message = format!("the record is longer than {MAX_RECORD_BYTES} bytes");
            return Err(broken(self.first_line, message));
        }
        Ok(None)
    }

    /// Ends the file and gives the record that no line feed ends.
    pub(super) fn finish(&mut self) -> Result<Option<Record<'_>>, Broken> {
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

    fn end_record(&mut self) -> Result<Option<Record<'_>>, Broken> {
        let first_line = self.first_line;
        let cells = self.cells;
        self.line += 1;
        self.first_line = self.line;
        self.cells = 1;
        self.state = State::CellStart;
        if cells == 1 && self.raw.iter().all(|byte| *byte == b' ') {
            self.raw.clear();
            return Ok(None);
        }
        if let Err(error) = str::from_utf8(&self.raw) {
            let good = self.raw.iter().take(error.valid_up_to());
            let lines_before = good.filter(|byte| **byte == b'\n').count() as u64;
            return Err(broken(
                first_line + lines_before,
                "holds bytes that are not UTF-8; save the file as UTF-8",
            ));
        }
        self.decode(first_line, cells)
    }

    /// Takes the quotes off. The buffers are as large as the record needs.
    fn decode(&mut self, line: u64, cells: usize) -> Result<Option<Record<'_>>, Broken> {
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
                Ok(Some(Record { line, text, ends }))
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

    /// The cell at `place`, from 0, without the spaces around it.
    pub(super) fn cell(&self, place: usize) -> Option<&'a str> {
        let end = *self.ends.get(place)?;
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(self.text.get(start..end)?.trim_matches(' '))
    }

    /// All cells in order.
    pub(super) fn cells(self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).filter_map(move |place| self.cell(place))
    }
}

pub(super) fn broken(line: u64, message: impl Into<String>) -> Broken {
    Broken {
        line,
        message: message.into(),
    }
}
