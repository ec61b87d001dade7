//! Tests of the tests' own proxy: the server and PostgreSQL see what it does to a
//! named statement as they would see a failing network.

use std::{
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::{AbortHandle, JoinHandle},
    time::timeout,
};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::{
    harness::Database,
    postgres_proxy::{
        Proxy, Traffic, Turn, address_of, begin, begin_of, commit_of, reply, request, rollback_of,
        within,
    },
};
use secrecy::ExposeSecret as _;

/// Short enough for a quick test, long enough for a reply to arrive.
const SILENCE: Duration = Duration::from_millis(50);

/// Begins a transaction as the store does.
#[expect(clippy::disallowed_methods, reason = "this is no statement of ours")]
async fn begin_transaction(client: &mut Client) -> tokio_postgres::Transaction<'_> {
    client.build_transaction().start().await.unwrap()
}

const INSERT: &str = "-- insert_row
    INSERT INTO seen (n) VALUES ($1)";

struct Table {
    database: Database,
    proxy: Proxy,
    url: String,
}

impl Table {
    async fn create() -> Self {
        let database = Database::create().await;
        database.execute("CREATE TABLE seen (n integer)").await;
        let (proxy, through) = Proxy::before(database.url()).await;
        let url = through.expose_secret().to_owned();
        Self {
            database,
            proxy,
            url,
        }
    }

    /// Connects a client through the proxy.
    async fn client(&self) -> Client {
        self.connect().await.0
    }

    /// Connects a client through the proxy, and returns a handle that closes the
    /// connection.
    async fn connect(&self) -> (Client, AbortHandle) {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        (client, tokio::spawn(connection).abort_handle())
    }

    /// Spawns a task that stores a number through the proxy.
    async fn storing(&self, number: i32) -> JoinHandle<Result<u64, tokio_postgres::Error>> {
        let client = self.client().await;
        tokio::spawn(async move { client.execute(INSERT, &[&number]).await })
    }

