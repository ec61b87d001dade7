//! Checks the links of the documentation: each relative link names an existing
//! file, and no page names a path that only its authors have.

use std::path::{Path, PathBuf};

use crate::sources::{Source, below, file, rust};

/// Paths outside the repository.
const ELSEWHERE: [&str; 3] = ["../shared", "../reference", "file://"];

/// Returns the targets of a page's links that are paths, without their anchors.
fn targets(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

fn link_complaints(page: &Source, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
    let broken = targets(&page.text)
        .into_iter()
        .filter(|target| !exists(&folder.join(target)))
        .map(|target| format!("{} links to `{target}`, which is not there", page.path));
    let elsewhere = ELSEWHERE
        .into_iter()
        .filter(|place| page.text.contains(place))
        .map(|place| format!("{} names `{place}`", page.path));
    broken.chain(elsewhere).collect()
}

/// Reports missing pages that comments name, such as `docs/rules.md`.
fn page_complaints(source: &Source, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    source
        .text
        .split(|c| !is_path(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| {
            word.starts_with("docs/")
                && Path::new(word).extension().is_some_and(|kind| kind == "md")
        })
        .filter(|page| !exists(Path::new(page)))
        .map(|page| format!("{} names `{page}`, which is not there", source.path))
        .collect()
}

#[test]
fn every_page_named_in_a_comment_exists() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut sources = rust("src");
    sources.extend(rust("tests"));
    sources.extend(below("proto", "proto"));
    sources.retain(|source| source.path != "tests/architecture/links.rs");
    let complaints: Vec<String> = sources
        .iter()
        .flat_map(|source| page_complaints(source, |page| root.join(page).exists()))
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn every_documentation_link_names_an_existing_file() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut pages = below("docs", "md");
    let top = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "examples/README.md",
    ];
    pages.extend(top.map(file));
    let complaints: Vec<String> = pages
        .iter()
        .flat_map(|page| link_complaints(page, |path| root.join(path).exists()))
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn broken_link_is_reported() {
    let exists = |path: &Path| path == Path::new("docs/rules.md");
    let cases = [
        ("[rules](rules.md#1-who)", 0),
        ("[web](https://example.com) [here](#there)", 0),
        ("[gone](gone.md)", 1),
        ("see ../shared/design", 1),
    ];
    for (text, found) in cases {
        let complaints = link_complaints(&Source::new("docs/api.md", text), exists);
        assert_eq!(complaints.len(), found, "{text} {complaints:?}");
    }
    let cited = "/// As `docs/rules.md` says, and docs/gone.md.";
    let complaints = page_complaints(&Source::new("src/a.rs", cited), exists);
    assert_eq!(
        complaints,
        ["src/a.rs names `docs/gone.md`, which is not there"]
    );
}
