//! The observability of a server: metrics, probes, and its log.

use std::{net::SocketAddr, time::Duration};

use pim_authz::{
    pb::{self, Edition},
    telemetry::metrics::{ALL, Kind},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
    time::timeout,
};
use tonic::{Code, Request, transport::Channel};

use crate::harness::{Database, Program, TestServer, channel_to, file, product, terminate, user};
use pb::authorization_service_client::AuthorizationServiceClient;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

mod decision_log;
mod traces;

/// `pim-authz serve` on the database of a tenant, with metrics on a free port.
struct Watched {
    program: Program,
    http: SocketAddr,
    channel: Channel,
    _database: Database,
}

impl Watched {
    /// Starts a server with a small catalog of the tenant `secret-tenant`.
    async fn start(settings: impl FnOnce(&mut Command)) -> Self {
        let server = TestServer::start().await;
        let files = [
            file("users.csv", &["username;roles;groups", "secret-julia;;All"]),
            file("products.csv", &["sku", "secret-hat", "secret-cap"]),
        ];
        server
            .import("secret-tenant", Edition::Enterprise, &files)
            .await;
        let mut server = server;
        server.begin_stop();
        let database = server.ended_with_its_database().await;
        let mut command = Program::command(&database);
        command.env("PIM_AUTHZ_HTTP_LISTEN", "127.0.0.1:0");
        command.env("PIM_AUTHZ_DEFAULT_TENANT", "secret-tenant");
        settings(&mut command);
        let mut program = Program::spawn(&mut command);
        let http = http_address(&mut program).await;
        let channel = channel_to(program.address().await).await;
        Self {
            program,
            http,
            channel,
            _database: database,
        }
    }

    async fn check(&self, subject: &str, minimum_revision: u64) -> Result<bool, tonic::Status> {
        let mut request = Request::new(pb::CheckRequest {
            subject: user(subject),
            action: "view".into(),
            resource: product("secret-hat"),
            minimum_revision,
            ..Default::default()
        });
        request.set_timeout(Duration::from_secs(20));
        let mut client = AuthorizationServiceClient::new(self.channel.clone());
        Ok(client.check(request).await?.into_inner().allowed)
    }

    async fn get(&self, path: &str) -> (u16, String) {
        send_http(self.http, "GET", path).await
    }

    /// The lines of `/metrics` that begin with `name`.
    async fn metrics(&self, name: &str) -> Vec<String> {
        let (_, text) = self.get("/metrics").await;
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.map(str::to_owned).collect()
    }
}

