use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{
    failure::{Failure, check_count},
    parse_import::Header,
};

/// Largest number of files in one import, including ignored ones.
const MAX_FILES: usize = 1_000;

/// SHA-256 of an import's content, which detects an idempotency key reused with
/// other content. It does not depend on how files were chunked and interleaved.
#[derive(Debug, Default)]
pub(super) struct RequestHash {
    files: BTreeMap<String, Sha256>,
}

impl RequestHash {
    /// Hashes the next bytes of a file.
    pub(super) fn push(&mut self, file: &str, content: &[u8]) -> Result<(), Failure> {
        if let Some(hash) = self.files.get_mut(file) {
            hash.update(content);
            return Ok(());
        }
        check_count("piece.file", self.files.len() + 1, MAX_FILES)?;
        let hash = Sha256::new_with_prefix(content);
        self.files.insert(file.to_owned(), hash);
        Ok(())
    }

    /// Returns the hash of all files and of the options in the header; the actor
    /// and the idempotency key are not part of it.
    pub(super) fn finish(self, header: &Header) -> [u8; 32] {
        let Header {
            tenant,
            actor: _,
            idempotency_key: _,
            dry_run,
            edition,
            skip_bad_rows,
            prune,
            product_key,
        } = header;
        let mut whole = Sha256::new();
        let edition = edition.map(<&str>::from).unwrap_or_default();
        // No field contains the separator, so different headers never hash the
        // same text.
        let fields = format!(
            "{}\n{edition}\n{dry_run}\n{skip_bad_rows}\n{prune:?}\n{}\n",
            tenant.folded(),
            product_key.as_deref().unwrap_or_default()
        );
        whole.update(fields);
        for (file, hash) in self.files {
            whole.update(file);
            whole.update("\n");
            whole.update(hash.finalize());
        }
        whole.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            tenant: "acme".parse().unwrap(),
            actor: "user:julia".into(),
            idempotency_key: "today".into(),
            dry_run: false,
            edition: None,
            skip_bad_rows: false,
            prune: crate::admin::Prune::Nothing,
            product_key: None,
        }
    }

    fn hash(pieces: &[(&str, &str)], header: &Header) -> [u8; 32] {
        let mut hash = RequestHash::default();
        for (file, content) in pieces {
            hash.push(file, content.as_bytes()).unwrap();
        }
        hash.finish(header)
    }

    #[test]
    fn hash_depends_on_content_but_not_on_chunking() {
        let whole = hash(&[("a.csv", "code\nx\n"), ("b.csv", "code\n")], &header());
        let cut = [
            ("b.csv", "code"),
            ("a.csv", "code\n"),
            ("b.csv", "\n"),
            ("a.csv", "x\n"),
        ];
        assert_eq!(hash(&cut, &header()), whole);
        assert_ne!(hash(&[("a.csv", "code\nx\nb.csvcode\n")], &header()), whole);
        let skipping = Header {
            skip_bad_rows: true,
            ..header()
        };
        assert_ne!(hash(&cut, &skipping), whole);
        let keyed = Header {
            product_key: Some("ean".into()),
            ..header()
        };
        assert_ne!(hash(&cut, &keyed), whole);
    }

    #[test]
    fn imports_have_at_most_a_thousand_files() {
        let mut hash = RequestHash::default();
        for number in 0..MAX_FILES {
            hash.push(&format!("{number}.csv"), b"").unwrap();
        }
        assert!(hash.push("0.csv", b"more").is_ok());
        assert!(hash.push("one more.csv", b"").is_err());
    }
}
