//! The fuzz target for the requests of all calls: sends slightly corrupted
//! messages to a server (CONTRIBUTING.md, "Fuzzing").

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use pim_authz::pb::Edition;
use tokio::runtime::Runtime;
use tonic::Code;

use crate::{
    harness::{TestServer, file, messages, methods},
    past_failures::leaks::response,
};

/// Applies the changes that the fuzzer's bytes encode to a message.
pub(crate) fn changed(bytes: &[u8], mut message: Vec<u8>) -> Bytes {
    for change in bytes.chunks_exact(4).take(8) {
        let [high, low, how, byte] = *change else {
            break;
        };
        let place = usize::from(u16::from_be_bytes([high, low]));
        let place = place.checked_rem(message.len()).unwrap_or(0);
        match how % 4 {
            0 => message.insert(place, byte),
            1 => message.truncate(place),
            2 => message.extend_from_within(place..),
            _ if place < message.len() => message[place] = byte,
            _ => {}
        }
    }
    message.into()
}

#[test]
fn fuzz_requests_of_every_call() {
    let runtime = Runtime::new().unwrap();
    let (server, channel) = runtime.block_on(async {
        let server = TestServer::start().await;
        let files = [
            file("categories.csv", &["code;parent", "master;"]),
            file("users.csv", &["username;roles", "julia;", "admin;"]),
            file("products.csv", &["sku;categories", "master;master"]),
        ];
        server.import("acme", Edition::Enterprise, &files).await;
        let channel = server.channel().await;
        (server, channel)
    });
    let methods = methods();
    // Excludes the call that waits for events and the one that deletes the
    // tenant.
    let excluded = ["WatchChanges", "DeleteTenant"];
    let fuzzed_methods: Vec<_> = methods
        .iter()
        .filter(|method| !excluded.contains(&method.name()))
        .collect();
    let call = AssertUnwindSafe(|bytes: &[u8]| {
        let Some((&chosen, rest)) = bytes.split_first() else {
            return;
        };
        let method = fuzzed_methods[usize::from(chosen) % fuzzed_methods.len()];
        let (mut sent, _) = messages(method, None);
        let last = sent.pop().unwrap_or_default();
        sent.push(changed(rest, last.to_vec()));
        let (code, answer_text) = runtime.block_on(response(channel.clone(), method, sent));
        let ours = [
            Code::Internal,
            Code::Unknown,
            Code::DataLoss,
            Code::Unavailable,
        ];
        assert!(
            !ours.contains(&code),
            "{}: {code:?} {answer_text}",
            method.name()
        );
    });
    bolero::check!()
        .with_max_len(64)
        .for_each(|bytes: &[u8]| call(bytes));
    drop(server);
}
