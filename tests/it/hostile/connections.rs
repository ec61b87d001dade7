//! Connections that are held open without use.

use std::time::Instant;

use tokio::{io::AsyncWriteExt as _, task::JoinSet};

use super::{
    Attacked, CONNECTIONS,
    frames::{DATA, END_HEADERS, HEADERS, PREFACE, SETTINGS, Wire, call_of, frame, goaway, head},
};

const CHECK: &str = "/pim.authz.v1.AuthorizationService/Check";

/// The number of connections that attackers take; the other callers have four.
const HELD: usize = CONNECTIONS - 8;

/// The server closes each of these connections although the caller keeps it
/// open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_complete_preface_are_closed() {
    let attacked = Attacked::start().await;
    let beginnings: [&[u8]; 4] = [
        b"",
        &PREFACE[..10],
        PREFACE,
        // An incomplete SETTINGS frame.
        &[PREFACE, &head(6, SETTINGS, 0, 0)[..5]].concat(),
    ];
    for beginning in beginnings {
        let mut held = JoinSet::new();
        for _ in 0..HELD {
            let mut wire = Wire::connect(attacked.address()).await;
            wire.send(beginning).await.unwrap();
            held.spawn(wire.closed());
        }
        while let Some(closed) = held.join_next().await {
            closed.unwrap();
        }
    }
    attacked.assert_as_before().await;
}

/// Single bytes do not keep a connection open: the preface must be complete in
/// time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_sending_their_preface_byte_by_byte_are_closed() {
    let attacked = Attacked::start().await;
    let begun = Instant::now();
    let mut wire = Wire::connect(attacked.address()).await;
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(500));
    for byte in PREFACE {
        ticks.tick().await;
        if wire.send(&[*byte]).await.is_err() {
            break;
        }
    }
    wire.closed().await;
    // The complete preface would have taken twelve seconds.
    assert!(begun.elapsed().as_secs() < 12, "{:?}", begun.elapsed());
    attacked.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_stall_after_the_preface_are_closed() {
    let attacked = Attacked::start().await;
    let block = call_of(CHECK);
    let call = frame(HEADERS, END_HEADERS, 1, &block);
    let cases: [(&str, Vec<u8>); 6] = [
        ("after the settings", Vec::new()),
        ("in a frame", head(100, DATA, 0, 1)),
        ("in the headers", frame(HEADERS, 0, 1, &block[..10])),
        ("before the message", call.clone()),
        (
            "in the message",
            [call.clone(), frame(DATA, 0, 1, &[0, 0, 0, 0, 100, 1])].concat(),
        ),
        ("in its head", [call, frame(DATA, 0, 1, &[0, 0])].concat()),
    ];
    let mut held = JoinSet::new();
    for (case, sent) in cases {
        for _ in 0..2 {
            let mut wire = Wire::begin(attacked.address()).await;
            wire.send(&sent).await.expect(case);
            held.spawn(wire.closed());
        }
    }
    while let Some(closed) = held.join_next().await {
        closed.unwrap();
    }
    attacked.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_disconnecting_mid_call_leak_no_connections_or_memory() {
    let attacked = Attacked::start().await;
    let call = frame(HEADERS, END_HEADERS, 1, &call_of(CHECK));
    let half = [call, frame(DATA, 0, 1, &vec![0; 16 << 10])].concat();
    for _ in 0..50 {
        let mut wire = Wire::begin(attacked.address()).await;
        wire.send(&half).await.unwrap();
        drop(wire);
        // Another connection only closes its sending half.
        let mut wire = Wire::begin(attacked.address()).await;
        wire.send(&half).await.unwrap();
        wire.to.shutdown().await.unwrap();
        wire.closed().await;
    }
    attacked.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_frames_close_the_connection() {
    const FRAME_SIZE_ERROR: u32 = 6;
    let attacked = Attacked::start().await;
    let call = frame(HEADERS, END_HEADERS, 1, &call_of(CHECK));
    for bytes in [(16 << 10) + 1, (1 << 24) - 1] {
        for kind in [DATA, HEADERS, 200] {
            let mut wire = Wire::begin(attacked.address()).await;
            wire.send(&call).await.unwrap();
            wire.send(&head(bytes, kind, 0, 1)).await.unwrap();
            let sent = wire.closed().await;
            assert_eq!(goaway(&sent), Some(FRAME_SIZE_ERROR), "{kind} {bytes}");
        }
    }
    attacked.assert_as_before().await;
}

/// Sends data that is not HTTP/2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_with_other_protocols_are_closed() {
    let attacked = Attacked::start().await;
    let tls = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat();
    let others: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n",
        &tls,
        &[0; 1_000],
        &[0xff; 1_000],
    ];
    for other in others {
        let mut wire = Wire::connect(attacked.address()).await;
        wire.send(other).await.unwrap();
        wire.closed().await;
    }
    attacked.assert_as_before().await;
}
