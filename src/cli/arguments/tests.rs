use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_option_is_an_environment_variable_of_its_name() {
    for command in Cli::command().get_subcommands() {
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long() else {
                continue;
            };
            if matches!(long, "help" | "version") {
                continue;
            }
            let wanted = format!("PIM_AUTHZ_{}", long.to_uppercase().replace('-', "_"));
            let found = argument.get_env().map(|name| name.to_string_lossy());
            assert_eq!(found.as_deref(), Some(wanted.as_str()), "--{long}");
        }
    }
}

#[test]
fn serve_needs_no_options() {
    let Ok(Command::Serve(serve)) = parse("pim-authz serve") else {
        panic!("does not parse");
    };
    assert_eq!(serve.listen, "127.0.0.1:50051".parse().unwrap());
    assert_eq!(serve.default_tenant.as_str(), "default");
    assert_eq!(serve.cache.cache, CacheMode::On);
    assert!(serve.database.database_url.is_none() && serve.data_dir.is_none() && !serve.migrate);
}

#[test]
fn a_database_and_a_data_directory_exclude_each_other() {
    let error = parse("pim-authz serve --database-url postgresql://x/y --data-dir d");
    assert_eq!(error.unwrap_err().exit_code(), 2);
}

#[test]
fn a_database_url_is_never_shown() {
    let serve = parse("pim-authz serve --database-url postgresql://u:hidden@x/y").unwrap();
    assert!(!format!("{serve:?}").contains("hidden"));
}

#[test]
fn database_url_and_url_file_exclude_each_other() {
    for line in [
        "pim-authz serve --database-url-file f --data-dir d",
        "pim-authz serve --database-url-file f --database-url postgresql://x/y",
        "pim-authz migrate --database-url-file f --database-url postgresql://x/y",
        "pim-authz serve --database-sslmode require",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    parse("pim-authz serve --database-url-file f --database-sslmode require").unwrap();
}

#[test]
fn empty_options_differ_from_absent_options() {
    // Options, the categories joined, the parent.
    let cases = [
        ("", None, None),
        ("--categories= --parent=", Some(""), Some("")),
        ("--categories a,b", Some("a b"), None),
        ("--categories a --parent m", Some("a"), Some("m")),
    ];
    for (options, categories, parent) in cases {
        let line = format!("pim-authz check user:julia view product:hat {options}");
        let Ok(Command::Client(ClientCommand::Check { question, .. })) = parse(line.trim()) else {
            panic!("{line}");
        };
        let found = question
            .about
            .description
            .categories
            .map(|found| found.0.join(" "));
        assert_eq!(found.as_deref(), categories, "{line}");
        assert_eq!(
            question.about.description.parent.as_deref(),
            parent,
            "{line}"
        );
    }
}

fn client(line: &str) -> ClientCommand {
    let Ok(Command::Client(command)) = parse(line) else {
        panic!("{line}");
    };
    command
}

#[test]
fn a_list_of_resources_can_be_narrowed() {
    let line = "pim-authz list-allowed user:julia edit product --channel print --tree master \
                --category audio --id hat --id cap --page-size 20 --page-token t";
    let ClientCommand::ListAllowed(arguments) = client(line) else {
        panic!("{line}");
    };
    let filter = arguments.filter.render().unwrap();
    assert_eq!((&*filter.tree, &*filter.category), ("master", "audio"));
    assert_eq!(filter.ids, ["hat", "cap"]);
    assert_eq!(arguments.reach.resource_type, "product");
    assert_eq!(arguments.reach.context.render().unwrap().channel, "print");
    let PageArguments {
        page_size,
        page_token,
        all,
    } = arguments.page;
    assert_eq!((page_size, page_token.as_deref()), (Some(20), Some("t")));
    assert!(!all && !arguments.ids_only);
}

#[test]
fn list_without_filter_options_has_no_filter() {
    let line = "pim-authz list-allowed user:julia view category --all --ids-only";
    let ClientCommand::ListAllowed(arguments) = client(line) else {
        panic!("{line}");
    };
    assert_eq!(arguments.filter.render(), None);
    assert_eq!(arguments.reach.context.render(), None);
    assert!(arguments.page.all && arguments.ids_only);
}

#[test]
fn subjects_are_listed_with_or_without_a_resource() {
    // The rest of the line, the resource, the type.
    let cases = [
        ("app.manage", false, None),
        (
            "edit product:hat --type app --categories a,b",
            true,
            Some("app"),
        ),
        ("view product: --parent m --locale en_US", true, None),
    ];
    for (rest, has_resource, subject_type) in cases {
        let line = format!("pim-authz list-subjects {rest}");
        let ClientCommand::ListSubjects(arguments) = client(&line) else {
            panic!("{line}");
        };
        assert_eq!(arguments.about.resource.is_some(), has_resource, "{line}");
        assert_eq!(arguments.subject_type.as_deref(), subject_type, "{line}");
    }
}

#[test]
fn invalid_arguments_exit_with_status_2() {
    let cases = [
        "pim-authz",
        "pim-authz check user:julia",
        "pim-authz check julia view",
        "pim-authz serve --cache maybe",
        "pim-authz list-allowed user:julia view",
        "pim-authz list-allowed user:julia view product --all --page-token t",
        "pim-authz list-allowed user:julia view product --ids-only",
        "pim-authz list-allowed user:julia view product --page-size 0",
        "pim-authz list-allowed user:julia view product --categories a",
        "pim-authz list-subjects",
        "pim-authz list-subjects view product:hat --all --page-token t",
        "pim-authz access-filter user:julia view",
        "pim-authz import",
        "pim-authz import d --edition free",
        "pim-authz migrate --nothing",
    ];
    for line in cases {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn completion_script_of_every_shell_names_the_commands() {
    for shell in Shell::value_variants() {
        let script = String::from_utf8(completions(*shell)).unwrap();
        for command in [
            "list-actions",
            "list-allowed",
            "list-subjects",
            "access-filter",
        ] {
            assert!(script.contains(command), "{command} in {shell}");
        }
    }
}
