//! The answer that each write stores for its retries, read back by a retry.

use std::collections::BTreeSet;

use bytes::Bytes;
use pim_authz::pb::{
    self, CallerRight, Edition, Level, caller_service_client::CallerServiceClient,
    import_catalog_request::Part,
};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor, Value,
};
use tonic::{Request, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};

use crate::{
    callers::world::{Raw, everywhere},
    harness::{TestServer, file, header, parts},
};

/// The calls of the contract that have an idempotency key, in the request itself
/// or in the header of a stream.
fn keyed_calls() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(ServiceDescriptor::methods);
    let has_key = |of: &MessageDescriptor| of.get_field_by_name("idempotency_key").is_some();
    let keyed = methods.filter(|method| {
        let input = method.input();
        let mut headers = input.fields().filter(|field| field.name() == "header");
        has_key(&input)
            || headers.any(|header| matches!(header.kind(), Kind::Message(of) if has_key(&of)))
    });
    keyed.collect()
}

/// Makes each write twice, and records which ones.
struct Retries {
    channel: Channel,
    methods: Vec<MethodDescriptor>,
    made: BTreeSet<String>,
}

impl Retries {
    fn method(&self, call: &str) -> MethodDescriptor {
        let mut methods = self.methods.iter();
        methods
            .find(|method| method.name() == call)
            .unwrap()
            .clone()
    }

    /// Sends a request of the tenant `acme` twice with the same key; returns the
    /// answer.
    async fn twice(&mut self, call: &str, message: &impl prost::Message) -> Bytes {
        let method = self.method(call);
        let encoded = message.encode_to_vec();
        let mut message = DynamicMessage::decode(method.input(), encoded.as_slice()).unwrap();
        let mut head = vec![("idempotency_key", call), ("actor", "user:admin")];
        // Callers belong to no tenant.
        head.extend(
            Some(("tenant", "acme")).filter(|_| method.parent_service().name() != "CallerService"),
        );
        for (field, text) in head {
            message.set_field_by_name(field, Value::String(text.to_owned()));
        }
        self.all_twice(call, vec![message.encode_to_vec().into()])
            .await
    }

    async fn all_twice(&mut self, call: &str, messages: Vec<Bytes>) -> Bytes {
        let method = self.method(call);
        let service = method.parent_service().full_name().to_owned();
        let path = format!("/{service}/{call}");
        let first = last_answer(&self.channel, &path, messages.clone()).await;
        let again = last_answer(&self.channel, &path, messages).await;
        let decode =
            |bytes: &Bytes| DynamicMessage::decode(method.output(), bytes.clone()).unwrap();
        assert_eq!(decode(&first), decode(&again), "{call}");
        assert!(!first.is_empty(), "{call}");
        self.made.insert(call.to_owned());
        first
    }

    /// Puts or deletes the entity `code` twice.
    async fn entity(&mut self, call: &str, code: &str) {
        let input = self.method(call).input();
        let mut message = DynamicMessage::new(input.clone());
        let mut lists = input.fields().filter(FieldDescriptor::is_list);
        let list = lists.next().unwrap();
        let text = Value::String(code.to_owned());
        let entry = match list.kind() {
            Kind::Message(of) => {
                let mut entry = DynamicMessage::new(of);
                entry.set_field_by_name("code", text);
                Value::Message(entry)
            }
            _ => text,
        };
        message.set_field(&list, Value::List(vec![entry]));
        if input.get_field_by_name("cascade").is_some() {
            message.set_field_by_name("cascade", Value::Bool(true));
        }
        self.twice(call, &message).await;
    }
}

/// Sends the messages and returns the last answer.
async fn last_answer(channel: &Channel, path: &str, messages: Vec<Bytes>) -> Bytes {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let request = Request::new(tokio_stream::iter(messages));
    let path: PathAndQuery = path.parse().unwrap();
    let answered = grpc.streaming(request, path.clone(), Raw).await;
    let mut answers = answered.unwrap().into_inner();
    let mut last = None;
    while let Some(answer) = answers.message().await.unwrap() {
        last = Some(answer);
    }
    last.unwrap()
}

