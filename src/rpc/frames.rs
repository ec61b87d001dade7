//! Messages in a body: each has a prefix of a byte of flags and four of its length. gRPC
//! and the streams of Connect have the same.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Bytes before each message.
pub(crate) const PREFIX_BYTES: usize = 5;

/// The flag of a compressed message.
pub(crate) const COMPRESSED: u8 = 1;

/// The flag of the last message of a Connect stream, which has its status.
pub(crate) const END_OF_STREAM: u8 = 2;

/// A message with its flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Framed {
    pub(crate) flags: u8,
    pub(crate) message: Bytes,
}

impl Framed {
    /// Returns a message that is not compressed.
    pub(crate) fn plain(message: impl Into<Bytes>) -> Self {
        Self {
            flags: 0,
            message: message.into(),
        }
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.flags & COMPRESSED != 0
    }

    /// Appends the message with its prefix.
    pub(crate) fn write_to(&self, buffer: &mut BytesMut) {
        buffer.reserve(PREFIX_BYTES + self.message.len());
        buffer.put_u8(self.flags);
        // Longer messages are rejected before they are built.
        buffer.put_u32(u32::try_from(self.message.len()).unwrap_or(u32::MAX));
        buffer.put_slice(&self.message);
    }

    /// Returns the message with its prefix.
    pub(crate) fn into_bytes(self) -> Bytes {
        let mut buffer = BytesMut::new();
        self.write_to(&mut buffer);
        buffer.freeze()
    }
}

/// Finds messages in the parts of a body, which may begin and end anywhere.
#[derive(Debug, Default)]
pub(crate) struct Unframing {
    received: BytesMut,
}

impl Unframing {
    /// Adds a part of the body.
    pub(crate) fn push(&mut self, part: Bytes) {
        if self.received.is_empty() {
            // Without a copy if nobody else holds the part.
            self.received = part.into();
        } else {
            self.received.extend_from_slice(&part);
        }
    }

    /// Takes the next message that has arrived whole.
    pub(crate) fn next(&mut self) -> Option<Framed> {
        let (flags, length) = prefix(&self.received)?;
        if self.received.len() < PREFIX_BYTES + length {
            return None;
        }
        self.received.advance(PREFIX_BYTES);
        Some(Framed {
            flags,
            message: self.received.split_to(length).freeze(),
        })
    }

    /// Returns the length of the next message, as its prefix announces it.
    pub(crate) fn announced(&self) -> Option<usize> {
        prefix(&self.received).map(|(_, length)| length)
    }

    /// Takes what has arrived of a message that is not whole.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        self.received.split().freeze()
    }

    /// True if no part of a message is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }
}

/// Reads the flags and the length of the message that begins here, if its prefix has
/// arrived.
fn prefix(bytes: &[u8]) -> Option<(u8, usize)> {
    let (prefix, _) = bytes.split_first_chunk::<PREFIX_BYTES>()?;
    let [flags, length @ ..] = *prefix;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    Some((flags, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_the_body_is_cut() {
        let messages = [
            Framed::plain("first"),
            Framed::plain(""),
            Framed {
                flags: COMPRESSED,
                message: Bytes::from_static(b"third"),
            },
        ];
        let mut body = BytesMut::new();
        for message in &messages {
            message.write_to(&mut body);
        }
        for cut in 1..body.len() {
            let mut unframing = Unframing::default();
            let mut found = Vec::new();
            for part in body.chunks(cut) {
                unframing.push(Bytes::copy_from_slice(part));
                while let Some(message) = unframing.next() {
                    found.push(message);
                }
            }
            assert_eq!(found, messages, "{cut}");
            assert!(unframing.is_empty());
        }
    }

    #[test]
    fn a_message_that_is_cut_short_is_not_found() {
        let mut unframing = Unframing::default();
        unframing.push(Bytes::from_static(&[0, 0, 0, 0, 2, b'a']));
        assert_eq!(unframing.next(), None);
        assert!(!unframing.is_empty());
    }
}
