//! The default isolation level of a database does not affect the service.

use crate::{
    harness::{Database, Server, TENANT, company},
    postgres_proxy::{begin_of, request},
};

const LEVELS: [&str; 2] = ["repeatable read", "serializable"];

async fn database(level: &str) -> Database {
    let database = Database::create().await;
    let sql = format!("ALTER DATABASE {{database}} SET default_transaction_isolation = '{level}'");
    database.execute_elsewhere(&sql).await;
    database
}

/// Another session announces at the same time.
#[tokio::test]
async fn concurrent_announcement_succeeds_under_strict_isolation() {
    for level in LEVELS {
        let database = database(level).await;
        let server = Server::start(&database).await;
        server.import(&company(&["julia;;admins"], "admins")).await;
        let (owner, _connection) = database.connect().await;
        let (looking, _connection) = database.connect().await;
        owner
            .batch_execute("BEGIN; UPDATE pim_authz.head SET seq = seq + 1")
            .await
            .unwrap();
        let putting = server.putting_user("julia", &[], "");
        database.somebody_waits_for_a_lock(&looking).await;
        owner.batch_execute("COMMIT").await.unwrap();
        let put = putting.await.unwrap();
        assert!(put.is_ok(), "{level}: {put:?}");
    }
}

/// The retry is executed after the transaction of the first attempt has begun.
#[tokio::test]
async fn first_attempt_returns_the_response_of_its_retry() {
    for level in LEVELS {
        let database = database(level).await;
        let first = Server::start(&database).await;
        let other = Server::start(&database).await;
        first.import(&company(&["julia;;"], "admins")).await;
        let held = first.proxy.hold(request("lock_tenant"));
        let first_try = first.putting_user("julia", &["admins"], "key");
        held.arrived().await;
        let retry = other.put_user("julia", &["admins"], "key").await.unwrap();
        other.put_user("julia", &[], "").await.unwrap();
        held.release();
        let answer = first_try.await.unwrap();
        assert_eq!(answer.unwrap(), retry, "{level}");
        assert_eq!(other.members("admins").await.unwrap(), [""; 0], "{level}");
    }
}

/// Concurrent writes of one tenant on two servers are applied one after another, and
/// later reads see them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writes_on_two_servers_all_succeed() {
    const WRITES: usize = 6;
    for level in LEVELS {
        let database = database(level).await;
        let servers = [
            Server::start(&database).await,
            Server::start(&database).await,
        ];
        servers[0]
            .import(&company(&["julia;;admins"], "admins"))
            .await;
        let held = servers.each_ref().map(|server| {
            let point = request(begin_of("use_intent"));
            server.proxy.hold(point)
        });
        let writing: Vec<_> = (0..WRITES)
            .map(|number| {
                let user = format!("user_{number}");
                servers[number % 2].putting_user(&user, &["admins"], "")
            })
            .collect();
        for held in held {
            held.arrived().await;
            held.release();
        }
        for writing in writing {
            let put = writing.await.unwrap();
            assert!(put.is_ok(), "{level}: {put:?}");
        }
        for server in &servers {
            let members = server.members("admins").await.unwrap();
            assert_eq!(members.len(), WRITES + 1, "{level}");
            assert!(server.may_view(TENANT, "user_5").await.unwrap(), "{level}");
        }
    }
}
