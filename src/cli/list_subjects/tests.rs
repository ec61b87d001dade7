use std::time::Duration;

use clap::Parser as _;
use tonic::Status;

use super::*;
use crate::cli::{
    Cli, ClientCommand, Command, Exit,
    scripted_server::{Break, ScriptedServer},
};

async fn all(server: &ScriptedServer, more: &[&str]) -> (String, Answer) {
    let address = server.listen().await;
    let line = ["pim-authz", "list-subjects", "edit", "product:hat", "--all"];
    let server = ["--server", &address];
    let cli = Cli::try_parse_from(line.iter().chain(&server).chain(more)).unwrap();
    let Command::Client(ClientCommand::ListSubjects(arguments)) = cli.command else {
        panic!("{cli:?}");
    };
    let mut out = Vec::new();
    let tries = Tries::starting_at(Duration::from_millis(1));
    let answer = print_all(&arguments, tries, &mut out).await;
    (String::from_utf8(out).unwrap(), answer)
}

fn away() -> (usize, Break) {
    (0, Break::Fail(Status::unavailable("away")))
}

#[tokio::test]
async fn all_prints_every_page_and_retries_failed_ones() {
    let server = ScriptedServer::of(&["ann", "bob", "cy"]).breaking([(0, Break::Stop), away()]);
    let (out, answer) = all(&server, &[]).await;
    assert_eq!(out, "user:ann\nuser:bob\nuser:cy\n");
    assert_eq!(answer.err, "3 subjects at revision 7\n");
    assert_eq!(answer.exit, Exit::Done);
    let state = server.state.lock().unwrap();
    let tokens = state
        .subjects
        .iter()
        .map(|request| request.page_token.as_str());
    assert_eq!(tokens.collect::<Vec<_>>(), ["", "1", "1", "2"]);
}

#[tokio::test]
async fn json_output_of_all_is_one_object_per_line() {
    let server = ScriptedServer::of(&["ann"]);
    let (out, _) = all(&server, &["--output", "json"]).await;
    assert_eq!(out, "{\"type\":\"user\",\"id\":\"ann\"}\n");
}

#[tokio::test]
async fn exhausted_retries_report_the_list_as_incomplete() {
    let breaks = std::iter::once((0, Break::Stop)).chain(std::iter::repeat_n(away(), 20));
    let server = ScriptedServer::of(&["ann", "bob"]).breaking(breaks);
    let (out, answer) = all(&server, &[]).await;
    assert_eq!((out.as_str(), answer.exit), ("user:ann\n", Exit::Failed));
    assert_eq!(
        answer.err,
        "error: the list is not whole, it broke off after 1 row: away (UNAVAILABLE)\n"
    );
}

#[test]
fn page_is_printed_as_lines_or_as_json() {
    let subject = |kind: &str, id: &str| pb::Subject {
        r#type: kind.to_owned(),
        id: id.to_owned(),
    };
    let response = pb::ListSubjectsResponse {
        subjects: vec![subject("app", "shop"), subject("user", "julia")],
        next_page_token: "dG9r".to_owned(),
        revision: 3,
    };
    let answer = show(&response, Output::Table);
    insta::assert_snapshot!(answer.out, @"
    app:shop
    user:julia
    2 subjects at revision 3
    ");
    assert!(answer.err.contains("`--page-token dG9r`"), "{answer:?}");
    insta::assert_snapshot!(show(&response, Output::Json).out, @r#"
    {
      "subjects": [
        {
          "type": "app",
          "id": "shop"
        },
        {
          "type": "user",
          "id": "julia"
        }
      ],
      "next_page_token": "dG9r",
      "revision": 3
    }
    "#);
}
