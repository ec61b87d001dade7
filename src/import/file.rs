use crate::admin::entry::{ImportFile, Place, Refusal, Row};

use super::{
    Batch, FileRead,
    cells::{BadCell, Cells},
    entries,
    header::{self, Header},
    layout::Layout,
    records::{Broken, Record, Records, broken},
};

/// Reads one file from its first byte to its last.
#[derive(Debug)]
pub(super) struct FileReader {
    records: Records,
    rows: Rows,
    /// Refused as a whole: what follows is not read.
    fatal: bool,
}

/// Turns the records of one file into rows.
#[derive(Debug)]
struct Rows {
    file: ImportFile,
    layout: Layout,
    header: Option<Header>,
    count: u64,
}

impl FileReader {
    pub(super) fn new(file: ImportFile) -> Self {
        Self {
            records: Records::new(),
            rows: Rows {
                file,
                layout: Layout::of(file),
                header: None,
                count: 0,
            },
            fatal: false,
        }
    }

    /// Takes the next bytes of the file.
    pub(super) fn push(&mut self, content: &[u8], batch: &mut Batch) {
        if self.fatal {
            return;
        }
        for byte in content {
            let read = match self.records.push(*byte) {
                Ok(None) => continue,
                Ok(Some(record)) => self.rows.take(record, batch),
                Err(broken) => Err(broken),
            };
            if let Err(broken) = read {
                return self.refuse(broken, batch);
            }
        }
    }

    /// Ends the file; also tells whether it was refused as a whole.
    pub(super) fn finish(mut self, batch: &mut Batch) -> (FileRead, bool) {
        if !self.fatal
            && let Err(broken) = self.end(batch)
        {
            self.refuse(broken, batch);
        }
        let read = FileRead {
            file: self.rows.file,
            rows: self.rows.count,
            warnings: self.rows.header.map(|h| h.warnings).unwrap_or_default(),
        };
        (read, self.fatal)
    }

    fn end(&mut self, batch: &mut Batch) -> Result<(), Broken> {
        if let Some(record) = self.records.finish()? {
            self.rows.take(record, batch)?;
        }
        if self.rows.header.is_some() {
            return Ok(());
        }
        let needed = header::needed(&self.rows.layout);
        Err(broken(
            0,
            format!("the file is empty; its header needs {needed}"),
        ))
    }

    fn refuse(&mut self, broken: Broken, batch: &mut Batch) {
        let Broken { line, message } = broken;
        self.fatal = true;
        self.records = Records::new();
        batch.refused.push(self.rows.refusal(line, "", message));
    }
}

impl Rows {
    /// Takes the next record: the header first, then the rows.
    fn take(&mut self, record: Record<'_>, batch: &mut Batch) -> Result<(), Broken> {
        let Some(header) = &self.header else {
            self.header = Some(Header::parse(&self.layout, record)?);
            return Ok(());
        };
        self.count += 1;
        let line = record.line;
        match self.parse(header, record) {
            Ok(row) => batch.rows.push(row),
            Err(BadCell { column, message }) => {
                batch.refused.push(self.refusal(line, column, message));
            }
        }
        Ok(())
    }

    fn parse(&self, header: &Header, record: Record<'_>) -> Result<Row, BadCell> {
        let (found, expected) = (record.len(), header.width);
        if found != expected {
            return Err(BadCell {
                column: "",
                message: format!("the row has {found} cells; the header has {expected}"),
            });
        }
        let cells = Cells::new(header, record);
        Ok(Row {
            place: Place {
                file: self.file,
                line: record.line,
                key_column: header.key,
            },
            entry: entries::entry(self.layout.shape, &cells)?,
        })
    }

    fn refusal(&self, line: u64, column: &str, message: String) -> Refusal {
        Refusal {
            file: self.file.to_string(),
            line,
            column: column.to_owned(),
            message,
        }
    }
}
