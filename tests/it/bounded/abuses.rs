//! Random calls of every RPC of the contract, at its limits and beyond them;
//! many are abandoned by their callers.

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::{Buf as _, BufMut as _};
use futures_util::{StreamExt as _, stream};
use pim_authz::{cache::CacheSettings, pb, server::Limits};
use prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, Value,
};
use tokio::time::timeout;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};
use tonic_types::StatusExt as _;

use super::{PATIENCE, compressed, others::Others, served, wide_batch};
use crate::{
    harness::{Seed, TestServer, file, first_seed, refusal, seeds},
    support::Entropy,
};

/// Number of calls per seed.
const CALLS: usize = 100;

/// Number of concurrent calls.
const AT_ONCE: usize = 8;

/// Number of messages of a stream that are read before it is abandoned.
const MOST_ANSWERS: usize = 50;

/// Calls that change what all tenants share; they would rightly disturb the
/// other tenant.
const OF_THE_INSTALLATION: [&str; 2] = ["BeginMaintenance", "EndMaintenance"];

/// A codec for messages that are already encoded.
#[derive(Clone, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = usize;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = usize;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<usize>, Status> {
        let bytes = from.remaining();
        from.advance(bytes);
        Ok(Some(bytes))
    }
}

/// One random call.
struct Abuse {
    method: MethodDescriptor,
    messages: Vec<Vec<u8>>,
    is_compressed: bool,
    deadline: Option<Duration>,
    /// When the caller disconnects; `None` if it waits for the answer.
    leaves_after: Option<Duration>,
}

impl fmt::Debug for Abuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<usize> = self.messages.iter().map(Vec::len).collect();
        write!(f, "{} of {sizes:?} bytes", self.method.full_name())?;
        write!(f, ", deadline {:?}", self.deadline)?;
        write!(f, ", leaves after {:?}", self.leaves_after)
    }
}

impl Abuse {
    fn random(methods: &[MethodDescriptor], entropy: &mut Entropy) -> Self {
        let method = entropy.pick(methods).clone();
        let messages = if method.is_client_streaming() {
            entropy.below(5)
        } else {
            1
        };
        let random = |_| {
            Random::new(entropy)
                .message(&method.input())
                .encode_to_vec()
        };
        let messages = (0..messages).map(random).collect();
        Self {
            messages,
            is_compressed: entropy.chance(40),
            deadline: entropy
                .chance(50)
                .then(|| Duration::from_millis(*entropy.pick(&[1, 20, 200, 2_000]))),
            leaves_after: entropy
                .chance(30)
                .then(|| Duration::from_millis(*entropy.pick(&[0, 5, 50, 500]))),
            method,
        }
    }

    /// Makes the call; returns `None` if the caller disconnected.
    async fn make(&self, channel: Channel) -> Option<Result<usize, Status>> {
        let mut client = Grpc::new(channel).max_decoding_message_size(usize::MAX);
        if self.is_compressed {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        let mut request = Request::new(stream::iter(self.messages.clone()));
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        let method = self.method.name();
        let service = self.method.parent_service().full_name();
        let path = format!("/{service}/{method}").parse().unwrap();
        let call = async {
            client.ready().await.unwrap();
            let answer = client.streaming(request, path, Raw).await?;
            let answers = answer.into_inner().take(MOST_ANSWERS);
            let answers: Vec<Result<usize, Status>> = answers.collect().await;
            answers.into_iter().sum()
        };
        match self.leaves_after {
            Some(leaves) => timeout(leaves, call).await.ok(),
            // A watch sends nothing until something changes.
            None if method == "WatchChanges" => timeout(Duration::from_secs(1), call).await.ok(),
            None => Some(timeout(PATIENCE, call).await.unwrap()),
        }
    }
}

/// Generates random messages, of which one part may be at a limit.
struct Random<'a> {
    entropy: &'a mut Entropy,
    /// Whether a part at a limit may still be generated.
    is_large: bool,
}

impl<'a> Random<'a> {
    fn new(entropy: &'a mut Entropy) -> Self {
        let is_large = !entropy.chance(60);
        Self { entropy, is_large }
    }

    fn message(&mut self, of: &MessageDescriptor) -> DynamicMessage {
        self.nested(of, 0)
    }

    fn nested(&mut self, of: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        for field in of.fields() {
            if depth > 4 || !self.entropy.chance(75) || field.is_map() {
                continue;
            }
            let value = if field.cardinality() == Cardinality::Repeated {
                let count = self.count();
                let same = count > 3;
                let one = self.value(&field, depth);
                let values = (0..count).map(|number| match number {
                    0 => one.clone(),
                    _ if same => one.clone(),
                    _ => self.value(&field, depth),
                });
                Value::List(values.collect())
            } else {
                self.value(&field, depth)
            };
            message.set_field(&field, value);
        }
        message
    }

    /// The length of a list.
    fn count(&mut self) -> usize {
        if !self.is_large || !self.entropy.chance(40) {
            return self.entropy.below(4);
        }
        self.is_large = false;
        *self
            .entropy
            .pick(&[1_000, 1_001, 5_000, 10_000, 10_001, 100_000, 100_001])
    }

