use crate::{
    admin::Prune,
    domain::{Code, Edition, SubjectKind},
    pb::{self, import_catalog_request::Part},
};

use super::{
    failure::InvalidField,
    parse::{self, check_length, quoted},
};

const MAX_ACTOR_BYTES: usize = 300;
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;
const MAX_FILE_NAME_BYTES: usize = 255;
const MAX_COLUMN_BYTES: usize = 255;
const MAX_PIECE_BYTES: usize = 4 << 20;

/// The header of an import: its tenant, actor and options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The tenant, which may be new.
    pub(super) tenant: Code,
    /// The subject that imports, such as `user:julia`; empty: not given.
    pub(super) actor: String,
    /// The caller's idempotency key for this write; empty: none.
    pub(super) idempotency_key: String,
    /// True if nothing is to be committed.
    pub(super) dry_run: bool,
    /// The tenant's edition, if it is given.
    pub(super) edition: Option<Edition>,
    /// True if rejected rows are skipped.
    pub(super) skip_bad_rows: bool,
    /// What to remove.
    pub(super) prune: Prune,
    /// The key column of `products.csv`, if the request names one.
    pub(super) product_key: Option<String>,
}

/// Parses the first message, which must hold the header.
pub(super) fn header(message: Option<pb::ImportCatalogRequest>) -> Result<Header, InvalidField> {
    let missing = || InvalidField::new("header", "is missing; it is the first message, once");
    let pb::ImportCatalogRequest { part } = message.ok_or_else(missing)?;
    let Some(Part::Header(header)) = part else {
        return Err(missing());
    };
    parse_header(header).map_err(|invalid| invalid.within("header"))
}

/// Parses any message after the first.
pub(super) fn piece(message: pb::ImportCatalogRequest) -> Result<pb::FilePiece, InvalidField> {
    let pb::ImportCatalogRequest { part } = message;
    let piece = match part {
        Some(Part::Piece(piece)) => piece,
        Some(Part::Header(_)) => {
            let message = "is there again; it is the first message, once";
            return Err(InvalidField::new("header", message));
        }
        None => {
            return Err(InvalidField::new(
                "part",
                "is missing; send a piece of a file",
            ));
        }
    };
    let pb::FilePiece { file, content } = &piece;
    check_length("piece.file", file.len(), MAX_FILE_NAME_BYTES)?;
    check_length("piece.content", content.len(), MAX_PIECE_BYTES)?;
    if file.is_empty() || file.chars().any(char::is_control) {
        let message = "must be a file's name without a directory, such as `products.csv`";
        return Err(InvalidField::new("piece.file", message));
    }
    Ok(piece)
}

fn parse_header(message: pb::ImportHeader) -> Result<Header, InvalidField> {
    let pb::ImportHeader {
        tenant,
        actor,
        idempotency_key,
        dry_run,
        edition,
        skip_bad_rows,
        prune,
        prune_all,
        product_key,
    } = message;
    let tenant = parse::code("tenant", &tenant)?;
    let actor = self::actor(actor)?;
    let idempotency_key = self::idempotency_key(idempotency_key)?;
    Ok(Header {
        tenant,
        actor,
        idempotency_key,
        dry_run,
        edition: self::edition(edition)?,
        skip_bad_rows,
        prune: match (prune, prune_all) {
            (_, true) => Prune::Everything,
            (true, false) => Prune::UpToAFifth,
            (false, false) => Prune::Nothing,
        },
        product_key: self::product_key(&product_key)?,
    })
}

/// Parses the name of a column, trimmed of white space as CSV headers are; empty:
/// none.
fn product_key(column: &str) -> Result<Option<String>, InvalidField> {
    check_length("product_key", column.len(), MAX_COLUMN_BYTES)?;
    if column.is_empty() {
        return Ok(None);
    }
    let name = Code::trim(column);
    if name.is_empty() || name.chars().any(char::is_control) {
        let message = "must be the name of a column of `products.csv`, such as `sku`, or empty";
        return Err(InvalidField::new("product_key", message));
    }
    Ok(Some(name.to_owned()))
}

