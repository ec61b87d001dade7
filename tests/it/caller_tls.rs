//! TLS for callers; each test starts a server of its own.

mod callers;
mod commands;
mod rotation;

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use hyper_util::rt::TokioIo;
use pim_authz::{
    pb::{
        self, authorization_service_client::AuthorizationServiceClient,
        caller_service_client::CallerServiceClient,
    },
    server::TlsFiles,
    tls,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

use crate::{
    callers::world::{EVERY_RIGHT, everywhere},
    harness::{
        Database, TestServer,
        certificates::{Authority, Issued, named, write},
        refusal, user,
    },
};

/// A CA, and a folder with the certificate and key that it issued for a server.
pub(crate) struct Keys {
    pub(crate) authority: Authority,
    folder: TempDir,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let authority = Authority::new("a CA of servers");
        let folder = TempDir::new().unwrap();
        write(folder.path(), "ca.crt", &authority.pem());
        let keys = Self { authority, folder };
        keys.renew();
        keys
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Issues another certificate for the server.
    pub(crate) fn renew(&self) {
        let server = self.authority.issue(&named(&["localhost"], "localhost"));
        server.write(self.folder(), "tls");
    }

    fn files(&self) -> TlsFiles {
        files_in(self.folder())
    }

    /// A connection to a server without a client certificate.
    pub(crate) async fn channel_to(&self, address: SocketAddr) -> Channel {
        let stream = secure(address, self.caller(None)).await.unwrap();
        channel_over(stream).await.unwrap()
    }

    async fn serve(&self, files: TlsFiles) -> TestServer {
        let database = Database::create().await;
        let mut config = TestServer::config(&database);
        config.tls = Some(files);
        TestServer::start_with(config, database).await
    }

    /// Client settings that trust the CA, and present a certificate if one is
    /// given.
    pub(crate) fn caller(&self, shown: Option<&Issued>) -> ClientConfig {
        self.caller_of(rustls::DEFAULT_VERSIONS, shown)
    }

    fn caller_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        shown: Option<&Issued>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let pem = self.authority.pem();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(tls::cryptography())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            Some(Issued { certificate, key }) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key)
            }
            None => Ok(builder.with_no_client_auth()),
        }
        .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

/// The TLS files of a server in a folder of [`Keys`].
pub(crate) fn files_in(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("tls.crt"),
        key: folder.join("tls.key"),
        client_ca: None,
    }
}

/// Connects to a server under the name `localhost`.
pub(crate) async fn secure(
    address: SocketAddr,
    config: ClientConfig,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    connector
        .connect("localhost".try_into().unwrap(), stream)
        .await
}

/// The certificate that the server presented.
fn shown_by(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].to_vec()
}

/// Opens a gRPC channel over a connection.
pub(crate) async fn channel_over(
    stream: TlsStream<TcpStream>,
) -> Result<Channel, tonic::transport::Error> {
    let mut stream = Some(stream);
    let once = tower::service_fn(move |_| {
        let stream = stream.take();
        async move {
            stream
                .map(TokioIo::new)
                .ok_or_else(|| io::Error::other("one connection"))
        }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(once)
        .await
}

/// Checks that a server answers; it has no tenant, so the answer is
/// `TENANT_NOT_FOUND`.
async fn answers(channel: Channel) -> Result<(), Status> {
    let question = pb::CheckRequest {
        subject: user("julia"),
        action: "product.list".into(),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(channel);
    let status = client.check(question).await.unwrap_err();
    if status.code() != tonic::Code::NotFound {
        return Err(status);
    }
    assert_eq!(refusal(&status).1, "TENANT_NOT_FOUND");
    Ok(())
}

/// Stores a caller with every right and a name for its certificate.
async fn put_caller(channel: Channel, name: &str) {
    let caller = pb::Caller {
        subject_alternative_names: vec![name.to_owned()],
        ..everywhere("known", &EVERY_RIGHT)
    };
    let request = pb::PutCallersRequest {
        callers: vec![caller],
        ..Default::default()
    };
    let mut client = CallerServiceClient::new(channel);
    client.put_callers(request).await.unwrap();
}

/// Whether a check over a new connection is answered.
async fn is_answered(address: SocketAddr, config: ClientConfig) -> bool {
    let Ok(stream) = secure(address, config).await else {
        return false;
    };
    let Ok(channel) = channel_over(stream).await else {
        return false;
    };
    answers(channel).await.is_ok()
}
