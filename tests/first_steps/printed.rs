//! Checks that the commands that the demonstration prints work as printed.

use crate::{
    demonstration::{Demo, data_dir},
    terminal::{Terminal, not_run},
};

#[test]
fn commands_printed_by_the_demonstration_work_as_printed() {
    let folder = data_dir();
    let demo = Demo::start(folder.path());
    let mut terminal = Terminal::open();
    let (mut checked, mut without_grpcurl) = (0, 0);
    for (number, line) in demo.printed.iter().enumerate() {
        let line = line.trim();
        let is_command = ["export ", "pim-authz check", "grpcurl "]
            .iter()
            .any(|start| line.starts_with(start));
        if !is_command {
            continue;
        }
        if let Some(program) = terminal.lacks(line) {
            assert_eq!(program, "grpcurl", "{line}");
            without_grpcurl += 1;
            continue;
        }
        let output = terminal.run(line);
        let printed = String::from_utf8_lossy(&output.stdout);
        if line.starts_with("pim-authz") {
            let answer = demo.printed[number + 1].trim().strip_prefix("-> ").unwrap();
            let is_denied = answer.starts_with("denied");
            assert_eq!(
                output.status.code(),
                Some(i32::from(is_denied)),
                "{line}: {output:?}"
            );
            let verdict = if is_denied { "denied" } else { "allowed" };
            assert!(printed.starts_with(verdict), "{line}: {printed}");
            checked += 1;
        } else {
            assert!(output.status.success(), "{line}: {output:?}");
        }
    }
    assert_eq!(checked, 20);
    if without_grpcurl > 0 {
        let why = "the demonstration prints it: there is no `grpcurl` here";
        not_run(&format!("grpcurl …, {without_grpcurl} times"), why);
    }
    demo.stop();
}
