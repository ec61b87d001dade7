//! An HTTP server that parses the JSON of every request and answers with the same: what a
//! call in JSON costs without a decision. `scripts/measure-http` runs it.

use std::{convert::Infallible, env, error::Error, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use serde_json::Value;
use tokio::net::TcpListener;

/// The response to a Check that is allowed.
const ALLOWED: &[u8] =
    br#"{"allowed":true,"editMode":"EDIT_MODE_UNSPECIFIED","level":"LEVEL_VIEW","revision":"1"}"#;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await;
    let body = body.map(http_body_util::Collected::to_bytes);
    let question: Option<Value> = body
        .ok()
        .and_then(|body| serde_json::from_slice(&body).ok());
    let mut response = Response::new(Full::new(Bytes::from_static(ALLOWED)));
    if question.is_none() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    let content_type = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", content_type);
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = env::args().nth(1).ok_or("say the address")?.parse()?;
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            let serving = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
            // The load generator closes its connections.
            let _closed = serving.await;
        });
    }
}
