//! Sends questions to a running server at a rate that does not depend on its answers
//! (an open loop), or a number at a time (a closed loop): `scripts/measure-flood` runs it.
//!
//! At a rate, each question has a time at which it is due. Its deadline and its latency count
//! from that time, also while it waits until the connection may send another: h2 sends them in
//! the order of arrival, as gRPC libraries do. It is canceled at its deadline, before or after
//! it is sent. The timeout in its headers is the whole deadline, as with these libraries.
//!
//! It writes to HTTP/2 itself, and encodes the questions before, because a gRPC client needs
//! more CPU for a call than the server.

use std::{cell::RefCell, collections::BTreeMap, error::Error, rc::Rc, time::Duration};

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use futures_util::future::join_all;
use h2::client::SendRequest;
use http::Request;
use pim_authz::pb;
use prost::Message as _;
use serde_json::json;
use tokio::{
    net::TcpStream,
    task::{LocalSet, spawn_local},
    time::{Instant, sleep_until, timeout_at},
};

/// How often due questions are sent: more often costs the CPU more.
const TICK: Duration = Duration::from_millis(1);

/// Number of different messages, which are sent in turn.
const DIFFERENT: usize = 1000;

type Failed = Box<dyn Error>;

/// Sends questions to a running server, and prints as JSON how many were answered.
#[derive(Parser)]
struct Options {
    /// HOST:PORT of the server, which serves without TLS.
    #[arg(long)]
    server: String,
    #[arg(long)]
    tenant: String,
    /// Id of the user about whom each question is.
    #[arg(long)]
    user: String,
    #[arg(long, default_value = "view")]
    action: String,
    /// Number of products that the questions are about, in turn: `sku_1` and so on, as
    /// `pim-authz-gen` names them.
    #[arg(long, default_value_t = 1000)]
    products: usize,
    /// Number of products of a `BatchCheck`; 0 sends Checks.
    #[arg(long, default_value_t = 0)]
    items: usize,
    /// The protocol of the questions; a batch is of gRPC.
    #[arg(long, value_enum, default_value_t = Protocol::Grpc)]
    protocol: Protocol,
    /// Number of questions a second.
    #[arg(
        long,
        conflicts_with = "at_a_time",
        required_unless_present = "at_a_time"
    )]
    rate: Option<f64>,
    /// Number of concurrent questions: the next is sent when one is answered.
    #[arg(long)]
    at_a_time: Option<u32>,
    #[arg(long, default_value_t = 50)]
    connections: u32,
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    #[arg(long, default_value_t = 1000)]
    deadline_ms: u64,
}

/// A protocol over HTTP/2.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// gRPC.
    Grpc,
    /// JSON by the Connect protocol.
    Json,
    /// An evaluation of the AuthZEN standard.
    Authzen,
}

/// What became of the questions.
#[derive(Default)]
struct Results {
    offered: usize,
    /// Latencies of those answered in time, in microseconds.
    answered: Vec<u32>,
    /// Number of others, by gRPC status code or a word.
    others: BTreeMap<String, usize>,
    /// The longest time that the generator was late, in milliseconds.
    late_ms: u128,
    /// The index of the message that was taken last.
    messages: usize,
}

/// What every connection needs.
struct Load {
    options: Options,
    path: String,
    messages: Vec<Bytes>,
    begin: Instant,
    end: Instant,
    results: RefCell<Results>,
}

fn main() -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, send(Options::parse()))
}

async fn send(options: Options) -> Result<(), Failed> {
    let mut connections = Vec::new();
    for _ in 0..options.connections {
        let stream = TcpStream::connect(&options.server).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = h2::client::handshake(stream).await?;
        spawn_local(connection);
        connections.push(requests);
    }
    let (path, messages) = questions(&options);
    let begin = Instant::now() + TICK;
    let load = Rc::new(Load {
        end: begin + Duration::from_secs(options.seconds.into()),
        options,
        path,
        messages,
        begin,
        results: RefCell::default(),
    });
    let senders = connections.into_iter().zip(0..).map(|(requests, number)| {
        let load = Rc::clone(&load);
        async move {
            match (load.options.rate, load.options.at_a_time) {
                (Some(rate), _) => {
                    let period = Duration::from_secs_f64(1.0 / rate);
                    load.at_rate(requests, number, period).await;
                }
                (None, all) => load.at_a_time(requests, number, all.unwrap_or(1)).await,
            }
        }
    });
    join_all(senders).await;
    // The last ones are answered, or reach their deadlines.
    sleep_until(load.end + load.deadline() + TICK * 50).await;
    load.print();
    Ok(())
}

