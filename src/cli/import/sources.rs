use std::path::{Path, PathBuf};

use super::CliError;
use crate::pb;

/// A file to import.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// File name without the directory: `products.csv`.
    pub(super) name: String,
    pub(super) content: Content,
}

/// Source of the bytes of a file.
#[derive(Clone, Debug)]
pub(super) enum Content {
    OnDisk(PathBuf),
    InMemory(&'static str),
}

/// The entries of a directory to import.
#[derive(Debug)]
pub(super) struct Sources {
    /// The CSV files, sorted by name.
    pub(super) files: Vec<SourceFile>,
    /// Total size of the CSV files, in bytes.
    pub(super) bytes: u64,
    /// Names of all other entries.
    pub(super) ignored: Vec<String>,
}

impl SourceFile {
    /// Creates a file from text that is compiled into this program.
    #[must_use]
    pub fn in_memory(name: &str, content: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            content: Content::InMemory(content),
        }
    }
}

impl Sources {
    /// Lists the entries of a directory; fails without any CSV file.
    pub(super) fn find(dir: &Path) -> Result<Self, CliError> {
        let failed = CliError::file("read", dir);
        let mut sources = Self {
            files: Vec::new(),
            bytes: 0,
            ignored: Vec::new(),
        };
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let metadata = std::fs::metadata(&path).map_err(CliError::file("read", &path))?;
            let name = path.file_name().unwrap_or_default();
            match name
                .to_str()
                .filter(|_| path.extension() == Some("csv".as_ref()))
            {
                Some(name) if metadata.is_file() => {
                    sources.bytes += metadata.len();
                    sources.files.push(SourceFile {
                        name: name.to_owned(),
                        content: Content::OnDisk(path.clone()),
                    });
                }
                Some(_) | None => sources.ignored.push(name.to_string_lossy().into_owned()),
            }
        }
        if sources.files.is_empty() {
            return Err(CliError::NoFiles(dir.to_owned()));
        }
        sources.files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(sources)
    }
}

/// Adds the ignored files to the server's summary, each with a warning.
pub(super) fn add_ignored(summary: &mut pb::ImportSummary, ignored: Vec<String>) {
    let ignored = ignored.into_iter().map(|file| pb::FileSummary {
        file,
        warnings: vec!["ignored: not a CSV file".to_owned()],
        ..Default::default()
    });
    summary.files.extend(ignored);
    summary.files.sort_by(|a, b| a.file.cmp(&b.file));
}