/// Parses the caller's idempotency key; empty: none.
pub(super) fn idempotency_key(key: String) -> Result<String, InvalidField> {
    check_length("idempotency_key", key.len(), MAX_IDEMPOTENCY_KEY_BYTES)?;
    if key.chars().any(char::is_control) {
        let message = "holds a control character; none are allowed";
        return Err(InvalidField::new("idempotency_key", message));
    }
    Ok(key)
}

/// Parses an actor: a subject such as `user:julia`; empty: not given.
pub(super) fn actor(actor: String) -> Result<String, InvalidField> {
    if actor.is_empty() {
        return Ok(actor);
    }
    check_length("actor", actor.len(), MAX_ACTOR_BYTES)?;
    let is_subject = actor.split_once(':').is_some_and(|(kind, code)| {
        kind.parse::<SubjectKind>().is_ok() && code.parse::<Code>().is_ok()
    });
    if is_subject {
        return Ok(actor);
    }
    let message = format!(
        "`{}` is not a subject; write its type and code, as `user:julia`; types are: user, app, connection",
        quoted(&actor)
    );
    Err(InvalidField::new("actor", message))
}

/// Parses an edition; `None`: not given.
pub(super) fn edition(number: i32) -> Result<Option<Edition>, InvalidField> {
    let allowed = "0, EDITION_COMMUNITY, EDITION_GROWTH, EDITION_ENTERPRISE";
    Ok(match parse::value("edition", number, allowed)? {
        pb::Edition::Unspecified => None,
        pb::Edition::Community => Some(Edition::Community),
        pb::Edition::Growth => Some(Edition::Growth),
        pb::Edition::Enterprise => Some(Edition::Enterprise),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part: Part) -> pb::ImportCatalogRequest {
        pb::ImportCatalogRequest { part: Some(part) }
    }

    fn good() -> pb::ImportHeader {
        pb::ImportHeader {
            tenant: "acme".into(),
            actor: "user:julia".into(),
            edition: pb::Edition::Growth.into(),
            ..Default::default()
        }
    }

    #[test]
    fn invalid_header_fields_are_reported_by_path() {
        type Change = fn(&mut pb::ImportHeader);
        let cases: [(&str, Change); 9] = [
            ("header.tenant", |h| h.tenant.clear()),
            ("header.actor", |h| h.actor = "julia".into()),
            ("header.actor", |h| h.actor = "robot:r2".into()),
            ("header.actor", |h| h.actor = "user:".into()),
            ("header.actor", |h| {
                h.actor = format!("user:{}", "x".repeat(300));
            }),
            ("header.idempotency_key", |h| {
                h.idempotency_key = "x".repeat(129);
            }),
            ("header.edition", |h| h.edition = 9),
            ("header.product_key", |h| h.product_key = "\u{200b}".into()),
            ("header.product_key", |h| h.product_key = "x".repeat(256)),
        ];
        for (path, change) in cases {
            let mut message = good();
            change(&mut message);
            let invalid = header(Some(part(Part::Header(message)))).unwrap_err();
            assert_eq!(invalid.path, path, "{invalid}");
        }
        let parsed = header(Some(part(Part::Header(good())))).unwrap();
        assert_eq!(parsed.edition, Some(Edition::Growth));
    }

    #[test]
    fn header_must_come_first_and_once() {
        let piece_message = || {
            part(Part::Piece(pb::FilePiece {
                file: "users.csv".into(),
                content: Vec::new(),
            }))
        };
        let empty = pb::ImportCatalogRequest { part: None };
        for first in [None, Some(piece_message()), Some(empty.clone())] {
            assert_eq!(header(first).unwrap_err().path, "header");
        }
        assert!(piece(piece_message()).is_ok());
        assert_eq!(
            piece(part(Part::Header(good()))).unwrap_err().path,
            "header"
        );
        assert_eq!(piece(empty).unwrap_err().path, "part");
    }

    #[test]
    fn pieces_need_a_valid_name_and_size() {
        let cases = [
            ("piece.file", String::new(), 0),
            ("piece.file", "x".repeat(256), 0),
            ("piece.file", "a\nb".to_owned(), 0),
            ("piece.content", "users.csv".to_owned(), MAX_PIECE_BYTES + 1),
        ];
        for (path, file, bytes) in cases {
            let content = vec![b'x'; bytes];
            let message = part(Part::Piece(pb::FilePiece { file, content }));
            assert_eq!(piece(message).unwrap_err().path, path);
        }
    }
}
