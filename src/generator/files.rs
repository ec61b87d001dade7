use std::{
    fmt,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use super::{GeneratorError, Report};

/// The folder that files are made in.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    made: Report,
}

/// One file, written row by row.
pub(super) struct Rows {
    path: PathBuf,
    file: BufWriter<File>,
    written: u64,
    bytes: u64,
}

impl Files {
    /// Makes the folder, unless it is there and empty.
    pub(super) fn in_new_folder(folder: &Path) -> Result<Self, GeneratorError> {
        let failed = |source| GeneratorError::Write {
            path: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        if fs::read_dir(folder).map_err(failed)?.next().is_some() {
            return Err(GeneratorError::NotEmpty(folder.to_owned()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            made: Report {
                files: 0,
                rows: 0,
                bytes: 0,
            },
        })
    }

    /// Makes a file with a header line and what `fill` writes below it.
    pub(super) fn add(
        &mut self,
        name: &str,
        header: &str,
        fill: impl FnOnce(&mut Rows) -> io::Result<()>,
    ) -> Result<(), GeneratorError> {
        let path = self.folder.join(name);
        let failed = |source| GeneratorError::Write {
            path: path.clone(),
            source,
        };
        let created = File::create(&path).map_err(failed)?;
        let mut rows = Rows {
            path: path.clone(),
            file: BufWriter::with_capacity(1 << 16, created),
            written: 0,
            bytes: 0,
        };
        rows.write(format_args!("{header}")).map_err(failed)?;
        fill(&mut rows).map_err(failed)?;
        rows.file.flush().map_err(failed)?;
        self.made.files += 1;
        self.made.rows += rows.written - 1;
        self.made.bytes += rows.bytes;
        Ok(())
    }

    /// Makes a file of a few rows.
    pub(super) fn add_rows(
        &mut self,
        name: &str,
        header: &str,
        lines: &[&str],
    ) -> Result<(), GeneratorError> {
        self.add(name, header, |rows| {
            lines
                .iter()
                .try_for_each(|line| rows.write(format_args!("{line}")))
        })
    }

    /// What was made so far.
    pub(super) fn report(self) -> Report {
        self.made
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows of {}", self.path.display())
    }
}

impl Rows {
    /// Writes one row, whose cells need no quotes.
    pub(super) fn write(&mut self, row: fmt::Arguments<'_>) -> io::Result<()> {
        let line = format!("{row}\n");
        self.written += 1;
        self.bytes += u64::try_from(line.len()).unwrap_or_default();
        self.file.write_all(line.as_bytes())
    }
}
