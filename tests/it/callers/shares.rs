//! The share of a server that one caller may take: calls per second, and
//! memory.

use std::time::{Duration, Instant};

use pim_authz::{
    pb::{self, CallerRight},
    server::{CallerRate, Limits},
};
use prost::Message as _;
use tokio::{task::JoinHandle, time::timeout};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Status, client::Grpc};
use tonic_types::StatusExt as _;

use super::{
    table::every_call,
    world::{EVERY_RIGHT, Key, Raw, World, call, everywhere, required},
};
use crate::harness::{TestServer, refusal, user};

/// Longer than anything in these tests takes.
const PATIENCE: Duration = Duration::from_mins(1);

const CHECK: &str = "/pim.authz.v1.AuthorizationService/Check";

fn limited(calls_per_second: u32, burst: u32) -> Limits {
    Limits {
        caller_rate: Some(CallerRate {
            calls_per_second: calls_per_second.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
        }),
        ..Limits::default()
    }
}

/// Starts another server on the world's database, which requires credentials.
async fn guarded(world: &World, limits: Limits) -> TestServer {
    let mut config = TestServer::config(&world.open.database);
    config.callers = required();
    config.limits = limits;
    TestServer::start_with(config, world.open.database.clone()).await
}

fn check() -> Vec<u8> {
    pb::CheckRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "product.list".into(),
        ..Default::default()
    }
    .encode_to_vec()
}

fn is_rate_limited(status: &Status) -> bool {
    let info = status.get_details_error_info();
    info.is_some_and(|info| info.reason == "RATE_LIMITED")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caller_beyond_its_rate_is_refused_and_others_are_answered() {
    let world = World::start().await;
    let shop = world
        .caller(everywhere("shop", &[CallerRight::Check]))
        .await;
    let erp = world.caller(everywhere("erp", &[CallerRight::Check])).await;
    let server = guarded(&world, limited(1, 5)).await;
    let channel = server.channel().await;
    let check_as = async |key: &Key| call(&channel, CHECK, check(), &key.header()).await;
    let begun = Instant::now();
    let mut taken = 0;
    let refused = loop {
        match check_as(&shop).await {
            Ok(()) => taken += 1,
            Err(status) => break status,
        }
    };
    let most = 5 + begun.elapsed().as_secs() + 1;
    assert!((5..=most).contains(&taken), "{taken}");
    assert_eq!(
        refusal(&refused),
        (Code::ResourceExhausted, "RATE_LIMITED".to_owned(), None)
    );
    let metadata = refused.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["caller"], "shop");
    assert_eq!(metadata["calls_per_second"], "1");
    assert_eq!(metadata["burst"], "5");
    let wait = refused.get_details_retry_info().unwrap().retry_delay;
    let wait = wait.unwrap();
    assert!(
        !wait.is_zero() && wait <= Duration::from_secs(1),
        "{wait:?}"
    );
    // The limit does not apply to other callers, to health checks, or to the
    // same caller on another server.
    check_as(&erp).await.unwrap();
    for _ in 0..20 {
        let health = "/grpc.health.v1.Health/Check";
        call(&channel, health, Vec::new(), &shop.header())
            .await
            .unwrap();
    }
    let elsewhere = world.guarded.channel().await;
    call(&elsewhere, CHECK, check(), &shop.header())
        .await
        .unwrap();
    // After the wait, the caller's calls are accepted again.
    let again = async {
        while let Err(status) = check_as(&shop).await {
            assert!(is_rate_limited(&status), "{status:?}");
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_rate_limited_per_caller() {
    let world = World::start().await;
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let server = guarded(&world, limited(1, 1)).await;
    let channel = server.channel().await;
    for of in every_call() {
        let refused = async {
            loop {
                let request = of.request("nobody");
                let answered = call(&channel, &of.path(), request, &key.header()).await;
                if answered.is_err_and(|status| is_rate_limited(&status)) {
                    return;
                }
            }
        };
        timeout(PATIENCE, refused).await.expect(of.name);
    }
}

#[tokio::test]
async fn calls_without_credentials_are_not_limited() {
    let world = World::start().await;
    let key = world
        .caller(everywhere("shop", &[CallerRight::Check]))
        .await;
    let mut config = TestServer::config(&world.open.database);
    config.limits = limited(1, 1);
    let server = TestServer::start_with(config, world.open.database.clone()).await;
    let channel = server.channel().await;
    for _ in 0..20 {
        call(&channel, CHECK, check(), &[]).await.unwrap();
    }
    let refused = async { while call(&channel, CHECK, check(), &key.header()).await.is_ok() {} };
    timeout(PATIENCE, refused).await.unwrap();
}

/// A check with an action of this length, which is refused once it is read.
fn large(bytes: usize) -> Vec<u8> {
    pb::CheckRequest {
        tenant: "acme".into(),
        subject: user("julia"),
        action: "x".repeat(bytes),
        ..Default::default()
    }
    .encode_to_vec()
}

/// Starts a call whose request stream does not end, so that it keeps holding
/// memory.
async fn hold(server: &TestServer, key: &Key) -> JoinHandle<()> {
    let channel = server.channel().await;
    let header = key.header().remove(0).parse().unwrap();
    tokio::spawn(async move {
        let mut grpc = Grpc::new(channel);
        grpc.ready().await.unwrap();
        let messages = tokio_stream::iter([large(3 << 20).into()]);
        let mut request = Request::new(messages.chain(tokio_stream::pending()));
        request.metadata_mut().insert("authorization", header);
        let path = CHECK.parse().unwrap();
        let _refused = grpc.streaming(request, path, Raw).await;
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caller_that_fills_its_memory_share_does_not_block_others() {
    let world = World::start().await;
    let shop = world
        .caller(everywhere("shop", &[CallerRight::Check]))
        .await;
    let erp = world.caller(everywhere("erp", &[CallerRight::Check])).await;
    let limits = Limits {
        // Four times the received bytes are counted, and one caller may have
        // half.
        call_bytes: 32 << 20,
        ..Limits::default()
    };
    let server = guarded(&world, limits).await;
    let mut held = hold(&server, &shop).await;
    let channel = server.channel().await;
    let check_as = async |key: &Key| call(&channel, CHECK, large(1 << 20), &key.header()).await;
    let filled = async {
        loop {
            let status = check_as(&shop).await.unwrap_err();
            match refusal(&status).1.as_str() {
                "OVERLOADED" => return status,
                // The held call is still arriving, or was refused itself
                // because it came too late.
                reason => assert_eq!(reason, "INVALID_REQUEST"),
            }
            if held.is_finished() {
                held = hold(&server, &shop).await;
            }
        }
    };
    let status = timeout(PATIENCE, filled).await.unwrap();
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["most"], (16 << 20).to_string());
    assert!(status.get_details_retry_info().is_some());
    // Another caller is served, for the same tenant.
    for _ in 0..3 {
        let status = check_as(&erp).await.unwrap_err();
        assert_eq!(refusal(&status).1, "INVALID_REQUEST");
    }
    // The memory of the held call is released when it is aborted.
    held.abort();
    let given_back =
        async { while refusal(&check_as(&shop).await.unwrap_err()).1 == "OVERLOADED" {} };
    timeout(PATIENCE, given_back).await.unwrap();
}
