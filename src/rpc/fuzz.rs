//! Fuzz targets: input from outside is parsed or rejected, and never panics.
//!
//! `cargo test` runs each for a second, `scripts/fuzz` for any given time
//! (CONTRIBUTING.md, "Fuzzing"). The requests of all calls, sent to a real
//! server, are in `tests/it/fuzzed_requests.rs`.

use prost::Message as _;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tonic::codegen::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::{
    admin::entry::{Refusal, Row},
    domain::{CallerKey, Code, KeyId, PresentedKey, SubjectRef},
    import::{Batch, Reader},
    listing::Place,
    pb,
    store::{Store, TenantId},
};

use super::{
    credential, gate,
    page_token::{Binding, InToken as _, PageTokens},
    parse, parse_batch, parse_import, parse_listing,
};

/// Returns the input that a fuzzer's bytes encode: the bytes themselves or a
/// mutated seed, so that a target does not receive noise only.
///
/// The first byte selects which. For a seed, each following three bytes are the
/// position, the kind and the operand of one mutation.
pub(crate) fn input(bytes: &[u8], seeds: &[&[u8]]) -> Vec<u8> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Vec::new();
    };
    let chosen = usize::from(first).checked_rem(seeds.len() + 1);
    let Some(seed) = chosen.and_then(|chosen| seeds.get(chosen)) else {
        return rest.to_vec();
    };
    let mut text = seed.to_vec();
    for change in rest.chunks_exact(3).take(16) {
        let [place, how, byte] = *change else { break };
        let place = usize::from(place) * text.len() / 255;
        match how % 5 {
            0 => text.insert(place, byte),
            1 if place < text.len() => {
                text.remove(place);
            }
            2 => text.truncate(place),
            3 => text.extend_from_within(place..),
            _ => {
                if let Some(at) = text.get_mut(place) {
                    *at = byte;
                }
            }
        }
    }
    text
}

/// Returns the same as text, with invalid UTF-8 replaced.
fn text(bytes: &[u8], seeds: &[&str]) -> String {
    let seeds: Vec<&[u8]> = seeds.iter().map(|seed| seed.as_bytes()).collect();
    String::from_utf8_lossy(&input(bytes, &seeds)).into_owned()
}

fn default_tenant() -> Code {
    "default".parse().unwrap()
}

fn subject() -> pb::Subject {
    pb::Subject {
        r#type: "user".into(),
        id: "julia".into(),
    }
}

fn resource() -> pb::Resource {
    pb::Resource {
        r#type: "product".into(),
        id: "hat".into(),
        parent: Some("cap".into()),
        categories: Some(pb::CategoryList {
            codes: vec!["master".into()],
        }),
    }
}

fn context() -> pb::Context {
    pb::Context {
        channel: "ecommerce".into(),
        locale: "en_US".into(),
        attribute: "name".into(),
        ..Default::default()
    }
}

#[test]
fn fuzz_questions() {
    let check = pb::CheckRequest {
        tenant: "acme".into(),
        subject: Some(subject()),
        action: "edit".into(),
        resource: Some(resource()),
        context: Some(context()),
        minimum_revision: 7,
    };
    let item = pb::CheckItem {
        correlation_id: "1".into(),
        subject: Some(subject()),
        action: "view".into(),
        resource: Some(resource()),
        context: Some(context()),
    };
    let batch = pb::BatchCheckRequest {
        action: "view".into(),
        resource: Some(resource()),
        items: vec![item.clone(), pb::CheckItem::default(), item],
        ..Default::default()
    };
    let seeds = [check.encode_to_vec(), batch.encode_to_vec()];
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    bolero::check!().for_each(|bytes| {
        let bytes = input(bytes, &seeds);
        if let Ok(message) = pb::CheckRequest::decode(&*bytes) {
            let _read = parse::tenant(&message.tenant, &default_tenant());
            let _read = parse::question(
                message.subject,
                &message.action,
                message.resource,
                message.context,
            );
        }
        if let Ok(message) = pb::BatchCheckRequest::decode(&*bytes) {
            let items = message.items.len();
            let _weight = parse_batch::weight(&message);
            if let Ok(batch) = parse_batch::batch(message, &default_tenant()) {
                assert_eq!(batch.items.len(), items);
            }
        }
    });
}

