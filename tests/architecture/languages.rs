//! Checks that stubs of the contract work in other languages: each file names its
//! package there, and the vendored files of `google.rpc` name upstream's packages,
//! so that a program contains them only once.

use crate::sources::{Source, below};

/// The options that each of our files must have; `{}` is the file's name in camel case.
const OURS: [(&str, &str); 7] = [
    ("csharp_namespace", r#""Pim.Authz.V1""#),
    ("go_package", r#""pim/authz/v1;authzv1""#),
    ("java_multiple_files", "true"),
    ("java_outer_classname", r#""{}Proto""#),
    ("java_package", r#""pim.authz.v1""#),
    ("php_metadata_namespace", r#""Pim\\Authz\\V1\\GPBMetadata""#),
    ("php_namespace", r#""Pim\\Authz\\V1""#),
];

/// The options that each vendored file must have. Go's package makes a Go program
/// link upstream's descriptors instead of registering a second copy.
const UPSTREAM: [(&str, &str); 4] = [
    (
        "go_package",
        r#""google.golang.org/genproto/googleapis/rpc/"#,
    ),
    ("java_multiple_files", "true"),
    ("java_outer_classname", r#""{}Proto""#),
    ("java_package", r#""com.google.rpc""#),
];

fn language_complaints(source: &Source) -> Vec<String> {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    let words = name.trim_end_matches(".proto").split('_');
    let camel: String = words
        .filter_map(|word| word.split_at_checked(1))
        .map(|(first, rest)| first.to_uppercase() + rest)
        .collect();
    let expected: &[(&str, &str)] = if source.path.starts_with("proto/google/rpc/") {
        &UPSTREAM
    } else {
        &OURS
    };
    let found = |option: &str, value: &str| {
        let line = format!("option {option} = {}", value.replace("{}", &camel));
        source.text.lines().any(|held| held.starts_with(&line))
    };
    expected
        .iter()
        .filter(|(option, value)| !found(option, value))
        .map(|(option, value)| format!("{} lacks `option {option} = {value}`", source.path))
        .collect()
}

#[test]
fn every_contract_file_sets_its_packages_for_other_languages() {
    let files = below("proto", "proto");
    assert!(
        files
            .iter()
            .any(|file| file.path == "proto/google/rpc/error_details.proto")
    );
    let complaints: Vec<String> = files.iter().flat_map(language_complaints).collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn file_without_options_is_reported() {
    let cases = [
        ("proto/pim/authz/v1/access_grant.proto", "", 7),
        (
            "proto/pim/authz/v1/access_grant.proto",
            "option java_outer_classname = \"AccessGrantProto\";",
            6,
        ),
        ("proto/google/rpc/status.proto", "", 4),
    ];
    for (path, text, found) in cases {
        let complaints = language_complaints(&Source::new(path, text));
        assert_eq!(complaints.len(), found, "{path} {complaints:?}");
    }
}
