//! Every wait for the database is bounded in time.

use std::time::Duration;

use pim_authz::pb::{self, directory_service_client::DirectoryServiceClient};
use tonic::{Request, Status};

use crate::{
    harness::{Database, LEASE, Server, TENANT, company, may_view, within},
    postgres_proxy::{Place, commit_of, reply, request},
};

/// The time limit of one statement.
const STATEMENT: Duration = Duration::from_secs(5);

/// Allowance for steps without a limit of their own, on a busy machine.
const SLACK: Duration = Duration::from_secs(5);

async fn served() -> (Database, Server) {
    let database = Database::create().await;
    let server = Server::start(&database).await;
    server.import(&company(&["julia;;admins"], "admins")).await;
    (database, server)
}

/// Blocks as many writes as may run at once: three of one tenant, three of another.
#[tokio::test]
async fn swallowed_statements_do_not_stop_later_writes() {
    const DEADLINE: Duration = Duration::from_secs(2);
    let (_database, server) = served().await;
    server.create_tenant("other").await;
    let mut stuck = Vec::new();
    for (number, place) in [
        Place::from("use_intent"),
        Place::from("use_intent"),
        Place::from("check_epoch"),
        Place::from("lock_tenant"),
        Place::from("lock_tenant"),
        // This one holds the lock of the tenant's row.
        commit_of("finish_write"),
    ]
    .into_iter()
    .enumerate()
    {
        let swallowed = server.proxy.swallow(request(place));
        let tenant = if number < 3 { "other" } else { TENANT };
        let write = put_by(&server, tenant, &format!("stuck_{number}"), DEADLINE);
        stuck.push(tokio::spawn(write));
        swallowed.arrived().await;
    }
    let put = server.put_user("mary", &[], "");
    within(STATEMENT * 2 + LEASE + SLACK, put).await.unwrap();
    for stuck in stuck {
        // The call may fail, or succeed by a retry.
        let _either_way = within(SLACK, stuck).await.unwrap();
    }
}

/// Puts a user without groups; the caller waits for at most `deadline`.
fn put_by(
    server: &Server,
    tenant: &str,
    user: &str,
    deadline: Duration,
) -> impl Future<Output = Result<(), Status>> + use<> {
    let mut request = Request::new(pb::PutUsersRequest {
        tenant: tenant.into(),
        users: vec![pb::User {
            code: user.into(),
            groups: Some(pb::CodeList::default()),
            ..Default::default()
        }],
        ..Default::default()
    });
    request.set_timeout(deadline);
    let mut client = DirectoryServiceClient::new(server.channel.clone());
    async move { client.put_users(request).await.map(|_| ()) }
}

