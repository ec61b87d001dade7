//! Fuzz targets: requests over HTTP are parsed or refused, and never panic
//! (CONTRIBUTING.md, "Fuzzing").

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use tonic::codegen::http::{HeaderValue, Method, Request, Uri, header::CONTENT_TYPE};

use super::{
    authzen::{Call, Endpoint},
    bindings::{BindingSettings, Bindings, Dialect},
    contract, json,
};
use crate::rpc::{frames::Unframing, fuzz_input};

/// A question in JSON, with everything that one can have.
const CHECK: &[u8] = br#"{"tenant":"acme","subject":{"type":"user","id":"julia"},"action":"view",
    "resource":{"type":"product","id":"hat","categories":{"codes":["a","b"]},"parent":"p"},
    "context":{"channel":"c","locale":"l"},"minimumRevision":"7","items":[{},{"correlationId":"1"}]}"#;

const WRITE: &[u8] =
    br#"{"tenant":"acme","users":[{"code":"julia","enabled":true,"groups":{"codes":[]}}],
    "expectedRevision":7,"dryRun":true}"#;

const EVALUATIONS: &[u8] =
    br#"{"subject":{"type":"user","id":"julia","properties":{}},"action":{"name":"view"},
    "resource":{"type":"product","id":"hat","properties":{"categories":["a"],"parent":"p"}},
    "context":{"explain":true,"channel":"c"},"evaluations":[{"action":{"name":"edit"}},{}],
    "options":{"evaluations_semantic":"deny_on_first_deny"},"page":{"token":"dG9rZW4","limit":7}}"#;

#[test]
fn fuzz_json_messages() {
    let names = [
        "AuthorizationService/Check",
        "AuthorizationService/BatchCheck",
        "DirectoryService/PutUsers",
        "CallerService/CreateCallerKey",
    ];
    let rpcs = names.map(|name| contract::rpc(&format!("/pim.authz.v1.{name}")).unwrap());
    bolero::check!().for_each(|bytes| {
        let text = fuzz_input(bytes, &[CHECK, WRITE]);
        for rpc in rpcs {
            let Ok(protobuf) = json::to_protobuf(rpc, &text) else {
                continue;
            };
            // A library reads the same, and what was read is written and read again.
            let read = json::parse(rpc.request.clone(), &text).unwrap();
            let written = json::to_json(&rpc.request, &protobuf).unwrap();
            let again = json::to_protobuf(rpc, &written).unwrap();
            // In the order of fields, without those that have their default.
            let normal = |bytes: &Bytes| {
                let decoded = DynamicMessage::decode(rpc.request.clone(), bytes.as_ref());
                decoded.unwrap().encode_to_vec()
            };
            let read = normal(&read.encode_to_vec().into());
            assert_eq!(normal(&protobuf), read);
            assert_eq!(normal(&again), read);
        }
    });
}

#[test]
fn fuzz_authzen_questions() {
    bolero::check!().for_each(|bytes| {
        let text = fuzz_input(bytes, &[EVALUATIONS]);
        for endpoint in Endpoint::ALL {
            let tenant = "acme".to_owned();
            let Ok((message, asked)) = (Call { endpoint, tenant }).question(&text, None) else {
                continue;
            };
            let rpc = contract::rpc(endpoint.rpc_path()).unwrap();
            DynamicMessage::decode(rpc.request.clone(), message.as_ref()).unwrap();
            let empty = DynamicMessage::new(rpc.response.clone()).encode_to_vec();
            let _answered = asked.answer(&empty);
        }
    });
}

#[test]
fn fuzz_frames() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut unframing = Unframing::default();
        let mut found = 0;
        for part in bytes.chunks(7) {
            unframing.push(Bytes::copy_from_slice(part));
            while let Some(message) = unframing.next() {
                found += 5 + message.message.len();
            }
        }
        assert!(found <= bytes.len());
        assert_eq!(unframing.is_empty(), found == bytes.len());
    });
}

#[test]
fn fuzz_request_heads() {
    let names = [
        CONTENT_TYPE.as_str(),
        "connect-timeout-ms",
        "content-encoding",
        "accept-encoding",
        "connect-protocol-version",
    ];
    let seeds: [&[u8]; 4] = [
        b"/pim.authz.v1.AuthorizationService/Check\napplication/json\n10\ngzip\ngzip;q=0.5, br\n1",
        b"/pim.authz.v1.AuthorizationService/StreamAllowed\napplication/connect+json\n9999999999",
        b"/tenants/a%20b/access/v1/evaluation\napplication/json; charset=utf-8",
        b"/.well-known/authzen-configuration/tenants/acme\n",
    ];
    bolero::check!().for_each(|bytes| {
        let text = fuzz_input(bytes, &seeds);
        let mut lines = text.split(|byte| *byte == b'\n');
        let path = lines.next().unwrap_or_default();
        let Ok(uri) = Uri::try_from(path) else {
            return;
        };
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        for (name, line) in names.into_iter().zip(lines) {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                request.headers_mut().insert(name, value);
            }
        }
        let bindings = Bindings::new(BindingSettings::default());
        let received = bindings.receive(request);
        // Without HTTP/2 nothing is gRPC, and what becomes a call looks like one.
        assert!(matches!(received.dialect, Dialect::Http(_)));
        let is_call = received.dialect.is_call();
        let rpc = contract::rpc(received.request.uri().path());
        assert!(!is_call || rpc.is_some());
    });
}
