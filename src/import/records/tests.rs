use super::*;

/// Content of a file, and its records: line and cells.
type Case = (&'static [u8], &'static [(u64, &'static [&'static str])]);

/// Line and cells of a record.
type Seen = (u64, Vec<String>);

fn read(content: &[u8]) -> (Vec<Seen>, Option<u64>) {
    let mut records = Records::new();
    let mut found = Vec::new();
    let owned = |found: Found<'_>| match found {
        Found::Record(record) => (record.line, record.cells().map(str::to_owned).collect()),
        Found::TooLong { line } => (line, vec!["too long".to_owned()]),
    };
    for byte in content {
        match records.push(*byte) {
            Ok(record) => found.extend(record.map(owned)),
            Err(broken) => return (found, Some(broken.line)),
        }
    }
    match records.finish() {
        Ok(record) => {
            found.extend(record.map(owned));
            (found, None)
        }
        Err(broken) => (found, Some(broken.line)),
    }
}

#[test]
fn records_have_the_line_they_begin_on() {
    let cases: [Case; 10] = [
        (b"a;b\nc;d", &[(1, &["a", "b"]), (2, &["c", "d"])]),
        (b"a\r\n\r\n  \nb\r\n", &[(1, &["a"]), (4, &["b"])]),
        (b"\xef\xbb\xbfa;b\n", &[(1, &["a", "b"])]),
        (b"\xef\xbb\xbf\"a\";b\n", &[(1, &["a", "b"])]),
        (b"\"a\nb\";c\nd", &[(1, &["a\nb", "c"]), (3, &["d"])]),
        (b"\"a\r\n;\";\"\"\n", &[(1, &["a\r\n;", ""])]),
        (b"\"a\"\"b\"\n", &[(1, &["a\"b"])]),
        (b" a ; b\n", &[(1, &["a", "b"])]),
        (b";\n\"\"", &[(1, &["", ""]), (2, &[""])]),
        (b"\xef\xbf\xbd;b", &[(1, &["\u{fffd}", "b"])]),
    ];
    for (content, expected) in cases {
        let expected: Vec<Seen> = expected
            .iter()
            .map(|(line, cells)| (*line, cells.iter().map(ToString::to_string).collect()))
            .collect();
        assert_eq!(
            read(content),
            (expected, None),
            "{}",
            content.escape_ascii()
        );
    }
}

#[test]
fn violations_of_rfc_4180_are_reported_with_their_line() {
    let cases: [(&[u8], u64); 11] = [
        (b"a\n\"a\"b;c\n", 2),
        (b"a\nb\nc;\"d\ne\nf", 3),
        (b"a\nb\"c\n", 2),
        (b"a; \"b\"\n", 1),
        (b"\"a\" ;b\n", 1),
        (b"a\rb\n", 1),
        (b"a\nb\r", 2),
        (b"a\n\"b\nc\xff\"\n", 3),
        (b"\xff", 1),
        (b"\xef\xbb", 1),
        (b"\"", 1),
    ];
    for (content, line) in cases {
        assert_eq!(read(content).1, Some(line), "{}", content.escape_ascii());
    }
}

#[test]
fn a_record_of_more_than_four_mebibytes_is_skipped() {
    let longest = vec![b'a'; MAX_RECORD_BYTES];
    assert_eq!(read(&longest).0[0].1[0].len(), MAX_RECORD_BYTES);
    let content = [b"x\n\"\n".as_slice(), &longest, "é\";\ny\n".as_bytes()].concat();
    let x = (1, vec!["x".to_owned()]);
    let y = (4, vec!["y".to_owned()]);
    let long = (2, vec!["too long".to_owned()]);
    assert_eq!(read(&content), (vec![x, long, y], None));
}

#[test]
fn a_skipped_record_is_checked_for_utf_8_and_quotes() {
    let longest = vec![b'a'; MAX_RECORD_BYTES];
    let filler = vec![b'a'; SKIPPED_BYTES];
    let cases: [(&[u8], u64); 4] = [
        (b"\n\xff\"\n", 3),
        (b"\n\xc3\"\n", 3),
        (b"\"b", 2),
        (b"", 2),
    ];
    for (end, line) in cases {
        let content = [b"x\n\"".as_slice(), &longest, &filler, end].concat();
        let found = read(&content);
        assert_eq!(found.1, Some(line), "{}", end.escape_ascii());
    }
}

#[test]
fn an_empty_file_has_no_records() {
    for content in [b"".as_slice(), b"\xef\xbb\xbf", b"\n\n", b"  "] {
        assert_eq!(read(content), (Vec::new(), None));
    }
}
