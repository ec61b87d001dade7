use pim_authz::pb::{
    self, Edition, import_catalog_request::Part, import_catalog_response::Event,
    import_service_client::ImportServiceClient,
};
use tonic::{Status, transport::Channel};

use super::TestServer;

/// A file: its name and its content.
pub(crate) type File = (String, String);

/// The result of an import: all events that were received, and how the call
/// ended.
#[derive(Debug)]
pub(crate) struct ImportResult {
    pub(crate) progress: Vec<pb::ImportProgress>,
    pub(crate) summary: Option<pb::ImportSummary>,
    pub(crate) ended: Result<(), Status>,
}

impl TestServer {
    /// Imports files and panics if the import fails.
    pub(crate) async fn import(
        &self,
        tenant: &str,
        edition: Edition,
        files: &[File],
    ) -> pb::ImportSummary {
        let result = self.try_import(header(tenant, edition), files).await;
        let summary = result
            .summary
            .unwrap_or_else(|| panic!("{:?}", result.ended));
        assert!(
            result.ended.is_ok(),
            "{:?}\n{:#?}",
            result.ended,
            summary.refused
        );
        summary
    }

    /// Imports files and returns its result.
    pub(crate) async fn try_import(
        &self,
        header: pb::ImportHeader,
        files: &[File],
    ) -> ImportResult {
        self.send_parts(parts(header, files)).await
    }

    /// Sends any parts of an import and returns its result.
    pub(crate) async fn send_parts(&self, parts: Vec<Part>) -> ImportResult {
        import(self.channel().await, parts).await
    }
}

/// Sends the parts of an import and returns its result.
pub(crate) async fn import(channel: Channel, parts: Vec<Part>) -> ImportResult {
    let mut client = ImportServiceClient::new(channel);
    let parts = parts
        .into_iter()
        .map(|part| pb::ImportCatalogRequest { part: Some(part) });
    let mut result = ImportResult {
        progress: Vec::new(),
        summary: None,
        ended: Ok(()),
    };
    let events = client
        .import_catalog(tokio_stream::iter(parts.collect::<Vec<_>>()))
        .await;
    let mut events = match events {
        Ok(events) => events.into_inner(),
        Err(status) => {
            result.ended = Err(status);
            return result;
        }
    };
    loop {
        match events.message().await {
            Ok(Some(event)) => result.record(event.event.unwrap()),
            Ok(None) => return result,
            Err(status) => {
                result.ended = Err(status);
                return result;
            }
        }
    }
}

impl ImportResult {
    fn record(&mut self, event: Event) {
        assert!(self.summary.is_none(), "nothing comes after the summary");
        match event {
            Event::Progress(progress) => self.progress.push(progress),
            Event::Summary(summary) => self.summary = Some(summary),
        }
    }
}

/// The header of an import by `user:admin`.
pub(crate) fn header(tenant: &str, edition: Edition) -> pb::ImportHeader {
    pb::ImportHeader {
        tenant: tenant.into(),
        actor: "user:admin".into(),
        edition: edition.into(),
        ..Default::default()
    }
}

/// A header, and the files in pieces whose limits may fall within rows and
/// characters.
pub(crate) fn parts(header: pb::ImportHeader, files: &[File]) -> Vec<Part> {
    let pieces = files.iter().flat_map(|(file, content)| {
        let pieces = content.as_bytes().chunks(1 << 20);
        // A file of 0 bytes is sent as one empty piece.
        let nothing = content.is_empty().then_some(&[][..]);
        pieces.chain(nothing).map(|content| {
            Part::Piece(pb::FilePiece {
                file: file.clone(),
                content: content.to_vec(),
            })
        })
    });
    std::iter::once(Part::Header(header))
        .chain(pieces)
        .collect()
}

/// Builds a file from its name and lines.
pub(crate) fn file(name: &str, lines: &[&str]) -> File {
    (name.to_owned(), lines.join("\n") + "\n")
}
