//! Checks the modules of `src/`: the one-way dependencies ("arrows") between them,
//! and the crates that only some of them may name (ARCHITECTURE.md, "Modules").

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    scan::{names_below, names_crate, without_comments},
    sources::{Source, file, rust},
};

/// Each module and the modules it may name.
const ARROWS: [(&str, &[&str]); 17] = [
    ("failpoints", &[]),
    ("tls", &[]),
    ("supervision", &[]),
    ("domain", &[]),
    ("engine", &["domain"]),
    ("telemetry", &["domain"]),
    ("embedded", &[]),
    ("store", &["domain", "telemetry", "tls", "failpoints"]),
    (
        "cache",
        &["domain", "store", "supervision", "telemetry", "failpoints"],
    ),
    (
        "admin",
        &[
            "domain",
            "engine",
            "store",
            "cache",
            "telemetry",
            "failpoints",
        ],
    ),
    ("import", &["domain", "admin"]),
    ("listing", &["domain", "engine", "store", "cache"]),
    ("oidc", &["domain", "tls"]),
    ("pb", &[]),
    (
        "rpc",
        &[
            "domain",
            "engine",
            "store",
            "cache",
            "admin",
            "import",
            "listing",
            "oidc",
            "supervision",
            "telemetry",
            "tls",
            "pb",
        ],
    ),
    ("cli", &["domain", "pb", "tls"]),
    ("http", &["rpc", "pb", "telemetry"]),
];

/// The modules that wire the others and may name each of them.
const WIRING: [&str; 5] = ["bin", "lib", "main", "run", "server"];

