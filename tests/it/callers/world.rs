use std::path::PathBuf;

use bytes::{Buf as _, BufMut as _, Bytes};
use pim_authz::{
    pb::{self, CallerRight, Edition, caller_service_client::CallerServiceClient},
    server::{CallerSettings, Credentials},
};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::harness::{Database, TestServer, file};

/// Two servers on one database with the tenants `acme` and `other`: `open`
/// requires no credentials and is used to set up and withdraw them; `guarded`
/// requires them.
pub(crate) struct World {
    pub(crate) open: TestServer,
    pub(crate) guarded: TestServer,
}

impl World {
    pub(crate) async fn start() -> Self {
        let open = TestServer::start().await;
        let files = [
            file("users.csv", &["username;roles;groups", "julia;;All"]),
            file("categories.csv", &["code;parent", "master;"]),
            file("products.csv", &["sku;categories", "hat;master"]),
        ];
        for tenant in ["acme", "other"] {
            open.import(tenant, Edition::Growth, &files).await;
        }
        let guarded = guarded(&open.database).await;
        Self { open, guarded }
    }

    pub(crate) async fn keeper(&self) -> CallerServiceClient<Channel> {
        CallerServiceClient::new(self.open.channel().await)
    }

    /// Stores a caller and returns a new key of it.
    pub(crate) async fn caller(&self, caller: pb::Caller) -> Key {
        let name = caller.name.clone();
        self.put(caller).await;
        self.key(&name).await
    }

    pub(crate) async fn put(&self, caller: pb::Caller) {
        let request = pb::PutCallersRequest {
            callers: vec![caller],
            ..Default::default()
        };
        self.keeper().await.put_callers(request).await.unwrap();
    }

    /// Creates another key of a caller.
    pub(crate) async fn key(&self, caller: &str) -> Key {
        let request = pb::CreateCallerKeyRequest {
            caller: caller.to_owned(),
            ..Default::default()
        };
        let created = self.keeper().await.create_caller_key(request).await;
        let pb::CreateCallerKeyResponse { key_id, key, .. } = created.unwrap().into_inner();
        Key { id: key_id, key }
    }

    pub(crate) async fn withdraw(&self, key: &Key) {
        let request = pb::DeleteCallerKeyRequest {
            key_id: key.id.clone(),
            ..Default::default()
        };
        self.keeper()
            .await
            .delete_caller_key(request)
            .await
            .unwrap();
    }
}

/// A server that requires credentials.
pub(crate) async fn guarded(database: &Database) -> TestServer {
    let mut config = TestServer::config(database);
    config.callers = required();
    TestServer::start_with(config, database.clone()).await
}

pub(crate) fn required() -> CallerSettings {
    CallerSettings {
        credentials: Some(Credentials::Required),
        ..CallerSettings::default()
    }
}

/// Settings that create the first caller with a key from a file.
pub(crate) fn bootstrapping(file: PathBuf) -> CallerSettings {
    CallerSettings {
        bootstrap_key_file: Some(file),
        ..required()
    }
}

/// A caller with these rights on all tenants.
pub(crate) fn everywhere(name: &str, rights: &[CallerRight]) -> pb::Caller {
    pb::Caller {
        all_tenants: true,
        ..of_tenants(name, &[], rights)
    }
}

/// A caller with these rights on some tenants.
pub(crate) fn of_tenants(name: &str, tenants: &[&str], rights: &[CallerRight]) -> pb::Caller {
    pb::Caller {
        name: name.to_owned(),
        tenants: tenants.iter().map(|&tenant| tenant.to_owned()).collect(),
        rights: rights.iter().map(|&right| right.into()).collect(),
        ..Default::default()
    }
}

pub(crate) const EVERY_RIGHT: [CallerRight; 5] = [
    CallerRight::Check,
    CallerRight::List,
    CallerRight::Administer,
    CallerRight::Audit,
    CallerRight::Operate,
];

/// A key of a caller.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) key: String,
}

/// A channel whose calls carry a key.
pub(crate) type Line = InterceptedService<Channel, Bearer>;

#[derive(Clone, Debug)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl Key {
    pub(crate) async fn line(&self, server: &TestServer) -> Line {
        let bearer = format!("Bearer {}", self.key).parse().unwrap();
        Line::new(server.channel().await, Bearer(bearer))
    }

    pub(crate) fn header(&self) -> Vec<String> {
        vec![format!("Bearer {}", self.key)]
    }
}

/// Makes any call with the given `authorization` headers and one message, and
/// returns its first result.
pub(crate) async fn call(
    channel: &Channel,
    path: &str,
    message: Vec<u8>,
    authorization: &[String],
) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = Request::new(tokio_stream::iter([Bytes::from(message)]));
    for value in authorization {
        let metadata = request.metadata_mut();
        metadata.append("authorization", value.parse().unwrap());
    }
    let path: PathAndQuery = path.parse().unwrap();
    let answered = grpc.streaming(request, path, Raw).await?;
    answered.into_inner().message().await.map(|_| ())
}

/// A codec for encoded messages.
#[derive(Clone, Copy, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
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
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}
