use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::fs::{FlockOperation, flock};

use super::{Account, EmbeddedError};

/// The files of one private PostgreSQL, locked for this process.
///
/// The data directory itself may contain other files and keeps its owner; all
/// files of PostgreSQL are in its folder `postgres`, which only the account can
/// enter. The lock is released when the process exits, in whatever way.
#[derive(Debug)]
pub(super) struct Place {
    home: PathBuf,
    account: Account,
    _lock: File,
}

/// Returns the folder of PostgreSQL's files in a data directory.
pub(super) fn home_of(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres")
}

/// True if a data directory has a cluster, as far as the current user can see.
pub(super) fn has_cluster(data_dir: &Path) -> bool {
    home_of(data_dir).join("cluster").exists()
}

impl Place {
    /// Creates the folders of a data directory and acquires the lock.
    pub(super) fn open(data_dir: &Path, account: Account) -> Result<Self, EmbeddedError> {
        let data_dir =
            std::path::absolute(data_dir).map_err(EmbeddedError::folder("find", data_dir))?;
        check_enterable(&data_dir, &account)?;
        make_enterable(&data_dir)?;
        let data_dir =
            fs::canonicalize(&data_dir).map_err(EmbeddedError::folder("enter", &data_dir))?;
        let home = home_of(&data_dir);
        match fs::DirBuilder::new().mode(0o700).create(&home) {
            Ok(()) => account.give(&home)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(EmbeddedError::folder("create", &home)(error)),
        }
        let lock = take_lock(&home, &data_dir)?;
        Ok(Self {
            home,
            account,
            _lock: lock,
        })
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Returns PostgreSQL's own data directory.
    pub(super) fn cluster(&self) -> PathBuf {
        self.home.join("cluster")
    }

    /// Returns the path of PostgreSQL's log since its last start.
    pub(super) fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    /// Returns the path of the file with the superuser's password.
    pub(super) fn password_file(&self) -> PathBuf {
        self.home.join("password")
    }

    /// Returns the major version that created the cluster, and the cluster's path;
    /// `None` without a cluster.
    pub(super) fn cluster_version(&self) -> Result<Option<(u32, PathBuf)>, EmbeddedError> {
        let cluster = self.cluster();
        if !cluster.exists() {
            return Ok(None);
        }
        let file = cluster.join("PG_VERSION");
        let version = fs::read_to_string(&file)
            .and_then(|text| text.trim().parse().map_err(io::Error::other))
            .map_err(EmbeddedError::folder("read", &file))?;
        Ok(Some((version, cluster)))
    }
}

/// Creates the missing folders of a path so that every user can traverse them,
/// whatever the umask; existing folders are not changed.
fn make_enterable(folder: &Path) -> Result<(), EmbeddedError> {
    use std::os::unix::fs::PermissionsExt as _;

    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_enterable(parent)?;
    }
    fs::create_dir(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o755)))
        .map_err(EmbeddedError::folder("create", folder))
}

/// Checks as the account itself that every existing folder of the path can be
/// entered: modes, access lists and symbolic links all matter.
fn check_enterable(data_dir: &Path, account: &Account) -> Result<(), EmbeddedError> {
    const TRY_EACH: &str = r#"for d do [ -x "$d" ] || { printf %s "$d"; exit 1; }; done"#;

    if !account.is_other() {
        return Ok(());
    }
    let shell = Path::new("/bin/sh");
    let there = data_dir.ancestors().filter(|folder| folder.exists());
    let mut way: Vec<&Path> = there.collect();
    way.reverse();
    let output = account
        .command(shell, Path::new("/"))
        .args(["-c", TRY_EACH, "sh"])
        .args(&way)
        .stderr(Stdio::null())
        .output()
        .map_err(account.failed(shell))?;
    if output.status.success() {
        return Ok(());
    }
    Err(EmbeddedError::Unreachable {
        user: account.name().to_owned(),
        folder: PathBuf::from(String::from_utf8_lossy(&output.stdout).into_owned()),
        data_dir: data_dir.to_owned(),
    })
}

fn take_lock(home: &Path, data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = home.join("lock");
    let lock = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(EmbeddedError::folder("open", &path))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(EmbeddedError::InUse(data_dir.to_owned())),
        Err(errno) => Err(EmbeddedError::folder("lock", &path)(errno.into())),
    }
}
