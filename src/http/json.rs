//! JSON of messages, by their descriptors, as protobuf defines it: fields by their names
//! in lowerCamelCase (or, in a request, as in the contract), 64-bit integers as text,
//! enum values by name. Fields without presence are always in a response, so that a
//! denial says `"allowed": false`.

use std::cell::Cell;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde::de::DeserializeSeed;
use serde_json::de::{Deserializer, SliceRead};
use serde_path_to_error::{Deserializer as Located, Track};
use tonic::Status;

use super::{contract::Rpc, json_writer::with_defaults};
use crate::rpc::{Weight, broken, invalid_field};

/// Bytes that an object takes while it is translated: the first node of its fields.
const OBJECT_BYTES: usize = 1 << 10;

/// Bytes that any other value takes while it is translated.
const VALUE_BYTES: usize = 128;

/// Accounts for the memory that translating a JSON text takes, before it is parsed.
///
/// # Errors
///
/// `RESOURCE_EXHAUSTED` if the calls in progress take too much.
pub(super) fn weigh(json: &[u8], weight: Option<&Weight>) -> Result<(), Status> {
    let Some(weight) = weight else {
        return Ok(());
    };
    let (mut objects, mut values) = (0_usize, 1_usize);
    for byte in json {
        match byte {
            b'{' => objects += 1,
            b',' | b'[' => values += 1,
            _ => {}
        }
    }
    let objects = objects.saturating_mul(OBJECT_BYTES);
    weight.reserve(objects.saturating_add(values.saturating_mul(VALUE_BYTES)))
}

/// Parses a JSON text.
///
/// # Errors
///
/// `INVALID_ARGUMENT` that names the member, what is wrong and where.
pub(super) fn parse<'de, S>(seed: S, json: &'de [u8]) -> Result<S::Value, Status>
where
    S: DeserializeSeed<'de> + Clone,
{
    let mut reading = Deserializer::from_slice(json);
    let parsed = seed.clone().deserialize(&mut reading);
    match parsed.and_then(|value| reading.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => Err(malformed(seed, json, &error)),
    }
}

/// Finds the member that does not parse: it is looked for only once parsing has failed.
fn malformed<'de, S>(seed: S, json: &'de [u8], error: &serde_json::Error) -> Status
where
    S: DeserializeSeed<'de>,
{
    if json.trim_ascii().is_empty() {
        return invalid_field("", "the body is empty; it must be a JSON object");
    }
    let mut track = Track::new();
    let mut reading: Deserializer<SliceRead<'_>> = Deserializer::from_slice(json);
    // It fails as before; of interest is where.
    let _failed = seed
        .deserialize(Located::new(&mut reading, &mut track))
        .is_err();
    let path = track.path().to_string();
    // Neither is a member: the whole text, and one whose name was not read.
    let path = path.trim_end_matches('?').trim_end_matches('.');
    invalid_field(path, &format!("the JSON is not valid here: {error}"))
}

/// Translates the JSON of a request to protobuf.
///
/// # Errors
///
/// `INVALID_ARGUMENT` that names the field, what is wrong and where; unknown fields are
/// refused, so that a misspelled one cannot change the question.
pub(super) fn to_protobuf(rpc: &Rpc, json: &[u8]) -> Result<Bytes, Status> {
    let reader = rpc.message_reader();
    let reader = reader.ok_or_else(|| broken("an RPC has no reader", &"it has no shape"))?;
    parse(reader, json).map(Bytes::from)
}

thread_local! {
    /// The size of the last response in JSON, as a guess at that of the next.
    static LAST_BYTES: Cell<usize> = const { Cell::new(256) };
}

/// Translates the message of a response from protobuf to JSON.
///
/// # Errors
///
/// `INTERNAL` if it is not such a message, a bug of the service.
pub(super) fn response_to_json(rpc: &Rpc, protobuf: &[u8]) -> Result<Vec<u8>, Status> {
    let writer = rpc.message_writer(protobuf);
    let writer = writer.ok_or_else(|| broken("an RPC has no writer", &"it has no shape"))?;
    let mut json = Vec::with_capacity(LAST_BYTES.get());
    serde_json::to_writer(&mut json, &writer)
        .map_err(|error| broken("a response is not its message", &error))?;
    LAST_BYTES.set(json.len().clamp(64, 64 << 10));
    Ok(json)
}

