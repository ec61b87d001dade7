use pim_authz::store::{Store, StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use crate::harness::{
    Database, TlsPostgres,
    certificates::{Authority, Issued, named, write},
};

const MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

/// Whether the connections of this program to a database are encrypted.
const ENCRYPTED: &str = "SELECT coalesce(bool_and(ssl), false)
     FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database() AND application_name = 'pim-authz'";

/// Connects with a URL; returns whether the connection is encrypted, or the
/// error.
async fn connect(url: &SecretString, admin: &tokio_postgres::Client) -> Result<bool, String> {
    let open = async |url| -> Result<_, StoreError> {
        let store = Store::new(url, 1)?;
        store.check_sessions().await?;
        store.connection().await
    };
    let _connection = open(url).await.map_err(|error| match error.condition() {
        Some(condition) => condition.to_string(),
        None => error.to_string(),
    })?;
    Ok(admin.query_one(ENCRYPTED, &[]).await.unwrap().get(0))
}

#[tokio::test]
async fn every_sslmode_but_disable_connects_where_tls_is_required() {
    let postgres = TlsPostgres::shared().await;
    let name = postgres.create_database().await;
    let admin = postgres.admin(&name).await;
    let ca = postgres.ca_file();
    let mut found = Vec::new();
    for mode in MODES {
        let parameters = format!("sslmode={mode}&sslrootcert={}", ca.display());
        let url = postgres.url("localhost", &name, &parameters);
        found.push((mode, connect(&url, &admin).await));
    }
    let refused = Err("the database refuses connections without TLS".to_owned());
    let expected = [
        ("disable", refused),
        ("prefer", Ok(true)),
        ("require", Ok(true)),
        ("verify-ca", Ok(true)),
        ("verify-full", Ok(true)),
    ];
    assert_eq!(found, expected);
    // Without any TLS parameter, and without a CA.
    for parameters in ["", "sslmode=require"] {
        let url = postgres.url("localhost", &name, parameters);
        assert_eq!(connect(&url, &admin).await, Ok(true), "{parameters}");
    }
}

#[tokio::test]
async fn only_disable_and_prefer_connect_to_a_database_without_tls() {
    let database = Database::create().await;
    let (admin, _connection) = database.connect().await;
    let folder = TempDir::new().unwrap();
    let ca = write(folder.path(), "ca.crt", &Authority::new("a CA").pem());
    let mut found = Vec::new();
    for mode in MODES {
        let url = database.url().expose_secret();
        let url = format!("{url}?sslmode={mode}&sslrootcert={}", ca.display());
        found.push((mode, connect(&url.into(), &admin).await));
    }
    let refused = || Err("the database offers no TLS".to_owned());
    let expected = [
        ("disable", Ok(false)),
        ("prefer", Ok(false)),
        ("require", refused()),
        ("verify-ca", refused()),
        ("verify-full", refused()),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn prefer_falls_back_to_plaintext_where_only_that_is_accepted() {
    let postgres = TlsPostgres::shared().await;
    postgres.create_login("plain").await;
    let admin = postgres.admin("postgres").await;
    let plain = |mode: &str| postgres.url_of("plain", &format!("sslmode={mode}"));
    assert_eq!(connect(&plain("prefer"), &admin).await, Ok(false));
    let refused = Err("the database refuses the login".to_owned());
    assert_eq!(connect(&plain("require"), &admin).await, refused);
}

#[tokio::test]
async fn certificate_login_requires_a_certificate_the_database_accepts() {
    let postgres = TlsPostgres::shared().await;
    postgres.create_login("certified").await;
    let admin = postgres.admin("postgres").await;
    let folder = TempDir::new().unwrap();
    let of = |authority: &Authority, name: &str, file: &str| -> SecretString {
        let issued = authority.issue(&named(&[], name));
        let [certificate, key] = issued.write(folder.path(), file);
        let (certificate, key) = (certificate.display(), key.display());
        let parameters = format!("sslmode=require&sslcert={certificate}&sslkey={key}");
        postgres.url_of("certified", &parameters)
    };
    let stranger = Authority::new("another CA");
    let refused = || Err("the database does not accept the client certificate".to_owned());
    // The client certificate (CA, name), and the expected result.
    let cases = [
        (of(&postgres.authority, "certified", "known"), Ok(true)),
        (of(&stranger, "certified", "stranger"), refused()),
        (postgres.url_of("certified", "sslmode=require"), refused()),
    ];
    for (url, expected) in cases {
        assert_eq!(connect(&url, &admin).await, expected);
    }
    let other = of(&postgres.authority, "julia", "other");
    let refused = Err("the database does not accept the client certificate".to_owned());
    assert_eq!(connect(&other, &admin).await, refused);
}

#[tokio::test]
async fn channel_binding_works_over_tls() {
    let postgres = TlsPostgres::shared().await;
    let name = postgres.create_database().await;
    let admin = postgres.admin(&name).await;
    let ca = postgres.ca_file();
    let parameters = format!(
        "sslmode=verify-full&channel_binding=require&sslrootcert={}",
        ca.display()
    );
    let url = postgres.url("localhost", &name, &parameters);
    assert_eq!(connect(&url, &admin).await, Ok(true));
}

#[tokio::test]
async fn keyword_urls_with_host_or_address_verify_the_certificate() {
    let postgres = TlsPostgres::shared().await;
    let name = postgres.create_database().await;
    let admin = postgres.admin(&name).await;
    let ca = postgres.ca_file();
    let config: tokio_postgres::Config = postgres
        .url("localhost", &name, "")
        .expose_secret()
        .parse()
        .unwrap();
    let password = String::from_utf8(config.get_password().unwrap().to_vec()).unwrap();
    let port = config.get_ports()[0];
    // Host parameters, and the expected result.
    let wrong = "the certificate of the database is for another host";
    let cases = [
        ("host=localhost", Ok(true)),
        ("host=localhost hostaddr=127.0.0.1", Ok(true)),
        ("hostaddr=127.0.0.1", Err(wrong.to_owned())),
    ];
    for (place, expected) in cases {
        let url = format!(
            "{place} port={port} user=postgres password='{password}' dbname={name} \
             sslmode = verify-full sslrootcert='{}'",
            ca.display()
        );
        assert_eq!(connect(&url.into(), &admin).await, expected, "{place}");
    }
}

/// The certificate that PostgreSQL's manual creates first: self-signed, a CA of
/// its own, without alternative names.
#[tokio::test]
async fn self_signed_certificate_is_trusted_as_its_own_root() {
    let mut params = named(&[], "localhost");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let server = Issued::by_itself(&params);
    let folder = TempDir::new().unwrap();
    let root = write(folder.path(), "root.crt", &server.certificate);
    let postgres = TlsPostgres::start(server, Authority::new("of clients")).await;
    let admin = postgres.admin("postgres").await;
    let at = |host: &str, mode: &str| {
        let parameters = format!("sslmode={mode}&sslrootcert={}", root.display());
        postgres.url(host, "postgres", &parameters)
    };
    let wrong = Err("the certificate of the database is for another host".to_owned());
    let cases = [
        ("localhost", "verify-full", Ok(true)),
        ("127.0.0.1", "verify-ca", Ok(true)),
        ("127.0.0.1", "verify-full", wrong),
    ];
    for (host, mode, expected) in cases {
        assert_eq!(connect(&at(host, mode), &admin).await, expected, "{host}");
    }
}