    fn value(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        match field.kind() {
            Kind::String => Value::String(self.text(field.name())),
            Kind::Bytes => {
                let content: [&[u8]; 4] = [b"", b"code\ncat_1\n", b"sku;categories\n\"", b"\0\xff"];
                Value::Bytes(self.entropy.pick(&content).to_vec().into())
            }
            Kind::Bool => Value::Bool(self.entropy.chance(50)),
            Kind::Enum(of) => {
                let numbers: Vec<i32> = of.values().map(|value| value.number()).collect();
                let unknown = self.entropy.chance(5);
                Value::EnumNumber(if unknown {
                    99
                } else {
                    *self.entropy.pick(&numbers)
                })
            }
            Kind::Message(of) => Value::Message(self.nested(&of, depth + 1)),
            Kind::Uint32 | Kind::Fixed32 => {
                Value::U32(*self.entropy.pick(&[0, 1, 1_000, u32::MAX]))
            }
            Kind::Uint64 | Kind::Fixed64 => {
                Value::U64(*self.entropy.pick(&[0, 1, 1_000, 1 << 60, u64::MAX]))
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                Value::I32(*self.entropy.pick(&[0, 1, 1_000, 10_001, i32::MAX, -1]))
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                Value::I64(*self.entropy.pick(&[0, 1, 1_000, i64::MAX, -1]))
            }
            Kind::Float => Value::F32(f32::NAN),
            Kind::Double => Value::F64(f64::NAN),
        }
    }

    fn text(&mut self, field: &str) -> String {
        if self.is_large && self.entropy.chance(5) {
            self.is_large = false;
            let length = *self.entropy.pick(&[255, 256, 70_000, 1 << 20]);
            return "x".repeat(length);
        }
        let likely: &[&str] = match field {
            // Never the tenant `other`.
            "tenant" => &["acme", "acme", "acme", "acme", "", "stranger"],
            "actor" => &["user:admin", "user:admin", "user:admin", "", "admin"],
            "type" => &[
                "user",
                "user_group",
                "product",
                "category",
                "attribute",
                "x",
            ],
            "action" => &["view", "edit", "own", "product.list", "x"],
            "idempotency_key" | "page_token" => &["", "", "", "x"],
            "file" => &["users.csv", "categories.csv", "products.csv", "x.csv"],
            _ => &[
                "acme", "julia", "cat_1", "p1", "All", "en_US", "", "\0", "é",
            ],
        };
        (*self.entropy.pick(likely)).to_owned()
    }
}

/// Every RPC of the contract but [`OF_THE_INSTALLATION`].
fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let ours = pool
        .services()
        .filter(|service| service.package_name() == "pim.authz.v1");
    let methods = ours.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .filter(|method| !OF_THE_INSTALLATION.contains(&method.name()))
        .collect()
}

/// The largest batch, in thousands of items, that is not refused for its size.
async fn most_thousands(server: &TestServer) -> usize {
    for thousands in 1.. {
        let mut client = compressed(server.channel().await);
        let batch = pb::BatchCheckRequest {
            tenant: "stranger".into(),
            ..wide_batch(thousands * 1_000)
        };
        let status = client.batch_check(batch).await.unwrap_err();
        if refusal(&status).1 == "OVERLOADED" {
            return thousands - 1;
        }
    }
    unreachable!("every number was tried")
}

/// Checks that a refusal is one that the contract defines, with its reason.
fn assert_named(abuse: &Abuse, status: &Status) {
    let is_late = matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled);
    let is_of_a_bug = matches!(
        status.code(),
        Code::Unknown | Code::Internal | Code::Unavailable | Code::DataLoss
    );
    assert!(!is_of_a_bug, "{abuse:?}: {status:?}");
    let reason = status.get_details_error_info();
    assert!(is_late || reason.is_some(), "{abuse:?}: {status:?}");
}

#[tokio::test]
async fn random_abuse_of_every_rpc_blocks_nobody_and_leaks_nothing() {
    let limits = Limits {
        call_bytes: 64 << 20,
        ..Limits::default()
    };
    let methods = methods();
    assert!(methods.len() > 60, "{}", methods.len());
    for seed in first_seed()..first_seed() + seeds(1) as u64 {
        let _seed = Seed(seed);
        let server = served(limits, CacheSettings::default().bytes).await;
        let files = [
            file("categories.csv", &["code;parent", "cat_1;", "cat_2;cat_1"]),
            file("products.csv", &["sku;categories", "p1;cat_1", "p2;"]),
            file("users.csv", &["username;roles", "julia;"]),
        ];
        server.import("acme", pb::Edition::Enterprise, &files).await;
        let free = most_thousands(&server).await;
        let mut entropy = Entropy::seeded(seed + 90_000, 1_000_000);
        let others = Others::start(&server).await;
        let abuses: Vec<Abuse> = (0..CALLS)
            .map(|_| Abuse::random(&methods, &mut entropy))
            .collect();
        let server = &server;
        let calls = abuses.iter().map(|abuse| async move {
            let answered = abuse.make(server.channel().await).await;
            if let Some(Err(status)) = answered {
                assert_named(abuse, &status);
            }
        });
        stream::iter(calls)
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<()>>()
            .await;
        others.were_all_answered().await;
        // Calls that were abandoned end soon and release their memory.
        let begun = Instant::now();
        while most_thousands(server).await < free {
            assert!(begun.elapsed() < PATIENCE, "something is held for good");
        }
    }
}
