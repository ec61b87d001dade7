//! Callers identified by the OIDC tokens of an issuer (`api.md`, "Who calls").

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use pim_authz::{
    oidc::{KeyLocation, OidcSettings},
    pb::{self, CallerRight, OidcIdentity, audit_service_client::AuditServiceClient},
};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tonic::{Code, Request, Status, transport::Channel};

use super::{
    issuer::{HttpIssuer, ISSUER, KeyFile, SigningKey, claims, claims_but, key_set, now, settings},
    table::every_call,
    world::{EVERY_RIGHT, World, call, everywhere, required},
};
use crate::harness::{Database, Program, TestServer, product, refusal, user};

/// Longest wait for a change in the background.
const PATIENCE: Duration = Duration::from_mins(1);

const SUBJECT: &str = "service-account-shop";

/// A world, and another server on its database that accepts the tokens of an
/// issuer.
struct Issued {
    world: World,
    server: TestServer,
}

impl Issued {
    async fn start(oidc: OidcSettings) -> Self {
        let world = World::start().await;
        let server = accepting(&world.open.database, oidc).await;
        Self { world, server }
    }

    async fn put(&self, rights: &[CallerRight], subject: &str) {
        self.world.put(named(rights, subject)).await;
    }

    async fn check(&self, token: &str) -> Result<(), Status> {
        check(&self.server.channel().await, token).await
    }

    /// The code and reason with which a token is refused.
    async fn refused(&self, token: &str) -> (Code, String) {
        let status = self.check(token).await.unwrap_err();
        let (code, reason, _) = refusal(&status);
        (code, reason)
    }
}

async fn accepting(database: &Database, oidc: OidcSettings) -> TestServer {
    let mut config = TestServer::config(database);
    config.callers = required();
    config.callers.oidc = Some(oidc);
    TestServer::start_with(config, database.clone()).await
}

/// The caller `shop`, with the identity of a subject.
fn named(rights: &[CallerRight], subject: &str) -> pb::Caller {
    pb::Caller {
        oidc_identities: vec![OidcIdentity {
            issuer: ISSUER.to_owned(),
            subject: subject.to_owned(),
        }],
        ..everywhere("shop", rights)
    }
}

fn bearer(token: &str) -> Vec<String> {
    vec![format!("Bearer {token}")]
}

async fn check(channel: &Channel, token: &str) -> Result<(), Status> {
    let question = pb::CheckRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "view".into(),
        resource: product("hat"),
        ..Default::default()
    };
    let path = "/pim.authz.v1.AuthorizationService/Check";
    call(channel, path, question.encode_to_vec(), &bearer(token)).await
}

