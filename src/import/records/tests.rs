use super::*;

/// A file and the records it has: line and cells.
type Case = (&'static [u8], &'static [(u64, &'static [&'static str])]);

/// Line and cells.
type Found = (u64, Vec<String>);

fn read(content: &[u8]) -> (Vec<Found>, Option<u64>) {
    let mut records = Records::new();
    let mut found = Vec::new();
    let owned = |record: Record<'_>| {
        let cells = record.cells().map(str::to_owned).collect();
        (record.line, cells)
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
fn a_record_knows_the_line_it_begins_on() {
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
        let expected: Vec<Found> = expected
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
fn what_breaks_rfc_4180_is_found_with_its_line() {
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
fn a_record_is_at_most_a_mebibyte_long() {
    let longest = vec![b'a'; MAX_RECORD_BYTES];
    assert_eq!(read(&longest).0.len(), 1);
    let content = [b"x\n\"".as_slice(), &longest].concat();
    assert_eq!(read(&content).1, Some(2));
}

#[test]
fn a_file_of_nothing_has_no_records() {
    for content in [b"".as_slice(), b"\xef\xbb\xbf", b"\n\n", b"  "] {
        assert_eq!(read(content), (Vec::new(), None));
    }
}
