use std::path::Path;

use pim_authz::server::{self, RuntimeRole};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use crate::harness::{
    Program, TlsPostgres,
    certificates::{Authority, expired, named, write},
};

/// The error message of a migration that cannot connect.
async fn migration_error(url: &SecretString) -> String {
    let refused = server::migrate(url, &RuntimeRole::Stored).await;
    let error = refused.unwrap_err();
    // As `main` prints it.
    let message = format!("{:#}", anyhow::Error::from(error));
    assert!(!message.contains(&password(url)), "{message}");
    message
}

fn password(url: &SecretString) -> String {
    let (credentials, _) = url.expose_secret().split_once('@').unwrap();
    credentials.rsplit_once(':').unwrap().1.to_owned()
}

fn full(root: &Path) -> String {
    format!("sslmode=verify-full&sslrootcert={}", root.display())
}

#[tokio::test]
async fn every_handshake_error_names_the_setting() {
    let postgres = TlsPostgres::shared().await;
    let folder = TempDir::new().unwrap();
    let stranger = write(folder.path(), "stranger.crt", &Authority::new("x").pem());
    let ca = postgres.ca_file();
    // Host, parameters, the expected message: the state, the setting, the
    // cause.
    let cases = [
        (
            "localhost",
            "sslmode=disable".to_owned(),
            [
                "the database refuses connections without TLS",
                "`sslmode` is `disable`",
                "pg_hba.conf",
            ],
        ),
        (
            "localhost",
            full(&stranger),
            [
                "signed by no CA of `sslrootcert`",
                "let `sslrootcert` name",
                "UnknownIssuer",
            ],
        ),
        (
            "localhost",
            format!("sslmode=require&sslrootcert={}", stranger.display()),
            [
                "signed by no CA of `sslrootcert`",
                "let `sslrootcert` name",
                "UnknownIssuer",
            ],
        ),
        (
            "127.0.0.1",
            full(&ca),
            [
                "the certificate of the database is for another host",
                "set `sslmode` to `verify-ca`",
                "localhost",
            ],
        ),
    ];
    for (host, parameters, expected) in cases {
        let message = migration_error(&postgres.url(host, "postgres", &parameters)).await;
        for words in expected {
            assert!(message.contains(words), "{parameters}: {message}");
        }
    }
}

#[tokio::test]
async fn expired_certificate_is_reported_as_expired() {
    let authority = Authority::new("the CA of a test");
    let server = authority.issue(&expired(named(&["localhost"], "localhost")));
    let postgres = TlsPostgres::start(server, authority).await;
    let parameters = full(&postgres.ca_file());
    let message = migration_error(&postgres.url("localhost", "postgres", &parameters)).await;
    assert!(
        message.contains("has expired or is not valid yet"),
        "{message}"
    );
    assert!(message.contains("`sslmode`"), "{message}");
}

#[tokio::test]
async fn invalid_settings_and_files_are_reported_before_connecting() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("a CA");
    let ca = write(folder.path(), "ca.crt", &authority.pem());
    let [certificate, key] = authority
        .issue(&named(&[], "me"))
        .write(folder.path(), "me");
    let [_, other_key] = authority
        .issue(&named(&[], "you"))
        .write(folder.path(), "you");
    let text = write(folder.path(), "text.crt", "hello\n");
    let none = folder.path().join("none.crt");
    let pair = |certificate: &Path, key: &Path| {
        let (certificate, key) = (certificate.display(), key.display());
        format!("sslmode=require&sslcert={certificate}&sslkey={key}")
    };
    let cases = [
        (
            "sslmode=always".to_owned(),
            ["`sslmode`", "`always`; it is one of"],
        ),
        (
            "sslmode=verify-full".to_owned(),
            ["`sslrootcert` is not set", "`system`"],
        ),
        (
            full(&none),
            ["`sslrootcert`", "none.crt`, which cannot be read"],
        ),
        (
            full(&text),
            ["`sslrootcert`", "text.crt`, which holds no certificate"],
        ),
        (
            full(&key),
            ["`sslrootcert`", "me.key`, which holds no certificate"],
        ),
        (
            format!("sslcert={}", certificate.display()),
            ["`sslcert` is set and `sslkey` is not", "--database-sslkey"],
        ),
        (
            pair(&text, &key),
            ["`sslcert`", "text.crt`, which holds no certificate"],
        ),
        (
            pair(&certificate, &ca),
            ["`sslkey`", "ca.crt`, which holds no private key"],
        ),
        (
            pair(&certificate, &other_key),
            ["`sslcert` and `sslkey`", "its own key"],
        ),
    ];
    for (parameters, expected) in cases {
        let url = format!("postgresql://u:secret-of-a-test@127.0.0.1:1/d?{parameters}");
        let message = migration_error(&url.into()).await;
        for words in expected {
            assert!(message.contains(words), "{parameters}: {message}");
        }
    }
}

#[tokio::test]
async fn default_root_file_of_libpq_is_used_without_sslrootcert() {
    let postgres = TlsPostgres::shared().await;
    let name = postgres.create_database().await;
    let url = postgres.url("localhost", &name, "sslmode=require");
    // The CA in the root file, and whether the migration succeeds.
    let stranger = Authority::new("another CA");
    for (root, succeeds) in [(&stranger, false), (&postgres.authority, true)] {
        let home = TempDir::new().unwrap();
        let folder = home.path().join(".postgresql");
        std::fs::create_dir(&folder).unwrap();
        write(&folder, "root.crt", &root.pem());
        let mut command = Program::command_on("migrate", &url);
        let output = command.env("HOME", home.path()).output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), succeeds, "{stderr}");
        assert_eq!(
            stderr.contains("no CA of `sslrootcert`"),
            !succeeds,
            "{stderr}"
        );
    }
}
