use std::{error::Error as _, time::Duration};

use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use super::{CliError, ServerArguments};
use crate::pb::authorization_service_client::AuthorizationServiceClient;

/// How long an answer, or the next message of a stream, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer: 10,000 resources and every category take a tenth of it.
const LONGEST_ANSWER: usize = 64 << 20;

/// How long a server may take to take a call.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How often a silent server is asked whether it is still there.
const ARE_YOU_THERE: Duration = Duration::from_secs(20);

/// Connects to a server by its URL; `http://` need not be said.
///
/// # Errors
///
/// [`CliError`] when the URL is none, or nobody answers there.
pub async fn connect(server: &str) -> Result<Channel, CliError> {
    let url = if server.contains("://") {
        server.to_owned()
    } else {
        format!("http://{server}")
    };
    if !url.starts_with("http://") {
        return Err(CliError::Scheme(url));
    }
    let endpoint =
        Endpoint::from_shared(url.clone()).map_err(|_| CliError::Address(url.clone()))?;
    endpoint
        .connect_timeout(CONNECT_PATIENCE)
        .http2_keep_alive_interval(ARE_YOU_THERE)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(|error| CliError::Unreachable {
            url,
            cause: innermost(&error),
        })
}

/// Connects to the server that was said, to ask it questions.
pub(super) async fn client(
    server: &ServerArguments,
) -> Result<AuthorizationServiceClient<Channel>, CliError> {
    let client = AuthorizationServiceClient::new(connect(&server.server).await?);
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

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_with_the_cause() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = connect(&address.to_string()).await.unwrap_err().to_string();
        assert!(error.contains(&format!("http://{address}")), "{error}");
        assert!(error.contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_an_error() {
        for server in ["https://x:1", "ftp://x", "http://", "no host"] {
            let error = connect(server).await.unwrap_err();
            let expected = matches!(error, CliError::Scheme(_) | CliError::Address(_));
            assert!(expected, "{server}: {error}");
        }
    }
}
