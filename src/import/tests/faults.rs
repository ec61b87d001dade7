use super::*;

type Refused = (u64, String, String);

/// File, content, line, column, part of the message.
const BAD_ROWS: [(&str, &str, u64, &str, &str); 13] = [
    (
        "users.csv",
        "username;roles\n;R",
        2,
        "username",
        "the cell is empty; a code is 1 to 255 bytes",
    ),
    (
        "users.csv",
        "username;roles\n\nu;\"R,a\tb\"",
        3,
        "roles",
        "`a\\tb` holds the control character",
    ),
    (
        "users.csv",
        "username;roles;enabled\nu;R;maybe",
        2,
        "enabled",
        "`maybe` is neither yes nor no; allowed are `1`,",
    ),
    (
        "users.csv",
        "username;roles;groups\nu;R;\"a\nb\"",
        2,
        "groups",
        "`a\\nb` holds the control character",
    ),
    (
        "attributes.csv",
        "code;group\na;",
        2,
        "group",
        "the cell is empty",
    ),
    (
        "attributes.csv",
        "code;group;scopable\na;b;2",
        2,
        "scopable",
        "`2` is neither",
    ),
    (
        "categories.csv",
        "code;parent\na;b;",
        2,
        "",
        "the row has 3 cells; the header has 2",
    ),
    (
        "user_roles.csv",
        "role;audience\nR;app",
        2,
        "audience",
        "`app` is no audience; allowed are `user`",
    ),
    (
        "user_groups.csv",
        "code;name\ng;\"a\nb\"",
        2,
        "name",
        "`a\\nb` holds the control character",
    ),
    (
        "job_profiles.csv",
        "code;type\nj;mass_edit",
        2,
        "type",
        "`mass_edit` names no kind of profile; a type holds",
    ),
    (
        "job_profiles.csv",
        "code;type\nj;import_export",
        2,
        "type",
        "`import_export` names no kind",
    ),
    (
        "locale_accesses.csv",
        "locale;view_products;edit_products\nl;a;\"b\x01\"",
        2,
        "edit_products",
        "`b\\u{1}` holds",
    ),
    (
        "apps.csv",
        "code;scopes;trees_own\na;;\"*,\x01\"",
        2,
        "trees_own",
        "`\\u{1}` holds",
    ),
];

/// File, content, line, part of the message.
const BAD_FILES: [(&str, &[u8], u64, &str); 16] = [
    (
        "products.csv",
        b"\n \n",
        0,
        "the file has no header line; it needs `sku`, `identifier`, `uuid` or `code`",
    ),
    (
        "products.csv",
        b"SKU\nhat",
        1,
        "it needs `sku`, `identifier`, `uuid` or `code`",
    ),
    (
        "users.csv",
        b"\nname;roles",
        2,
        "it needs `username`; and `roles`",
    ),
    ("user_groups.csv", b"label", 1, "it needs `code` or `name`"),
    ("user_groups.csv", b"code", 1, "the header lacks `name`"),
    ("attributes.csv", b"code\na", 1, "the header lacks `group`"),
    (
        "users.csv",
        b"username;groups",
        1,
        "the header lacks `roles`",
    ),
    (
        "product_category_accesses.csv",
        b"category;edit_items",
        1,
        "the header lacks `view_items` and `own_items`",
    ),
    (
        "job_profile_accesses.csv",
        b"job_profile;edit_job_profile",
        1,
        "the header lacks `execute_job_profile`",
    ),
    ("apps.csv", b"code", 1, "the header lacks `scopes`"),
    (
        "locales.csv",
        b"code;x;x",
        1,
        "the column `x` is there twice",
    ),
    (
        "locales.csv",
        b"code\na\n\"b\"c\nd",
        3,
        "text follows a closing quote",
    ),
    (
        "locales.csv",
        b"code\na\nb\"\nd",
        3,
        "a quote stands inside a cell",
    ),
    (
        "locales.csv",
        b"code\na\n\n\"b\nc\n",
        4,
        "the file ends inside a quoted cell",
    ),
    ("locales.csv", b"code\na\n\xe9t\xe9\nb", 3, "not UTF-8"),
    (
        "locales.csv",
        b"code\ra\r",
        1,
        "a carriage return stands without a line feed",
    ),
];

fn refused(file: &str, content: &[u8]) -> (Vec<Refused>, bool) {
    let finished = read_pieces(&[(file, content)]);
    let refused = finished.batch.refused.into_iter();
    let found = refused.map(|refusal| {
        assert_eq!(refusal.file, file);
        (refusal.line, refusal.column, refusal.message)
    });
    (found.collect(), finished.fatal)
}

