//! Each kind of file, each rejection, and independence of the split into chunks.

mod entries;
mod faults;
mod rights;

use proptest::{collection::vec, prelude::*};
use strum::IntoEnumIterator;

use super::*;
use crate::{admin::entry::Entry, domain::Code};

fn code(text: &str) -> Code {
    text.parse().unwrap()
}

fn codes<const N: usize>(texts: [&str; N]) -> Vec<Code> {
    texts.map(code).into()
}

/// Reads one file in one chunk.
fn read(file: &str, content: &str) -> Finished {
    read_pieces(&[(file, content.as_bytes())])
}

fn read_pieces(pieces: &[(&str, &[u8])]) -> Finished {
    let mut reader = Reader::new();
    let mut all = Batch::default();
    for (file, content) in pieces {
        let batch = reader.push(file, content);
        all.rows.extend(batch.rows);
        all.refused.extend(batch.refused);
    }
    let mut finished = reader.finish();
    all.rows.append(&mut finished.batch.rows);
    all.refused.append(&mut finished.batch.refused);
    finished.batch = all;
    finished
}

/// Returns the entries of a valid file.
fn entries(file: &str, content: &str) -> Vec<Entry> {
    let finished = read(file, content);
    assert_eq!(finished.batch.refused, [], "{file}: {content}");
    assert_eq!(finished.files.len(), 1);
    let rows = finished.batch.rows.into_iter();
    rows.map(|row| row.entry).collect()
}

/// Returns the only entry of a valid file.
fn entry(file: &str, content: &str) -> Entry {
    let mut found = entries(file, content);
    assert_eq!(found.len(), 1, "{content}");
    found.remove(0)
}

#[test]
fn interleaved_files_return_rows_once_complete() {
    let mut reader = Reader::new();
    assert_eq!(reader.push("locales.csv", b"co"), Batch::default());
    assert_eq!(
        reader.push("categories.csv", b"parent;code\n;mas"),
        Batch::default()
    );
    let batch = reader.push("locales.csv", b"de\nen_US\nfr");
    assert_eq!(batch.rows.len(), 1);
    let batch = reader.push("categories.csv", b"ter\n");
    assert_eq!(batch.rows[0].place.line, 2);
    let finished = reader.finish();
    assert_eq!(finished.files[1].key_column, "code");
    assert_eq!(finished.batch.rows.len(), 1);
    let files: Vec<(ImportFile, u64)> = finished.files.iter().map(|f| (f.file, f.rows)).collect();
    assert_eq!(
        files,
        [(ImportFile::Locales, 2), (ImportFile::Categories, 1)]
    );
    assert!(!finished.fatal);
}

#[test]
fn unknown_files_are_listed_and_not_read() {
    let names = ["README.md", "dir/products.csv", "Products.csv", "", "a\nb"];
    let pieces: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (*name, b"\"\xff".as_slice()))
        .collect();
    let finished = read_pieces(&pieces);
    assert_eq!(
        finished.ignored,
        ["", "Products.csv", "README.md", "a\\nb", "dir/products.csv"]
    );
    assert_eq!(finished.files, []);
}

#[test]
fn names_of_unknown_files_are_bounded() {
    let mut reader = Reader::new();
    for number in 0..200 {
        reader.push(&format!("{number}{}", "x".repeat(10_000)), b"");
    }
    let ignored = reader.finish().ignored;
    assert_eq!(ignored.len(), 100);
    assert!(ignored.iter().all(|name| name.len() < 100));
}

/// Generates content that is often a valid file, and often nearly one.
fn any_content() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "\u{feff}",
        "code",
        "sku",
        "name",
        "categories",
        "parent",
        "scopes",
        "role",
        "permissions",
        "a",
        "B",
        "é",
        "*",
        "1",
        "maybe",
        ";",
        ";",
        ";",
        ",",
        "\"",
        "\"\"",
        "\n",
        "\n",
        "\r\n",
        "\r",
        " ",
    ];
    let piece = prop_oneof![
        30 => prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Generates a well-formed file with quotes, line breaks, accents and blank lines,
/// of which single rows may be invalid.
fn good_content() -> impl Strategy<Value = Vec<u8>> {
    let cell = prop_oneof![
        Just(""),
        Just("a"),
        Just("\"é,b\""),
        Just("\"x;\"\"y\""),
        Just("\"l\nm\""),
        Just(" z "),
    ];
    let row = (
        cell.clone(),
        cell,
        prop_oneof![Just("\n"), Just("\r\n"), Just("\n\n")],
    );
    vec(row, 0..20).prop_map(|rows| {
        let rows = rows.iter().map(|(a, b, end)| format!("{a};{b}{end}"));
        format!("\u{feff}sku;\"categories\"\r\n{}", rows.collect::<String>()).into_bytes()
    })
}

fn some_file() -> impl Strategy<Value = ImportFile> {
    prop::sample::select(ImportFile::iter().collect::<Vec<_>>())
}

fn pieces_agree(file: &str, content: &[u8], sizes: &[usize]) -> Result<(), TestCaseError> {
    let whole = read_pieces(&[(file, content)]);
    let mut rest = content;
    let mut pieces = Vec::new();
    for size in sizes {
        let (piece, more) = rest.split_at(rest.len().min(*size));
        pieces.push((file, piece));
        rest = more;
    }
    pieces.push((file, rest));
    prop_assert_eq!(read_pieces(&pieces), whole);
    Ok(())
}

proptest! {
    #[test]
    fn any_split_of_a_valid_file_yields_the_same_rows(
        content in good_content(),
        sizes in vec(0_usize..12, 0..40),
    ) {
        prop_assert!(!read_pieces(&[("products.csv", &content)]).fatal);
        pieces_agree("products.csv", &content, &sizes)?;
    }

    #[test]
    fn any_split_of_any_file_yields_the_same_rows(
        file in some_file(),
        content in any_content(),
        sizes in vec(0_usize..12, 0..40),
    ) {
        pieces_agree(file.into(), &content, &sizes)?;
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(file in some_file(), content in vec(any::<u8>(), 0..200)) {
        read_pieces(&[(file.into(), &content)]);
    }
}
