use std::time::Duration;

use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::public_url::PublicUrl;

/// How long a browser may remember that it may call.
const MAX_AGE: Duration = Duration::from_hours(1);

/// The origins whose pages may call the server from a browser; by default none.
#[derive(Clone, Debug, Default)]
pub struct CorsOrigins(Vec<HeaderValue>);

/// The text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin like `https://app.example.com`: http or https, a host, perhaps a port, \
     and nothing after them"
)]
pub struct InvalidOrigin(String);

impl CorsOrigins {
    /// Allows these origins, each as a browser sends it: `https://app.example.com`.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`]: the first that is none; `*` is not accepted.
    pub fn new(origins: &[String]) -> Result<Self, InvalidOrigin> {
        let parsed = origins.iter().map(|origin| {
            let invalid = || InvalidOrigin(origin.clone());
            let url: PublicUrl = origin.parse().map_err(|_| invalid())?;
            if !url.is_origin() || origin.ends_with('/') {
                return Err(invalid());
            }
            HeaderValue::from_str(origin).map_err(|_| invalid())
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// True if a request is of a page that may not call. Browsers name the page of every
    /// POST, also to its own host.
    pub(super) fn refuse(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(header::ORIGIN);
        origin.is_some_and(|origin| !self.0.contains(origin))
    }

    /// Returns the layer that allows them; `None` if there are none.
    pub(super) fn layer(&self) -> Option<CorsLayer> {
        if self.0.is_empty() {
            return None;
        }
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.0.clone()))
            .allow_methods([Method::POST, Method::GET])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(exposed())
            .max_age(MAX_AGE);
        Some(layer)
    }
}

/// The headers of responses that a page may read.
fn exposed() -> Vec<HeaderName> {
    let ours = [
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        "x-request-id",
        "connect-content-encoding",
    ];
    let mut exposed = vec![header::CONTENT_ENCODING, header::RETRY_AFTER];
    exposed.extend(ours.map(HeaderName::from_static));
    exposed
}