/// Crates that belong to some modules and may appear in no other.
const OWNED_CRATES: [(&str, &[&str]); 24] = [
    ("axum", &["http"]),
    ("hyper", &["http", "server"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
    ("rustls", &["tls", "store", "server", "cli"]),
    ("tokio_postgres_rustls", &["store"]),
    ("x509_parser", &["store", "tls"]),
    ("tokio_postgres", &["store"]),
    ("deadpool_postgres", &["store"]),
    ("refinery", &["store"]),
    ("moka", &["cache", "oidc"]),
    ("jsonwebtoken", &["oidc"]),
    ("reqwest", &["oidc"]),
    ("csv_core", &["import"]),
    ("tonic", &["rpc", "http", "server", "cli", "pb"]),
    ("tonic_web", &["http"]),
    ("tower_http", &["http"]),
    ("flate2", &["rpc"]),
    ("prost_reflect", &["http", "cli"]),
    ("clap", &["cli", "bin"]),
    ("rand", &["bin"]),
    ("libm", &["bin"]),
    ("comfy_table", &["cli"]),
    ("indicatif", &["cli"]),
];

/// Crates and modules that `domain` and `engine` must not name: they are pure, that
/// is, they decide and do nothing else.
const IMPURE: [&str; 9] = [
    "tokio",
    "tracing",
    "metrics",
    "prost",
    "serde_json",
    "std::fs",
    "std::io",
    "std::time",
    "std::env",
];

fn arrow_complaints(source: &Source) -> Vec<String> {
    let path = &source.path;
    let Some(module) = source.module() else {
        return vec![format!("{path} is not under src/")];
    };
    if WIRING.contains(&module) {
        return Vec::new();
    }
    let Some((_, below)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        return vec![format!(
            "{path} lies in the module `{module}`, which has no arrows"
        )];
    };
    modules_named(source)
        .into_iter()
        .filter(|other| other != module && !below.contains(&other.as_str()))
        .map(|other| format!("{path} names `{other}`, which `{module}` may not"))
        .collect()
}

/// Returns the modules that a source names, its own among them.
fn modules_named(source: &Source) -> BTreeSet<String> {
    let code = without_comments(&source.text);
    let mut named = names_below("crate", &code);
    named.extend(names_below("pim_authz", &code));
    named.extend(names_of_the_root(source, &code));
    named.into_iter().collect()
}

/// Reports each arrow of a module that none of its sources uses.
fn unused_arrows(module: &str, below: &[&str], sources: &[Source]) -> Vec<String> {
    let own = sources
        .iter()
        .filter(|source| source.module() == Some(module));
    let named: BTreeSet<String> = own.flat_map(modules_named).collect();
    below
        .iter()
        .filter(|other| !named.contains(**other))
        .map(|other| format!("no source of `{module}` names `{other}`, which it may"))
        .collect()
}

/// Reports each owner of a crate that does not name it.
fn unused_owners(name: &str, owners: &[&str], sources: &[Source]) -> Vec<String> {
    let names_it = |owner: &str| {
        let own = sources
            .iter()
            .filter(|source| source.module() == Some(owner));
        own.into_iter()
            .any(|source| names_crate(name, &without_comments(&source.text)))
    };
    owners
        .iter()
        .filter(|owner| !names_it(owner))
        .map(|owner| format!("no source of `{owner}` names `{name}`, which it owns"))
        .collect()
}

/// Returns the modules named by a `super::` path that leaves the file's own module.
fn names_of_the_root(source: &Source, code: &str) -> Vec<String> {
    let depth = source.path.matches('/').count();
    let up = vec!["super"; depth].join("::");
    let is_module = |name: &String| ARROWS.iter().any(|(module, _)| module == name);
    // In a module's front page, `super::x` inside an inline module is the module's.
    let is_own_child = |name: &String| code.contains(&format!("mod {name};"));
    names_below(&up, code)
        .into_iter()
        .filter(|name| is_module(name) && !is_own_child(name))
        .collect()
}

/// Returns the dependencies of each module in a table such as that of ARCHITECTURE.md:
/// the modules of its third column, and each module whose second column names this one
/// as a user.
fn documented_arrows(table: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut above = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let Some(module) = quoted(cells[1]).next() else {
            continue;
        };
        let (_, users) = cells[2].split_once("used by ").unwrap_or_default();
        for user in quoted(users) {
            arrows.entry(user).or_default().insert(module.clone());
        }
        let below = arrows.entry(module.clone()).or_default();
        below.extend(quoted(cells[3]));
        if cells[3].contains("all above") {
            below.extend(above.iter().cloned());
        }
        above.insert(module);
    }
    arrows
}

/// Returns the modules that a text has in backticks: `store` for `store/`.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    let names = text.split('`').skip(1).step_by(2);
    names.map(|name| {
        name.trim_end_matches('/')
            .trim_end_matches(".rs")
            .to_owned()
    })
}

fn crate_complaints(source: &Source) -> Vec<String> {
    let module = source.module().unwrap_or_default();
    let code = without_comments(&source.text);
    OWNED_CRATES
        .iter()
        .filter(|(name, owners)| !owners.contains(&module) && names_crate(name, &code))
        .map(|(name, owners)| {
            let owners = owners.join(", ");
            format!("{} names `{name}`, which belongs to {owners}", source.path)
        })
        .collect()
}

fn purity_complaints(source: &Source) -> Vec<String> {
    if !matches!(source.module(), Some("domain" | "engine")) {
        return Vec::new();
    }
    let code = without_comments(&source.text);
    let mut impure: Vec<&str> = IMPURE
        .into_iter()
        .filter(|name| names_crate(name, &code))
        .collect();
    if code.contains("async ") {
        impure.push("async");
    }
    impure
        .into_iter()
        .map(|name| format!("{} names `{name}`, and is pure", source.path))
        .collect()
}

