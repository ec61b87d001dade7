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

/// How long an answer, or the next message of a stream, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer: 10,000 resources and every category take a tenth of it.
const LONGEST_ANSWER: usize = 64 << 20;

/// How long a server may take to take a call.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How often a silent server is asked whether it is still there.
const ARE_YOU_THERE: Duration = Duration::from_secs(20);

/// Connects to a server by its URL. Without a scheme it is `http://`, or
/// `https://` where anything is said about TLS.
///
/// # Errors
///
/// [`CliError`] when the URL is none, a file of TLS cannot be used, or nobody
/// answers there.
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
        .connect_timeout(CONNECT_PATIENCE)
        .http2_keep_alive_interval(ARE_YOU_THERE)
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

/// Whether the certificate of the server was refused.
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

/// Reads the files of TLS.
fn settings(tls: &ClientTlsArguments) -> Result<ClientTlsConfig, PemFileError> {
    let ClientTlsArguments { ca, cert, key } = tls;
    let mut settings = ClientTlsConfig::new().timeout(CONNECT_PATIENCE);
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

/// A connection whose calls carry the credentials that were said.
pub(super) type Line = InterceptedService<Channel, Token>;

/// What each call of a connection carries.
#[derive(Clone, Debug, Default)]
pub(super) struct Token {
    /// `Bearer …`, which is shown nowhere; `None`: no credentials.
    bearer: Option<MetadataValue<Ascii>>,
}

impl Token {
    /// Reads the token in a file, without white space around it.
    fn read(file: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(file).map_err(|cause| CliError::File {
            what: "read",
            path: file.to_owned(),
            cause,
        })?;
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

/// Connects to the server that was said, with the credentials that were said.
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

/// Connects to the server that was said, to ask it questions.
pub(super) async fn client(
    server: &ServerArguments,
) -> Result<AuthorizationServiceClient<Line>, CliError> {
    let client = AuthorizationServiceClient::new(connect_to(server).await?);
    Ok(client.max_decoding_message_size(LONGEST_ANSWER))
}

/// A request that waits no longer than [`PATIENCE`].
pub(super) fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// The last cause of an error: `Connection refused (os error 111)`.
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
    async fn a_server_that_is_not_there_is_named_with_the_cause() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = connect(&address.to_string(), &plain()).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains(&format!("http://{address}")), "{error}");
        assert!(error.contains("refused"), "{error}");
    }

    #[test]
    fn a_token_is_read_without_the_white_space_around_it() {
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
    async fn an_address_that_is_none_is_an_error() {
        for server in ["ftp://x", "http://", "no host"] {
            let error = connect(server, &plain()).await.unwrap_err();
            let expected = matches!(error, CliError::Scheme(_) | CliError::Address(_));
            assert!(expected, "{server}: {error}");
        }
    }

    #[tokio::test]
    async fn settings_of_tls_are_never_left_unused() {
        let tls = ClientTlsArguments {
            ca: Some("/nowhere/ca.crt".into()),
            ..plain()
        };
        // Without a scheme it is https, so the file is read.
        let error = connect("127.0.0.1:1", &tls).await.unwrap_err().to_string();
        assert!(error.starts_with("`--tls-ca` names the file"), "{error}");
        let error = connect("http://127.0.0.1:1", &tls).await.unwrap_err();
        assert!(matches!(error, CliError::PlainAddress(_)), "{error}");
    }
}
