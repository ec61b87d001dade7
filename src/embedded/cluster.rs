use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use secrecy::SecretString;

use super::{Binaries, EmbeddedError, place::Place};

/// Name prefix of the folder of a cluster that is being created.
const UNFINISHED: &str = "cluster.unfinished-";

/// Creates the cluster unless it exists, and returns its superuser's password.
///
/// It is created under a temporary name first: a set-up that was killed half-way
/// is removed and repeated.
pub(super) fn prepare(place: &Place, binaries: &Binaries) -> Result<SecretString, EmbeddedError> {
    let password_file = place.password_file();
    let cluster = place.cluster();
    if cluster.exists() && !password_file.exists() {
        return Err(EmbeddedError::PasswordLost(password_file));
    }
    if !password_file.exists() {
        let password = new_password().map_err(EmbeddedError::folder("read", "/dev/urandom"))?;
        place.account().write_private(&password_file, &password)?;
    }
    if !cluster.exists() {
        make(place, binaries)?;
    }
    let password = fs::read_to_string(&password_file)
        .map_err(EmbeddedError::folder("read", &password_file))?;
    Ok(password.trim().into())
}

fn make(place: &Place, binaries: &Binaries) -> Result<(), EmbeddedError> {
    sweep(place.home());
    let unfinished = place.home().join(format!("{UNFINISHED}{}", new_name()));
    let program = binaries.initdb();
    let output = place
        .account()
        .command(&program, place.home())
        .arg("--pgdata")
        .arg(&unfinished)
        .arg("--pwfile")
        .arg(place.password_file())
        .args([
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--auth=scram-sha-256",
        ])
        .output()
        .map_err(place.account().failed(&program))?;
    if !output.status.success() {
        return Err(EmbeddedError::SetUp {
            cluster: place.cluster(),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    let cluster = place.cluster();
    fs::rename(&unfinished, &cluster).map_err(EmbeddedError::folder("create", &cluster))?;
    sync_folder(place.home())
}

/// Removes the folders of killed set-ups. A removal fails while an orphaned
/// `initdb` still writes; the next set-up removes that folder.
fn sweep(home: &Path) {
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn new_name() -> impl std::fmt::Display {
    uuid::Uuid::now_v7().simple()
}

fn sync_folder(folder: &Path) -> Result<(), EmbeddedError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(EmbeddedError::folder("write", folder))
}

/// Generates a password: 128 random bits, as hexadecimal digits.
fn new_password() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
