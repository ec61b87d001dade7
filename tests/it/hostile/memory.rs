//! The memory that a server uses under floods.

use std::{fs, io::Write as _, net::SocketAddr};

use flate2::{Compression, write::GzEncoder};
use tonic::Code;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, Wire,
    call_of, frame, header,
};
use super::messages::{answer, framed};
use crate::harness::{Database, Program, channel_to};

/// The maximum growth of a server's memory, in bytes, under repeated floods,
/// relative to its memory after the first ones.
const MOST_MORE: u64 = 48 << 20;

/// The resident memory of a process, in bytes.
fn resident(id: u32) -> u64 {
    memory(id, "VmRSS:")
}

/// The highest resident memory that a process has had, in bytes.
fn peak(id: u32) -> u64 {
    memory(id, "VmHWM:")
}

fn memory(id: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() << 10
}

/// Sends the same bytes this number of times, or until the server closes the
/// connection. The answers are not read.
async fn flood(address: SocketAddr, first: &[u8], then: &[u8], times: usize) {
    let mut wire = Wire::begin(address).await;
    let send = async {
        wire.send(first).await?;
        for _ in 0..times {
            wire.send(then).await?;
        }
        Ok::<(), std::io::Error>(())
    };
    // A server that stops reading has limited the flood as well.
    let _either = tokio::time::timeout(std::time::Duration::from_secs(1), send).await;
}

async fn every_flood(address: SocketAddr) {
    let check = call_of("/pim.authz.v1.AuthorizationService/Check");
    let call = frame(HEADERS, END_HEADERS, 1, &check);
    let resets: Vec<u8> = (1..2_000)
        .step_by(2)
        .flat_map(|stream| {
            let call = frame(HEADERS, END_HEADERS | END_STREAM, stream, &check);
            [call, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    let held: Vec<u8> = (1..2_000)
        .step_by(2)
        .flat_map(|stream| {
            let call = frame(HEADERS, END_HEADERS, stream, &check);
            [call, frame(DATA, 0, stream, &[0; 1_000])].concat()
        })
        .collect();
    let block = header("x-long", &"x".repeat(120)).repeat(100);
    let begun = frame(HEADERS, 0, 1, &check);
    let ping = frame(PING, 0, 0, &[7; 8]);
    let endless = frame(CONTINUATION, 0, 1, &block);
    let settings = frame(SETTINGS, 0, 0, &[]).repeat(1_000);
    let pings = ping.repeat(1_000);
    let body = frame(DATA, 0, 1, &[0; 16_000]);
    let nothing = frame(DATA, 0, 1, &[]).repeat(1_000);
    tokio::join!(
        flood(address, &resets, &[], 0),
        flood(address, &held, &ping, 1),
        flood(address, &begun, &endless, 1_000),
        flood(address, &[], &settings, 1_000),
        flood(address, &[], &pings, 1_000),
        flood(address, &call, &body, 1_000),
        flood(address, &call, &nothing, 100),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_bounded_under_repeated_floods() {
    let database = Database::create().await;
    let mut program = Program::spawn(&mut Program::command(&database));
    let address = program.address().await;
    // The log is read; otherwise the server would block on it.
    let id = program.id();
    let (_child, _log) = program.with_log();
    for _ in 0..2 {
        every_flood(address).await;
    }
    let before = resident(id);
    for _ in 0..8 {
        every_flood(address).await;
    }
    let after = resident(id);
    assert!(
        after < before + MOST_MORE,
        "{} MiB, then {} MiB",
        before >> 20,
        after >> 20
    );
}

/// Empty items are two bytes each on the way, and hundreds in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_grow_when_they_are_decoded_take_no_memory() {
    let database = Database::create().await;
    let mut program = Program::spawn(&mut Program::command(&database));
    let address = program.address().await;
    let id = program.id();
    let (_child, _log) = program.with_log();
    let channel = channel_to(address).await;
    let empty = |tag: u8| [tag, 0].repeat(8_000_000);
    let packed = gzip(&empty(0x32));
    let batch = "/pim.authz.v1.AuthorizationService/BatchCheck";
    let before = peak(id);
    for (path, encoding, message) in [
        (batch, None, empty(0x32)),
        (batch, Some("gzip"), packed),
        ("/pim.authz.v1.DirectoryService/PutUsers", None, empty(0x2a)),
        (
            "/pim.authz.v1.CatalogService/ImportProducts",
            None,
            empty(0x2a),
        ),
    ] {
        let length = u32::try_from(message.len()).unwrap();
        let body = framed(encoding.is_some().into(), length, &message);
        let status = answer(&channel, path, encoding, body).await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{path} {status:?}");
    }
    // Each message is 16 MB; decoded it would be more than a gigabyte.
    let grown = peak(id).saturating_sub(before);
    assert!(grown < 300 << 20, "{} MiB", grown >> 20);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packing = GzEncoder::new(Vec::new(), Compression::fast());
    packing.write_all(bytes).unwrap();
    packing.finish().unwrap()
}