#[test]
fn fuzz_lists() {
    let allowed = pb::ListAllowedRequest {
        subject: Some(subject()),
        action: "view".into(),
        resource_type: "product".into(),
        context: Some(context()),
        filter: Some(pb::ListFilter {
            tree: "master".into(),
            ids: vec!["hat".into(), "cap".into()],
            ..Default::default()
        }),
        page_size: 10,
        ..Default::default()
    };
    let subjects = pb::ListSubjectsRequest {
        action: "view".into(),
        resource: Some(resource()),
        context: Some(context()),
        subject_type: "user".into(),
        ..Default::default()
    };
    let seeds = [allowed.encode_to_vec(), subjects.encode_to_vec()];
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    bolero::check!().for_each(|bytes| {
        let bytes = input(bytes, &seeds);
        if let Ok(message) = pb::ListAllowedRequest::decode(&*bytes) {
            let listed = parse_listing::Listed {
                tenant: message.tenant,
                subject: message.subject,
                action: message.action,
                resource_type: message.resource_type,
                context: message.context,
            };
            let tenant = default_tenant();
            let _read =
                parse_listing::resource_listing("ListAllowed", listed, message.filter, &tenant);
            let _read = parse_listing::page_size(message.page_size);
        }
        if let Ok(message) = pb::ListSubjectsRequest::decode(&*bytes) {
            let _read = parse_listing::subject_listing(message, &default_tenant());
        }
    });
}

#[test]
fn fuzz_import_messages() {
    use pb::import_catalog_request::Part;
    let parts = [
        Part::Header(pb::ImportHeader {
            tenant: "acme".into(),
            actor: "user:julia".into(),
            idempotency_key: "1".into(),
            product_key: "sku".into(),
            edition: 3,
            ..Default::default()
        }),
        Part::Piece(pb::FilePiece {
            file: "users.csv".into(),
            content: b"username\njulia\n".to_vec(),
        }),
    ];
    let seeds = parts.map(|part| pb::ImportCatalogRequest { part: Some(part) }.encode_to_vec());
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    bolero::check!().for_each(|bytes| {
        if let Ok(message) = pb::ImportCatalogRequest::decode(&*input(bytes, &seeds)) {
            let _read = parse_import::header(Some(message.clone()));
            let _read = parse_import::piece(message);
        }
    });
}

#[test]
fn fuzz_page_tokens() {
    let tokens = PageTokens::of_key(SecretSlice::from(vec![7; 32]));
    let binding = Binding::to("ListAllowed").with("acme");
    let place = Place::Entity("hat".to_owned());
    let good = tokens.seal(TenantId(7), &place, &binding).unwrap();
    bolero::check!().for_each(|bytes| {
        let token = text(bytes, &[&good]);
        match tokens.open::<Place>("page_token", &token, &binding) {
            Ok(None) => assert!(token.is_empty()),
            Ok(Some(opened)) => assert!(token == good && *opened.unchecked() == place),
            Err(failure) => assert!(failure.to_string().starts_with("page_token: ")),
        }
        // Bytes that another holder of the key could seal, too.
        if let Some(place) = Place::read(bytes) {
            assert_eq!(Place::read(&place.write()), Some(place));
        }
        if let Some(subject) = SubjectRef::read(bytes) {
            assert_eq!(SubjectRef::read(&subject.write()), Some(subject));
        }
    });
}

/// The result of reading a file of an import.
#[derive(Debug, Default, PartialEq)]
struct ReadFile {
    rows: Vec<Row>,
    refused: Vec<Refusal>,
    end: String,
}

fn read(file: &str, content: &[u8], bytes_at_once: usize) -> ReadFile {
    let mut reader = Reader::new();
    let mut result = ReadFile::default();
    let mut take = |batch: Batch| {
        result.rows.extend(batch.rows);
        result.refused.extend(batch.refused);
    };
    take(reader.push(file, &[]));
    for piece in content.chunks(bytes_at_once) {
        take(reader.push(file, piece));
    }
    let mut finished = reader.finish();
    take(std::mem::take(&mut finished.batch));
    result.end = format!("{finished:?}");
    result
}

