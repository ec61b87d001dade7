use std::{fs, sync::Mutex};

use tokio::net::TcpListener;
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::{
    cli::{Cli, ClientCommand, Command, Exit},
    pb::{
        import_catalog_request::Part,
        import_service_server::{ImportService, ImportServiceServer},
    },
};

/// A test server that records requests and sends the configured response.
#[derive(Debug, Default)]
struct Listener {
    refusal: Option<&'static str>,
    ends_after_header: bool,
    got: std::sync::Arc<Mutex<Got>>,
}

#[derive(Debug, Default)]
struct Got {
    header: Option<pb::ImportHeader>,
    files: Vec<(String, Vec<u8>)>,
    largest: usize,
    was_aborted: bool,
    was_closed: bool,
}

type Events = tokio_stream::Iter<std::vec::IntoIter<Result<pb::ImportCatalogResponse, Status>>>;

#[tonic::async_trait]
impl ImportService for Listener {
    type ImportCatalogStream = Events;

    async fn import_catalog(
        &self,
        request: Request<Streaming<pb::ImportCatalogRequest>>,
    ) -> Result<Response<Events>, Status> {
        let mut parts = request.into_inner();
        while let Some(request) = parts.next().await {
            let mut got = self.got.lock().unwrap();
            match request?.part {
                Some(Part::Header(header)) => got.header = Some(header),
                Some(Part::Piece(piece)) => got.keep(piece),
                None => {
                    got.was_aborted = true;
                    return Err(Status::invalid_argument("part: is missing"));
                }
            }
            if self.ends_after_header {
                break;
            }
        }
        self.got.lock().unwrap().was_closed = true;
        let summary = pb::ImportSummary {
            revision: 5,
            effect: Some(pb::Effect {
                created: 2,
                ..Default::default()
            }),
            files: vec![pb::FileSummary {
                file: "products.csv".to_owned(),
                rows: 3,
                created: 2,
                refused: 1,
                warnings: vec!["scope `x` is not granted".to_owned()],
                ..Default::default()
            }],
            refused: vec![pb::RefusedRow {
                file: "products.csv".to_owned(),
                line: 4,
                column: "categories".to_owned(),
                message: "category `hats` does not exist".to_owned(),
            }],
            refused_count: 1,
            kept: vec![pb::Item {
                r#type: "product".to_owned(),
                id: "hat".to_owned(),
            }],
        };
        let event = Ok(pb::ImportCatalogResponse {
            event: Some(Event::Summary(summary)),
        });
        let status = self.refusal.map(|text| Err(Status::invalid_argument(text)));
        let events: Vec<_> = std::iter::once(event).chain(status).collect();
        Ok(Response::new(tokio_stream::iter(events)))
    }
}

impl Got {
    fn keep(&mut self, piece: pb::FilePiece) {
        self.largest = self.largest.max(piece.content.len());
        match self
            .files
            .last_mut()
            .filter(|(name, _)| *name == piece.file)
        {
            Some((_, content)) => content.extend(piece.content),
            None => self.files.push((piece.file, piece.content)),
        }
    }
}

async fn listen(listener: Listener) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let server =
        tonic::transport::Server::builder().add_service(ImportServiceServer::new(listener));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(socket)));
    format!("http://{address}")
}

fn arguments(dir: &Path, server: &str, more: &[&str]) -> ImportArguments {
    use clap::Parser as _;

    let dir = dir.to_str().unwrap();
    let line = ["pim-authz", "import", dir, "--server", server];
    let cli = Cli::try_parse_from(line.iter().chain(more)).unwrap();
    let Command::Client(ClientCommand::Import(arguments)) = cli.command else {
        panic!("{cli:?}");
    };
    arguments
}

fn some_files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("products.csv"), "sku\nhat\n").unwrap();
    fs::write(dir.path().join("README.md"), "no").unwrap();
    dir
}

