use std::{convert::Infallible, sync::Arc};

use futures_util::FutureExt as _;
use http_body_util::Full;
use tonic::{
    Status,
    body::Body,
    codegen::http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
        header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, ORIGIN},
        request::Parts,
    },
};
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::CorsLayer;

use super::{
    authzen::{self, Endpoint},
    connect::{self, ConnectError},
    contract,
    cors::CorsOrigins,
    documents, grpc,
    media_type::{self, MediaType},
    public_url::PublicUrl,
    transcoding::{Encoding, Envelope, Format},
};
use crate::rpc::{Credentials, Handler, Untranslated, invalid_field, unimplemented};

/// The header that identifies a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The path of the configuration of AuthZEN, followed by that of a tenant, or after it.
const CONFIGURATION_PATH: &str = "/.well-known/authzen-configuration";

/// Why no call is a GET.
const NO_GET: &str = "caches would answer a GET with old decisions";

/// The header that names the media types of requests.
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// Settings of the HTTP bindings.
#[derive(Clone, Debug)]
pub struct BindingSettings {
    /// The URL that the configuration of AuthZEN names; `None`: it is not served.
    pub public_url: Option<PublicUrl>,
    /// The origins whose pages may call.
    pub origins: CorsOrigins,
    /// Whether the contract is served as OpenAPI.
    pub contract: Contract,
    /// Whether calls need credentials. Where they do not, no page may call that is not of
    /// one of the `origins`, even if its browser takes the server for the page's own (DNS
    /// rebinding): whoever opens a page must not lend it the rights of this machine.
    pub credentials: Credentials,
}

impl Default for BindingSettings {
    /// Nothing that is public, and no pages.
    fn default() -> Self {
        Self {
            public_url: None,
            origins: CorsOrigins::default(),
            contract: Contract::default(),
            credentials: Credentials::Required,
        }
    }
}

/// Whether the contract is served as a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contract {
    /// To anyone.
    Served,
    /// To no one.
    #[default]
    Hidden,
}

/// Answers requests over HTTP that are not of gRPC, by calls of gRPC.
#[derive(Clone, Debug)]
pub struct Bindings {
    settings: Arc<BindingSettings>,
    cors: Option<CorsLayer>,
}

/// A request that has arrived, as a call of gRPC.
#[derive(Debug)]
pub struct Received<B> {
    /// The request.
    pub request: Request<B>,
    /// How its response is written.
    pub dialect: Dialect,
}

/// The language of a request, in which it is answered.
#[derive(Debug)]
pub enum Dialect {
    /// gRPC over HTTP/2.
    Grpc,
    /// Another.
    Http(Box<HttpDialect>),
}

/// A language other than gRPC.
#[derive(Debug)]
pub struct HttpDialect {
    language: Language,
    /// The request's id, which its response repeats.
    request_id: Option<HeaderValue>,
}

#[derive(Debug)]
enum Language {
    GrpcWeb,
    Connect(connect::Call),
    AuthZen,
    /// The request asks which origins may call.
    Preflight,
    /// The request is answered without a call.
    Answered(Response<Body>),
}

impl Dialect {
    /// True if the request is a call; otherwise it is answered at once.
    #[must_use]
    pub fn is_call(&self) -> bool {
        match self {
            Self::Grpc => true,
            Self::Http(http) => match http.language {
                Language::GrpcWeb | Language::Connect(_) | Language::AuthZen => true,
                Language::Preflight | Language::Answered(_) => false,
            },
        }
    }
}

impl Bindings {
    /// Creates the bindings.
    #[must_use]
    pub fn new(settings: BindingSettings) -> Self {
        Self {
            cors: settings.origins.layer(),
            settings: Arc::new(settings),
        }
    }

    /// Turns the head of a request into that of a call of gRPC; one of gRPC is not
    /// changed.
    pub fn receive<B>(&self, request: Request<B>) -> Received<B> {
        let media = MediaType::of(request.headers());
        if media == MediaType::Grpc && request.version() == Version::HTTP_2 {
            let dialect = Dialect::Grpc;
            return Received { request, dialect };
        }
        let (mut head, body) = request.into_parts();
        let request_id = head.headers.get(REQUEST_ID).cloned();
        let language = match self.language(&mut head, media) {
            Ok(language) => language,
            Err(response) => Language::Answered(*response),
        };
        Received {
            request: Request::from_parts(head, body),
            dialect: Dialect::Http(Box::new(HttpDialect {
                language,
                request_id,
            })),
        }
    }