/// Translates any message from protobuf to JSON, such as a detail of an error.
///
/// # Errors
///
/// `INTERNAL` if it is not such a message, a bug of the service.
pub(super) fn to_json(message: &MessageDescriptor, protobuf: &[u8]) -> Result<Vec<u8>, Status> {
    let message = DynamicMessage::decode(message.clone(), protobuf)
        .map_err(|error| broken("a message is not what it is said to be", &error))?;
    let mut writing = serde_json::Serializer::new(Vec::new());
    message
        .serialize_with_options(&mut writing, &with_defaults())
        .map_err(|error| broken("a message cannot be written as JSON", &error))?;
    Ok(writing.into_inner())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::{http::contract, pb};

    fn check() -> &'static Rpc {
        contract::rpc("/pim.authz.v1.AuthorizationService/Check").unwrap()
    }

    fn refusal(json: &str) -> String {
        let refused = to_protobuf(check(), json.as_bytes());
        refused.unwrap_err().message().to_owned()
    }

    #[test]
    fn request_has_names_of_json_or_of_the_contract() {
        for name in ["minimumRevision", "minimum_revision"] {
            for value in ["7", "\"7\""] {
                let json =
                    format!(r#"{{"subject":{{"type":"user","id":"julia"}},"{name}":{value}}}"#);
                let protobuf = to_protobuf(check(), json.as_bytes()).unwrap();
                let request = pb::CheckRequest::decode(protobuf).unwrap();
                assert_eq!(request.minimum_revision, 7);
                assert_eq!(request.subject.unwrap().id, "julia");
                assert_eq!(request.resource, None);
            }
        }
    }

    #[test]
    fn response_shows_what_is_false() {
        let response = pb::CheckResponse {
            level: pb::Level::View.into(),
            reason: Some(pb::Reason {
                code: pb::ReasonCode::Category.into(),
                ..Default::default()
            }),
            revision: u64::MAX,
            ..Default::default()
        };
        let json = response_to_json(check(), &response.encode_to_vec()).unwrap();
        insta::assert_snapshot!(str::from_utf8(&json).unwrap(), @r#"{"allowed":false,"editMode":"EDIT_MODE_UNSPECIFIED","level":"LEVEL_VIEW","reason":{"code":"REASON_CODE_CATEGORY","message":"","needed":"LEVEL_UNSPECIFIED","held":"LEVEL_UNSPECIFIED","permission":""},"revision":"18446744073709551615"}"#);
    }

    #[test]
    fn malformed_json_is_refused_with_its_place() {
        let cases = [
            "",
            "  ",
            "[]",
            "{",
            r#"{"subject":"julia"}"#,
            r#"{"subject":{"type":7}}"#,
            r#"{"resource":{"categories":{"codes":["a",true]}}}"#,
            r#"{"resouce":{}}"#,
            r#"{"minimumRevision":-1}"#,
            r#"{"action":"view"} trailing"#,
            r#"{"action":"view","action":"edit"}"#,
            r#"{"minimumRevision":1,"minimum_revision":1}"#,
            r#"{"minimumRevision":1.5}"#,
            r#"{"minimumRevision":"+1"}"#,
            r#"{"minimumRevision":18446744073709551616}"#,
            r#"{"resource":["a"]}"#,
            r#"{"resource":{"categories":{"codes":[null]}}}"#,
            r#"{"resource":{"categories":{"codes":"a"}}}"#,
            r#"{"resource":{"id":"\ud800"}}"#,
        ];
        let refusals: Vec<String> = cases
            .iter()
            .map(|json| format!("{json}\n  {}", refusal(json)))
            .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }

    #[test]
    fn nesting_is_limited() {
        let deep = "[".repeat(100_000);
        assert!(refusal(&deep).contains("valid here"));
        let deep = r#"{"resource":"#.repeat(100_000);
        assert!(refusal(&deep).contains("valid here"));
    }
}
