use std::{
    fmt::{self, Display},
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use super::GeneratorError;

/// The directory that is being written.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    files: Vec<WrittenFile>,
}

/// A CSV file that is being written.
#[derive(Debug)]
pub(super) struct Table {
    out: BufWriter<File>,
    rows: u64,
}

/// The summary of the written files; displayed as one line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Seed of the random streams.
    pub(crate) seed: u64,
    /// The files, in the order in which they were written.
    pub(crate) files: Vec<WrittenFile>,
}

/// A written file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrittenFile {
    /// File name in the directory.
    pub(crate) name: &'static str,
    /// Number of rows, without the header.
    pub(crate) rows: u64,
    /// Size in bytes.
    pub(crate) bytes: u64,
}

impl Folder {
    pub(super) fn create(path: &Path) -> Result<Self, GeneratorError> {
        let unwritable = |source| GeneratorError::Unwritable {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(unwritable)?;
        if fs::read_dir(path).map_err(unwritable)?.next().is_some() {
            return Err(GeneratorError::NotEmpty(path.to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            files: Vec::new(),
        })
    }

    /// Writes one file: its header, then the rows that `fill` writes.
    pub(super) fn write(
        &mut self,
        name: &'static str,
        header: &str,
        fill: impl FnOnce(&mut Table) -> io::Result<()>,
    ) -> Result<(), GeneratorError> {
        let path = self.path.join(name);
        match write_table(&path, header, fill) {
            Ok((rows, bytes)) => {
                self.files.push(WrittenFile { name, rows, bytes });
                Ok(())
            }
            Err(source) => Err(GeneratorError::Unwritable { path, source }),
        }
    }

    pub(super) fn written(self, seed: u64) -> Written {
        let files = self.files;
        Written { seed, files }
    }
}

fn write_table(
    path: &Path,
    header: &str,
    fill: impl FnOnce(&mut Table) -> io::Result<()>,
) -> io::Result<(u64, u64)> {
    let mut table = Table {
        out: BufWriter::new(File::create_new(path)?),
        rows: 0,
    };
    writeln!(table.out, "{header}")?;
    fill(&mut table)?;
    table.out.flush()?;
    Ok((table.rows, table.out.get_ref().metadata()?.len()))
}

impl Table {
    /// Writes a row. Cells are not quoted: no generated name needs quotes.
    pub(super) fn row(&mut self, cells: &[&dyn Display]) -> io::Result<()> {
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                self.out.write_all(b";")?;
            }
            write!(self.out, "{cell}")?;
        }
        self.rows += 1;
        self.out.write_all(b"\n")
    }
}

impl Written {
    /// Returns the number of rows of a file; 0 if it was not written.
    #[must_use]
    pub(crate) fn rows(&self, name: &str) -> u64 {
        let found = self.files.iter().find(|file| file.name == name);
        found.map_or(0, |file| file.rows)
    }
}

impl Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.files.iter().map(|file| file.rows).sum();
        let bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        write!(
            f,
            "wrote {} products, {} models, {} categories, {} users and {} groups: \
             {rows} rows in {} files, {bytes} bytes, seed {}",
            self.rows("products.csv"),
            self.rows("product_models.csv"),
            self.rows("categories.csv"),
            self.rows("users.csv"),
            self.rows("user_groups.csv"),
            self.files.len(),
            self.seed,
        )
    }
}