#[test]
fn a_bad_row_is_rejected_with_line_column_and_reason() {
    for (file, content, line, column, message) in BAD_ROWS {
        let (found, fatal) = refused(file, content.as_bytes());
        let [(at, of, actual)] = found.as_slice() else {
            panic!("{content}: {found:?}");
        };
        assert_eq!(
            (*at, of.as_str(), fatal),
            (line, column, false),
            "{content}"
        );
        assert!(actual.contains(message), "{content}: {actual}");
    }
}

#[test]
fn a_bad_file_is_rejected_as_a_whole() {
    for (file, content, line, message) in BAD_FILES {
        let (found, fatal) = refused(file, content);
        let shown = content.escape_ascii();
        let [(at, of, actual)] = found.as_slice() else {
            panic!("{shown}: {found:?}");
        };
        assert_eq!((*at, of.as_str(), fatal), (line, "", true), "{shown}");
        assert!(actual.contains(message), "{shown}: {actual}");
    }
}

#[test]
fn a_bad_row_does_not_stop_other_rows_and_files() {
    let finished = read_pieces(&[
        ("users.csv", b"username\na"),
        ("locales.csv", b"code\na\n\x01\nb\n"),
        ("attribute_groups.csv", b"code\nc"),
    ]);
    assert_eq!(finished.batch.rows.len(), 3);
    assert_eq!(finished.batch.refused.len(), 2);
    let counts: Vec<u64> = finished.files.iter().map(|file| file.rows).collect();
    assert_eq!(counts, [0, 3, 1]);
}

#[test]
fn a_rejected_file_is_not_read_further() {
    let mut reader = Reader::new();
    assert_eq!(reader.push("locales.csv", b"code\n\"a\"b").refused.len(), 1);
    assert_eq!(
        reader.push("locales.csv", b"\nc\n\"d\"e\n"),
        Batch::default()
    );
    let finished = reader.finish();
    assert!(finished.fatal);
    assert_eq!(finished.batch, Batch::default());
}

#[test]
fn messages_truncate_long_words() {
    let content = format!("code\n{}", "é".repeat(10_000));
    let (found, _) = refused("locales.csv", content.as_bytes());
    let expected = format!(
        "`{}…` is 20000 bytes long; a code is 1 to 255 bytes long",
        "é".repeat(80)
    );
    assert_eq!(found, [(2, "code".to_owned(), expected)]);
}

#[test]
fn a_column_in_the_wrong_case_is_a_warning() {
    let finished = read("products.csv", "sku;Categories;;\nhat;a;;");
    assert_eq!(
        finished.files[0].warnings,
        ["the column `Categories` is ignored; the column that is read is `categories`"]
    );
    assert!(!finished.fatal);
}

#[test]
fn a_file_of_0_bytes_is_treated_as_absent() {
    let finished = read_pieces(&[("products.csv", b""), ("locales.csv", b"code\n")]);
    let files: Vec<ImportFile> = finished.files.iter().map(|read| read.file).collect();
    assert_eq!(files, [ImportFile::Locales]);
    assert_eq!(finished.empty, [ImportFile::Products]);
    assert_eq!((finished.batch, finished.fatal), (Batch::default(), false));
}

#[test]
fn an_import_without_known_files_is_rejected() {
    let cases: [&[(&str, &[u8])]; 3] =
        [&[], &[("hello.csv", b"code\na\n")], &[("locales.csv", b"")]];
    for pieces in cases {
        let finished = read_pieces(pieces);
        let [refusal] = finished.batch.refused.as_slice() else {
            panic!("{pieces:?}");
        };
        assert_eq!((refusal.file.as_str(), refusal.line), ("", 0));
        assert!(refusal.message.contains("`products.csv`"), "{refusal:?}");
        assert!(finished.fatal);
    }
}

#[test]
fn an_overlong_row_is_rejected_like_any_bad_row() {
    let long = "x".repeat(MAX_RECORD_BYTES);
    let content = format!("code;label\na;\n\"b\n\";{long}\nc;\n");
    let finished = read("locales.csv", &content);
    let lines: Vec<u64> = finished
        .batch
        .rows
        .iter()
        .map(|row| row.place.line)
        .collect();
    assert_eq!((lines, finished.fatal), (vec![2, 5], false));
    assert_eq!(
        (finished.files[0].rows, finished.batch.refused.len()),
        (3, 1)
    );
    let refusal = &finished.batch.refused[0];
    assert_eq!((refusal.line, refusal.column.as_str()), (3, ""));
    assert_eq!(
        refusal.message,
        "the row is longer than 4194304 bytes; it was not read"
    );
    let (found, fatal) = refused("locales.csv", format!("code;{long}\na;").as_bytes());
    assert_eq!((found.len(), found[0].0, fatal), (1, 1, true));
}