    fn language(&self, head: &mut Parts, media: MediaType) -> Result<Language, Refusal> {
        if head.method == Method::OPTIONS && self.cors.is_some() {
            return Ok(Language::Preflight);
        }
        let is_open = self.settings.credentials == Credentials::Optional;
        if is_open && self.settings.origins.refuse(&head.headers) {
            return Err(of_a_page().into());
        }
        let path = head.uri.path();
        if let Some(rpc) = contract::rpc(path) {
            if head.method != Method::POST {
                return Err(only(&Method::POST, NO_GET).into());
            }
            return match media {
                MediaType::GrpcWeb => Ok(web(head, media_type::GRPC_WEB)),
                MediaType::GrpcWebText => Ok(web(head, media_type::GRPC_WEB_TEXT)),
                MediaType::Grpc => Err(needs_http_2().into()),
                MediaType::Json
                | MediaType::Proto
                | MediaType::ConnectJson
                | MediaType::ConnectProto
                | MediaType::Other => connected(head, rpc, media),
            };
        }
        let Some((tenant, below)) = authzen::tenant_of(path) else {
            let message = "its code in the path is not UTF-8";
            return Err(text(&invalid_field("tenant", message)).into());
        };
        if let Some(endpoint) = Endpoint::ALL
            .into_iter()
            .find(|endpoint| endpoint.path() == below)
        {
            return asked(head, media, authzen::Call { endpoint, tenant });
        }
        self.document(head)
    }

    /// Returns a document.
    fn document(&self, head: &Parts) -> Result<Language, Refusal> {
        let path = head.uri.path();
        let found = if path == documents::OPENAPI_PATH {
            match self.settings.contract {
                Contract::Served => Some(documents::openapi()),
                Contract::Hidden => None,
            }
        } else if let Some(tenant) = configured_tenant(path) {
            let base = self.settings.public_url.as_ref();
            let base = base.ok_or_else(|| not_found("the server has no `--public-url`"))?;
            let configuration = authzen::configuration(base, &tenant);
            Some(documents::document(configuration.into()))
        } else {
            None
        };
        let Some(document) = found else {
            return Err(not_found(&format!("there is nothing at {path}")).into());
        };
        if head.method == Method::GET || head.method == Method::HEAD {
            Ok(Language::Answered(document))
        } else {
            Err(only(&Method::GET, "it is a document").into())
        }
    }