fn codes(codes: &[&str]) -> Option<pb::CodeList> {
    let codes = codes.iter().map(|&code| code.to_owned());
    Some(pb::CodeList {
        codes: codes.collect(),
    })
}

async fn put_directory(retries: &mut Retries) {
    let tenant = pb::CreateTenantRequest {
        edition: Edition::Enterprise.into(),
        ..Default::default()
    };
    retries.twice("CreateTenant", &tenant).await;
    let role = pb::Role {
        code: "boss".to_owned(),
        permissions: codes(&["app.manage"]),
        ..Default::default()
    };
    let roles = pb::PutRolesRequest {
        roles: vec![role],
        ..Default::default()
    };
    retries.twice("PutRoles", &roles).await;
    retries.entity("PutUserGroups", "editors").await;
    let admin = pb::User {
        code: "admin".to_owned(),
        roles: codes(&["boss"]),
        ..Default::default()
    };
    let users = pb::PutUsersRequest {
        users: vec![admin],
        ..Default::default()
    };
    retries.twice("PutUsers", &users).await;
    retries.entity("PutConnections", "erp").await;
}

async fn put_catalog(retries: &mut Retries) {
    let plain = [
        ("PutLocales", "en_US"),
        ("PutCategories", "master"),
        ("PutChannels", "web"),
        ("PutAttributeGroups", "marketing"),
        ("PutAssetFamilies", "photos"),
        ("PutReferenceEntities", "brands"),
        ("PutGridViews", "main"),
        ("PutProducts", "hat"),
    ];
    for (call, code) in plain {
        retries.entity(call, code).await;
    }
    let attribute = pb::Attribute {
        code: "name".to_owned(),
        group: "marketing".to_owned(),
        ..Default::default()
    };
    let attributes = pb::PutAttributesRequest {
        attributes: vec![attribute],
        ..Default::default()
    };
    retries.twice("PutAttributes", &attributes).await;
    let profile = pb::Profile {
        code: "nightly".to_owned(),
        kind: pb::ProfileKind::Export.into(),
    };
    let profiles = pb::PutProfilesRequest {
        profiles: vec![profile],
        ..Default::default()
    };
    retries.twice("PutProfiles", &profiles).await;
    let product = pb::Product {
        code: "boot".to_owned(),
        categories: codes(&["master"]),
        ..Default::default()
    };
    let chunk = pb::ImportProductsRequest {
        products: vec![product],
        chunk: 1,
        ..Default::default()
    };
    retries.twice("ImportProducts", &chunk).await;
}

async fn change_rights(retries: &mut Retries) {
    let item = || {
        Some(pb::Item {
            r#type: "locale".to_owned(),
            id: "en_US".to_owned(),
        })
    };
    let right = pb::AccessGrant {
        group: "editors".to_owned(),
        item: item(),
        level: Level::Edit.into(),
        apply_to_children: None,
    };
    let granted = pb::GrantAccessRequest {
        grants: vec![right.clone()],
        ..Default::default()
    };
    retries.twice("GrantAccess", &granted).await;
    let revoked = pb::RevokeAccessRequest {
        revocations: vec![right],
        ..Default::default()
    };
    retries.twice("RevokeAccess", &revoked).await;
    let replaced = pb::ReplaceAccessRequest {
        items: vec![pb::ItemRights {
            item: item(),
            ..Default::default()
        }],
        ..Default::default()
    };
    retries.twice("ReplaceAccess", &replaced).await;
}