#[test]
fn every_module_names_only_modules_below_it() {
    let complaints: Vec<String> = rust("src").iter().flat_map(arrow_complaints).collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn owned_crates_are_named_only_in_their_modules() {
    let complaints: Vec<String> = rust("src").iter().flat_map(crate_complaints).collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn every_allowed_dependency_is_used() {
    let sources = rust("src");
    let arrows = ARROWS.iter();
    let unused = arrows.flat_map(|(module, below)| unused_arrows(module, below, &sources));
    let crates = OWNED_CRATES.iter();
    let unowned = crates.flat_map(|(name, owners)| unused_owners(name, owners, &sources));
    assert_eq!(
        unused.chain(unowned).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

#[test]
fn table_of_the_architecture_lists_the_same_dependencies() {
    let documented = documented_arrows(&file("ARCHITECTURE.md").text);
    for (module, below) in ARROWS {
        let below = below.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(documented.get(module), Some(&below), "{module}");
    }
}

#[test]
fn domain_and_engine_are_pure() {
    let complaints: Vec<String> = rust("src").iter().flat_map(purity_complaints).collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn upward_dependency_is_reported() {
    let cases = [
        // file                 text                                   found
        ("src/domain/code.rs", "use crate::store::Pool;", 1),
        ("src/domain/code.rs", "use super::Level;", 0),
        ("src/domain/code.rs", "use super::super::store::Pool;", 1),
        ("src/store.rs", "use super::rpc::Server;", 1),
        (
            "src/store.rs",
            "mod import;\nmod tests { use super::import; }",
            0,
        ),
        ("src/engine.rs", "use crate::{domain::Code, admin};", 1),
        ("src/rpc/check.rs", "use crate::{domain::Code, engine};", 0),
        ("src/cli.rs", "use crate::{pb, domain::Level};", 0),
        ("src/cli.rs", "let server = crate::server::start();", 1),
        ("src/server.rs", "use crate::{rpc, store, cli};", 0),
        ("src/misc.rs", "", 1),
    ];
    for (path, text, found) in cases {
        let complaints = arrow_complaints(&Source::new(path, text));
        assert_eq!(complaints.len(), found, "{path} {text} {complaints:?}");
    }
}

#[test]
fn unused_dependency_is_reported() {
    let sources = [
        Source::new("src/cli.rs", "use crate::pb;\nuse clap::Parser;"),
        Source::new("src/rpc.rs", "use crate::domain::Code;"),
    ];
    assert_eq!(
        unused_arrows("cli", &["domain", "pb"], &sources),
        ["no source of `cli` names `domain`, which it may"]
    );
    assert_eq!(
        unused_owners("clap", &["cli", "rpc"], &sources),
        ["no source of `rpc` names `clap`, which it owns"]
    );
}

#[test]
fn table_is_read_with_the_users_of_a_module() {
    let table = "| `a/` | x | nothing of ours | |\n| `b.rs` | y; used by `c` | `a` | |\n\
                 | `c/` | z `w` | all above, `d` | |\n";
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expected = [
        ("a", of(&[])),
        ("b", of(&["a"])),
        ("c", of(&["a", "b", "d"])),
    ];
    let expected = expected.map(|(module, below)| (module.to_owned(), below));
    assert_eq!(documented_arrows(table), BTreeMap::from(expected));
}

#[test]
fn crate_outside_its_modules_is_reported() {
    let cases = [
        ("src/embedded.rs", "use tokio_postgres::NoTls;", 1),
        ("src/store/pool.rs", "use tokio_postgres::NoTls;", 0),
        ("src/admin.rs", "use tonic::Status;", 1),
        ("src/domain/catalogue.rs", "csv_core::Reader::new()", 1),
        ("src/rpc/status.rs", "use tonic::Status;", 0),
    ];
    for (path, text, found) in cases {
        let complaints = crate_complaints(&Source::new(path, text));
        assert_eq!(complaints.len(), found, "{path} {text} {complaints:?}");
    }
}

#[test]
fn clock_or_async_in_pure_module_is_reported() {
    let cases = [
        ("src/engine.rs", "pub async fn decide() {}", 1),
        ("src/domain.rs", "use std::time::Instant;", 1),
        ("src/store.rs", "use std::time::Instant;", 0),
        ("src/engine.rs", "use std::collections::HashMap;", 0),
    ];
    for (path, text, found) in cases {
        let complaints = purity_complaints(&Source::new(path, text));
        assert_eq!(complaints.len(), found, "{path} {text} {complaints:?}");
    }
}