/// Returns the path of the call, and different messages, those of gRPC with their prefix.
fn questions(options: &Options) -> (String, Vec<Bytes>) {
    match options.protocol {
        Protocol::Grpc => questions_of_grpc(options),
        Protocol::Json => {
            let path = "/pim.authz.v1.AuthorizationService/Check".to_owned();
            let message = |number| {
                json!({
                    "tenant": options.tenant,
                    "subject": {"type": "user", "id": options.user},
                    "action": options.action,
                    "resource": {"type": "product", "id": product(options, number).id},
                })
            };
            let messages = (0..DIFFERENT).map(|number| message(number).to_string().into());
            (path, messages.collect())
        }
        Protocol::Authzen => {
            let path = format!("/tenants/{}/access/v1/evaluation", options.tenant);
            let message = |number| {
                json!({
                    "subject": {"type": "user", "id": options.user},
                    "action": {"name": options.action},
                    "resource": {"type": "product", "id": product(options, number).id},
                })
            };
            let messages = (0..DIFFERENT).map(|number| message(number).to_string().into());
            (path, messages.collect())
        }
    }
}

fn questions_of_grpc(options: &Options) -> (String, Vec<Bytes>) {
    let name = if options.items == 0 {
        "Check"
    } else {
        "BatchCheck"
    };
    let messages = (0..DIFFERENT).map(|number| {
        let message = if options.items == 0 {
            check(options, number).encode_to_vec()
        } else {
            batch(options, number * options.items).encode_to_vec()
        };
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        [&[0][..], &length.to_be_bytes(), &message].concat().into()
    });
    (
        format!("/pim.authz.v1.AuthorizationService/{name}"),
        messages.collect(),
    )
}

fn check(options: &Options, number: usize) -> pb::CheckRequest {
    pb::CheckRequest {
        tenant: options.tenant.clone(),
        subject: Some(subject(options)),
        action: options.action.clone(),
        resource: Some(product(options, number)),
        ..Default::default()
    }
}

/// Returns a page of products, from a number on.
fn batch(options: &Options, first: usize) -> pb::BatchCheckRequest {
    let items = (first..first + options.items).map(|number| pb::CheckItem {
        resource: Some(product(options, number)),
        ..Default::default()
    });
    pb::BatchCheckRequest {
        tenant: options.tenant.clone(),
        subject: Some(subject(options)),
        action: options.action.clone(),
        items: items.collect(),
        ..Default::default()
    }
}

fn subject(options: &Options) -> pb::Subject {
    pb::Subject {
        r#type: "user".into(),
        id: options.user.clone(),
    }
}

fn product(options: &Options, number: usize) -> pb::Resource {
    pb::Resource {
        r#type: "product".into(),
        id: format!("sku_{}", number % options.products + 1),
        ..Default::default()
    }
}

impl Load {
    fn deadline(&self) -> Duration {
        Duration::from_millis(self.options.deadline_ms)
    }

    /// Sends the part of one connection of a question every `period`.
    async fn at_rate(self: Rc<Self>, requests: SendRequest<Bytes>, number: u32, period: Duration) {
        let mut next = number;
        loop {
            let now = Instant::now();
            loop {
                let due = self.begin + period * next;
                if due >= self.end {
                    return;
                }
                if due > now {
                    break;
                }
                next += self.options.connections;
                let mut results = self.results.borrow_mut();
                results.offered += 1;
                results.late_ms = results.late_ms.max((now - due).as_millis());
                spawn_local(Rc::clone(&self).send_one(requests.clone(), due));
            }
            sleep_until(now + TICK).await;
        }
    }

