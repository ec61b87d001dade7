//! Sends questions to a running server at a rate that does not depend on its answers
//! (an open loop), or a number at a time (a closed loop): `scripts/measure-flood` runs it.
//!
//! At a rate, each question has the time at which it is asked. Its deadline and its latency
//! count from that time, also while it waits until the connection may send another. It waits
//! in the order of arrival, as in the gRPC libraries, and is given up at its deadline, before
//! or after it is sent. The server is told the whole deadline, as these libraries do.
//!
//! It writes to HTTP/2 itself, and encodes the question once, because a gRPC client needs
//! more CPU for a call than the server.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    error::Error,
    future::poll_fn,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use clap::Parser;
use futures_util::future::join_all;
use h2::client::SendRequest;
use http::Request;
use pim_authz::pb;
use prost::Message as _;
use tokio::{
    net::TcpStream,
    task::{LocalSet, spawn_local},
    time::{Instant, sleep_until, timeout_at},
};

/// How often questions are asked, if they are due: more often costs the CPU more.
const TICK: Duration = Duration::from_millis(1);

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
    #[arg(long, default_value = "product.list")]
    action: String,
    /// Number of items of a `BatchCheck`; 0 sends Checks.
    #[arg(long, default_value_t = 0)]
    items: usize,
    /// Number of questions a second.
    #[arg(long, conflicts_with = "at_a_time", required_unless_present = "at_a_time")]
    rate: Option<f64>,
    /// Number of questions at a time: the next is asked when one is answered.
    #[arg(long)]
    at_a_time: Option<usize>,
    #[arg(long, default_value_t = 50)]
    connections: usize,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    #[arg(long, default_value_t = 1000)]
    deadline_ms: u64,
}

/// What became of the questions.
#[derive(Default)]
struct Results {
    asked: usize,
    sent: usize,
    /// Microseconds from the time at which they were asked to the answer, in time.
    answered: Vec<u64>,
    /// Number of others, by gRPC status code or a word.
    others: BTreeMap<String, usize>,
    /// The longest time that the generator was late, in milliseconds.
    late_ms: u128,
}

/// What every connection needs.
struct Load {
    options: Options,
    path: String,
    message: Bytes,
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
    let (path, message) = question(&options);
    let begin = Instant::now() + TICK;
    let load = Rc::new(Load {
        end: begin + Duration::from_secs_f64(options.seconds),
        options,
        path,
        message,
        begin,
        results: RefCell::default(),
    });
    let senders = connections.into_iter().enumerate().map(|(number, requests)| {
        let load = Rc::clone(&load);
        async move {
            match load.options.rate {
                Some(rate) => load.at_rate(requests, number, rate).await,
                None => load.at_a_time(requests, number).await,
            }
        }
    });
    join_all(senders).await;
    // The last ones are answered, or reach their deadlines.
    sleep_until(load.end + load.deadline() + TICK * 50).await;
    load.print();
    Ok(())
}

/// Returns the path of the call, and the message with the prefix of gRPC.
fn question(options: &Options) -> (String, Bytes) {
    let item = pb::CheckRequest {
        tenant: options.tenant.clone(),
        subject: Some(pb::Subject {
            r#type: "user".into(),
            id: options.user.clone(),
        }),
        action: options.action.clone(),
        ..Default::default()
    };
    let (name, message) = if options.items == 0 {
        ("Check", item.encode_to_vec())
    } else {
        let item = pb::CheckItem {
            subject: item.subject,
            action: item.action,
            ..Default::default()
        };
        let batch = pb::BatchCheckRequest {
            tenant: item_tenant(options),
            items: vec![item; options.items],
            ..Default::default()
        };
        ("BatchCheck", batch.encode_to_vec())
    };
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let framed = [&[0][..], &length, &message].concat();
    (
        format!("/pim.authz.v1.AuthorizationService/{name}"),
        framed.into(),
    )
}

fn item_tenant(options: &Options) -> String {
    options.tenant.clone()
}

impl Load {
    fn deadline(&self) -> Duration {
        Duration::from_millis(self.options.deadline_ms)
    }

