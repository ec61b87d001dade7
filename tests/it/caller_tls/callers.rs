use std::time::Duration;

use pim_authz::server::{Limits, TlsFiles};
use rustls::{ProtocolVersion, version};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use tonic::transport::Channel;

use super::{Keys, answers, channel_over, is_answered, put_caller, secure};
use crate::harness::{
    Database, TestServer,
    certificates::{Authority, expired, named, write},
};

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn calls_are_answered_over_tls_1_2_and_1_3() {
    let keys = Keys::new();
    let server = keys.serve(keys.files()).await;
    for (version, wanted) in [
        (&version::TLS12, ProtocolVersion::TLSv1_2),
        (&version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let caller = keys.caller_of(&[version], None);
        let stream = secure(server.address, caller).await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(wanted));
        assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
        answers(channel_over(stream).await.unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_caller_without_tls_or_http_gets_no_answer() {
    let keys = Keys::new();
    let server = keys.serve(keys.files()).await;
    let endpoint = Channel::from_shared(format!("http://{}", server.address)).unwrap();
    let is_answered = match endpoint.connect().await {
        Ok(channel) => answers(channel).await.is_ok(),
        Err(_) => false,
    };
    assert!(!is_answered);
    let mut other = keys.caller(None);
    other.alpn_protocols = vec![b"spdy/3".to_vec()];
    assert!(secure(server.address, other).await.is_err());
}

#[tokio::test]
async fn a_caller_without_http_2_is_answered_in_json() {
    let keys = Keys::new();
    let server = keys.serve(keys.files()).await;
    let mut http_1 = keys.caller(None);
    http_1.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut stream = secure(server.address, http_1).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                   content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"SERVING"}"#), "{answer}");
}

#[tokio::test]
async fn client_certificate_is_optional_and_verified_if_presented() {
    let keys = Keys::new();
    let callers = Authority::new("a CA of callers");
    let client_ca = write(keys.folder(), "client-ca.crt", &callers.pem());
    let server = keys
        .serve(TlsFiles {
            client_ca: Some(client_ca),
            ..keys.files()
        })
        .await;
    let open = keys.channel_to(server.address).await;
    put_caller(open, "pim.example.com").await;
    let params = named(&["pim.example.com"], "pim");
    let stranger = Authority::new("another CA");
    // The client certificate, and whether the call is answered.
    let cases = [
        (None, true),
        (Some(callers.issue(&params)), true),
        (Some(stranger.issue(&params)), false),
        (Some(callers.issue(&expired(params.clone()))), false),
    ];
    for (number, (shown, expected)) in cases.into_iter().enumerate() {
        let caller = keys.caller(shown.as_ref());
        let answered = is_answered(server.address, caller).await;
        assert_eq!(answered, expected, "{number}");
    }
}

/// The connection limit applies before the handshake.
#[tokio::test]
async fn half_open_handshake_blocks_nobody_and_is_closed() {
    const HANDSHAKE: Duration = Duration::from_secs(10);
    let keys = Keys::new();
    let database = Database::create().await;
    let mut config = TestServer::config(&database);
    config.tls = Some(keys.files());
    config.limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let server = TestServer::start_with(config, database).await;
    let begun = Instant::now();
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let caller = secure(server.address, keys.caller(None)).await.unwrap();
    let channel = channel_over(caller).await.unwrap();
    answers(channel.clone()).await.unwrap();
    // A third connection is closed immediately.
    assert!(secure(server.address, keys.caller(None)).await.is_err());
    let mut nothing = [0; 1];
    let closed = timeout(PATIENCE, silent.read(&mut nothing)).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert!(begun.elapsed() >= HANDSHAKE / 2, "{:?}", begun.elapsed());
    // The slot of the closed connection is free again.
    let freed = async { while !is_answered(server.address, keys.caller(None)).await {} };
    timeout(PATIENCE, freed).await.unwrap();
    answers(channel).await.unwrap();
}
