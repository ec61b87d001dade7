use indicatif::ProgressBar;
use tokio::{fs::File, io::AsyncReadExt as _, sync::mpsc::Sender};

use super::{
    CliError,
    sources::{Content, SourceFile},
};
use crate::pb::{FilePiece, ImportCatalogRequest, ImportHeader, import_catalog_request::Part};

/// Maximum number of bytes of a file in one message.
const PIECE_BYTES: usize = 256 << 10;

/// A read error of a file, and the sender of the request stream, which must stay
/// open until the call has ended: the server takes a closed stream for a complete
/// import and would apply what it has received.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: CliError,
    _open: Sender<ImportCatalogRequest>,
}

/// The server no longer reads the stream; the status of the call gives the reason.
struct StreamClosed;

/// Sends the header and every file, piece by piece.
///
/// A file that cannot be read aborts the import: a request without a part is
/// sent, which the server rejects.
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
            Ok(Err(StreamClosed)) => return Ok(()),
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
) -> Result<Result<(), StreamClosed>, CliError> {
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
    let failed = CliError::file("read", &path);
    let mut open = File::open(&path).await.map_err(failed)?;
    let mut is_first = true;
    loop {
        let mut content = Vec::with_capacity(PIECE_BYTES);
        while content.len() < PIECE_BYTES {
            if open.read_buf(&mut content).await.map_err(failed)? == 0 {
                break;
            }
        }
        // An empty file is sent as well, as one empty piece.
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
            return Ok(Err(StreamClosed));
        }
    }
}

async fn send(sender: &Sender<ImportCatalogRequest>, part: Part) -> Result<(), StreamClosed> {
    let request = ImportCatalogRequest { part: Some(part) };
    sender.send(request).await.map_err(|_| StreamClosed)
}
