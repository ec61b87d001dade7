//! A storm of retries: callers repeat the same writes with the same keys on two
//! servers, and many of them disconnect before the answer arrives.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll},
};

use pim_authz::{domain::Edition, pb};
use tonic::{Status, transport::Channel};

use super::{
    calls::{Answer, Call},
    steps::Tenant,
};
use crate::{
    harness::{TestServer, refusal},
    support::Entropy,
};

const CALLERS_A_WRITE: usize = 6;

/// The future's output, or `None` if it is not ready after `polls` polls and is
/// dropped.
async fn dropped_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context: &mut Context<'_>| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Sends the call on a connection of its own, which is cut together with its
/// runtime after `polls` polls.
async fn cut_after(polls: usize, address: String, call: Call) {
    let cut = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let _answered = runtime.block_on(async {
            let endpoint = Channel::from_shared(address).unwrap();
            let channel = endpoint.connect().await.unwrap();
            dropped_after(polls, call.send(&channel)).await
        });
        runtime.shutdown_background();
    });
    cut.await.unwrap();
}

/// Writes that each change something, in whatever order they run.
fn writes() -> Vec<Call> {
    let users = |number: usize| {
        Call::PutUsers(pb::PutUsersRequest {
            users: vec![pb::User {
                code: format!("user_{number}"),
                ..Default::default()
            }],
            ..Default::default()
        })
    };
    let categories = |number: usize| {
        Call::PutCategories(pb::PutCategoriesRequest {
            categories: vec![pb::Category {
                code: format!("tree_{number}"),
                parent: None,
            }],
            ..Default::default()
        })
    };
    let deletion = |number: usize| {
        Call::DeleteLocales(pb::DeleteLocalesRequest {
            codes: vec![format!("locale_{number}")],
            ..Default::default()
        })
    };
    let products = |number: usize| {
        Call::PutProducts(pb::PutProductsRequest {
            products: vec![pb::Product {
                code: format!("hat_{number}"),
                ..Default::default()
            }],
            ..Default::default()
        })
    };
    let of_each = |number| {
        [
            users(number),
            categories(number),
            deletion(number),
            products(number),
        ]
    };
    (0..3).flat_map(of_each).collect()
}

fn locales() -> Call {
    let locales = (0..3).map(|number| pb::Locale {
        code: format!("locale_{number}"),
    });
    Call::PutLocales(pb::PutLocalesRequest {
        locales: locales.collect(),
        ..Default::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_retries_makes_each_change_once() {
    let one = TestServer::start().await;
    let other = TestServer::start_beside(&one).await;
    let mut tenant = Tenant::create(&one, "acme", Edition::Enterprise).await;
    tenant.perform(locales()).await.unwrap();
    let calls = writes().into_iter().enumerate();
    let calls = calls.map(|(number, call)| call.of("acme").keyed(&format!("storm {number}")));
    let calls: Vec<Call> = calls.collect();
    let channels = [one.channel().await, other.channel().await];
    let addresses = [&one, &other].map(|server| format!("http://{}", server.address));
    let mut entropy = Entropy::seeded(5, 10_000);
    let mut storm = Vec::new();
    for caller in 0..CALLERS_A_WRITE {
        for (number, call) in calls.iter().enumerate() {
            let server = entropy.below(2);
            let (channel, address) = (channels[server].clone(), addresses[server].clone());
            let (polls, kind, call) = (1 + entropy.below(6), entropy.below(10), call.clone());
            storm.push(tokio::spawn(async move {
                let answered = match kind {
                    _ if caller == 0 => Some(call.send(&channel).await),
                    0..4 => dropped_after(polls, call.send(&channel)).await,
                    4 => {
                        cut_after(polls, address, call).await;
                        None
                    }
                    _ => Some(call.send(&channel).await),
                };
                (number, answered)
            }));
        }
    }
    let mut answers: Vec<Vec<Answer>> = vec![Vec::new(); calls.len()];
    for caller in storm {
        let (number, answered) = caller.await.unwrap();
        answers[number].extend(answered.and_then(answer_of));
    }
    for (number, call) in calls.iter().enumerate() {
        answers[number].push(call.send(&channels[number % 2]).await.unwrap());
        let same = &answers[number][0];
        assert!(
            answers[number].iter().all(|answer| answer == same),
            "{answers:#?}"
        );
        refuse_another(&channels, number).await;
    }
    let mut revisions: Vec<u64> = answers.iter().map(|same| same[0].revision).collect();
    revisions.sort_unstable();
    let expected: Vec<u64> = (3..).take(calls.len()).collect();
    assert_eq!(revisions, expected);
    assert_one_write_a_key(&one, calls.len()).await;
}

/// The answer; `None` if the call came too late, or behind too many others, and
/// may be retried. No other refusal is accepted.
fn answer_of(answered: Result<Answer, Status>) -> Option<Answer> {
    match answered {
        Ok(answer) => Some(answer),
        Err(status) => {
            let (code, reason, _) = refusal(&status);
            let retried = [
                (tonic::Code::Aborted, "CONFLICT"),
                (tonic::Code::Unavailable, "STORE_UNAVAILABLE"),
            ];
            assert!(retried.contains(&(code, &reason)), "{status:?}");
            None
        }
    }
}

/// Checks that a key is refused for another request.
async fn refuse_another(channels: &[Channel; 2], number: usize) {
    let other = Call::PutLocales(pb::PutLocalesRequest {
        locales: vec![pb::Locale {
            code: "it_IT".into(),
        }],
        ..Default::default()
    });
    let other = other.of("acme").keyed(&format!("storm {number}"));
    for channel in channels {
        let status = other.send(channel).await.unwrap_err();
        let (code, reason, _) = refusal(&status);
        let expected = (tonic::Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED".into());
        assert_eq!((code, reason), expected, "{status:?}");
    }
}

/// Checks in the audit log that each key belongs to one write, and each write
/// has a key.
async fn assert_one_write_a_key(server: &TestServer, writes: usize) {
    const SQL: &str = "SELECT count(DISTINCT revision), count(DISTINCT idempotency_key),
                              count(DISTINCT (revision, idempotency_key))
                         FROM pim_authz.audit WHERE idempotency_key <> ''";
    let (client, _session) = server.database.connect().await;
    let row = client.query_one(SQL, &[]).await.unwrap();
    let counts: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(counts, [i64::try_from(writes).unwrap(); 3]);
}