async fn connect_apps(retries: &mut Retries) {
    let start = |app: &str| pb::StartConnectionRequest {
        app: app.to_owned(),
        scopes: vec!["read_products".to_owned(), "unknown".to_owned()],
        ..Default::default()
    };
    let started = retries.twice("StartConnection", &start("shop")).await;
    let started = pb::StartConnectionResponse::decode(started).unwrap();
    let request_id = || started.request_id.clone();
    let authorized = pb::AuthorizeScopesRequest {
        request_id: request_id(),
        ..Default::default()
    };
    retries.twice("AuthorizeScopes", &authorized).await;
    let all = pb::AppSelection {
        all: true,
        codes: Vec::new(),
    };
    let permissions = pb::SetPermissionsRequest {
        request_id: request_id(),
        trees: Some(pb::AppRights {
            view: Some(all),
            ..Default::default()
        }),
        ..Default::default()
    };
    retries.twice("SetPermissions", &permissions).await;
    let confirmed = pb::ConfirmConnectionRequest {
        request_id: request_id(),
        ..Default::default()
    };
    retries.twice("ConfirmConnection", &confirmed).await;
    let scopes = pb::UpdateScopesRequest {
        app: "shop".to_owned(),
        scopes: vec!["unknown".to_owned()],
        ..Default::default()
    };
    retries.twice("UpdateScopes", &scopes).await;
    let disconnected = pb::DisconnectRequest {
        app: "shop".to_owned(),
        ..Default::default()
    };
    retries.twice("Disconnect", &disconnected).await;
    let mut other = pb::app_service_client::AppServiceClient::new(retries.channel.clone());
    let other = other.start_connection(pb::StartConnectionRequest {
        tenant: "acme".to_owned(),
        actor: "user:admin".to_owned(),
        ..start("other")
    });
    let cancelled = pb::CancelConnectionRequest {
        request_id: other.await.unwrap().into_inner().request_id,
        ..Default::default()
    };
    retries.twice("CancelConnection", &cancelled).await;
}

async fn change_callers(retries: &mut Retries) {
    let callers = pb::PutCallersRequest {
        callers: vec![everywhere("shop", &[CallerRight::Check])],
        ..Default::default()
    };
    retries.twice("PutCallers", &callers).await;
    let key = CallerServiceClient::new(retries.channel.clone())
        .create_caller_key(pb::CreateCallerKeyRequest {
            caller: "shop".to_owned(),
            ..Default::default()
        })
        .await;
    let deleted = pb::DeleteCallerKeyRequest {
        key_id: key.unwrap().into_inner().key_id,
        ..Default::default()
    };
    retries.twice("DeleteCallerKey", &deleted).await;
    retries.entity("DeleteCallers", "shop").await;
}

async fn import(retries: &mut Retries) {
    let header = pb::ImportHeader {
        idempotency_key: "ImportCatalog".to_owned(),
        ..header("acme", Edition::Enterprise)
    };
    let files = [file("locales.csv", &["code", "fr_FR"])];
    let parts = parts(header, &files).into_iter();
    let messages = parts.map(|part: Part| {
        let message = pb::ImportCatalogRequest { part: Some(part) };
        Bytes::from(message.encode_to_vec())
    });
    retries.all_twice("ImportCatalog", messages.collect()).await;
}

async fn delete_everything(retries: &mut Retries) {
    let deleted = [
        ("DeleteProducts", "hat"),
        ("DeleteGridViews", "main"),
        ("DeleteAttributes", "name"),
        ("DeleteAttributeGroups", "marketing"),
        ("DeleteAssetFamilies", "photos"),
        ("DeleteReferenceEntities", "brands"),
        ("DeleteProfiles", "nightly"),
        ("DeleteChannels", "web"),
        ("DeleteLocales", "en_US"),
        ("DeleteCategories", "master"),
        ("DeleteConnections", "erp"),
        ("DeleteUsers", "admin"),
        ("DeleteUserGroups", "editors"),
        ("DeleteRoles", "boss"),
    ];
    for (call, code) in deleted {
        retries.entity(call, code).await;
    }
    let growth = pb::UpdateTenantRequest {
        edition: Edition::Growth.into(),
        ..Default::default()
    };
    retries.twice("UpdateTenant", &growth).await;
    retries
        .twice("DeleteTenant", &pb::DeleteTenantRequest::default())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_answers_its_retry_alike() {
    let server = TestServer::start().await;
    let mut retries = Retries {
        channel: server.channel().await,
        methods: keyed_calls(),
        made: BTreeSet::new(),
    };
    put_directory(&mut retries).await;
    put_catalog(&mut retries).await;
    change_rights(&mut retries).await;
    connect_apps(&mut retries).await;
    change_callers(&mut retries).await;
    import(&mut retries).await;
    delete_everything(&mut retries).await;
    // A new write of the contract has to be made here, too.
    let keyed = retries.methods.iter();
    let keyed: BTreeSet<String> = keyed.map(|method| method.name().to_owned()).collect();
    assert_eq!(retries.made, keyed);
}
