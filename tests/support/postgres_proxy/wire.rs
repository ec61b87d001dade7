//! Messages of PostgreSQL's wire protocol, version 3.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A complete message as received; its first byte is its kind.
pub(super) struct Message(pub(super) Vec<u8>);

/// Codes of the requests that a client sends before its startup message.
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// Purpose of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// A normal session.
    Startup,
    /// Cancels a statement of another connection.
    Cancel,
}

impl Message {
    pub(super) fn kind(&self) -> u8 {
        self.0[0]
    }

    /// Returns the n-th zero-terminated string of the body, from 0.
    pub(super) fn text(&self, number: usize) -> String {
        self.text_after(0, number)
    }

    /// Like [`Message::text`], after skipping this number of bytes of the body.
    pub(super) fn text_after(&self, bytes: usize, number: usize) -> String {
        let mut texts = self.0[5 + bytes..].split(|byte| *byte == 0);
        String::from_utf8_lossy(texts.nth(number).unwrap()).into_owned()
    }
}

/// Splits a byte stream into messages.
#[derive(Default)]
pub(super) struct Messages {
    waiting: Vec<u8>,
}

impl Messages {
    /// Appends the next bytes, and returns the messages that are now complete.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<Message> {
        self.waiting.extend_from_slice(piece);
        let mut whole = Vec::new();
        let mut rest = self.waiting.as_slice();
        while let [_, a, b, c, d, ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize + 1;
            let Some((message, others)) = rest.split_at_checked(length) else {
                break;
            };
            whole.push(Message(message.to_vec()));
            rest = others;
        }
        self.waiting = rest.to_vec();
        whole
    }
}

/// Forwards the messages that a client sends before it is connected, and declines
/// encryption. Returns `None` if a side has disconnected.
pub(super) async fn open(client: &mut TcpStream, server: &mut TcpStream) -> Option<Opening> {
    loop {
        let length = client.read_u32().await.ok()?;
        let mut body = vec![0; (length as usize).checked_sub(4)?];
        client.read_exact(&mut body).await.ok()?;
        let number = u32::from_be_bytes(*body.first_chunk()?);
        if number == TLS || number == GSS {
            client.write_all(b"N").await.ok()?;
            continue;
        }
        server.write_u32(length).await.ok()?;
        server.write_all(&body).await.ok()?;
        return Some(if number == CANCEL {
            Opening::Cancel
        } else {
            Opening::Startup
        });
    }
}
