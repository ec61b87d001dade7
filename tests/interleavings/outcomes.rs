//! The outcome that is reported for a write whose COMMIT got no reply.

use pim_authz::pb::{
    self, catalog_service_client::CatalogServiceClient,
    directory_service_client::DirectoryServiceClient,
};
use tonic::Status;

use crate::{
    harness::{Database, Server, TENANT, assert_unavailable, company},
    postgres_proxy::{Place, commit_of, reply, request, rollback_of},
};

async fn served() -> Server {
    let database = Database::create().await;
    let server = Server::start(&database).await;
    server.import(&company(&["julia;;admins"], "admins")).await;
    server
}

/// Makes a call twice: its connection is cut at the request of `place`, then at the
/// reply.
async fn cut<T>(server: &Server, place: Place, call: impl AsyncFn() -> Result<T, Status>) {
    for point in [request(place), reply(place)] {
        let cut = server.proxy.cut(point);
        let result = call().await;
        // The end of a rehearsal may be sent after the response.
        cut.arrived().await;
        assert_eq!(cut.count(), 1, "{point:?}");
        if let Err(status) = result {
            assert_unavailable(&status);
        }
    }
}

fn users(key: &str, dry_run: bool) -> pb::PutUsersRequest {
    pb::PutUsersRequest {
        tenant: TENANT.into(),
        idempotency_key: key.into(),
        dry_run,
        users: vec![pb::User {
            code: if dry_run { "mary" } else { "julia" }.into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// All connections that one tenant may use for reads are busy, and more reads wait.
#[tokio::test]
async fn outcome_is_determined_without_a_free_connection() {
    const READS: usize = 16;
    const AT_ONCE: usize = 3;
    let server = served().await;
    let committing = server.proxy.hold(request(commit_of("finish_write")));
    let put = server.putting_user("mary", &["editors"], "");
    committing.arrived().await;
    let reading = server.proxy.hold(request("begin_snapshot").every());
    let reads: Vec<_> = (0..READS)
        .map(|_| {
            let mut client = DirectoryServiceClient::new(server.channel.clone());
            let request = pb::ListUsersRequest {
                tenant: TENANT.into(),
                ..Default::default()
            };
            tokio::spawn(async move { client.list_users(request).await })
        })
        .collect();
    reading.arrived_times(AT_ONCE).await;
    let cut = server.proxy.cut(reply(commit_of("finish_write")));
    committing.release();
    put.await.unwrap().unwrap();
    assert_eq!(cut.count(), 1);
    reading.release();
    for read in reads {
        read.await.unwrap().unwrap();
    }
    assert_eq!(server.members("editors").await.unwrap(), ["mary"]);
}

#[tokio::test]
async fn dry_run_outcome_is_never_unknown() {
    let server = served().await;
    let dry_run = async || server.put(users("", true)).await;
    cut(&server, commit_of("read_tenant"), dry_run).await;
}

#[tokio::test]
async fn product_dry_run_outcome_is_never_unknown() {
    let server = served().await;
    let dry_run = async || {
        let request = pb::PutProductsRequest {
            tenant: TENANT.into(),
            dry_run: true,
            products: vec![pb::Product {
                code: "shoe".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let mut client = CatalogServiceClient::new(server.channel.clone());
        client.put_products(request).await
    };
    // The rehearsal ends with one of the two.
    let ends = server.proxy.observe(reply(commit_of("read_tenant")));
    dry_run().await.unwrap();
    let place = match ends.count() {
        0 => rollback_of("read_tenant"),
        _ => commit_of("read_tenant"),
    };
    ends.release();
    cut(&server, place, dry_run).await;
}

#[tokio::test]
async fn rehearsal_outcome_is_never_unknown() {
    let server = served().await;
    let put = async || server.put_user("julia", &[], "").await;
    cut(&server, rollback_of("read_tenant"), put).await;
}

#[tokio::test]
async fn outcome_of_write_without_effect_is_never_unknown() {
    let server = served().await;
    for key in ["first", "second"] {
        let cut = server.proxy.cut(match key {
            "first" => request(commit_of("keep_unchanged_answer")),
            _ => reply(commit_of("keep_unchanged_answer")),
        });
        let result = server.put(users(key, false)).await;
        assert_eq!(cut.count(), 1, "{key}");
        match result {
            Ok(answer) => assert_eq!(answer.effect.unwrap().changed, 0),
            Err(status) => assert_unavailable(&status),
        }
    }
}

/// The outcome of a write with an effect is determined after the cut.
#[tokio::test]
async fn outcome_of_cut_commit_is_determined() {
    let server = served().await;
    server.proxy.cut(reply(commit_of("finish_write")));
    server.put_user("julia", &[], "").await.unwrap();
    assert_eq!(server.members("admins").await.unwrap(), [""; 0]);
    server.proxy.cut(request(commit_of("finish_write")));
    let result = server.put_user("julia", &["admins"], "").await;
    let members = server.members("admins").await.unwrap();
    match result {
        Ok(_) => assert_eq!(members, ["julia"]),
        Err(status) => {
            assert_unavailable(&status);
            assert_eq!(members, [""; 0]);
        }
    }
}
