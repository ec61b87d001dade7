use crate::{
    admin::entry::{ImportFile, Place, Refusal, Row},
    domain::Code,
};

use super::{
    Batch, FileRead,
    cells::{BadCell, Cells},
    entries,
    header::{self, Header},
    layout::Layout,
    records::{Broken, Found, MAX_RECORD_BYTES, Record, Records, broken},
};

/// Parser of one file.
#[derive(Debug)]
pub(super) struct FileReader {
    records: Records,
    rows: Rows,
    /// True if the file has at least one byte.
    has_content: bool,
    /// True if the file was rejected as a whole; further content is ignored.
    fatal: bool,
}

/// Converter of one file's records to rows.
#[derive(Debug)]
struct Rows {
    file: ImportFile,
    layout: Layout,
    /// Key column requested by the caller, if any.
    chosen_key: Option<String>,
    header: Option<Header>,
    count: u64,
}

impl FileReader {
    /// Creates a parser of `file`; `chosen_key` is the key column requested by the
    /// caller, if any.
    pub(super) fn new(file: ImportFile, chosen_key: Option<String>) -> Self {
        Self {
            records: Records::new(),
            rows: Rows {
                file,
                layout: Layout::of(file),
                chosen_key,
                header: None,
                count: 0,
            },
            has_content: false,
            fatal: false,
        }
    }

    /// Parses the next chunk of the file and adds rows and rejections to `batch`.
    pub(super) fn push(&mut self, content: &[u8], batch: &mut Batch) {
        if self.fatal {
            return;
        }
        self.has_content |= !content.is_empty();
        for byte in content {
            let read = match self.records.push(*byte) {
                Ok(None) => continue,
                Ok(Some(found)) => self.rows.take(found, batch),
                Err(broken) => Err(broken),
            };
            if let Err(broken) = read {
                return self.refuse(broken, batch);
            }
            self.records.shrink();
        }
    }

    /// True if the file has 0 bytes; it is then treated as absent.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_content
    }

    /// Ends the file; also returns true if it was rejected as a whole.
    pub(super) fn finish(mut self, batch: &mut Batch) -> (FileRead, bool) {
        if !self.fatal
            && let Err(broken) = self.end(batch)
        {
            self.refuse(broken, batch);
        }
        let read = FileRead {
            file: self.rows.file,
            rows: self.rows.count,
            key_column: String::new(),
            warnings: Vec::new(),
        };
        let read = match self.rows.header {
            Some(header) => FileRead {
                key_column: header.key.into_owned(),
                warnings: header.warnings,
                ..read
            },
            None => read,
        };
        (read, self.fatal)
    }

    fn end(&mut self, batch: &mut Batch) -> Result<(), Broken> {
        if let Some(found) = self.records.finish()? {
            self.rows.take(found, batch)?;
        }
        if self.rows.header.is_some() {
            return Ok(());
        }
        let needed = header::needed(&self.rows.layout);
        Err(broken(
            0,
            format!("the file has no header line; it needs {needed}"),
        ))
    }

    fn refuse(&mut self, broken: Broken, batch: &mut Batch) {
        let Broken { line, message } = broken;
        self.fatal = true;
        self.records = Records::new();
        let refusal = self.rows.refusal(line, "", message, None);
        batch.refused.push(refusal);
    }
}

impl Rows {
    /// Converts the next record: the header first, then the rows.
    fn take(&mut self, found: Found<'_>, batch: &mut Batch) -> Result<(), Broken> {
        let record = match found {
            Found::Record(record) => record,
            Found::TooLong { line } => return self.take_too_long(line, batch),
        };
        let Some(header) = &self.header else {
            self.header = Some(Header::parse(
                &self.layout,
                self.chosen_key.as_deref(),
                record,
            )?);
            return Ok(());
        };
        self.count += 1;
        let line = record.line;
        let cells = Cells::new(header, record);
        match self.parse(header, record, &cells) {
            Ok(row) => batch.rows.push(row),
            Err(BadCell { column, message }) => {
                let key = entries::key(self.layout.shape, &cells).ok();
                let refusal = self.refusal(line, &column, message, key);
                batch.refused.push(refusal);
            }
        }
        Ok(())
    }

    fn take_too_long(&mut self, line: u64, batch: &mut Batch) -> Result<(), Broken> {
        if self.header.is_none() {
            let message = format!("the header line is longer than {MAX_RECORD_BYTES} bytes");
            return Err(broken(line, message));
        }
        self.count += 1;
        let message = format!("the row is longer than {MAX_RECORD_BYTES} bytes; it was not read");
        let refusal = self.refusal(line, "", message, None);
        batch.refused.push(refusal);
        Ok(())
    }

    fn parse(
        &self,
        header: &Header,
        record: Record<'_>,
        cells: &Cells<'_>,
    ) -> Result<Row, BadCell> {
        let (found, expected) = (record.len(), header.width);
        if found > expected {
            return Err(BadCell {
                column: "".into(),
                message: format!(
                    "the row has {found} cells; the header has {expected}, and a row has no more"
                ),
            });
        }
        Ok(Row {
            place: Place {
                file: self.file,
                line: record.line,
            },
            entry: entries::entry(self.layout.shape, cells)?,
        })
    }

    fn refusal(&self, line: u64, column: &str, message: String, key: Option<Code>) -> Refusal {
        Refusal {
            file: self.file.to_string(),
            line,
            column: column.to_owned(),
            message,
            key,
        }
    }
}