/// The address at which a program serves metrics, read from its log.
async fn http_address(program: &mut Program) -> SocketAddr {
    let line = program.logged("metrics and probes on http://").await;
    let (_, rest) = line.split_once("http://").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// Sends an HTTP request and returns the status and the body of the answer.
async fn send_http(http: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(http).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").unwrap();
    let status = status.split(' ').next().unwrap().parse().unwrap();
    (status, body.to_owned())
}

#[tokio::test]
async fn http_serves_only_metrics_and_probes() {
    let watched = Watched::start(|_| {}).await;
    assert!(watched.check("secret-julia", 0).await.unwrap());
    let (status, text) = watched.get("/metrics").await;
    assert_eq!(status, 200);
    for metric in ALL {
        let is_seen = metric.kind != Kind::Histogram && metric.labels.is_empty();
        let is_shown = text.lines().any(|line| {
            line.strip_prefix(metric.name)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        // Without TLS there are no certificate metrics.
        let is_expected = is_seen && !metric.name.contains("certificate");
        assert_eq!(is_shown, is_expected, "{}", metric.name);
    }
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    assert!(
        !text.contains("secret"),
        "names a tenant, subject or product"
    );
    assert_eq!(watched.get("/livez").await, (200, "alive\n".into()));
    assert_eq!(watched.get("/readyz").await, (200, "ready\n".into()));
    for path in [
        "/",
        "/metrics/x",
        "/pim.authz.v1.AuthorizationService/Check",
    ] {
        assert_eq!(watched.get(path).await.0, 404, "{path}");
    }
    let (status, _) = send_http(watched.http, "POST", "/metrics").await;
    assert_eq!(status, 405);
}

#[tokio::test]
async fn calls_and_decisions_are_counted() {
    let watched = Watched::start(|_| {}).await;
    for subject in ["secret-julia", "secret-julia", "nobody"] {
        watched.check(subject, 0).await.unwrap();
    }
    let mut client = AuthorizationServiceClient::new(watched.channel.clone());
    let refused = client.check(pb::CheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let request = pb::StreamAllowedRequest {
        subject: user("secret-julia"),
        action: "view".into(),
        resource_type: "product".into(),
        ..Default::default()
    };
    let mut stream = client.stream_allowed(request).await.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
    let calls = "authz_requests_total{rpc=\"AuthorizationService/";
    assert_eq!(
        sorted(watched.metrics(calls).await),
        [
            "authz_requests_total{rpc=\"AuthorizationService/Check\",code=\"INVALID_ARGUMENT\"} 1",
            "authz_requests_total{rpc=\"AuthorizationService/Check\",code=\"OK\"} 3",
            "authz_requests_total{rpc=\"AuthorizationService/StreamAllowed\",code=\"OK\"} 1",
        ]
    );
    let decisions = watched.metrics("authz_decisions_total").await;
    let decisions = decisions.into_iter().filter(|line| !line.ends_with(" 0"));
    assert_eq!(
        sorted(decisions.collect()),
        [
            "authz_decisions_total{outcome=\"allowed\",reason=\"none\"} 2",
            "authz_decisions_total{outcome=\"denied\",reason=\"subject_unknown\"} 1",
        ]
    );
    let failures = watched.metrics("authz_failures_total").await;
    assert_eq!(
        failures,
        ["authz_failures_total{reason=\"INVALID_REQUEST\"} 1"]
    );
    let count = "authz_request_duration_seconds_count{rpc=\"AuthorizationService/Check\"}";
    assert_eq!(watched.metrics(count).await, [format!("{count} 4")]);
}

#[tokio::test]
async fn calls_are_in_flight_until_their_stream_ends() {
    let watched = Watched::start(|_| {}).await;
    let in_flight = "authz_requests_in_flight";
    assert_eq!(watched.metrics(in_flight).await, [format!("{in_flight} 0")]);
    let mut client = HealthClient::new(watched.channel.clone());
    let request = HealthCheckRequest::default();
    // This stream ends when its caller leaves.
    let stream = client.watch(request).await.unwrap().into_inner();
    assert_eq!(watched.metrics(in_flight).await, [format!("{in_flight} 1")]);
    drop(stream);
    let code = "authz_requests_total{rpc=\"Health/Watch\",code=\"CANCELLED\"}";
    let left = async { while watched.metrics(code).await != [format!("{code} 1")] {} };
    timeout(Duration::from_secs(20), left).await.unwrap();
    assert_eq!(watched.metrics(in_flight).await, [format!("{in_flight} 0")]);
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[tokio::test]
async fn server_without_database_is_live_but_not_ready() {
    let mut command = Program::command_on("serve", &"postgresql://nobody@127.0.0.1:1/none".into());
    command.env("PIM_AUTHZ_HTTP_LISTEN", "127.0.0.1:0");
    command.env("PIM_AUTHZ_WAIT_FOR_DATABASE", "true");
    let mut program = Program::spawn(&mut command);
    let http = http_address(&mut program).await;
    program.logged("waiting for the database").await;
    let (status, _) = send_http(http, "GET", "/livez").await;
    assert_eq!(status, 200);
    let (status, text) = send_http(http, "GET", "/readyz").await;
    assert_eq!(status, 503);
    assert!(text.starts_with("not ready"), "{text}");
    let (_, metrics) = send_http(http, "GET", "/metrics").await;
    assert!(metrics.contains("\nauthz_ready 0\n"), "{metrics}");
}

#[tokio::test]
async fn occupied_http_port_fails_startup_before_taking_a_lease() {
    let database = Database::create().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = Program::command(&database);
    let output = command.env("PIM_AUTHZ_HTTP_LISTEN", &address).output();
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let expected = format!("cannot serve metrics and probes on {address}");
    assert!(
        stderr.contains(&expected) && stderr.contains("--http-listen"),
        "{stderr}"
    );
    let (client, _driving) = database.connect().await;
    let leases = client
        .query("SELECT FROM pim_authz.lease", &[])
        .await
        .unwrap();
    assert_eq!(leases.len(), 0);
}

#[tokio::test]
async fn slow_call_is_logged_with_the_callers_request_id() {
    let mut watched = Watched::start(|command| {
        command.env("PIM_AUTHZ_SLOW_REQUEST_MS", "100");
        command.env("PIM_AUTHZ_LOG_FORMAT", "json");
    })
    .await;
    let mut request = Request::new(pb::CheckRequest {
        subject: user("secret-julia"),
        action: "product.list".into(),
        minimum_revision: 1_000,
        ..Default::default()
    });
    request.set_timeout(Duration::from_millis(300));
    let metadata = request.metadata_mut();
    metadata.insert("x-request-id", "order-7".parse().unwrap());
    let mut client = AuthorizationServiceClient::new(watched.channel.clone());
    let failed = client.check(request).await.unwrap_err();
    assert_eq!(failed.code(), Code::DeadlineExceeded);
    assert_eq!(failed.metadata().get("x-request-id").unwrap(), "order-7");
    let line = watched.program.logged("a call was slow").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let fields = &line["fields"];
    assert_eq!(fields["request.id"], "order-7");
    assert_eq!(fields["rpc.method"], "AuthorizationService/Check");
    assert_eq!(fields["rpc.code"], "DEADLINE_EXCEEDED");
    assert!(fields["rpc.duration_ms"].as_u64().unwrap() >= 100, "{line}");
    // If the caller's request id is invalid or missing, the server generates
    // one.
    for name in [None, Some("two words"), Some("")] {
        let mut request = Request::new(pb::CheckRequest::default());
        if let Some(name) = name {
            let metadata = request.metadata_mut();
            metadata.insert("x-request-id", name.parse().unwrap());
        }
        let failed = client.check(request).await.unwrap_err();
        let given = failed.metadata().get("x-request-id").unwrap();
        let given = given.to_str().unwrap().to_owned();
        assert!(uuid::Uuid::parse_str(&given).is_ok(), "{given}");
    }
}
