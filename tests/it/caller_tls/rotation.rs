use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use pim_authz::pb::{
    self, Edition, audit_service_client::AuditServiceClient,
    directory_service_client::DirectoryServiceClient, watch_changes_response::Event,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tokio::time::timeout;
use tonic::{Streaming, transport::Channel};

use super::{Keys, channel_over, secure, shown_by};
use crate::harness::{
    Database, Program,
    certificates::{Issued, named},
    file, header, import, parts, terminate,
};

const PATIENCE: Duration = Duration::from_mins(1);

fn der(issued: &Issued) -> Vec<u8> {
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes());
    certificate.unwrap().to_vec()
}

/// Replaces the pair atomically, as Kubernetes does by the links of a volume.
fn swap(folder: &Path, version: &str, issued: &Issued) {
    let target = folder.join(version);
    fs::create_dir(&target).unwrap();
    issued.write(&target, "tls");
    let link = folder.join("..data");
    let new = folder.join("..new");
    symlink(version, &new).unwrap();
    fs::rename(new, link).unwrap();
}

async fn put_user(channel: &Channel, code: &str) {
    let write = pb::PutUsersRequest {
        tenant: "acme".into(),
        users: vec![pb::User {
            code: code.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(channel.clone());
    client.put_users(write).await.unwrap();
}

async fn next_change(events: &mut Streaming<pb::WatchChangesResponse>) -> u64 {
    loop {
        let event = timeout(PATIENCE, events.message()).await.unwrap();
        if let Event::Change(change) = event.unwrap().unwrap().event.unwrap() {
            return change.revision;
        }
    }
}

#[tokio::test]
async fn rotated_certificate_applies_to_new_connections_and_keeps_open_ones() {
    let mut keys = Keys::new();
    let issue = |keys: &Keys| keys.authority.issue(&named(&["localhost"], "localhost"));
    let (first, second) = (issue(&keys), issue(&keys));
    keys.folder = tempfile::TempDir::new().unwrap();
    swap(keys.folder(), "..1", &first);
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), keys.folder().join(name)).unwrap();
    }
    let server = keys.serve(keys.files()).await;
    let connect = async || secure(server.address, keys.caller(None)).await.unwrap();
    let stream = connect().await;
    assert_eq!(shown_by(&stream), der(&first));
    let channel = channel_over(stream).await.unwrap();
    let files = [file("users.csv", &["username;roles", "julia;"])];
    let parts = parts(header("acme", Edition::Enterprise), &files);
    let imported = import(channel.clone(), parts).await;
    let after = imported.summary.unwrap().revision;
    let watch = pb::WatchChangesRequest {
        tenant: "acme".into(),
        after_revision: after,
        ..Default::default()
    };
    let mut audit = AuditServiceClient::new(channel.clone());
    let mut events = audit.watch_changes(watch).await.unwrap().into_inner();

    swap(keys.folder(), "..2", &second);
    let rotated = async { while shown_by(&connect().await) != der(&second) {} };
    timeout(PATIENCE, rotated).await.unwrap();
    // Over the connection that was opened before.
    put_user(&channel, "peter").await;
    assert_eq!(next_change(&mut events).await, after + 1);
}

#[tokio::test]
async fn broken_key_pair_is_logged_once_and_previous_one_kept() {
    let keys = Keys::new();
    let issue = || keys.authority.issue(&named(&["localhost"], "localhost"));
    let (second, third) = (issue(), issue());
    let database = Database::create().await;
    let mut command = Program::command(&database);
    let files = keys.files();
    command
        .arg("--tls-cert")
        .arg(&files.certificate)
        .env("PIM_AUTHZ_TLS_KEY", &files.key);
    let mut program = Program::spawn(&mut command);
    let address = program.address().await;
    let shown = async || shown_by(&secure(address, keys.caller(None)).await.unwrap());
    let first = shown().await;
    // The key does not belong to the second certificate.
    fs::write(&files.certificate, &second.certificate).unwrap();
    fs::write(&files.key, &third.key).unwrap();
    let line = timeout(
        PATIENCE,
        program.logged("cannot be used; connections get the"),
    );
    let line = line.await.unwrap();
    assert!(line.contains("`--tls-cert` and `--tls-key`"), "{line}");
    assert_eq!(shown().await, first);
    fs::write(&files.key, &second.key).unwrap();
    let line = timeout(
        PATIENCE,
        program.logged("TLS for callers has a certificate"),
    )
    .await;
    line.unwrap();
    let rotated = async { while shown().await != der(&second) {} };
    timeout(PATIENCE, rotated).await.unwrap();
    let (mut child, log) = program.with_log();
    assert_eq!(terminate(&mut child).await, Some(0));
    let log = log.await.unwrap().join("\n");
    assert!(!log.contains("cannot be used"), "once: {log}");
}
