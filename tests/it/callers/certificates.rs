//! Callers identified by the names of their client certificates (`api.md`, "Who
//! calls").

use std::time::Duration;

use pim_authz::{
    pb::{
        self, CallerRight, audit_service_client::AuditServiceClient,
        caller_service_client::CallerServiceClient,
    },
    server::{CallerSettings, Credentials, TlsFiles},
};
use prost::Message as _;
use rcgen::{CertificateParams, SanType, date_time_ymd};
use tokio::time::timeout;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use super::{
    issuer::now,
    table::every_call,
    world::{EVERY_RIGHT, call, everywhere},
};
use crate::{
    caller_tls::{Keys, channel_over, files_in, secure},
    harness::{
        TestServer,
        certificates::{Authority, named, write},
        refusal,
    },
};

const PATIENCE: Duration = Duration::from_mins(1);

const LIST: &str = "/pim.authz.v1.CallerService/ListCallers";

/// A server that requires credentials and identifies callers by certificates,
/// and another on the same database through which callers are changed.
struct Known {
    keys: Keys,
    callers: Authority,
    server: TestServer,
    open: TestServer,
}

impl Known {
    async fn start(credentials: Credentials) -> Self {
        let keys = Keys::new();
        let callers = Authority::new("a CA of callers");
        let client_ca = write(keys.folder(), "client-ca.crt", &callers.pem());
        let open = TestServer::start().await;
        let mut config = TestServer::config(&open.database);
        config.tls = Some(TlsFiles {
            client_ca: Some(client_ca),
            ..files_in(keys.folder())
        });
        config.callers = CallerSettings {
            credentials: Some(credentials),
            ..CallerSettings::default()
        };
        let server = TestServer::start_with(config, open.database.clone()).await;
        Self {
            keys,
            callers,
            server,
            open,
        }
    }

    async fn put(&self, name: &str, names: &[&str], rights: &[CallerRight]) {
        let caller = pb::Caller {
            subject_alternative_names: names.iter().map(|&name| name.to_owned()).collect(),
            ..everywhere(name, rights)
        };
        let request = pb::PutCallersRequest {
            callers: vec![caller],
            ..Default::default()
        };
        self.keeper().await.put_callers(request).await.unwrap();
    }

    async fn keeper(&self) -> CallerServiceClient<Channel> {
        CallerServiceClient::new(self.open.channel().await)
    }

    async fn key(&self, caller: &str) -> String {
        let request = pb::CreateCallerKeyRequest {
            caller: caller.to_owned(),
            ..Default::default()
        };
        let created = self.keeper().await.create_caller_key(request).await;
        created.unwrap().into_inner().key
    }

    /// A connection that presents a certificate, if one is given.
    async fn connect(&self, shown: Option<&CertificateParams>) -> Channel {
        let issued = shown.map(|params| self.callers.issue(params));
        let config = self.keys.caller(issued.as_ref());
        let stream = secure(self.server.address, config).await.unwrap();
        channel_over(stream).await.unwrap()
    }
}

async fn list(channel: &Channel, authorization: &[String]) -> Result<(), Status> {
    call(channel, LIST, Vec::new(), authorization).await
}

fn assert_unknown(answered: Result<(), Status>) {
    let (code, reason, _) = refusal(&answered.unwrap_err());
    assert_eq!(code, Code::Unauthenticated);
    assert_eq!(reason, "CALLER_UNKNOWN");
}

