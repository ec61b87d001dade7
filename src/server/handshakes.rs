//! Runs the TLS handshakes of accepted connections concurrently.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{
    certificates::Certificates,
    connection::{Accepted, Connection},
    io_timeouts::IoTimeouts,
};
use crate::telemetry::LogThrottle;

/// Runs the handshakes of accepted connections, at most `most` at once, and
/// yields connections in the order in which the handshakes complete. A connection
/// is closed if its handshake fails or takes longer than [`IoTimeouts::beginning`].
pub(super) fn secured(
    accepted: impl Stream<Item = Accepted> + Send,
    certificates: Certificates,
    most: usize,
    timeouts: IoTimeouts,
) -> impl Stream<Item = Connection> + Send {
    let failed = Arc::new(Mutex::new(LogThrottle::default()));
    accepted
        .map(move |accepted| {
            let handshake = handshake(
                accepted,
                certificates.clone(),
                timeouts,
                Arc::clone(&failed),
            );
            AbortOnDropHandle::new(tokio::spawn(handshake))
        })
        .buffer_unordered(most)
        .filter_map(async |ended| ended.ok().flatten())
}

async fn handshake(
    accepted: Accepted,
    certificates: Certificates,
    timeouts: IoTimeouts,
    failed: Arc<Mutex<LogThrottle>>,
) -> Option<Connection> {
    let Accepted { stream, turn } = accepted;
    let peer = stream.peer_addr().ok();
    let accepting = certificates.acceptor().accept(stream);
    let error = match timeout(timeouts.beginning, accepting).await {
        Ok(Ok(stream)) => return Some(Connection::secured(stream, turn, timeouts)),
        Ok(Err(error)) => error,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(failures) = failed.again() {
        tracing::warn!(
            peer = peer.map(tracing::field::display),
            tls.failures = failures,
            "a caller was closed in its TLS handshake: {error}; it must speak TLS 1.2 or 1.3, trust \
             the CA of `--tls-cert`, and show no certificate that a CA of `--tls-client-ca` has not \
             signed"
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::http::{BindingSettings, Bindings};
    use std::{fs, future::pending, path::PathBuf, time::Duration};

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
    use tempfile::TempDir;
    use tokio::{
        net::TcpListener,
        sync::mpsc::{UnboundedSender, unbounded_channel},
    };
    use tonic::{
        body::Body,
        codegen::{Service as _, http},
        service::Routes,
        transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
    };
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    use super::{super::accepting::Connections, *};
    use crate::{
        rpc::Handler,
        server::{TlsFiles, accepting, limits::Limits, transport, work::WorkThreads},
        tls::{AlternativeNames, Peer},
    };

    const PATIENCE: IoTimeouts = IoTimeouts {
        beginning: Duration::from_secs(10),
        stalled: Duration::from_secs(10),
    };

    const URI: &str = "spiffe://example.com/pim";

    /// Creates a CA, and a certificate signed by it for `localhost` and [`URI`],
    /// with its key.
    fn issue() -> [String; 3] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params
            .subject_alt_names
            .push(SanType::URI(URI.try_into().unwrap()));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        [authority.pem(), certificate.pem(), key.serialize_pem()]
    }

    /// Sends the peer of each request to `seen`.
    struct Looking {
        routes: Routes,
        seen: UnboundedSender<Peer>,
    }

    impl Handler for Looking {
        async fn handle(&self, request: http::Request<Body>) -> http::Response<Body> {
            let peer = request.extensions().get::<Peer>().unwrap();
            self.seen.send(peer.clone()).unwrap();
            let Ok(response) = self.routes.clone().call(request).await;
            response
        }
    }

    /// Serves health, and sends the peer of each request to `seen`.
    fn serve(listener: TcpListener, files: &TlsFiles, seen: UnboundedSender<Peer>) {
        let accepted = accepting::connections(listener, Connections::up_to(4));
        let connections = secured(accepted, Certificates::load(files).unwrap(), 4, PATIENCE);
        let (_, health) = tonic_health::server::health_reporter();
        let service = Looking {
            routes: Routes::new(health),
            seen,
        };
        let limits = Limits::default();
        let work = WorkThreads::start().unwrap();
        tokio::spawn(async move {
            let service = (service, Bindings::new(BindingSettings::default()));
            transport::serve(service, connections, &work, limits, pending()).await;
        });
    }

    #[tokio::test]
    async fn requests_carry_the_names_of_the_client_certificate() {
        let [ca, certificate, key] = issue();
        let folder = TempDir::new().unwrap();
        let write = |name: &str, content: &str| -> PathBuf {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let files = TlsFiles {
            certificate: write("tls.crt", &certificate),
            key: write("tls.key", &key),
            client_ca: Some(write("ca.crt", &ca)),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, mut peers) = unbounded_channel();
        serve(listener, &files, seen);
        let plain = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        let known = plain.clone().identity(Identity::from_pem(certificate, key));
        let names = AlternativeNames {
            dns: vec!["localhost".to_owned()],
            uris: vec![URI.to_owned()],
        };
        for (caller, expected) in [(plain, None), (known, Some(names))] {
            let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).unwrap();
            let endpoint = endpoint.tls_config(caller).unwrap();
            let channel = endpoint.connect().await.unwrap();
            let mut client = HealthClient::new(channel);
            client.check(HealthCheckRequest::default()).await.unwrap();
            let peer = peers.recv().await.unwrap();
            let shown = peer.certificate.map(|shown| shown.names.clone());
            assert_eq!(shown, expected);
            assert!(peer.address.unwrap().ip().is_loopback());
        }
    }
}
