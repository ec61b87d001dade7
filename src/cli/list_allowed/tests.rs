use std::{sync::Arc, time::Duration};

use clap::Parser as _;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tonic::Status;

use super::*;
use crate::cli::{
    Cli, ClientCommand, Command, Exit,
    scripted_server::{Break, ScriptedServer},
};

const HATS: [&str; 4] = ["cap", "hat", "hood", "wig"];

fn arguments(server: &str, more: &[&str]) -> ListAllowedArguments {
    let line = ["pim-authz", "list-allowed", "user:julia", "edit", "product"];
    let server = ["--server", server];
    let cli = Cli::try_parse_from(line.iter().chain(&server).chain(more)).unwrap();
    let Command::Client(ClientCommand::ListAllowed(arguments)) = cli.command else {
        panic!("{cli:?}");
    };
    arguments
}

/// Returns the rows that `--all` prints, and its closing answer.
async fn all(server: &str, more: &[&str]) -> (String, Answer) {
    let arguments = arguments(server, &[&["--all"], more].concat());
    let mut out = Vec::new();
    let tries = Tries::starting_at(Duration::from_millis(1));
    let answer = print_all(&arguments, tries, &mut out).await;
    (String::from_utf8(out).unwrap(), answer)
}

fn away() -> Break {
    Break::Fail(Status::unavailable("away"))
}

const WHOLE: &str = "cap\tedit\nhat\tedit\nhood\tedit\nwig\tedit\n";

#[tokio::test]
async fn interrupted_list_resumes_after_the_last_batch() {
    // How the first stream breaks, after two batches.
    for how in [away(), Break::Stop] {
        let server = ScriptedServer::of(&HATS).breaking([(2, how.clone())]);
        let (out, answer) = all(&server.listen().await, &[]).await;
        assert_eq!(out, WHOLE, "{how:?}");
        assert_eq!(answer.err, "4 resources at revision 7\n", "{how:?}");
        assert_eq!(answer.exit, Exit::Done, "{how:?}");
        assert_eq!(server.resumed_after(), ["", "2"], "{how:?}");
    }
}

#[tokio::test]
async fn list_resumes_after_a_lost_connection() {
    let hangs = Arc::new(Notify::new());
    let server = ScriptedServer::of(&HATS).breaking([(2, Break::Hang(hangs.clone()))]);
    let address = cut_once(server.listen().await, hangs).await;
    let (out, answer) = all(&address, &[]).await;
    assert_eq!(
        (out.as_str(), answer.exit),
        (WHOLE, Exit::Done),
        "{answer:?}"
    );
    assert_eq!(server.resumed_after().len(), 2);
}

/// Starts a TCP proxy to a server that drops its connection when notified.
async fn cut_once(server: String, cut: Arc<Notify>) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = socket.accept().await.unwrap();
            let mut far = TcpStream::connect(&server).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                () = cut.notified() => {}
            }
        }
    });
    address.to_string()
}

#[tokio::test]
async fn exhausted_retries_report_the_list_as_incomplete() {
    let breaks = || std::iter::once((2, away())).chain(std::iter::repeat_n((0, away()), 20));
    let server = ScriptedServer::of(&HATS).breaking(breaks());
    let (out, answer) = all(&server.listen().await, &[]).await;
    assert_eq!(out, "cap\tedit\nhat\tedit\n");
    assert_eq!(
        answer.err,
        "error: the list is not whole, it broke off after 2 rows: away (UNAVAILABLE)\n"
    );
    assert_eq!((answer.out.as_str(), answer.exit), ("", Exit::Failed));

    let server = ScriptedServer::of(&HATS).breaking(breaks());
    let (out, answer) = all(&server.listen().await, &["--output", "json"]).await;
    assert_eq!(out.lines().count(), 2);
    assert_eq!(
        answer.out,
        "{\"error\":{\"code\":\"UNAVAILABLE\",\"reason\":\"\",\"message\":\"the list is not \
         whole, it broke off after 2 rows: away (UNAVAILABLE)\",\"fields\":[]}}\n"
    );
    assert_eq!(answer.exit, Exit::Failed);
}

#[tokio::test]
async fn missing_rows_report_the_list_as_incomplete() {
    // How the first stream breaks, after two batches; the reported cause.
    let forged = Status::invalid_argument("resume_token: is forged");
    let cases = [
        (
            Break::Count(3),
            "the server sent 3 resources, of which 2 arrived",
        ),
        (
            Break::Fail(forged),
            "resume_token: is forged (INVALID_ARGUMENT)",
        ),
    ];
    for (how, cause) in cases {
        let server = ScriptedServer::of(&HATS).breaking([(2, how)]);
        let (_, answer) = all(&server.listen().await, &[]).await;
        let expected =
            format!("error: the list is not whole, it broke off after 2 rows: {cause}\n");
        assert_eq!((answer.err, answer.exit), (expected, Exit::Failed));
        assert_eq!(server.resumed_after(), [""]);
    }
}

#[tokio::test]
async fn list_without_resume_token_is_not_restarted() {
    let mut server = ScriptedServer::of(&HATS).breaking([(2, away())]);
    server.has_no_tokens = true;
    let (out, answer) = all(&server.listen().await, &[]).await;
    assert_eq!((out.lines().count(), answer.exit), (2, Exit::Failed));
    assert_eq!(server.resumed_after(), [""]);
}

