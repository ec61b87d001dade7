use std::{
    fs,
    io::{self, Write as _},
    os::unix::{
        fs::{MetadataExt as _, OpenOptionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::{Command, Stdio},
};

use super::EmbeddedError;

/// The operating-system user that PostgreSQL runs as.
#[derive(Clone, Debug)]
pub(super) struct Account {
    name: String,
    /// User and group id to switch to; `None`: the current user.
    ids: Option<(u32, u32)>,
}

impl Account {
    /// Chooses the current user; for root the owner of `home` if it exists and root
    /// does not own it, else `postgres`, else `nobody`.
    pub(super) fn choose(home: &Path) -> Result<Self, EmbeddedError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self {
                name: "you".to_owned(),
                ids: None,
            });
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        if let Ok(found) = fs::metadata(home)
            && found.uid() != 0
        {
            return Ok(Self {
                name: name_of(&users, found.uid()),
                ids: Some((found.uid(), found.gid())),
            });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Self::find(&users, name))
            .ok_or(EmbeddedError::NoUser)
    }

    /// Finds a user in the text of `/etc/passwd`.
    fn find(users: &str, name: &str) -> Option<Self> {
        let mut fields = users
            .lines()
            .map(|line| line.split(':'))
            .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
        let (_, uid, gid) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            name: name.to_owned(),
            ids: Some((uid.parse().ok()?, gid.parse().ok()?)),
        })
    }

    /// Returns the name of the user, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// True if it is not the current user.
    pub(super) fn is_other(&self) -> bool {
        self.ids.is_some()
    }

    /// Creates a command that runs as the user, in `home`, in a process group of
    /// its own (Ctrl-C is for the server, which then stops PostgreSQL in order),
    /// and without the settings that libpq and PostgreSQL read from `PG…`.
    ///
    /// The standard library drops root's supplementary groups when it sets the uid.
    pub(super) fn command(&self, program: &Path, home: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.ids {
            command.uid(uid).gid(gid);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("HOME", home)
            .current_dir(home)
            .process_group(0)
            .stdin(Stdio::null());
        command
    }

    /// Returns the argument of [`Result::map_err`] for running a program as the user.
    pub(super) fn failed(&self, program: &Path) -> impl Fn(io::Error) -> EmbeddedError {
        |cause| EmbeddedError::Program {
            program: program.to_owned(),
            user: self.name.clone(),
            cause,
        }
    }

    /// Makes the user the owner of a file or folder.
    pub(super) fn give(&self, path: &Path) -> Result<(), EmbeddedError> {
        let Some((uid, gid)) = self.ids else {
            return Ok(());
        };
        chown(path, Some(uid), Some(gid)).map_err(EmbeddedError::folder("give away", path))
    }

    /// Writes a file atomically that only the user can read.
    pub(super) fn write_private(&self, path: &Path, content: &str) -> Result<(), EmbeddedError> {
        let unfinished = path.with_extension("new");
        let written = (|| {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()
        })();
        written.map_err(EmbeddedError::folder("write", &unfinished))?;
        self.give(&unfinished)?;
        fs::rename(&unfinished, path).map_err(EmbeddedError::folder("write", path))
    }
}

fn name_of(users: &str, uid: u32) -> String {
    users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2).and_then(|text| text.parse().ok()) == Some(uid))
        .and_then(|fields| fields.first().map(|name| (*name).to_owned()))
        .unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0::/root:/bin/sh\npostgresql:x:7:8::/:/bin/sh\n\
                         nobody:x:65534:65533::/:/bin/false\nbroken\n";

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        assert!(Account::find(USERS, "postgres").is_none());
        let nobody = Account::find(USERS, "nobody").unwrap();
        assert_eq!(nobody.ids, Some((65534, 65533)));
    }

    #[test]
    fn owner_without_a_name_is_named_by_its_uid() {
        assert_eq!(name_of(USERS, 7), "postgresql");
        assert_eq!(name_of(USERS, 4711), "4711");
    }
}
