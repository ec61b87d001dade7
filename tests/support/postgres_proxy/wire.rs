//! Messages of PostgreSQL's wire protocol, version 3.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One whole message as it came; its first byte is its kind.
pub(super) struct Message(pub(super) Vec<u8>);

/// Requests of a client before it is connected, by the number in them.
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// What a client opened a connection for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// To work.
    Startup,
    /// To cancel a statement of another connection.
    Cancel,
}

impl Message {
    pub(super) fn kind(&self) -> u8 {
        self.0[0]
    }

    /// The text with a number: the body's parts that end in a zero byte.
    pub(super) fn text(&self, number: usize) -> String {
        self.text_after(0, number)
    }

    /// As [`Message::text`], of the body after so many bytes.
    pub(super) fn text_after(&self, bytes: usize, number: usize) -> String {
        let mut texts = self.0[5 + bytes..].split(|byte| *byte == 0);
        String::from_utf8_lossy(texts.nth(number).unwrap()).into_owned()
    }
}

/// Finds the messages in a stream of bytes.
#[derive(Default)]
pub(super) struct Messages {
    waiting: Vec<u8>,
}

impl Messages {
    /// Takes the next piece, and gives the messages that are whole now.
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

/// Passes on what a client sends before it is connected; encryption is declined.
/// `None`: it went away.
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
