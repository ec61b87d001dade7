use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use pim_authz::oidc::{KeyLocation, OidcSettings};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

pub(super) const ISSUER: &str = "https://id.example/realms/pim";
pub(super) const AUDIENCE: &str = "pim-authz";

/// A signing key of an issuer.
pub(crate) struct SigningKey {
    pub(super) id: String,
    pub(super) algorithm: Algorithm,
    pub(super) key: EncodingKey,
}

impl SigningKey {
    /// An ECDSA key on the curve P-256.
    pub(crate) fn curve(id: &str) -> Self {
        let pair = KeyPair::generate().unwrap();
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(&pair.serialize_der()),
        }
    }

    /// An RSA key of 2048 bits.
    pub(super) fn rsa(id: &str) -> Self {
        /// Length of the PKCS #8 header before the key.
        const PREFIX: usize = 26;
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_der(&pair.serialize_der()[PREFIX..]),
        }
    }

    /// The public key, as an issuer publishes it.
    pub(super) fn public(&self) -> Value {
        let mut key = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        key.common.key_id = Some(self.id.clone());
        serde_json::to_value(key).unwrap()
    }

    pub(super) fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        header
    }

    /// A token for a subject, valid for an hour.
    pub(super) fn token(&self, subject: &str) -> String {
        self.sign(&self.header(), &claims(subject))
    }

    pub(super) fn sign(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).unwrap()
    }
}

/// The current time, in seconds since 1970.
pub(super) fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

/// The claims of a valid token.
pub(super) fn claims(subject: &str) -> Value {
    json!({
        "iss": ISSUER,
        "aud": ["account", AUDIENCE],
        "sub": subject,
        "exp": now() + 3_600,
        "iat": now(),
        "nbf": now(),
    })
}

/// Valid claims with `others` replaced; a claim that is null is removed.
pub(super) fn claims_but(subject: &str, others: &Value) -> Value {
    let mut claims = claims(subject);
    let fields = claims.as_object_mut().unwrap();
    for (name, value) in others.as_object().unwrap() {
        match value {
            Value::Null => fields.remove(name),
            value => fields.insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// Settings for tokens of [`ISSUER`].
pub(crate) fn settings(keys: KeyLocation) -> OidcSettings {
    OidcSettings {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        keys,
        ca: None,
        algorithms: vec!["RS256".to_owned(), "ES256".to_owned()],
    }
}

/// A file with the keys of an issuer.
pub(crate) struct KeyFile(TempDir);

impl KeyFile {
    pub(crate) fn of(keys: &[&SigningKey]) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.replace(keys);
        file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("keys.json")
    }

    pub(super) fn settings(&self) -> OidcSettings {
        settings(KeyLocation::File(self.path()))
    }

    /// Replaces the file atomically.
    pub(crate) fn replace(&self, keys: &[&SigningKey]) {
        let written = self.0.path().join("next");
        std::fs::write(&written, key_set(keys)).unwrap();
        std::fs::rename(written, self.path()).unwrap();
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }
}

pub(super) fn key_set(keys: &[&SigningKey]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
    json!({ "keys": keys }).to_string()
}

/// An HTTP server of an issuer, on loopback.
pub(super) struct HttpIssuer {
    pub(super) url: String,
    /// The documents by path; any other path is not found.
    documents: Arc<Mutex<Vec<(String, String)>>>,
    requests: Arc<AtomicU32>,
    _serving: AbortOnDropHandle<()>,
}

impl HttpIssuer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let documents = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::new(AtomicU32::new(0));
        let (served, counted) = (Arc::clone(&documents), Arc::clone(&requests));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                answer(stream, &served).await;
            }
        });
        Self {
            url,
            documents,
            requests,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// Serves a document at a path.
    pub(super) fn put(&self, path: &str, document: String) {
        let mut documents = self.documents.lock().unwrap();
        documents.retain(|(known, _)| known != path);
        documents.push((path.to_owned(), document));
    }

    /// Number of requests received.
    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Answers one request, and closes the connection.
async fn answer(mut stream: TcpStream, documents: &Mutex<Vec<(String, String)>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap();
    let found = {
        let documents = documents.lock().unwrap();
        let found = documents.iter().find(|(known, _)| known == path);
        found.map(|(_, document)| document.clone())
    };
    let (status, body) = match found {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // The client may have disconnected.
    let _sent = stream.write_all((head + &body).as_bytes()).await;
}