/// Rehearses putting a user.
fn dry_run(server: &Server) -> impl Future<Output = Result<(), Status>> + use<> {
    let request = pb::PutUsersRequest {
        tenant: TENANT.into(),
        dry_run: true,
        users: vec![pb::User {
            code: "mary".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(server.channel.clone());
    async move { client.put_users(request).await.map(|_| ()) }
}

/// The turn of the tenant passes on while the database still answers the first.
#[tokio::test]
async fn dry_run_ends_when_its_caller_leaves() {
    let (_database, server) = served().await;
    let held = server.proxy.hold(reply("load_groups"));
    let left = tokio::spawn(dry_run(&server));
    held.arrived().await;
    left.abort();
    within(STATEMENT, dry_run(&server)).await.unwrap();
    held.release();
}

/// Twice as many writes as may run at once wait for a row that is locked.
#[tokio::test]
async fn writes_waiting_for_a_tenant_block_no_other_tenant() {
    let (database, server) = served().await;
    server.create_tenant("other").await;
    let (holding, _connection) = database.connect().await;
    let row = "BEGIN; SELECT FROM pim_authz.tenant WHERE key = 'acme' FOR UPDATE";
    holding.batch_execute(row).await.unwrap();
    let waits = server.proxy.observe(request("lock_tenant"));
    let waiting: Vec<_> = (0..12)
        .map(|number| server.putting_user(&format!("user_{number}"), &["editors"], ""))
        .collect();
    waits.arrived().await;
    for number in 0..3 {
        let put = put_by(&server, "other", &format!("user_{number}"), SLACK);
        put.await.unwrap();
    }
    assert!(waiting.iter().all(|put| !put.is_finished()));
    holding.batch_execute("ROLLBACK").await.unwrap();
    for put in waiting {
        within(SLACK * 2, put).await.unwrap().unwrap();
    }
    assert_eq!(server.members("editors").await.unwrap().len(), 12);
}

/// The limit of half a second applies to the lock of the tenant's row, not to a slow
/// disk before it.
#[tokio::test]
async fn slow_statement_before_the_tenant_lock_does_not_time_out() {
    let (database, server) = served().await;
    database
        .execute(
            "SET search_path = pim_authz;
             CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
             CREATE TRIGGER slow AFTER DELETE ON intent FOR EACH STATEMENT EXECUTE FUNCTION be_slow()",
        )
        .await;
    let uses = server.proxy.observe(request("use_intent").every());
    let put = server.putting_user("mary", &["editors"], "");
    uses.arrived().await;
    within(STATEMENT + SLACK, put).await.unwrap().unwrap();
    assert_eq!(uses.count(), 1);
    assert_eq!(server.members("editors").await.unwrap(), ["mary"]);
}

/// All writes of a server are announced one after another.
#[tokio::test]
async fn swallowed_announcement_does_not_stop_later_writes() {
    let (_database, server) = served().await;
    let swallowed = server.proxy.swallow(request("announce"));
    let stuck = server.putting_user("mary", &[], "");
    swallowed.arrived().await;
    let put = server.put_user("julia", &[], "");
    within(LEASE + SLACK, put).await.unwrap();
    // The call may fail, or succeed by a retry.
    let _either_way = within(SLACK, stuck).await.unwrap();
}

/// Blocks as many statements as may read facts at once.
#[tokio::test]
async fn swallowed_reads_do_not_stop_later_checks() {
    let (_database, server) = served().await;
    let mut stuck = Vec::new();
    for number in 0..4 {
        let swallowed = server.proxy.swallow(request("find_facts"));
        let channel = server.channel.clone();
        let user = format!("stuck_{number}");
        stuck.push(tokio::spawn(may_view(channel, TENANT.into(), user)));
        swallowed.arrived().await;
    }
    let check = server.may_view(TENANT, "julia");
    assert!(within(SLACK, check).await.unwrap());
    for stuck in stuck {
        // The call may fail, or succeed by a retry.
        let _either_way = within(STATEMENT * 2 + SLACK, stuck).await.unwrap();
    }
}

/// The server's session is idle in a transaction that locks the tenant's row.
#[tokio::test]
async fn server_stopped_during_commit_frees_the_tenant_within_its_lease() {
    let (database, stopped) = served().await;
    let other = Server::start(&database).await;
    let swallowed = stopped.proxy.swallow(request(commit_of("finish_write")));
    let _unanswered = stopped.putting_user("mary", &[], "");
    swallowed.arrived().await;
    let put = other.put_user("julia", &[], "");
    within(LEASE + SLACK, put).await.unwrap();
    assert_eq!(other.members("admins").await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn wait_for_a_tenant_ends_at_the_callers_deadline() {
    const DEADLINE: Duration = Duration::from_secs(1);
    let database = Database::create().await;
    let lease = Duration::from_secs(20);
    let holder = Server::start_with_lease(&database, lease).await;
    let waiting = Server::start_with_lease(&database, lease).await;
    holder.import(&company(&["julia;;admins"], "admins")).await;
    let held = holder.proxy.hold(request(commit_of("finish_write")));
    let holding = holder.putting_user("mary", &[], "");
    held.arrived().await;
    let put = put_by(&waiting, TENANT, "julia", DEADLINE);
    within(DEADLINE + SLACK, put).await.unwrap_err();
    within(DEADLINE + SLACK, no_session_waits_for_a_lock(&database)).await;
    held.release();
    holding.await.unwrap().unwrap();
    assert_eq!(waiting.members("admins").await.unwrap(), ["julia"]);
}

/// Returns once no session of a database waits for a lock.
async fn no_session_waits_for_a_lock(database: &Database) {
    const SQL: &str = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let (client, _connection) = database.connect().await;
    while client.query_one(SQL, &[]).await.unwrap().get::<_, i64>(0) != 0 {}
}

#[tokio::test]
async fn hanging_index_load_blocks_no_other_tenant() {
    let (_database, server) = served().await;
    let mut held = Vec::new();
    for tenant in ["one", "two", "three"] {
        server.create_tenant(tenant).await;
        let load = server.proxy.hold(reply("copy_products"));
        within(SLACK, async {
            while load.count() == 0 {
                server.may_view(tenant, "julia").await.unwrap();
            }
        })
        .await;
        held.push(load);
    }
    within(SLACK, async {
        while server.status().await.index_loads == 0 {
            assert!(server.may_view(TENANT, "julia").await.unwrap());
        }
    })
    .await;
}
