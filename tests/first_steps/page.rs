//! Parses the commands of a documentation page and the output that it shows: the
//! fenced blocks `sh` and `console`, and a `json` block that follows an `sh` block.

use std::process::{Command, Stdio};

/// One command of a page.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// The command, with its comment; it may have several lines.
    pub(crate) command: String,
    /// The output that the page shows; empty if it shows none.
    pub(crate) shown: String,
}

/// Returns the fenced blocks that hold commands, in the order of the page.
pub(crate) fn blocks(page: &str) -> Vec<Vec<Step>> {
    let mut blocks: Vec<Vec<Step>> = Vec::new();
    let mut before = "";
    for (language, body) in fences(page) {
        match language {
            "sh" => blocks.push(script(body)),
            "console" => blocks.push(session(body)),
            "json" if before == "sh" => {
                if let Some(last) = blocks.last_mut().and_then(|block| block.last_mut()) {
                    body.trim_end().clone_into(&mut last.shown);
                }
            }
            _ => {}
        }
        before = language;
    }
    blocks
}

/// Returns the language and text of each fenced block.
fn fences(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("```").skip(1).step_by(2);
    parts.filter_map(|part| part.split_once('\n')).collect()
}

/// Returns the commands of an `sh` block; a command extends over lines until the
/// shell accepts it as complete.
fn script(body: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut command = String::new();
    for line in body.lines() {
        command = if command.is_empty() {
            line.to_owned()
        } else {
            command + "\n" + line
        };
        if is_whole(&command) {
            steps.push(Step {
                command: std::mem::take(&mut command),
                shown: String::new(),
            });
        }
    }
    assert_eq!(command, "", "a command that does not end");
    steps.retain(|step| !step.command.trim().is_empty());
    steps
}

/// Returns the commands of a `console` block, each after a `$`, with their output.
fn session(body: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in body.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                shown: String::new(),
            });
        } else if let Some(step) = steps.last_mut() {
            step.shown = format!("{}{line}\n", step.shown);
        }
    }
    for step in &mut steps {
        step.shown.truncate(step.shown.trim_end().len());
    }
    steps
}

fn is_whole(command: &str) -> bool {
    let read = Command::new("bash")
        .args(["-n", "-c", command])
        .stderr(Stdio::null())
        .status();
    read.unwrap().success() && !command.ends_with('\\')
}

#[test]
fn commands_and_shown_output_are_parsed() {
    let page = "text\n```sh\none -d '{\n}' x    # it's one\ntwo\n```\n\n```json\n{}\n```\nor\n```json\n[]\n```\n\
                ```console\n$ three\nout\n\nput\n\n$ four\n```\n```sql\nSELECT\n```\n";
    let step = |command: &str, shown: &str| Step {
        command: command.to_owned(),
        shown: shown.to_owned(),
    };
    assert_eq!(
        blocks(page),
        [
            vec![step("one -d '{\n}' x    # it's one", ""), step("two", "{}")],
            vec![step("three", "out\n\nput"), step("four", "")],
        ]
    );
}