#[tokio::test]
async fn rejection_is_reported_unchanged() {
    let refused = Status::invalid_argument("action: is empty");
    let server = ScriptedServer::of(&HATS).breaking([(0, Break::Fail(refused))]);
    let (out, answer) = all(&server.listen().await, &[]).await;
    assert_eq!(answer.err, "error: action: is empty (INVALID_ARGUMENT)\n");
    assert_eq!((out.as_str(), answer.exit), ("", Exit::Failed));
    assert_eq!(server.resumed_after(), [""]);
}

#[tokio::test]
async fn empty_list_succeeds() {
    let server = ScriptedServer::of(&[]);
    let (out, answer) = all(&server.listen().await, &[]).await;
    assert_eq!((out.as_str(), answer.exit), ("", Exit::Done));
    assert_eq!(answer.err, "no resources at revision 7\n");
}

#[tokio::test]
async fn all_prints_one_line_per_resource() {
    // More options, the first line.
    let cases: [(&[&str], &str); 3] = [
        (&["--output", "json"], r#"{"id":"cap","level":"edit"}"#),
        (&["--output", "json", "--ids-only"], r#"{"id":"cap"}"#),
        (&["--ids-only", "--page-size", "5"], "cap"),
    ];
    for (more, first) in cases {
        let server = ScriptedServer::of(&HATS);
        let (out, answer) = all(&server.listen().await, more).await;
        assert_eq!((out.lines().next(), out.lines().count()), (Some(first), 4));
        assert_eq!((answer.out.as_str(), answer.exit), ("", Exit::Done));
    }
}

/// A writer that rejects every write.
struct Closed(io::ErrorKind);

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

#[tokio::test]
async fn broken_pipe_ends_the_list_without_an_error() {
    let server = ScriptedServer::of(&HATS).listen().await;
    let arguments = arguments(&server, &["--all"]);
    let tries = || Tries::starting_at(Duration::ZERO);
    let mut pipe = Closed(io::ErrorKind::BrokenPipe);
    let answer = print_all(&arguments, tries(), &mut pipe).await;
    assert_eq!(answer, Answer::new(String::new(), Exit::Done));

    let mut disk = Closed(io::ErrorKind::StorageFull);
    let answer = print_all(&arguments, tries(), &mut disk).await;
    assert_eq!(answer.exit, Exit::Failed);
    assert!(
        answer.err.contains("cannot write to standard output"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn page_request_carries_all_options() {
    let server = ScriptedServer::of(&HATS);
    let more = [
        "--tenant",
        "shop",
        "--locale",
        "en_US",
        "--tree",
        "master",
        "--id",
        "hat",
        "--page-size",
        "4",
        "--page-token",
        "t",
    ];
    run(&arguments(&server.listen().await, &more))
        .await
        .unwrap();
    let request = server.state.lock().unwrap().pages.pop().unwrap();
    let wanted = pb::ListAllowedRequest {
        tenant: "shop".to_owned(),
        subject: Some(pb::Subject {
            r#type: "user".to_owned(),
            id: "julia".to_owned(),
        }),
        action: "edit".to_owned(),
        resource_type: "product".to_owned(),
        context: Some(pb::Context {
            locale: "en_US".to_owned(),
            ..Default::default()
        }),
        filter: Some(pb::ListFilter {
            tree: "master".to_owned(),
            category: String::new(),
            ids: vec!["hat".to_owned()],
        }),
        page_size: 4,
        page_token: "t".to_owned(),
        minimum_revision: 0,
    };
    assert_eq!(request, wanted);
}

fn page(next_page_token: &str) -> pb::ListAllowedResponse {
    let resource = |id: &str, level: pb::Level| pb::AllowedResource {
        id: id.to_owned(),
        level: level.into(),
    };
    pb::ListAllowedResponse {
        resources: vec![
            resource("hat", pb::Level::Own),
            resource("cap", pb::Level::Unspecified),
        ],
        next_page_token: next_page_token.to_owned(),
        revision: 7,
    }
}

#[test]
fn page_table_names_the_next_page_token() {
    let answer = show(&page("dG9r"), Output::Table);
    insta::assert_snapshot!(answer.out, @"
    id   level
    hat  own
    cap
    2 resources at revision 7
    ");
    assert_eq!(
        answer.err,
        "there is more: `--page-token dG9r` shows the next page, `--all` everything\n"
    );
    assert_eq!(show(&page(""), Output::Table).err, "");
    let empty = pb::ListAllowedResponse::default();
    assert_eq!(
        show(&empty, Output::Table).out,
        "no resources at revision 0\n"
    );
}

#[test]
fn page_is_one_json_document() {
    let answer = show(&page("dG9r"), Output::Json);
    insta::assert_snapshot!(answer.out, @r#"
    {
      "resources": [
        {
          "id": "hat",
          "level": "own"
        },
        {
          "id": "cap",
          "level": null
        }
      ],
      "next_page_token": "dG9r",
      "revision": 7
    }
    "#);
    assert_eq!((answer.err.as_str(), answer.exit), ("", Exit::Done));
}