    /// Sends the part of one connection, at a rate of all connections together.
    async fn at_rate(self: Rc<Self>, requests: SendRequest<Bytes>, number: usize, rate: f64) {
        let connections = self.options.connections;
        let mut requests = requests;
        let mut waiting: VecDeque<Instant> = VecDeque::new();
        let mut next = number;
        loop {
            let now = Instant::now();
            while let due = self.begin + Duration::from_secs_f64(next as f64 / rate)
                && due <= now
                && due < self.end
            {
                waiting.push_back(due);
                next += connections;
                let mut results = self.results.borrow_mut();
                results.asked += 1;
                results.late_ms = results.late_ms.max((now - due).as_millis());
            }
            while let Some(asked) = waiting.front()
                && *asked + self.deadline() <= now
            {
                waiting.pop_front();
                self.count("waited in the client");
            }
            while !waiting.is_empty() {
                let Some(ready) = ready_now(requests).await else {
                    self.count("connection closed");
                    return;
                };
                requests = ready.0;
                if !ready.1 {
                    break;
                }
                if let Some(asked) = waiting.pop_front() {
                    spawn_local(Rc::clone(&self).ask(requests.clone(), asked));
                    // It is sent before the next one asks whether it may be.
                    tokio::task::yield_now().await;
                }
            }
            if now >= self.end && waiting.is_empty() {
                return;
            }
            sleep_until(now + TICK).await;
        }
    }

    /// Asks on one connection, its part of the number at a time.
    async fn at_a_time(self: Rc<Self>, requests: SendRequest<Bytes>, number: usize) {
        let all = self.options.at_a_time.unwrap_or(1);
        let connections = self.options.connections;
        let own = all / connections + usize::from(number < all % connections);
        let askers = (0..own).map(|_| {
            let (load, requests) = (Rc::clone(&self), requests.clone());
            async move {
                while let now = Instant::now()
                    && now < load.end
                {
                    load.results.borrow_mut().asked += 1;
                    Rc::clone(&load).ask(requests.clone(), now).await;
                }
            }
        });
        join_all(askers).await;
    }

    /// Asks once, and counts the result.
    async fn ask(self: Rc<Self>, requests: SendRequest<Bytes>, asked: Instant) {
        let answered = timeout_at(asked + self.deadline(), self.answer(requests)).await;
        let mut results = self.results.borrow_mut();
        match answered {
            Ok(Ok(status)) if status == "0" => {
                let latency = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
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
        let request = Request::post(format!("http://{}{}", self.options.server, self.path))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", format!("{}m", self.options.deadline_ms))
            .body(())
            .unwrap_or_default();
        let (response, mut body) = requests.send_request(request, false)?;
        self.results.borrow_mut().sent += 1;
        body.send_data(self.message.clone(), true)?;
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
        let trailers = body.trailers().await?;
        Ok(trailers.as_ref().and_then(status_of).unwrap_or_default())
    }

    fn count(&self, result: &str) {
        let mut results = self.results.borrow_mut();
        *results.others.entry(result.into()).or_default() += 1;
    }

    fn print(&self) {
        let results = self.results.borrow();
        let mut answered = results.answered.clone();
        answered.sort_unstable();
        let quantile = |part: usize| {
            let at = answered.len() * part / 1000;
            answered.get(at).map(|micros| *micros as f64 / 1000.0)
        };
        let a_second = |count: usize| (count as f64 / self.options.seconds).round();
        let printed = serde_json::json!({
            "asked_a_second": a_second(results.asked),
            "sent_a_second": a_second(results.sent),
            "answered_a_second": a_second(answered.len()),
            "p50_ms": quantile(500),
            "p99_ms": quantile(990),
            "others": results.others,
            "generator_late_ms": u64::try_from(results.late_ms).unwrap_or(u64::MAX),
        });
        println!("{printed}");
    }
}

/// Returns the connection, and whether it may send a request now; `None` when it is closed.
async fn ready_now(mut requests: SendRequest<Bytes>) -> Option<(SendRequest<Bytes>, bool)> {
    let ready = poll_fn(|context| {
        std::task::Poll::Ready(match requests.poll_ready(context) {
            std::task::Poll::Ready(Ok(())) => Some(true),
            std::task::Poll::Ready(Err(_)) => None,
            std::task::Poll::Pending => Some(false),
        })
    })
    .await?;
    Some((requests, ready))
}