/// A certificate with a URI instead of a host name.
fn uri(name: &str) -> CertificateParams {
    let mut params = named(&[], "pim");
    let name = SanType::URI(name.try_into().unwrap());
    params.subject_alt_names.push(name);
    params
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_gives_the_rights_of_the_caller_with_its_name() {
    let known = Known::start(Credentials::Required).await;
    known
        .put(
            "pim",
            &["pim.example.com", "spiffe://example/pim"],
            &EVERY_RIGHT,
        )
        .await;
    known
        .put("shop", &["shop.example.com"], &[CallerRight::Check])
        .await;
    for (shown, code) in [
        (Some(named(&["pim.example.com"], "x")), None),
        (
            Some(named(&["other.example.com", "pim.example.com"], "x")),
            None,
        ),
        (Some(uri("spiffe://example/pim")), None),
        (
            Some(named(&["shop.example.com"], "pim")),
            Some(Code::PermissionDenied),
        ),
        // The common name is ignored; patterns and parts of a name do not
        // match.
        (
            Some(named(&["other.example.com"], "pim.example.com")),
            Some(Code::Unauthenticated),
        ),
        (
            Some(named(&["*.example.com"], "x")),
            Some(Code::Unauthenticated),
        ),
        (
            Some(named(&["example.com"], "x")),
            Some(Code::Unauthenticated),
        ),
        (Some(named(&[], "x")), Some(Code::Unauthenticated)),
        (
            Some(uri("spiffe://example/PIM")),
            Some(Code::Unauthenticated),
        ),
        // Ambiguous: the names belong to two callers.
        (
            Some(named(&["pim.example.com", "shop.example.com"], "x")),
            Some(Code::Unauthenticated),
        ),
        (None, Some(Code::Unauthenticated)),
    ] {
        let channel = known.connect(shown.as_ref()).await;
        let answered = list(&channel, &[]).await;
        let found = answered.err().map(|status| status.code());
        assert_eq!(found, code, "{shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_refuses_unknown_and_underprivileged_certificates() {
    let known = Known::start(Credentials::Required).await;
    known.put("pim", &["pim.example.com"], &[]).await;
    let nobody = known
        .connect(Some(&named(&["other.example.com"], "x")))
        .await;
    let pim = known.connect(Some(&named(&["pim.example.com"], "x"))).await;
    for of in every_call() {
        let request = || of.request("acme");
        assert_unknown(call(&nobody, &of.path(), request(), &[]).await);
        let status = call(&pim, &of.path(), request(), &[]).await;
        let status = status.expect_err(of.name);
        assert_eq!(status.code(), Code::PermissionDenied, "{}", of.name);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "CALLER_NOT_PERMITTED", "{}", of.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withdrawn_certificate_name_is_refused_in_next_call() {
    let known = Known::start(Credentials::Required).await;
    let channel = known.connect(Some(&named(&["pim.example.com"], "x"))).await;
    for _ in 0..10 {
        known.put("pim", &["pim.example.com"], &EVERY_RIGHT).await;
        list(&channel, &[]).await.unwrap();
        known.put("pim", &["other.example.com"], &EVERY_RIGHT).await;
        assert_unknown(list(&channel, &[]).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bearer_token_overrides_the_client_certificate() {
    let known = Known::start(Credentials::Required).await;
    known.put("pim", &["pim.example.com"], &EVERY_RIGHT).await;
    known.put("shop", &[], &[CallerRight::Check]).await;
    let channel = known.connect(Some(&named(&["pim.example.com"], "x"))).await;
    list(&channel, &[]).await.unwrap();
    let header = |key: &str| vec![format!("Bearer {key}")];
    let of_shop = list(&channel, &header(&known.key("shop").await)).await;
    assert_eq!(of_shop.unwrap_err().code(), Code::PermissionDenied);
    let of_pim = known.key("pim").await;
    list(&channel, &header(&of_pim)).await.unwrap();
    for wrong in [&of_pim[..60], "", "nonsense"] {
        assert_unknown(list(&channel, &header(wrong)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_is_enforced_where_credentials_are_optional() {
    let known = Known::start(Credentials::Optional).await;
    known
        .put("shop", &["shop.example.com"], &[CallerRight::Check])
        .await;
    list(&known.connect(None).await, &[]).await.unwrap();
    let shop = known
        .connect(Some(&named(&["shop.example.com"], "x")))
        .await;
    let refused = list(&shop, &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let nobody = known
        .connect(Some(&named(&["other.example.com"], "x")))
        .await;
    assert_unknown(list(&nobody, &[]).await);
    // Health checks are open to whoever operates the server.
    let health = "/grpc.health.v1.Health/Check";
    call(&nobody, health, Vec::new(), &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_expires_is_refused_on_its_open_connection() {
    let known = Known::start(Credentials::Required).await;
    known.put("pim", &["pim.example.com"], &EVERY_RIGHT).await;
    let mut params = named(&["pim.example.com"], "x");
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(now() + 4);
    let channel = known.connect(Some(&params)).await;
    list(&channel, &[]).await.unwrap();
    let expired = async {
        loop {
            if let Err(status) = list(&channel, &[]).await {
                return status;
            }
        }
    };
    let status = timeout(PATIENCE, expired).await.unwrap();
    assert!(status.message().contains("has expired"), "{status}");
    assert_unknown(Err(status));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_log_names_the_caller_of_a_certificate() {
    let known = Known::start(Credentials::Required).await;
    known.put("pim", &["pim.example.com"], &EVERY_RIGHT).await;
    let channel = known.connect(Some(&named(&["pim.example.com"], "x"))).await;
    let create = "/pim.authz.v1.TenantService/CreateTenant";
    let request = pb::CreateTenantRequest {
        tenant: "acme".to_owned(),
        edition: pb::Edition::Growth.into(),
        ..Default::default()
    };
    call(&channel, create, request.encode_to_vec(), &[])
        .await
        .unwrap();
    let mut client = AuditServiceClient::new(channel);
    let request = pb::ListChangesRequest {
        tenant: "acme".to_owned(),
        ..Default::default()
    };
    let listed = client.list_changes(request).await.unwrap().into_inner();
    let callers: Vec<&str> = listed.changes.iter().map(|of| of.caller.as_str()).collect();
    assert_eq!(callers, ["pim"]);
}
