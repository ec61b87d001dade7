use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{EmbeddedError, place::Place};

/// The directory of the unix socket.
#[derive(Debug)]
pub(super) struct Socket {
    folder: PathBuf,
    /// True if the directory was created for this run only.
    is_temporary: bool,
}

impl Socket {
    /// Maximum length of the path: the 104 bytes that every system allows, less
    /// the terminator and `/.s.PGSQL.65535`.
    const LONGEST_FOLDER: usize = 103 - 15;

    /// Creates the directory beside the cluster or, if that path is unsuitable,
    /// below `/tmp`.
    pub(super) fn make(place: &Place) -> Result<Self, EmbeddedError> {
        let beside = place.home().join("socket");
        let is_temporary = !Self::is_fit(&beside);
        let folder = if is_temporary {
            let random = uuid::Uuid::now_v7().simple().to_string();
            PathBuf::from(format!("/tmp/pim-authz-{}", &random[16..]))
        } else {
            beside
        };
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => place.account().give(&folder)?,
            Err(error) if !is_temporary && error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(EmbeddedError::folder("create", &folder)(error)),
        }
        Ok(Self {
            folder,
            is_temporary,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// True if the path is short enough and contains nothing that a list of
    /// directories or a URL would have to quote.
    fn is_fit(folder: &Path) -> bool {
        folder.to_str().is_some_and(|text| {
            text.len() <= Self::LONGEST_FOLDER
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_temporary {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}
