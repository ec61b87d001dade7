use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tonic::{Status, body::Body};

use super::{
    decoded_size::of_lists,
    frames::{Framed, Unframing},
    gzip, status,
};

/// Most bytes that the lists of one message in a stream may take once it is decoded.
const MOST_BYTES: usize = 256 << 20;

/// The body of a request of many messages, each of which is whole and unpacked, and is
/// rejected if it takes too much memory once it is decoded.
#[derive(Debug)]
pub(super) struct StreamedRequest {
    body: Body,
    path: String,
    /// Whether messages may be compressed by gzip; by anything else the service rejects
    /// them.
    is_gzip: bool,
    /// The largest message, in bytes, as it arrives and unpacked.
    largest: usize,
    unframing: Unframing,
    /// Why the next message is rejected.
    rejected: Option<Status>,
    has_ended: bool,
}

impl StreamedRequest {
    pub(super) fn of(body: Body, path: String, is_gzip: bool, largest: usize) -> Self {
        Self {
            body,
            path,
            is_gzip,
            largest,
            unframing: Unframing::default(),
            rejected: None,
            has_ended: false,
        }
    }

    /// Returns the messages that have arrived whole, and why the next one is rejected.
    fn whole(&mut self, part: Bytes) -> (Bytes, Result<(), Status>) {
        self.unframing.push(part);
        let mut messages = BytesMut::new();
        let checked = self.append_whole(&mut messages);
        (messages.freeze(), checked)
    }

    fn append_whole(&mut self, messages: &mut BytesMut) -> Result<(), Status> {
        while let Some(mut message) = self.unframing.next() {
            if message.is_compressed() && self.is_gzip {
                message = Framed::plain(gzip::unpack_message(&message.message, self.largest)?);
            }
            if of_lists(&self.path, &message.message, MOST_BYTES) > MOST_BYTES {
                return Err(status::too_large());
            }
            message.write_to(messages);
        }
        match self.unframing.announced() {
            Some(length) if length > self.largest => Err(status::too_large()),
            Some(_) | None => Ok(()),
        }
    }
}

impl http_body::Body for StreamedRequest {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(status) = self.rejected.take() {
            self.has_ended = true;
            return Poll::Ready(Some(Err(status)));
        }
        if self.has_ended {
            return Poll::Ready(None);
        }
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            let part = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(part) => part,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => {
                    self.has_ended = true;
                    // Of a message that was cut off, for the service to reject.
                    let rest = self.unframing.take_rest();
                    let rest = (!rest.is_empty()).then(|| Ok(Frame::data(rest)));
                    return Poll::Ready(rest);
                }
            };
            let (messages, checked) = self.whole(part);
            match checked {
                Ok(()) if messages.is_empty() => {}
                Ok(()) => return Poll::Ready(Some(Ok(Frame::data(messages)))),
                Err(status) if messages.is_empty() => {
                    self.has_ended = true;
                    return Poll::Ready(Some(Err(status)));
                }
                Err(status) => {
                    self.rejected = Some(status);
                    return Poll::Ready(Some(Ok(Frame::data(messages))));
                }
            }
        }
    }
}
