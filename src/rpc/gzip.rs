use std::io::{self, Read as _, Write as _};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use tonic::Status;

use super::status;

/// Smallest message that is compressed, in bytes: below, compression costs more than it
/// saves.
const SMALLEST: usize = 4 << 10;

/// Unpacks gzip.
///
/// # Errors
///
/// [`io::ErrorKind::FileTooLarge`] if more than `most` bytes come out; any other error if
/// it is no gzip.
fn unpack(packed: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut unpacked)?;
    if unpacked.len() > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(unpacked)
}

/// Unpacks a message.
///
/// # Errors
///
/// `RESOURCE_EXHAUSTED` if more than `most` bytes come out, `INVALID_ARGUMENT` if it is no
/// gzip.
pub(crate) fn unpack_message(packed: &[u8], most: usize) -> Result<Vec<u8>, Status> {
    unpack(packed, most).map_err(|error| {
        if error.kind() == io::ErrorKind::FileTooLarge {
            return status::too_large();
        }
        status::invalid_field("", "the message is not gzip, as its headers say")
    })
}

/// Compresses a message; `None` if it is too small to be worth it.
pub(crate) fn pack(message: &[u8]) -> Option<Vec<u8>> {
    if message.len() < SMALLEST {
        return None;
    }
    let mut packing = GzEncoder::new(Vec::with_capacity(message.len() / 4), Compression::fast());
    packing.write_all(message).ok()?;
    packing.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_the_same_after_it_was_packed() {
        let message = b"a message that repeats itself; ".repeat(1_000);
        let packed = pack(&message).unwrap();
        assert!(packed.len() < message.len() / 10);
        assert_eq!(unpack(&packed, message.len()).unwrap(), message);
        assert_eq!(pack(b"short"), None);
    }

    #[test]
    fn more_than_allowed_is_refused_before_it_is_unpacked() {
        let bomb = pack(&vec![0; 64 << 20]).unwrap();
        let refused = unpack(&bomb, 1 << 20).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        assert!(unpack(b"no gzip", 100).is_err());
    }
}
