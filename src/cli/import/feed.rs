use std::path::Path;

use indicatif::ProgressBar;
use tokio::{fs::File, io::AsyncReadExt as _, sync::mpsc::Sender};

use super::{
    CliError,
    sources::{Content, SourceFile},
};
use crate::pb::{FilePiece, ImportCatalogRequest, ImportHeader, import_catalog_request::Part};

/// How much of a file one message carries.
const PIECE_BYTES: usize = 256 << 10;

/// A file that could not be read, and the stream's end that must stay open
/// until the call has ended: a stream that closes is a whole import to the
/// server, and it would apply what it has got.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: CliError,
    _open: Sender<ImportCatalogRequest>,
}

/// The server does not listen any more; why, the call says.
struct NobodyListens;

/// Sends the header and every file, piece by piece.
///
/// A file that cannot be read ends the import: a part that is none is sent,
/// which the server refuses.
pub(super) async fn feed(
    sender: Sender<ImportCatalogRequest>,
    header: ImportHeader,
    files: Vec<SourceFile>,
    bar: &ProgressBar,
) -> Result<(), Failed> {
    if send(&sender, Part::Header(header)).await.is_err() {
        return Ok(());
    }
    for file in files {
        match feed_file(&sender, file, bar).await {
            Ok(Ok(())) => {}
            Ok(Err(NobodyListens)) => return Ok(()),
            Err(error) => {
                sender.send(ImportCatalogRequest { part: None }).await.ok();
                return Err(Failed {
                    error,
                    _open: sender,
                });
            }
        }
    }
    Ok(())
}

async fn feed_file(
    sender: &Sender<ImportCatalogRequest>,
    file: SourceFile,
    bar: &ProgressBar,
) -> Result<Result<(), NobodyListens>, CliError> {
    let SourceFile { name, content } = file;
    bar.set_message(name.clone());
    let path = match content {
        Content::OnDisk(path) => path,
        Content::InMemory(text) => {
            let piece = FilePiece {
                file: name,
                content: text.as_bytes().to_vec(),
            };
            return Ok(send(sender, Part::Piece(piece)).await);
        }
    };
    let failed = |cause| failed_to_read(&path, cause);
    let mut open = File::open(&path).await.map_err(failed)?;
    let mut is_first = true;
    loop {
        let mut content = Vec::with_capacity(PIECE_BYTES);
        while content.len() < PIECE_BYTES {
            if open.read_buf(&mut content).await.map_err(failed)? == 0 {
                break;
            }
        }
        // An empty file is named too.
        if content.is_empty() && !is_first {
            return Ok(Ok(()));
        }
        is_first = false;
        bar.inc(content.len() as u64);
        let piece = FilePiece {
            file: name.clone(),
            content,
        };
        if send(sender, Part::Piece(piece)).await.is_err() {
            return Ok(Err(NobodyListens));
        }
    }
}

async fn send(sender: &Sender<ImportCatalogRequest>, part: Part) -> Result<(), NobodyListens> {
    let request = ImportCatalogRequest { part: Some(part) };
    sender.send(request).await.map_err(|_| NobodyListens)
}

fn failed_to_read(path: &Path, cause: std::io::Error) -> CliError {
    CliError::File {
        what: "read",
        path: path.to_owned(),
        cause,
    }
}