fn unknown() -> (Code, String) {
    (Code::Unauthenticated, "CALLER_UNKNOWN".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_gives_the_rights_of_the_caller_with_its_identity() {
    let (curve, rsa) = (SigningKey::curve("a"), SigningKey::rsa("b"));
    let keys = KeyFile::of(&[&curve, &rsa]);
    let issued = Issued::start(keys.settings()).await;
    issued.put(&[CallerRight::Check], SUBJECT).await;
    for key in [&curve, &rsa] {
        let token = key.token(SUBJECT);
        // The second time, the token is found in the cache of verified tokens.
        for _ in 0..2 {
            issued.check(&token).await.unwrap();
        }
        let channel = issued.server.channel().await;
        let list = "/pim.authz.v1.CallerService/ListCallers";
        let status = call(&channel, list, Vec::new(), &bearer(&token)).await;
        assert_eq!(status.unwrap_err().code(), Code::PermissionDenied);
    }
    // Claims in a token grant no rights.
    let claims = claims_but(
        SUBJECT,
        &json!({ "scope": "operate administer", "tenants": ["acme"], "roles": ["operate"] }),
    );
    let token = curve.sign(&curve.header(), &claims);
    let channel = issued.server.channel().await;
    let status = "/pim.authz.v1.OperationsService/GetStatus";
    let status = call(&channel, status, Vec::new(), &bearer(&token)).await;
    assert_eq!(status.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_identity_is_refused_and_named_in_the_error() {
    let key = SigningKey::curve("a");
    let issued = Issued::start(KeyFile::of(&[&key]).settings()).await;
    issued.put(&EVERY_RIGHT, SUBJECT).await;
    for subject in ["another", "SERVICE-ACCOUNT-SHOP", "service-account-shop "] {
        let token = key.token(subject);
        let status = issued.check(&token).await.unwrap_err();
        let (code, reason, _) = refusal(&status);
        assert_eq!((code, reason), unknown(), "{subject}");
        assert!(status.message().contains(subject), "{status}");
        assert!(status.message().contains(ISSUER), "{status}");
        assert!(!status.message().contains(&token), "{status}");
    }
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Tokens forged by an attacker who impersonates another caller.
fn forged(key: &SigningKey, rsa: &SigningKey) -> Vec<(String, String)> {
    let attacker = SigningKey::curve(&key.id);
    let good = claims(SUBJECT);
    let mut tokens: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, token: String| tokens.push((name.to_owned(), token));
    for none in ["none", "None", "NONE", ""] {
        let header = encoded(&json!({ "alg": none, "typ": "JWT", "kid": "a" }));
        add("no algorithm", format!("{header}.{}.", encoded(&good)));
    }
    // Signing with a public key as secret must fail, since it is not secret.
    for public in [key.public(), rsa.public()] {
        for secret in [
            public.to_string(),
            public["n"].as_str().unwrap_or_default().to_owned(),
            public["x"].as_str().unwrap_or_default().to_owned(),
        ] {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = public["kid"].as_str().map(ToOwned::to_owned);
            let key = EncodingKey::from_secret(secret.as_bytes());
            add(
                "HS256 by a public key",
                encode(&header, &good, &key).unwrap(),
            );
        }
    }
    let mut header = key.header();
    header.jwk = serde_json::from_value(attacker.public()).unwrap();
    add("the key in the header", attacker.sign(&header, &good));
    let mut header = key.header();
    header.jku = Some("https://attacker.example/keys".to_owned());
    header.x5u = header.jku.clone();
    add(
        "the URL of a key in the header",
        attacker.sign(&header, &good),
    );
    for id in ["../../../dev/null", "a' OR '1'='1", "a\u{0}", "", "A", "b"] {
        let mut header = attacker.header();
        header.kid = Some(id.to_owned());
        add(&format!("the key id {id:?}"), attacker.sign(&header, &good));
    }
    let mut header = attacker.header();
    header.kid = None;
    add("without a key id", attacker.sign(&header, &good));
    add("of another key", attacker.sign(&attacker.header(), &good));
    let mut header = key.header();
    header.crit = Some(vec!["b64".to_owned()]);
    add("a critical extension", key.sign(&header, &good));
    for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", "JWE"] {
        let mut header = key.header();
        header.typ = Some(typ.to_owned());
        add(&format!("of type {typ}"), key.sign(&header, &good));
    }
    let mut header = rsa.header();
    header.alg = Algorithm::RS512;
    add(
        "an algorithm that is not accepted",
        rsa.sign(&header, &good),
    );
    tokens
}

/// Tokens signed by the issuer that are not for this service, or not valid now.
fn inapplicable(key: &SigningKey) -> Vec<(String, String)> {
    const LEEWAY: u64 = 60;
    let expired = now() - LEEWAY - 2;
    let early = now() + LEEWAY + 60;
    [
        json!({ "exp": expired }),
        json!({ "exp": 0 }),
        json!({ "exp": -1 }),
        json!({ "exp": null }),
        json!({ "exp": "tomorrow" }),
        json!({ "nbf": early }),
        json!({ "iss": "https://id.example/realms/other" }),
        json!({ "iss": format!("{ISSUER}/") }),
        json!({ "iss": [ISSUER] }),
        json!({ "iss": null }),
        json!({ "aud": "account" }),
        json!({ "aud": ["account", "PIM-AUTHZ"] }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": [SUBJECT] }),
    ]
    .into_iter()
    .map(|others| {
        let token = key.sign(&key.header(), &claims_but(SUBJECT, &others));
        (others.to_string(), token)
    })
    .collect()
}

/// Damaged variants of a valid token.
fn damaged(good: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("{good}");
    };
    let other = encoded(&claims_but(SUBJECT, &json!({ "sub": "another" })));
    [
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}.{other}.{signature}"),
        format!("{header}.{claims}.{}", &signature[..signature.len() - 4]),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{claims}.{signature}.{signature}.{signature}"),
        format!("{good}="),
        format!(" {good}"),
        "..".to_owned(),
        format!("{}.{claims}.{signature}", "e".repeat(8_000)),
    ]
    .into_iter()
    .map(|token| ("damaged".to_owned(), token))
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_inapplicable_and_damaged_tokens_are_refused() {
    let (key, rsa) = (SigningKey::curve("a"), SigningKey::rsa("b"));
    let issued = Issued::start(KeyFile::of(&[&key, &rsa]).settings()).await;
    issued.put(&EVERY_RIGHT, SUBJECT).await;
    let good = key.token(SUBJECT);
    issued.check(&good).await.unwrap();
    let channel = issued.server.channel().await;
    let tokens = [forged(&key, &rsa), inapplicable(&key), damaged(&good)].concat();
    for (name, token) in tokens {
        let status = check(&channel, &token).await.expect_err(&name);
        let (code, reason, _) = refusal(&status);
        assert_eq!((code, reason), unknown(), "{name}: {token}");
        let printed = format!("{status:?}");
        assert!(
            token.len() < 3 || !printed.contains(&token),
            "{name}: {printed}"
        );
    }
    // A duplicate claim is ambiguous.
    let twice = claims(SUBJECT)
        .to_string()
        .replacen('{', "{\"sub\":\"another\",", 1);
    let header = encoded(&serde_json::to_value(key.header()).unwrap());
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(twice));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.key, key.algorithm);
    let token = format!("{message}.{}", signature.unwrap());
    assert_eq!(issued.refused(&token).await, unknown());
    issued.check(&good).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_refuses_invalid_and_underprivileged_tokens() {
    let key = SigningKey::curve("a");
    let issued = Issued::start(KeyFile::of(&[&key]).settings()).await;
    issued.put(&[], SUBJECT).await;
    let channel = issued.server.channel().await;
    let expired = claims_but(SUBJECT, &json!({ "exp": now() - 100 }));
    let cases = [
        (key.sign(&key.header(), &expired), Code::Unauthenticated),
        (SigningKey::curve("a").token(SUBJECT), Code::Unauthenticated),
        (key.token("another"), Code::Unauthenticated),
        (key.token(SUBJECT), Code::PermissionDenied),
    ];
    for of in every_call() {
        for (token, code) in &cases {
            let answered = call(&channel, &of.path(), of.request("acme"), &bearer(token)).await;
            assert_eq!(answered.expect_err(of.name).code(), *code, "{}", of.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withdrawn_identity_is_refused_in_next_call() {
    let key = SigningKey::curve("a");
    let issued = Issued::start(KeyFile::of(&[&key]).settings()).await;
    let token = key.token(SUBJECT);
    for _ in 0..10 {
        issued.put(&EVERY_RIGHT, SUBJECT).await;
        issued.check(&token).await.unwrap();
        issued.put(&EVERY_RIGHT, "another").await;
        assert_eq!(issued.refused(&token).await, unknown());
        issued.put(&[CallerRight::Audit], SUBJECT).await;
        assert_eq!(issued.refused(&token).await.0, Code::PermissionDenied);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_file_rotate_without_restart() {
    let [first, second] = ["a", "b"].map(SigningKey::curve);
    let keys = KeyFile::of(&[&first]);
    let issued = Issued::start(keys.settings()).await;
    issued.put(&EVERY_RIGHT, SUBJECT).await;
    let [old, new] = [&first, &second].map(|key| key.token(SUBJECT));
    issued.check(&old).await.unwrap();
    keys.replace(&[&first, &second]);
    // An unknown key is looked up immediately.
    for token in [&new, &old] {
        issued.check(token).await.unwrap();
    }
    // Tokens that the old key verified become invalid once the key is gone.
    keys.replace(&[&second]);
    let gone = async { while issued.check(&old).await.is_ok() {} };
    timeout(PATIENCE, gone).await.unwrap();
    assert_eq!(issued.refused(&old).await, unknown());
    issued.check(&new).await.unwrap();
    // A file that is not a key set leaves the previous keys in use.
    std::fs::write(keys.path(), "<html>").unwrap();
    let other = SigningKey::curve("c").token(SUBJECT);
    assert_eq!(issued.refused(&other).await, unknown());
    issued.check(&new).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_discovered_from_the_issuer_configuration() {
    let key = SigningKey::curve("a");
    let http = HttpIssuer::start().await;
    let own = format!("{}/realms/pim", http.url);
    let configuration = "/realms/pim/.well-known/openid-configuration";
    let document = json!({ "issuer": own, "jwks_uri": format!("{}/keys", http.url) });
    http.put("/keys", key_set(&[&key]));
    let oidc = OidcSettings {
        issuer: own.clone(),
        ..settings(KeyLocation::Discovered)
    };
    let issued = Issued::start(oidc).await;
    let mut caller = named(&EVERY_RIGHT, SUBJECT);
    caller.oidc_identities[0].issuer.clone_from(&own);
    issued.world.put(caller).await;
    let claims = claims_but(SUBJECT, &json!({ "iss": own }));
    let token = key.sign(&key.header(), &claims);
    // There is no configuration yet, so the caller of a token cannot be
    // identified.
    let unavailable = (Code::Unavailable, "CALLER_UNKNOWN".to_owned());
    assert_eq!(issued.refused(&token).await, unavailable);
    http.put(configuration, document.to_string());
    let answered = async { while issued.check(&token).await.is_err() {} };
    timeout(PATIENCE, answered).await.unwrap();
    assert_eq!(issued.refused(&key.token(SUBJECT)).await, unknown());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_unknown_keys_do_not_flood_the_issuer() {
    let key = SigningKey::curve("a");
    let http = HttpIssuer::start().await;
    http.put("/keys", key_set(&[&key]));
    let oidc = settings(KeyLocation::Url(format!("{}/keys", http.url)));
    let issued = Issued::start(oidc).await;
    issued.put(&EVERY_RIGHT, SUBJECT).await;
    let answered = async { while issued.check(&key.token(SUBJECT)).await.is_err() {} };
    timeout(PATIENCE, answered).await.unwrap();
    let channel = issued.server.channel().await;
    let (before, begun) = (http.requests(), Instant::now());
    for number in 0..200 {
        let unknown_key = SigningKey::curve(&format!("{number}"));
        let status = check(&channel, &unknown_key.token(SUBJECT))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }
    // At most one request in ten seconds.
    let most = 1 + begun.elapsed().as_secs() / 10;
    assert!(u64::from(http.requests() - before) <= most);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_when_its_token_expires() {
    let key = SigningKey::curve("a");
    let issued = Issued::start(KeyFile::of(&[&key]).settings()).await;
    issued.put(&EVERY_RIGHT, SUBJECT).await;
    // With the leeway of a minute for differing clocks, it expires in two or
    // three seconds.
    let claims = claims_but(SUBJECT, &json!({ "exp": now() - 57 }));
    let token = key.sign(&key.header(), &claims);
    let mut client = AuditServiceClient::new(issued.server.channel().await);
    let mut request = Request::new(pb::WatchChangesRequest {
        tenant: "acme".into(),
        ..Default::default()
    });
    let header = bearer(&token)[0].parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    let mut events = client.watch_changes(request).await.unwrap().into_inner();
    let ended = async {
        loop {
            match events.message().await {
                Ok(event) => assert!(event.is_some(), "it ended whole"),
                Err(status) => return status,
            }
        }
    };
    let status = timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(refusal(&status).1, "CALLER_UNKNOWN");
    assert_eq!(issued.refused(&token).await, unknown());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_an_issuer_refuses_tokens() {
    let world = World::start().await;
    world.put(named(&EVERY_RIGHT, SUBJECT)).await;
    let token = SigningKey::curve("a").token(SUBJECT);
    for server in [&world.open, &world.guarded] {
        let status = check(&server.channel().await, &token).await.unwrap_err();
        let (code, reason, _) = refusal(&status);
        assert_eq!((code, reason), unknown());
    }
}

#[tokio::test]
async fn invalid_oidc_settings_stop_the_start_and_are_named() {
    let database = Database::create().await;
    let keys = KeyFile::of(&[&SigningKey::curve("a")]);
    std::fs::write(keys.folder().join("text"), "hello").unwrap();
    let issuer = "--oidc-issuer https://id.example --oidc-audience pim";
    let given = |more: &str| format!("{issuer} {more}");
    // Options, the expected error message.
    let cases = [
        (
            "--oidc-issuer https://id.example".to_owned(),
            "--oidc-audience",
        ),
        ("--oidc-jwks keys.json".to_owned(), "--oidc-issuer"),
        (
            given("--oidc-jwks none.json"),
            "`none.json` of `--oidc-jwks` cannot be read",
        ),
        (given("--oidc-jwks text"), "`text` cannot be used"),
        (given("--oidc-jwks http://id.example/keys"), "`--oidc-jwks`"),
        (
            given("--oidc-jwks https://id.example --oidc-ca text"),
            "`--oidc-ca` names the file",
        ),
        (
            given("--oidc-algorithms RS256,HS256"),
            "`--oidc-algorithms` names `HS256`",
        ),
        (
            given("--oidc-jwks keys.json --oidc-algorithms RS256"),
            "holds no key",
        ),
        (
            "--oidc-issuer pim --oidc-audience pim".to_owned(),
            "`--oidc-issuer`",
        ),
    ];
    for (options, expected) in cases {
        let mut command = Program::command(&database);
        command
            .args(options.split_whitespace())
            .current_dir(keys.folder());
        let output = command.output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{options}: {stderr}");
        assert!(stderr.contains(expected), "{options}: {stderr}");
    }
}
