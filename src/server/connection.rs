use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tonic::transport::server::Connected;

use super::io_timeouts::{IoTimeouts, TimeoutStream};
use crate::tls::{Peer, PeerCertificate};

/// An accepted connection, which counts toward the limit until it is dropped.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) turn: OwnedSemaphorePermit,
}

/// A connection that carries calls, with TLS or without.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TimeoutStream<Either<TcpStream, Box<TlsStream<TcpStream>>>>,
    peer: Peer,
    _turn: OwnedSemaphorePermit,
}

impl Connection {
    /// Creates a connection without TLS.
    pub(super) fn plain(accepted: Accepted, timeouts: IoTimeouts) -> Self {
        let Accepted { stream, turn } = accepted;
        let address = stream.peer_addr().ok();
        Self {
            stream: TimeoutStream::new(Either::Left(stream), timeouts),
            peer: Peer {
                address,
                certificate: None,
            },
            _turn: turn,
        }
    }

    /// Creates a connection after its TLS handshake.
    pub(super) fn secured(
        stream: TlsStream<TcpStream>,
        turn: OwnedSemaphorePermit,
        timeouts: IoTimeouts,
    ) -> Self {
        let (tcp, session) = stream.get_ref();
        let address = tcp.peer_addr().ok();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(|shown| Arc::new(PeerCertificate::of(shown)));
        Self {
            stream: TimeoutStream::new(Either::Right(Box::new(stream)), timeouts),
            peer: Peer {
                address,
                certificate,
            },
            _turn: turn,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
