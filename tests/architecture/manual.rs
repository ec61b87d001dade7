//! Checks that the manual's tables match the program, and that the alerts and the
//! dashboard name only metrics that exist.
//!
//! `UPDATE=1 cargo test --test architecture` rewrites the tables.

use std::{env, fs, path::Path};

use clap::{Arg, CommandFactory as _};
use pim_authz::{
    cli::Cli,
    telemetry::metrics::{ALL, Kind},
};

const MANUAL: &str = "docs/operations.md";

/// The commands whose options are settings.
const COMMANDS: [&str; 2] = ["serve", "migrate"];

fn path(of: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

/// Returns the table of all options of the commands, with variable, default and help.
fn settings() -> String {
    let mut table = "| option | variable | default | meaning |\n|---|---|---|---|\n".to_owned();
    let mut written: Vec<String> = Vec::new();
    for name in COMMANDS {
        let mut cli = Cli::command();
        let command = cli.find_subcommand_mut(name).unwrap();
        for option in command.get_arguments() {
            let Some(long) = option.get_long().filter(|long| *long != "help") else {
                continue;
            };
            if !written.iter().any(|written| written == long) {
                table.push_str(&row(name, long, option));
                written.push(long.to_owned());
            }
        }
    }
    table
}

fn row(command: &str, long: &str, option: &Arg) -> String {
    let variable = option.get_env().unwrap().to_str().unwrap();
    let defaults = option.get_default_values().iter();
    let defaults: Vec<&str> = defaults.map(|value| value.to_str().unwrap()).collect();
    let is_switch = !option.get_action().takes_values();
    let default = match defaults.join(",") {
        _ if is_switch => "off".to_owned(),
        default if default.is_empty() => String::new(),
        default => format!("`{default}`"),
    };
    let help = option.get_long_help().or(option.get_help()).unwrap();
    let help = help.to_string().replace('\n', " ").replace('|', "\\|");
    let values = option.get_possible_values();
    let values: Vec<String> = values
        .iter()
        .filter(|_| !is_switch)
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let values = if values.is_empty() {
        String::new()
    } else {
        format!(" ({})", values.join(", "))
    };
    let only = if command == "serve" {
        String::new()
    } else {
        format!(" (`{command}`)")
    };
    format!("| `--{long}`{only} | `{variable}` | {default} | {help}{values} |\n")
}

/// Returns the table of all metrics, with their labels and meanings.
fn metrics() -> String {
    let head = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
    let rows = ALL.iter().map(|metric| {
        let labels = metric.labels.iter().map(|label| format!("`{label}`"));
        let labels = labels.collect::<Vec<_>>().join(", ");
        let (name, kind, meaning) = (metric.name, metric.kind, metric.meaning);
        format!("| `{name}` | {kind} | {labels} | {meaning} |\n")
    });
    head + &rows.collect::<String>()
}

/// Returns the text between the two markers of a table.
fn between<'t>(manual: &'t str, of: &str) -> &'t str {
    let (_, rest) = manual
        .split_once(&format!("<!-- {of}: begin -->\n"))
        .unwrap();
    let (table, _) = rest.split_once(&format!("<!-- {of}: end -->")).unwrap();
    table
}

fn assert_is_in_the_manual(of: &str, table: &str) {
    let manual = fs::read_to_string(path(MANUAL)).unwrap();
    let before = between(&manual, of);
    if env::var_os("UPDATE").is_some() {
        let marked = |table: &str| format!("<!-- {of}: begin -->\n{table}<!-- {of}: end -->");
        let updated = manual.replace(&marked(before), &marked(table));
        fs::write(path(MANUAL), updated).unwrap();
        return;
    }
    assert!(
        before == table,
        "the table of {of} in {MANUAL} is another than that of the program; \
         `UPDATE=1 cargo test --test architecture` writes it anew"
    );
}

#[test]
fn every_setting_is_in_the_manual() {
    assert_is_in_the_manual("settings", &settings());
}

#[test]
fn every_metric_is_in_the_manual() {
    assert_is_in_the_manual("metrics", &metrics());
}

/// Returns the words of a text that look like this program's metrics.
fn named_metrics(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("authz_")).collect()
}

fn is_known(name: &str) -> bool {
    ALL.iter().any(|metric| {
        let rest = name.strip_prefix(metric.name);
        match metric.kind {
            Kind::Counter | Kind::Gauge => rest == Some(""),
            Kind::Histogram => {
                rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            }
        }
    })
}

#[test]
fn alerts_and_dashboard_name_existing_metrics() {
    for file in ["alerts.yaml", "alerts_test.yaml", "dashboard.json"] {
        let text = fs::read_to_string(path("helm/pim-authz/monitoring").join(file)).unwrap();
        let named = named_metrics(&text);
        assert!(named.len() > 10, "{file} names metrics");
        for name in named {
            assert!(is_known(name), "{file} names `{name}`, which is no metric");
        }
    }
}

#[test]
fn unknown_metric_is_reported() {
    let text = "rate(authz_requests_total[5m]) > authz_requests_totals";
    let named = named_metrics(text);
    let known: Vec<bool> = named.iter().map(|name| is_known(name)).collect();
    assert_eq!(known, [true, false]);
}

#[test]
fn every_alert_has_a_section_in_the_manual() {
    let alerts = fs::read_to_string(path("helm/pim-authz/monitoring/alerts.yaml")).unwrap();
    let manual = fs::read_to_string(path(MANUAL)).unwrap();
    let names: Vec<&str> = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(manual.contains(&format!("\n### {name}\n")), "{name}");
    }
}
