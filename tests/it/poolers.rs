//! A connection pooler in front of PostgreSQL: transaction mode is rejected.

use std::sync::Arc;

use pim_authz::store::{Store, StoreError};
use secrecy::ExposeSecret as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

use crate::harness::Database;

/// The single session of a pooler: the greeting that PostgreSQL sent after the
/// login, and the connection.
type Session = Option<(Vec<u8>, TcpStream)>;

/// Reads a message of the PostgreSQL protocol: its kind, and all of its bytes.
async fn message(from: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = from.read_u8().await.ok()?;
    let length = from.read_u32().await.ok()?;
    let mut bytes = vec![kind];
    bytes.extend(length.to_be_bytes());
    bytes.resize(usize::try_from(length).unwrap() + 1, 0);
    from.read_exact(&mut bytes[5..]).await.ok()?;
    Some((kind, bytes))
}

/// Reads a message sent before the login, which has no kind.
async fn startup(from: &mut TcpStream) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.resize(usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut bytes[4..]).await.ok()?;
    Some(bytes)
}

/// Connects all clients to one session, transaction by transaction, as
/// `PgBouncer` does with `pool_mode = transaction` and `default_pool_size = 1`.
async fn serve(
    mut client: TcpStream,
    upstream: String,
    session: Arc<Mutex<Session>>,
) -> Option<()> {
    // The client requests TLS first, which the pooler does not support.
    let _tls_wanted = startup(&mut client).await?;
    client.write_all(b"N").await.ok()?;
    let startup = startup(&mut client).await?;
    let mut shared = session.lock().await;
    if let Some((greeting, _)) = &*shared {
        client.write_all(greeting).await.ok()?;
    } else {
        let mut server = TcpStream::connect(upstream).await.ok()?;
        server.write_all(&startup).await.ok()?;
        let greeting = log_in(&mut client, &mut server).await?;
        *shared = Some((greeting, server));
    }
    drop(shared);
    loop {
        let (kind, first) = message(&mut client).await?;
        if kind == b'X' {
            return None;
        }
        let mut shared = session.lock().await;
        let (_, server) = shared.as_mut()?;
        server.write_all(&first).await.ok()?;
        // Forward answers until the transaction has ended.
        loop {
            let (kind, bytes) = message(server).await?;
            client.write_all(&bytes).await.ok()?;
            if kind == b'Z' && bytes.ends_with(b"I") {
                break;
            }
        }
    }
}

/// Forwards the login of the first client, and returns the messages after it,
/// which are replayed to the next clients.
async fn log_in(client: &mut TcpStream, server: &mut TcpStream) -> Option<Vec<u8>> {
    let mut greeting = Vec::new();
    loop {
        let (kind, bytes) = message(server).await?;
        client.write_all(&bytes).await.ok()?;
        let demand = (kind == b'R').then(|| bytes[8]);
        match demand {
            // A password, or a step of SCRAM; the last step of SCRAM needs no
            // reply.
            Some(3 | 5 | 10 | 11) => {
                let (_, reply) = message(client).await?;
                server.write_all(&reply).await.ok()?;
            }
            Some(12) => {}
            _ => greeting.extend(&bytes),
        }
        if kind == b'Z' {
            return Some(greeting);
        }
    }
}

#[tokio::test]
async fn transaction_mode_pooler_is_rejected_with_its_address() {
    let database = Database::create().await;
    let url = database.url().expose_secret();
    let (login, place) = url.rsplit_once('@').unwrap();
    let (upstream, name) = place.split_once('/').unwrap();
    let pooler = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = pooler.local_addr().unwrap();
    let upstream = upstream.to_owned();
    tokio::spawn(async move {
        let session = Arc::default();
        loop {
            let (client, _) = pooler.accept().await.unwrap();
            tokio::spawn(serve(client, upstream.clone(), Arc::clone(&session)));
        }
    });
    let through = format!("{login}@{address}/{name}").into();
    let refused = Store::new(&through, 2).unwrap().check_sessions().await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, StoreError::TransactionPooler { .. }),
        "{refused:?}"
    );
    let error = refused.to_string();
    assert!(
        error.starts_with(&format!("`{address}` is a connection pooler")),
        "{error}"
    );
    assert!(error.contains("`pool_mode = session`"), "{error}");
    // A direct connection to PostgreSQL is accepted.
    let store = Store::new(database.url(), 2).unwrap();
    store.check_sessions().await.unwrap();
}
