//! Hand-written HTTP/2 frames, including sequences that no client library would
//! send (RFC 9113, RFC 7541).

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// Longer than anything in these tests takes.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(payload.len(), kind, flags, stream);
    frame.extend(payload);
    frame
}

/// The head of a frame that declares this number of payload bytes.
pub(super) fn head(bytes: usize, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    let length = u32::try_from(bytes).unwrap().to_be_bytes();
    let mut head = length[1..].to_vec();
    head.extend([kind, flags]);
    head.extend(stream.to_be_bytes());
    head
}

/// The header block of a call.
pub(super) fn call_of(path: &str) -> Vec<u8> {
    // `:method: POST` and `:scheme: http`, indexed in the static table.
    let mut block = vec![0x83, 0x86];
    // `:path`, `:authority` and `content-type`, with indexed names.
    for (name, value) in [
        (&[0x04][..], path),
        (&[0x01], "localhost"),
        (&[0x0f, 0x10], "application/grpc"),
    ] {
        block.extend(name);
        block.extend(text(value));
    }
    block.extend(header("te", "trailers"));
    block
}

/// One literal header that is not added to the dynamic table.
pub(super) fn header(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 127, "a longer one has another form");
    [&[length], text.as_bytes()].concat()
}

/// A TCP connection.
pub(super) struct Wire {
    pub(super) from: OwnedReadHalf,
    pub(super) to: OwnedWriteHalf,
}

impl Wire {
    /// Opens a connection and sends nothing.
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let (from, to) = TcpStream::connect(address).await.unwrap().into_split();
        Self { from, to }
    }

    /// Opens a connection and sends the HTTP/2 preface.
    pub(super) async fn begin(address: SocketAddr) -> Self {
        let mut wire = Self::connect(address).await;
        wire.send(PREFACE).await.unwrap();
        wire.send(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        wire
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes).await
    }

    /// Whether the server accepts the connection, that is, sends the head of a
    /// frame.
    pub(super) async fn is_taken(&mut self) -> bool {
        let mut head = [0; 9];
        let head = self.from.read_exact(&mut head);
        timeout(PATIENCE, head).await.unwrap().is_ok()
    }

    /// Waits until the server closes the connection, and returns what it sent
    /// until then.
    pub(super) async fn closed(mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        // The connection may end with a FIN or a reset; both are accepted.
        let _either = timeout(PATIENCE, self.from.read_to_end(&mut sent))
            .await
            .unwrap();
        sent
    }

    /// Sends the same bytes repeatedly until the server stops reading and
    /// closes the connection. Its answers are not read.
    pub(super) async fn flood_until_closed(mut self, bytes: &[u8]) {
        let flood = async { while self.send(bytes).await.is_ok() {} };
        timeout(PATIENCE, flood).await.unwrap();
    }
}

/// The error code of the last GOAWAY among frames, if any.
pub(super) fn goaway(mut frames: &[u8]) -> Option<u32> {
    const GOAWAY: u8 = 7;
    let mut code = None;
    while let Some((head, rest)) = frames.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (payload, rest) = rest.split_at_checked(usize::try_from(length).unwrap())?;
        if head[3] == GOAWAY {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        frames = rest;
    }
    code
}