#[test]
fn fuzz_csv_files() {
    const FILES: [(&str, &str); 6] = [
        (
            "users.csv",
            "username;roles;groups;enabled\njulia;editor,\"a;b\";manager;1\n",
        ),
        (
            "categories.csv",
            "code;parent;label-en_US\r\nmaster;;\"Master\"\"s\"\r\naudio;master;\n",
        ),
        (
            "products.csv",
            "\u{feff}sku;categories;parent\nhat;master,audio;cap\n",
        ),
        (
            "attributes.csv",
            "code;group;localizable;scopable\nname;marketing;1;0\n",
        ),
        (
            "product_category_accesses.csv",
            "category;view_items;edit_items;own_items\nmaster;All;manager;\n",
        ),
        (
            "user_roles.csv",
            "role;audience;permissions\neditor;user;product.list\n",
        ),
    ];
    let seeds = FILES.map(|(_, content)| content.as_bytes());
    bolero::check!().for_each(|bytes| {
        let content = input(bytes, &seeds);
        let named = bytes
            .last()
            .map_or(0, |last| usize::from(*last) % FILES.len());
        let name = FILES.get(named).map_or("users.csv", |(name, _)| name);
        let whole = read(name, &content, usize::MAX);
        // The result does not depend on where the pieces end.
        assert_eq!(read(name, &content, 1), whole);
        assert_eq!(read(name, &content, 7), whole);
    });
}

#[test]
fn fuzz_caller_keys() {
    let good = CallerKey::of([7; CallerKey::RANDOM_BYTES]);
    let good = good.text().expose_secret().to_owned();
    bolero::check!().for_each(|bytes| {
        let presented = input(bytes, &[good.as_bytes()]);
        if let Some(key) = PresentedKey::parse(&presented) {
            assert_eq!(presented.len(), good.len());
            assert!(!format!("{key:?}").contains(&good[good.len() - 40..]));
        }
        let text = String::from_utf8_lossy(&presented);
        if let Ok(key) = text.parse::<CallerKey>() {
            assert_eq!(key.text().expose_secret(), &*text);
        }
        let _read = text.parse::<KeyId>();
    });
}

#[test]
fn fuzz_bearer_headers() {
    let good = CallerKey::of([7; CallerKey::RANDOM_BYTES]);
    let good = format!("Bearer {}", good.text().expose_secret());
    bolero::check!().for_each(|bytes| {
        let value = input(bytes, &[good.as_bytes(), b"bearer x", b"Basic eDp5"]);
        let Ok(value) = HeaderValue::from_bytes(&value) else {
            return;
        };
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value.clone())]);
        if let Ok(found) = credential::bearer(&headers) {
            let token = found.unwrap();
            assert!(value.as_bytes().ends_with(token));
            let _read = PresentedKey::parse(token);
        }
    });
}

#[test]
fn fuzz_timeouts() {
    bolero::check!().for_each(|bytes| {
        let timeout = text(bytes, &["99999999H", "1S", "250m", "10u", "1n", "3M"]);
        if let Some(given) = gate::parse_timeout(&timeout) {
            assert!((2..=9).contains(&timeout.len()), "{timeout}");
            assert!(given.as_secs() <= 99_999_999 * 3_600, "{timeout}");
        }
        if let Ok(value) = HeaderValue::from_str(&timeout) {
            let _read = gate::given_time(&HeaderMap::from_iter([(
                "grpc-timeout".parse().unwrap(),
                value,
            )]));
        }
    });
}

#[test]
fn fuzz_database_urls() {
    let seeds = [
        "postgresql://authz:hidden@db.example.com:5432/authz?sslmode=disable",
        "postgres://a%40b:hidden@[::1],[::2]:1/x?connect_timeout=3&application_name=y",
        "host=/tmp user=authz password='hidden' dbname=x sslmode=prefer",
        "postgresql:///x?host=%2Ftmp&target_session_attrs=read-write",
    ];
    bolero::check!().for_each(|bytes| {
        let url = text(bytes, &seeds);
        // A mutation may have copied the password into a file name or a mode.
        let tls = url.find("sslmode").unwrap_or(url.len());
        let has_password = url.matches("hidden").count() == 1 && url.find("hidden") < Some(tls);
        if let Err(error) = Store::new(&SecretString::from(url), 1) {
            let shown = format!("{error} {error:?}");
            assert!(!(has_password && shown.contains("hidden")), "{shown}");
        }
    });
}
