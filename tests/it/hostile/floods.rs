//! Floods of HTTP/2 frames.

use tokio::io::AsyncReadExt as _;

use super::{
    Attacked,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, Wire, call_of, frame, goaway, header,
    },
};

const CHECK: &str = "/pim.authz.v1.AuthorizationService/Check";

/// The error code `ENHANCE_YOUR_CALM` of GOAWAY.
const CALM: u32 = 11;

/// A `RST_STREAM` frame with the code CANCEL.
fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// CVE-2023-44487: calls that are reset immediately after they are started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_close_the_connection() {
    let attacked = Attacked::start().await;
    for _ in 0..20 {
        let mut wire = Wire::begin(attacked.address()).await;
        let block = call_of(CHECK);
        let calls = (0..2_000).map(|number| 2 * number + 1);
        let calls: Vec<u8> = calls
            .flat_map(|stream| {
                let call = frame(HEADERS, END_HEADERS | END_STREAM, stream, &block);
                [call, reset(stream)].concat()
            })
            .collect();
        // The server may have closed the connection in the meantime.
        let _until_closed = wire.send(&calls).await;
        let sent = wire.closed().await;
        // A reset of the TCP connection may overtake the last frame.
        assert!(goaway(&sent).is_none_or(|code| code == CALM), "{sent:?}");
    }
    attacked.assert_as_before().await;
}

/// The same for calls that have started: the resources they hold are released.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_reset_after_their_start_leak_no_resources() {
    let attacked = Attacked::start().await;
    let mut wire = Wire::begin(attacked.address()).await;
    assert!(wire.is_taken().await);
    let drained = tokio::spawn(drain(wire.from));
    let block = call_of("/pim.authz.v1.AuthorizationService/BatchCheck");
    let mut stream = 1;
    for round in 0..100_u64 {
        let first = stream;
        let mut calls = Vec::new();
        for _ in 0..20 {
            calls.extend(frame(HEADERS, END_HEADERS, stream, &block));
            calls.extend(frame(DATA, 0, stream, &vec![0; 1_000]));
            stream += 2;
        }
        // The answer to a ping is sent after all frames before it were read.
        calls.extend(frame(PING, 0, 0, &round.to_be_bytes()));
        write(&mut wire.to, &calls).await;
        let resets: Vec<u8> = (first..stream).step_by(2).flat_map(reset).collect();
        write(&mut wire.to, &resets).await;
    }
    drop(wire.to);
    drained.await.unwrap();
    attacked.assert_as_before().await;
}

async fn write(to: &mut tokio::net::tcp::OwnedWriteHalf, bytes: &[u8]) {
    use tokio::io::AsyncWriteExt as _;
    // The connection may be closed; the test only requires that no resources
    // leak.
    let _until_closed = to.write_all(bytes).await;
}

/// Reads and discards everything.
async fn drain(mut from: tokio::net::tcp::OwnedReadHalf) {
    let mut buffer = vec![0; 64 << 10];
    while from.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// CVE-2024-27316 and similar attacks: a header block that does not end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_header_blocks_close_the_connection() {
    let attacked = Attacked::start().await;
    let long = header("x-long", &"x".repeat(120)).repeat(100);
    let cases = [
        ("empty", Vec::new()),
        ("one header", header("a", "b")),
        ("many headers", long),
    ];
    for (case, block) in cases {
        let mut wire = Wire::begin(attacked.address()).await;
        wire.send(&frame(HEADERS, 0, 1, &call_of(CHECK)))
            .await
            .expect(case);
        wire.flood_until_closed(&frame(CONTINUATION, 0, 1, &block))
            .await;
    }
    attacked.assert_as_before().await;
}

/// Each frame causes an answer that is never read: the server stops reading and
/// closes the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_whose_answers_stay_unread_are_closed() {
    let attacked = Attacked::start().await;
    let cases = [
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])),
        ("pings", frame(PING, 0, 0, &[7; 8])),
    ];
    for (case, answered) in cases {
        let wire = Wire::begin(attacked.address()).await;
        println!("{case}");
        wire.flood_until_closed(&answered.repeat(1_000)).await;
    }
    attacked.assert_as_before().await;
}

/// Sends the same frames from a caller that reads the answers, and frames that
/// have no effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_trivial_frames_block_no_other_callers() {
    let attacked = Attacked::start().await;
    let begun = frame(HEADERS, END_HEADERS, 1, &call_of(CHECK));
    let cases = [
        frame(SETTINGS, 0, 0, &[]),
        frame(PING, 0, 0, &[7; 8]),
        frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        frame(DATA, 0, 1, &[]),
        frame(2, 0, 1, &[0, 0, 0, 0, 0]),
        frame(200, 0, 0, &[0; 100]),
    ];
    for case in cases {
        let mut wire = Wire::begin(attacked.address()).await;
        let drained = tokio::spawn(drain(wire.from));
        write(&mut wire.to, &begun).await;
        let many = case.repeat(1_000);
        for _ in 0..50 {
            write(&mut wire.to, &many).await;
        }
        drop(wire.to);
        drained.await.unwrap();
    }
    attacked.assert_as_before().await;
}