    /// Returns the stored numbers, read without the proxy.
    async fn stored(&self) -> Vec<i32> {
        let (client, _connection) = self.database.connect().await;
        let rows = client.query("SELECT n FROM seen ORDER BY n", &[]).await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Returns once `count` numbers are stored.
    async fn holds(&self, count: usize) {
        while self.stored().await.len() != count {}
    }

    /// Returns once PostgreSQL has no open transaction on this database but the one
    /// that checks for them.
    async fn no_transaction_is_open(&self) {
        const SQL: &str = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
        let (client, _connection) = self.database.connect().await;
        while client.query_one(SQL, &[]).await.unwrap().get::<_, i64>(0) != 0 {}
    }
}

#[tokio::test]
async fn held_request_is_executed_on_release() {
    let table = Table::create().await;
    let held = table.proxy.hold(request("insert_row"));
    let storing = table.storing(1).await;
    held.arrived().await;
    // Other connections are not affected.
    table.storing(2).await.await.unwrap().unwrap();
    assert_eq!(table.stored().await, [2]);
    held.release();
    assert_eq!(storing.await.unwrap().unwrap(), 1);
    assert_eq!(table.stored().await, [1, 2]);
}

#[tokio::test]
async fn statement_with_held_reply_is_already_executed() {
    let table = Table::create().await;
    let held = table.proxy.hold(reply("insert_row"));
    let mut storing = table.storing(1).await;
    held.arrived().await;
    assert_eq!(table.stored().await, [1]);
    timeout(SILENCE, &mut storing).await.unwrap_err();
    held.release();
    assert_eq!(storing.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn cut_request_is_not_executed() {
    let table = Table::create().await;
    let cut = table.proxy.cut(request("insert_row"));
    let storing = table.storing(1).await;
    cut.arrived().await;
    assert!(storing.await.unwrap().unwrap_err().is_closed());
    assert_eq!(table.stored().await, [0; 0]);
}

#[tokio::test]
async fn statement_with_cut_reply_is_executed() {
    let table = Table::create().await;
    table.proxy.cut(reply("insert_row"));
    let storing = table.storing(1).await;
    assert!(storing.await.unwrap().unwrap_err().is_closed());
    assert_eq!(table.stored().await, [1]);
}

#[tokio::test]
async fn swallowed_request_hangs_until_released() {
    let table = Table::create().await;
    let swallowed = table.proxy.swallow(request("insert_row"));
    let mut storing = table.storing(1).await;
    swallowed.arrived().await;
    timeout(SILENCE, &mut storing).await.unwrap_err();
    swallowed.release();
    assert!(storing.await.unwrap().unwrap_err().is_closed());
    assert_eq!(table.stored().await, [0; 0]);
}

#[tokio::test]
async fn statement_with_swallowed_reply_is_executed_and_hangs() {
    let table = Table::create().await;
    let swallowed = table.proxy.swallow(reply("insert_row"));
    let mut storing = table.storing(1).await;
    swallowed.arrived().await;
    assert_eq!(table.stored().await, [1]);
    timeout(SILENCE, &mut storing).await.unwrap_err();
    swallowed.release();
    assert!(storing.await.unwrap().unwrap_err().is_closed());
}

/// A client that disconnects does not end the session of a swallowed statement, as
/// with a host that is cut off from the network.
#[tokio::test]
async fn swallowed_statement_leaves_its_transaction_open() {
    let table = Table::create().await;
    table.proxy.swallow(request("insert_more"));
    let (mut client, connection) = table.connect().await;
    let transaction = begin_transaction(&mut client).await;
    transaction.execute(INSERT, &[&1]).await.unwrap();
    let more = transaction.batch_execute("-- insert_more\nINSERT INTO seen VALUES (2)");
    timeout(SILENCE, more).await.unwrap_err();
    connection.abort();
    let (owner, _connection) = table.database.connect().await;
    let idle = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction'";
    assert_eq!(
        owner.query_one(idle, &[]).await.unwrap().get::<_, i64>(0),
        1
    );
}

#[tokio::test]
async fn occurrences_are_counted() {
    let table = Table::create().await;
    let second = table.proxy.cut(request("insert_row").nth(2));
    let all = table.proxy.observe(reply("insert_row").every());
    table.storing(1).await.await.unwrap().unwrap();
    table.storing(2).await.await.unwrap().unwrap_err();
    table.storing(3).await.await.unwrap().unwrap();
    assert_eq!((second.count(), all.count()), (1, 2));
    let each = table.proxy.cut(request("insert_row").every());
    table.storing(4).await.await.unwrap().unwrap_err();
    table.storing(5).await.await.unwrap().unwrap_err();
    each.release();
    table.storing(6).await.await.unwrap().unwrap();
    assert_eq!(table.stored().await, [1, 3, 6]);
}

#[tokio::test]
async fn transaction_is_named_after_its_statements() {
    let table = Table::create().await;
    let cut = table.proxy.cut(reply(commit_of("insert_row")));
    let rolled_back = table.proxy.observe(reply(rollback_of("insert_row")));
    let mut client = table.client().await;
    // Another transaction's COMMIT and ROLLBACK pass.
    for commits in [true, false] {
        let mut other = begin_transaction(&mut client).await;
        let savepoint = other.savepoint("point").await.unwrap();
        savepoint.rollback().await.unwrap();
        if commits {
            other.commit().await.unwrap();
        } else {
            other.rollback().await.unwrap();
        }
    }
    let transaction = begin_transaction(&mut client).await;
    transaction.execute(INSERT, &[&1]).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(rolled_back.count(), 1);
    let transaction = begin_transaction(&mut client).await;
    transaction.execute(INSERT, &[&2]).await.unwrap();
    transaction.query("SELECT 1", &[]).await.unwrap();
    assert!(transaction.commit().await.unwrap_err().is_closed());
    cut.arrived().await;
    assert_eq!(table.stored().await, [2]);
}

#[tokio::test]
async fn cut_commit_request_rolls_back() {
    let table = Table::create().await;
    table.proxy.cut(request(commit_of("insert_row")));
    let mut client = table.client().await;
    let transaction = begin_transaction(&mut client).await;
    transaction.execute(INSERT, &[&1]).await.unwrap();
    assert!(transaction.commit().await.unwrap_err().is_closed());
    table.no_transaction_is_open().await;
    assert_eq!(table.stored().await, [0; 0]);
}

/// A COMMIT that was sent is executed although its client has disconnected meanwhile.
#[tokio::test]
async fn held_commit_is_executed_after_its_client_disconnects() {
    let table = Table::create().await;
    let held = table.proxy.hold(request(commit_of("insert_row")));
    let (mut client, connection) = table.connect().await;
    let committing = tokio::spawn(async move {
        let transaction = begin_transaction(&mut client).await;
        transaction.execute(INSERT, &[&1]).await.unwrap();
        transaction.commit().await
    });
    held.arrived().await;
    connection.abort();
    assert!(committing.await.unwrap().unwrap_err().is_closed());
    assert_eq!(table.stored().await, [0; 0]);
    held.release();
    table.holds(1).await;
}

#[tokio::test]
async fn begin_is_identified_by_its_first_statement() {
    let table = Table::create().await;
    let any = table.proxy.observe(request(begin()).every());
    let cut = table.proxy.cut(request(begin_of("insert_row")));
    let mut client = table.client().await;
    client.execute(INSERT, &[&1]).await.unwrap();
    let transaction = begin_transaction(&mut client).await;
    transaction
        .batch_execute("-- other\nSELECT 1")
        .await
        .unwrap();
    transaction.execute(INSERT, &[&2]).await.unwrap();
    transaction.commit().await.unwrap();
    let transaction = begin_transaction(&mut client).await;
    transaction.execute(INSERT, &[&3]).await.unwrap_err();
    assert_eq!((any.count(), cut.count()), (2, 1));
    assert_eq!(table.stored().await, [1, 2]);
}

/// The rows of a COPY belong to its statement.
#[tokio::test]
async fn copy_is_one_statement() {
    use futures_util::{SinkExt as _, StreamExt as _};
    const IN: &str = "-- copy_rows\nCOPY seen FROM STDIN";
    const OUT: &str = "-- copy_rows_out\nCOPY seen TO STDOUT";
    let table = Table::create().await;
    let started = table.proxy.observe(reply("copy_rows").every());
    let rest = table.proxy.observe(reply("insert_row"));
    let client = table.client().await;
    let sink = client.copy_in::<_, bytes::Bytes>(IN).await.unwrap();
    let mut sink = Box::pin(sink);
    sink.send("1\n2\n".into()).await.unwrap();
    sink.as_mut().finish().await.unwrap();
    // The next statement is a separate one.
    client.execute(INSERT, &[&3]).await.unwrap();
    assert_eq!((started.count(), rest.count()), (1, 1));
    let held = table.proxy.hold(reply("copy_rows_out"));
    let reading = tokio::spawn(async move {
        let rows = client.copy_out(OUT).await.unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().await.concat()
    });
    held.arrived().await;
    assert!(!reading.is_finished());
    held.release();
    assert_eq!(reading.await.unwrap(), b"1\n2\n3\n");
}

#[tokio::test]
async fn whole_traffic_is_disturbed_until_reset() {
    let table = Table::create().await;
    let mut client = table.client().await;
    table.proxy.set(Traffic::IsHeld);
    timeout(SILENCE, client.batch_execute("SELECT 1"))
        .await
        .unwrap_err();
    table.proxy.set(Traffic::IsLate(SILENCE));
    let begun = Instant::now();
    client.batch_execute("SELECT 1").await.unwrap();
    assert!(begun.elapsed() >= SILENCE);
    table.proxy.set(Traffic::IsCutAfterCommit);
    let transaction = begin_transaction(&mut client).await;
    transaction.execute(INSERT, &[&1]).await.unwrap();
    assert!(transaction.commit().await.unwrap_err().is_closed());
    table.holds(1).await;
    table.proxy.set(Traffic::IsRefused);
    tokio_postgres::connect(&table.url, NoTls)
        .await
        .map(|_| ())
        .unwrap_err();
    table.proxy.set(Traffic::Passes);
    table.proxy.set_upstream(address_of(table.database.url()));
    table
        .client()
        .await
        .batch_execute("SELECT 1")
        .await
        .unwrap();
}

#[tokio::test]
async fn notifications_are_dropped_while_disabled() {
    let table = Table::create().await;
    let (client, mut connection) = tokio_postgres::connect(&table.url, NoTls).await.unwrap();
    let mut messages = poll_fn(move |context| connection.poll_message(context));
    let notified = tokio::spawn(async move {
        while let Some(Ok(message)) = (&mut messages).await {
            if let AsyncMessage::Notification(hint) = message {
                return hint.payload().to_owned();
            }
        }
        String::new()
    });
    client.batch_execute("LISTEN seen").await.unwrap();
    table.proxy.set(Traffic::DropsNotifications);
    client.batch_execute("NOTIFY seen, 'lost'").await.unwrap();
    table.proxy.set(Traffic::Passes);
    // The connection is closed as soon as the notification arrives.
    let _either_way = client.batch_execute("NOTIFY seen, 'kept'").await;
    assert_eq!(notified.await.unwrap(), "kept");
}

#[tokio::test]
async fn statement_is_identified_by_its_transaction() {
    let table = Table::create().await;
    let cut = table.proxy.cut(request(within("other", "insert_row")));
    let mut client = table.client().await;
    client.execute(INSERT, &[&1]).await.unwrap();
    let transaction = begin_transaction(&mut client).await;
    transaction.execute(INSERT, &[&2]).await.unwrap();
    transaction.commit().await.unwrap();
    let transaction = begin_transaction(&mut client).await;
    transaction
        .batch_execute("-- other\nSELECT 1")
        .await
        .unwrap();
    transaction.execute(INSERT, &[&3]).await.unwrap_err();
    assert_eq!(cut.count(), 1);
    assert_eq!(table.stored().await, [1, 2]);
    let seen: Vec<String> = table.proxy.seen().into_iter().collect();
    assert_eq!(seen, ["insert_row", "other"]);
}

/// Each message of a name waits until its turn comes; then it passes, or its connection is cut.
#[tokio::test]
async fn messages_wait_for_their_turn() {
    let table = Table::create().await;
    let (arrive, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    table.proxy.take_turns(Some(Arc::new(move |name| {
        let (permit, turn) = tokio::sync::oneshot::channel();
        arrive.send((name, permit)).unwrap();
        Some(turn)
    })));
    let mut storing = table.storing(1).await;
    let (name, permit) = arrived.recv().await.unwrap();
    assert_eq!(name, "insert_row");
    timeout(SILENCE, &mut storing).await.unwrap_err();
    assert_eq!(table.stored().await, [0; 0]);
    permit.send(Turn::Pass).unwrap();
    let (name, permit) = arrived.recv().await.unwrap();
    assert_eq!(name, "reply of insert_row");
    timeout(SILENCE, &mut storing).await.unwrap_err();
    permit.send(Turn::Pass).unwrap();
    storing.await.unwrap().unwrap();
    let storing = table.storing(2).await;
    let (_, permit) = arrived.recv().await.unwrap();
    permit.send(Turn::Cut).unwrap();
    assert!(storing.await.unwrap().unwrap_err().is_closed());
    table.proxy.take_turns(None);
    table.storing(3).await.await.unwrap().unwrap();
    assert_eq!(table.stored().await, [1, 3]);
}