    /// Answers a call of a language other than gRPC by the `service`, whose requests
    /// are those of gRPC.
    pub async fn answer(
        &self,
        dialect: HttpDialect,
        request: Request<Body>,
        service: &impl Handler,
    ) -> Response<Body> {
        let HttpDialect {
            language,
            request_id,
        } = dialect;
        let cors = self.cors.as_ref();
        let cors = cors.filter(|_| request.headers().contains_key(ORIGIN));
        let mut response = match cors {
            None => language.answer(request, service).await,
            Some(cors) => {
                let mut language = Some(language);
                let answering = service_fn(move |request| {
                    let language = language.take().unwrap_or(Language::Preflight);
                    language.answer(request, service).map(Ok::<_, Infallible>)
                });
                let Ok(response) = cors.layer(answering).oneshot(request).await;
                response
            }
        };
        if let Some(id) = request_id {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

impl Language {
    async fn answer(self, request: Request<Body>, service: &impl Handler) -> Response<Body> {
        match self {
            Self::Answered(response) => response,
            // The layer for other origins has answered the question already.
            Self::Preflight => only(&Method::POST, "the origin may not call"),
            Self::GrpcWeb => {
                let answering =
                    service_fn(|request| service.handle(request).map(Ok::<_, Infallible>));
                let Ok(response) = GrpcWebLayer::new().layer(answering).oneshot(request).await;
                response
            }
            Self::Connect(call) => call.respond(service.handle(request).await).await,
            Self::AuthZen => {
                let response = service.handle(request).await;
                match grpc::one_message(response).await {
                    Ok((headers, message)) => grpc::answered(headers, "application/json", message),
                    Err((headers, status)) => ConnectError::of(&status).text_response(headers),
                }
            }
        }
    }
}

/// The response to a request that is no call; boxed, since it is larger than a call.
type Refusal = Box<Response<Body>>;

/// Receives a call of gRPC-Web, whose content type is spelled as its layer knows it.
fn web(head: &mut Parts, content_type: &'static str) -> Language {
    let content_type = HeaderValue::from_static(content_type);
    head.headers.insert(CONTENT_TYPE, content_type);
    Language::GrpcWeb
}

/// Receives a call of the Connect protocol.
fn connected(
    head: &mut Parts,
    rpc: &'static contract::Rpc,
    media: MediaType,
) -> Result<Language, Refusal> {
    let Some(mut call) = connect::call(rpc, media) else {
        let accepted = connect::accepted(rpc);
        let refused = unimplemented(&format!(
            "the content type of a request of this call is one of {accepted}"
        ));
        let refused =
            ConnectError::of(&refused).with_http_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_POST, HeaderValue::from_static(accepted));
        return Err(Box::new(refused.response(headers)));
    };
    match call.receive(head, rpc) {
        Ok(()) => Ok(Language::Connect(call)),
        Err(status) => Err(Box::new(call.refused(&status))),
    }
}

/// Receives a question of AuthZEN.
fn asked(head: &mut Parts, media: MediaType, call: authzen::Call) -> Result<Language, Refusal> {
    if head.method != Method::POST {
        return Err(only(&Method::POST, NO_GET).into());
    }
    if media != MediaType::Json {
        let message = "it must be application/json, in UTF-8";
        return Err(text(&invalid_field("content-type", message)).into());
    }
    let is_compressed = grpc::is_compressed(&head.headers, &CONTENT_ENCODING);
    let is_compressed = is_compressed.map_err(|status| text(&status))?;
    let path = call.endpoint.rpc_path();
    let Some(rpc) = contract::rpc(path) else {
        return Err(not_found("the contract lacks its RPC, a bug of the service").into());
    };
    head.uri = Uri::from_static(path);
    head.extensions.insert(Untranslated);
    head.extensions.insert(Encoding {
        rpc,
        format: Format::AuthZen(call),
        request: Envelope::Bare,
        is_compressed,
        may_compress: grpc::accepts_gzip(&head.headers, &ACCEPT_ENCODING),
    });
    grpc::into_grpc(&mut head.headers, is_compressed);
    Ok(Language::AuthZen)
}

/// Returns the tenant whose configuration is at a path; empty: the default tenant.
fn configured_tenant(path: &str) -> Option<String> {
    if let Some(below) = path.strip_prefix(CONFIGURATION_PATH) {
        if below.is_empty() {
            return Some(String::new());
        }
        let (tenant, rest) = authzen::tenant_of(&format!("{below}/"))
            .map(|(tenant, rest)| (tenant, rest.to_owned()))?;
        return (rest == "/" && !tenant.is_empty()).then_some(tenant);
    }
    let (tenant, below) = authzen::tenant_of(path)?;
    (below == CONFIGURATION_PATH).then_some(tenant)
}

/// Returns a refusal as text.
fn text(status: &Status) -> Response<Body> {
    ConnectError::of(status).text_response(HeaderMap::new())
}

/// Refuses a request of a page.
fn of_a_page() -> Response<Body> {
    let message = "pages of this origin may not call; `--cors-origin` allows them";
    let refused = ConnectError::of(&Status::permission_denied(message));
    refused.response(HeaderMap::new())
}

fn not_found(message: &str) -> Response<Body> {
    let refused = ConnectError::of(&unimplemented(message));
    let refused = refused.with_http_status(StatusCode::NOT_FOUND);
    refused.response(HeaderMap::new())
}

/// Refuses a method other than `method`.
fn only(method: &Method, why: &str) -> Response<Body> {
    let message = format!("send a {method}: {why}");
    let refused = ConnectError::of(&unimplemented(&message));
    let refused = refused.with_http_status(StatusCode::METHOD_NOT_ALLOWED);
    let mut headers = HeaderMap::new();
    if let Ok(method) = method.as_str().parse() {
        headers.insert(ALLOW, method);
    }
    refused.response(headers)
}

/// Refuses gRPC over HTTP/1.
fn needs_http_2() -> Response<Body> {
    let message = "gRPC needs HTTP/2; over HTTP/1.1 send JSON or gRPC-Web\n";
    let mut response = Response::new(Body::new(Full::from(message)));
    *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
    response
}