    /// Sends the part of one connection of `all` concurrent questions.
    async fn at_a_time(self: Rc<Self>, requests: SendRequest<Bytes>, number: u32, all: u32) {
        let connections = self.options.connections;
        let own = all / connections + u32::from(number < all % connections);
        let senders = (0..own).map(|_| {
            let (load, requests) = (Rc::clone(&self), requests.clone());
            async move {
                while let now = Instant::now()
                    && now < load.end
                {
                    load.results.borrow_mut().offered += 1;
                    Rc::clone(&load).send_one(requests.clone(), now).await;
                }
            }
        });
        join_all(senders).await;
    }

    /// Sends a question that is `due`, and counts the result.
    async fn send_one(self: Rc<Self>, requests: SendRequest<Bytes>, due: Instant) {
        let answered = timeout_at(due + self.deadline(), self.answer(requests)).await;
        let mut results = self.results.borrow_mut();
        match answered {
            // What is answered after the last one was sent is not of the rate under load.
            Ok(Ok(_)) if Instant::now() > self.end => {
                *results.others.entry("after the end".into()).or_default() += 1;
            }
            Ok(Ok(status)) if status == "0" => {
                let latency = u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX);
                results.answered.push(latency);
            }
            Ok(Ok(status)) => *results.others.entry(format!("code {status}")).or_default() += 1,
            Ok(Err(error)) => *results.others.entry(error.to_string()).or_default() += 1,
            Err(_) => *results.others.entry("deadline".into()).or_default() += 1,
        }
    }

    /// Returns the status code of the answer.
    async fn answer(&self, requests: SendRequest<Bytes>) -> Result<String, h2::Error> {
        let mut requests = requests.ready().await?;
        let request = Request::post(format!("http://{}{}", self.options.server, self.path));
        let deadline_ms = self.options.deadline_ms;
        let is_grpc = self.options.protocol == Protocol::Grpc;
        let request = if is_grpc {
            request
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .header("grpc-timeout", format!("{deadline_ms}m"))
        } else {
            request
                .header("content-type", "application/json")
                .header("connect-timeout-ms", deadline_ms.to_string())
        };
        let request = request.body(()).unwrap_or_default();
        let (response, mut body) = requests.send_request(request, false)?;
        body.send_data(self.message(), true)?;
        let (head, mut body) = response.await?.into_parts();
        let status_of = |headers: &http::HeaderMap| {
            let status = headers.get("grpc-status")?;
            Some(String::from_utf8_lossy(status.as_bytes()).into_owned())
        };
        if let Some(status) = status_of(&head.headers) {
            return Ok(status);
        }
        while let Some(data) = body.data().await {
            let length = data?.len();
            body.flow_control().release_capacity(length)?;
        }
        if !is_grpc {
            let is_ok = head.status == http::StatusCode::OK;
            return Ok(if is_ok {
                "0".to_owned()
            } else {
                head.status.to_string()
            });
        }
        let trailers = body.trailers().await?;
        Ok(trailers.as_ref().and_then(status_of).unwrap_or_default())
    }

    /// Returns the next message.
    fn message(&self) -> Bytes {
        let mut results = self.results.borrow_mut();
        results.messages = (results.messages + 1) % DIFFERENT;
        let message = self.messages.get(results.messages).cloned();
        message.unwrap_or_default()
    }

    fn print(&self) {
        let results = self.results.borrow();
        let mut answered = results.answered.clone();
        answered.sort_unstable();
        let quantile = |part: usize| {
            let at = answered.len() * part / 1000;
            answered.get(at).map(|micros| f64::from(*micros) / 1000.0)
        };
        let a_second = |count: usize| {
            u64::try_from(count).unwrap_or(u64::MAX) / u64::from(self.options.seconds)
        };
        let printed = json!({
            "offered_a_second": a_second(results.offered),
            "answered_a_second": a_second(answered.len()),
            "p50_ms": quantile(500),
            "p99_ms": quantile(990),
            "others": results.others,
            "generator_late_ms": u64::try_from(results.late_ms).unwrap_or(u64::MAX),
        });
        println!("{printed}");
    }
}