#[tokio::test]
async fn files_are_sent_in_small_pieces_sorted_by_name() {
    let dir = some_files();
    let large = "0123456789\n".repeat(90_000);
    fs::write(dir.path().join("attributes.csv"), &large).unwrap();
    fs::write(dir.path().join("locales.csv"), "").unwrap();
    let listener = Listener::default();
    let got = listener.got.clone();
    let server = listen(listener).await;
    let more = [
        "--tenant",
        "shop",
        "--edition",
        "growth",
        "--dry-run",
        "--actor",
        "app:x",
    ];
    run(&arguments(dir.path(), &server, &more)).await.unwrap();

    let got = got.lock().unwrap();
    let header = got.header.clone().unwrap();
    assert_eq!(
        (header.tenant.as_str(), header.actor.as_str()),
        ("shop", "app:x")
    );
    assert_eq!(
        (header.edition(), header.dry_run),
        (pb::Edition::Growth, true)
    );
    let names: Vec<&str> = got.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["attributes.csv", "locales.csv", "products.csv"]);
    assert_eq!(got.files[0].1, large.as_bytes());
    assert!(got.largest <= 256 << 10, "{}", got.largest);
}

#[tokio::test]
async fn result_is_printed_as_table_and_written_as_report() {
    let dir = some_files();
    let report = tempfile::NamedTempFile::new().unwrap();
    let server = listen(Listener::default()).await;
    let more = ["--report", report.path().to_str().unwrap()];
    let answer = run(&arguments(dir.path(), &server, &more)).await.unwrap();
    assert_eq!(answer.exit.status(), 3);
    insta::assert_snapshot!(answer.out, @r#"
        1 row left out; the 1 stored thing that they name keeps everything as it was:
          product `hat`
        file          rows  new  changed  unchanged  removed  refused
        README.md        0    0        0          0        0        0
        products.csv     3    2        0          0        0        1
        README.md: ignored: not a CSV file
        products.csv: scope `x` is not granted
        products.csv:4, column categories: category `hats` does not exist
        imported at revision 5: 2 created, 0 changed, 0 removed, 0 unchanged
        "#);
    assert_eq!(
        fs::read_to_string(report.path()).unwrap(),
        "{\"file\":\"products.csv\",\"line\":4,\"column\":\"categories\",\
         \"message\":\"category `hats` does not exist\"}\n"
    );
}

#[tokio::test]
async fn refused_import_exits_with_status_2_and_a_summary() {
    let dir = some_files();
    for output in ["table", "json"] {
        let server = listen(Listener {
            refusal: Some("1 row was refused"),
            ..Default::default()
        })
        .await;
        let arguments = arguments(dir.path(), &server, &["--output", output]);
        let answer = run(&arguments).await.unwrap();
        assert_eq!(answer.exit.status(), 2);
        assert!(
            answer.out.contains("category `hats` does not exist"),
            "{answer:?}"
        );
        if output == "json" {
            let document: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
            assert_eq!(document["error"]["code"], "INVALID_ARGUMENT");
            assert_eq!(document["refused_count"], 1);
        } else {
            assert!(answer.err.contains("nothing was changed"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn server_may_respond_before_the_upload_ends() {
    let dir = some_files();
    fs::write(dir.path().join("attributes.csv"), vec![b'x'; 20 << 20]).unwrap();
    let server = listen(Listener {
        refusal: Some("no"),
        ends_after_header: true,
        ..Default::default()
    })
    .await;
    let answer = run(&arguments(dir.path(), &server, &[])).await.unwrap();
    assert_eq!(answer.exit, Exit::Failed);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_aborts_the_import() {
    let listener = Listener::default();
    let got = listener.got.clone();
    let server = listen(listener).await;
    let gone = SourceFile {
        name: "products.csv".to_owned(),
        content: sources::Content::OnDisk("/nowhere/products.csv".into()),
    };
    let files = vec![SourceFile::in_memory("locales.csv", "code\nen_US\n"), gone];
    let channel = crate::cli::connect(&server, &crate::cli::ClientTlsArguments::default())
        .await
        .unwrap();
    let error = import_files(channel, pb::ImportHeader::default(), files).await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("`/nowhere/products.csv`")
    );
    let got = got.lock().unwrap();
    assert!(got.was_aborted && !got.was_closed, "{got:?}");
}

#[tokio::test]
async fn a_directory_without_csv_files_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("README.md"), "no").unwrap();
    let error = run(&arguments(dir.path(), "http://127.0.0.1:1", &[])).await;
    assert!(matches!(error, Err(CliError::NoFiles(_))), "{error:?}");
    let missing = dir.path().join("missing");
    let error = run(&arguments(&missing, "http://127.0.0.1:1", &[])).await;
    assert!(
        matches!(error, Err(CliError::File { what: "read", .. })),
        "{error:?}"
    );
}
