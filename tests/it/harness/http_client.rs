//! A client of HTTP that is not gRPC's.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use super::TestServer;

/// The content type of JSON.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// The content type of a stream of JSON.
pub(crate) const STREAM: (&str, &str) = ("content-type", "application/connect+json");

/// A client of one server.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl TestServer {
    /// A client that speaks HTTP/1.1.
    pub(crate) fn http(&self) -> HttpClient {
        HttpClient::to(self, false)
    }

    /// A client that speaks HTTP/2.
    pub(crate) fn http_2(&self) -> HttpClient {
        HttpClient::to(self, true)
    }
}

impl HttpClient {
    fn to(server: &TestServer, is_http_2: bool) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new())
                .http2_only(is_http_2)
                .build_http(),
            base: format!("http://{}", server.address),
        }
    }

    /// Sends a request and returns its response.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Posts JSON with further headers.
    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        json: impl Into<Bytes>,
    ) -> Answer {
        let headers = [&[JSON], headers].concat();
        self.send(Method::POST, path, &headers, json).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, json: &Value) -> Answer {
        self.post_with(path, &[], json.to_string()).await
    }

    /// Gets a document.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} {self:?}"))
    }

    /// The body as JSON, if the call was answered.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// The reason in the details of an error.
pub(crate) fn reason(error: &Value) -> &str {
    let details = error["details"].as_array().into_iter().flatten();
    let mut reasons = details.filter(|detail| detail["type"] == "google.rpc.ErrorInfo");
    let info = reasons.next().unwrap_or_else(|| panic!("{error}"));
    info["debug"]["reason"].as_str().unwrap()
}

/// A message with the prefix that it has in a stream.
pub(crate) fn framed(flags: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[flags], length.to_be_bytes().as_slice(), message].concat()
}

/// The messages of a stream, with their flags.
pub(crate) fn unframed(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = body.split_first_chunk::<5>() {
        let [flags, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
        let (message, rest) = rest.split_at(length);
        messages.push((flags, message.to_vec()));
        body = rest;
    }
    assert!(body.is_empty(), "{} bytes are left", body.len());
    messages
}
