use std::{error::Error as _, io, path::Path, time::Duration};

use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{CliError, ClientTlsArguments, ServerArguments};
use crate::{
    pb::authorization_service_client::AuthorizationServiceClient,
    tls::{PemFile, PemFileError},
};

/// Timeout of a response, or of the next message of a stream.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Maximum size of a response: ten times that of 10,000 resources and every
/// category.
pub(super) const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// Timeout of connecting to a server, and of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval of HTTP/2 keep-alive pings, sent also while no call is under way.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Connects to a server by its URL. Without a scheme it is `http://`, or
/// `https://` if any TLS option is set.
///
/// # Errors
///
/// [`CliError`] if the URL is invalid or does not fit the TLS options, a TLS file
/// cannot be used, or the server is unreachable or not trusted.
pub async fn connect(server: &str, tls: &ClientTlsArguments) -> Result<Channel, CliError> {
    let url = if server.contains("://") {
        server.to_owned()
    } else if tls.is_set() {
        format!("https://{server}")
    } else {
        format!("http://{server}")
    };
    let is_secured = url.starts_with("https://");
    if !is_secured && !url.starts_with("http://") {
        return Err(CliError::Scheme(url));
    }
    if !is_secured && tls.is_set() {
        return Err(CliError::PlainAddress(url));
    }
    let mut endpoint =
        Endpoint::from_shared(url.clone()).map_err(|_| CliError::Address(url.clone()))?;
    if is_secured {
        let settings = settings(tls)?;
        endpoint = endpoint
            .tls_config(settings)
            .map_err(|error| CliError::Tls(innermost(&error)))?;
    }
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(|error| {
            let cause = innermost(&error);
            if is_untrusted(&error) {
                CliError::Untrusted { url, cause }
            } else {
                CliError::Unreachable { url, cause }
            }
        })
}

/// True if the certificate of the server was rejected.
fn is_untrusted(error: &tonic::transport::Error) -> bool {
    let first: Option<&dyn std::error::Error> = Some(error);
    let mut causes = std::iter::successors(first, |cause| (*cause).source());
    causes.any(|cause| {
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let fault = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        matches!(fault, Some(rustls::Error::InvalidCertificate(_)))
    })
}

/// Reads the TLS files.
fn settings(tls: &ClientTlsArguments) -> Result<ClientTlsConfig, PemFileError> {
    let ClientTlsArguments { ca, cert, key } = tls;
    let mut settings = ClientTlsConfig::new().timeout(CONNECT_TIMEOUT);
    settings = match ca {
        Some(path) => {
            let file = PemFile::new("`--tls-ca`", path);
            let content = file.read()?;
            file.certificates_in(&content)?;
            settings.ca_certificate(Certificate::from_pem(content))
        }
        None => settings.with_native_roots(),
    };
    if let (Some(cert), Some(key)) = (cert, key) {
        let cert = PemFile::new("`--tls-cert`", cert);
        let key = PemFile::new("`--tls-key`", key);
        let contents = [cert.read()?, key.read()?];
        let [cert_content, key_content] = &contents;
        cert.certificates_in(cert_content)?;
        key.private_key_in(key_content)?;
        let [cert, key] = contents;
        settings = settings.identity(Identity::from_pem(cert, key));
    }
    Ok(settings)
}

/// A channel whose calls carry the given credentials.
pub(super) type Line = InterceptedService<Channel, Token>;

/// Interceptor that adds the credentials to each call.
#[derive(Clone, Debug, Default)]
pub(super) struct Token {
    /// `Bearer …`, never printed; `None`: no credentials.
    bearer: Option<MetadataValue<Ascii>>,
}

impl Token {
    /// Reads the token from a file; white space around it is trimmed.
    fn read(file: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(file).map_err(CliError::file("read", file))?;
        let token = text.trim();
        let bearer = format!("Bearer {token}").parse::<MetadataValue<Ascii>>();
        let is_one = !token.is_empty() && !token.contains(char::is_whitespace);
        let mut bearer = bearer
            .ok()
            .filter(|_| is_one)
            .ok_or_else(|| CliError::NoToken(file.to_owned()))?;
        bearer.set_sensitive(true);
        Ok(Self {
            bearer: Some(bearer),
        })
    }
}

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.bearer {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", bearer.clone());
        }
        Ok(request)
    }
}

/// Connects to the server of the arguments, with their credentials.
pub(super) async fn connect_to(server: &ServerArguments) -> Result<Line, CliError> {
    let token = match &server.token_file {
        Some(file) => Token::read(file)?,
        None => Token::default(),
    };
    Ok(Line::new(
        connect(&server.server, &server.tls).await?,
        token,
    ))
}

/// Connects a client of a service to the server of the arguments.
macro_rules! service {
    ($client:ident, $server:expr) => {
        $client::new($crate::cli::connection::connect_to(&$server).await?)
            .max_decoding_message_size($crate::cli::connection::MAX_RESPONSE_BYTES)
    };
}
pub(super) use service;

/// Connects to the server of the arguments, makes one call and returns the response.
macro_rules! call {
    ($server:expr, $client:ident.$call:ident($request:expr)) => {
        $crate::cli::connection::service!($client, $server)
            .$call($crate::cli::connection::patient($request))
            .await?
            .into_inner()
    };
}
pub(super) use call;

/// Connects a client of the authorization service to the server of the arguments.
pub(super) async fn client(
    server: &ServerArguments,
) -> Result<AuthorizationServiceClient<Line>, CliError> {
    Ok(service!(AuthorizationServiceClient, server))
}

/// Wraps a message in a request that times out after [`PATIENCE`].
pub(super) fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// Returns the innermost cause of an error: `Connection refused (os error 111)`.
fn innermost(error: &tonic::transport::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.source().is_none() {
        return "no answer".to_owned();
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> ClientTlsArguments {
        ClientTlsArguments::default()
    }

    #[tokio::test]
    async fn unreachable_server_error_names_url_and_cause() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = connect(&address.to_string(), &plain()).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains(&format!("http://{address}")), "{error}");
        assert!(error.contains("refused"), "{error}");
    }

    #[test]
    fn token_is_trimmed_validated_and_never_shown() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("token");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Token::read(&file)
        };
        let token = read(" abc\n").unwrap();
        assert_eq!(token.bearer.as_ref().unwrap(), "Bearer abc");
        assert!(!format!("{token:?}").contains("abc"), "{token:?}");
        for bad in ["", "\n", "a b", "a\nb", "secret\u{1}"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("holds no token"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn invalid_addresses_are_rejected() {
        for server in ["ftp://x", "http://", "no host"] {
            let error = connect(server, &plain()).await.unwrap_err();
            let expected = matches!(error, CliError::Scheme(_) | CliError::Address(_));
            assert!(expected, "{server}: {error}");
        }
    }

    #[tokio::test]
    async fn tls_options_are_used_or_rejected() {
        let tls = ClientTlsArguments {
            ca: Some("/nowhere/ca.crt".into()),
            ..plain()
        };
        // Without a scheme the URL is `https://`, so the file is read.
        let error = connect("127.0.0.1:1", &tls).await.unwrap_err().to_string();
        assert!(error.starts_with("`--tls-ca` names the file"), "{error}");
        let error = connect("http://127.0.0.1:1", &tls).await.unwrap_err();
        assert!(matches!(error, CliError::PlainAddress(_)), "{error}");
    }
}
