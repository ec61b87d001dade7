use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{EmbeddedError, OLDEST};

/// Folders where distributions install PostgreSQL; `*` matches any text in a name.
const USUAL_FOLDERS: [&str; 10] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/lib/postgresql*/bin",
    "/usr/lib64/postgresql*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// An installed PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    folder: PathBuf,
    version: u32,
}

impl Binaries {
    /// Finds a PostgreSQL of the major version that created the cluster or, for a
    /// new cluster, the first supported one: on PATH, by `pg_config`, then in the
    /// usual folders, the newest first.
    pub(super) fn find(made_by: Option<(u32, PathBuf)>) -> Result<Self, EmbeddedError> {
        let found = all();
        let Some((made_by, cluster)) = made_by else {
            return found
                .into_iter()
                .find(|binaries| binaries.version >= OLDEST)
                .ok_or_else(not_installed);
        };
        if found.is_empty() {
            return Err(not_installed());
        }
        let versions: Vec<String> = found.iter().map(|b| b.version.to_string()).collect();
        found
            .into_iter()
            .find(|binaries| binaries.version == made_by)
            .ok_or_else(|| EmbeddedError::OtherVersion {
                cluster,
                made_by,
                found: versions.join(", "),
            })
    }

    /// Returns the path of the server program.
    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// Returns the path of the program that creates a cluster.
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    fn in_folder(folder: PathBuf) -> Option<Self> {
        if !folder.join("initdb").is_file() {
            return None;
        }
        let answer = output_of(Command::new(folder.join("postgres")).arg("--version"))?;
        Some(Self {
            version: parse_version(&answer)?,
            folder,
        })
    }
}

/// Returns every PostgreSQL of this machine, in order of preference.
fn all() -> Vec<Binaries> {
    let path = env::var_os("PATH").unwrap_or_default();
    let named = env::split_paths(&path)
        .chain(output_of(Command::new("pg_config").arg("--bindir")).map(PathBuf::from));
    let mut found: Vec<Binaries> = named.filter_map(Binaries::in_folder).collect();
    let mut usual: Vec<Binaries> = USUAL_FOLDERS
        .iter()
        .flat_map(|pattern| expand(pattern))
        .filter_map(Binaries::in_folder)
        .collect();
    usual.sort_by_key(|binaries| std::cmp::Reverse(binaries.version));
    found.extend(usual);
    found
}

/// Returns the folders that match a pattern of [`USUAL_FOLDERS`].
fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        folders = match part.split_once('*') {
            None => folders
                .into_iter()
                .map(|folder| folder.join(part))
                .collect(),
            Some((start, end)) => folders
                .iter()
                .flat_map(|folder| entries_like(folder, start, end))
                .collect(),
        };
    }
    folders
}

fn entries_like(folder: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(start) && name.ends_with(end)
        })
        .map(|entry| entry.path())
        .collect()
}

fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Parses the major version of `postgres (PostgreSQL) 15.8 (Debian 15.8-0)`.
fn parse_version(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("(PostgreSQL) ")?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn not_installed() -> EmbeddedError {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let advice = if cfg!(target_os = "macos") {
        "install it with `brew install postgresql@17`".to_owned()
    } else {
        format!("install it with `{}`", install_command(&release))
    };
    EmbeddedError::NotInstalled { advice }
}

/// Returns the install command for PostgreSQL, from the text of `/etc/os-release`.
fn install_command(release: &str) -> &'static str {
    let names: Vec<&str> = release
        .lines()
        .filter_map(|line| {
            line.strip_prefix("ID=")
                .or_else(|| line.strip_prefix("ID_LIKE="))
        })
        .flat_map(|value| value.trim_matches('"').split(' '))
        .collect();
    let commands = [
        ("debian", "sudo apt-get install postgresql"),
        ("ubuntu", "sudo apt-get install postgresql"),
        ("fedora", "sudo dnf install postgresql-server"),
        ("rhel", "sudo dnf install postgresql-server"),
        ("alpine", "apk add postgresql"),
        ("arch", "sudo pacman -S postgresql"),
        ("suse", "sudo zypper install postgresql-server"),
        ("opensuse", "sudo zypper install postgresql-server"),
    ];
    commands
        .into_iter()
        .find_map(|(name, command)| names.contains(&name).then_some(command))
        .unwrap_or("sudo apt-get install postgresql")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_is_parsed_from_the_postgres_output() {
        let cases = [
            (
                "postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)",
                Some(15),
            ),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (EnterpriseDB) 9", None),
            ("", None),
        ];
        for (answer, version) in cases {
            assert_eq!(parse_version(answer), version, "{answer}");
        }
    }

    #[test]
    fn install_command_depends_on_the_platform() {
        let cases = [
            ("ID=debian\n", "sudo apt-get install postgresql"),
            (
                "NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                "sudo apt-get install postgresql",
            ),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                "sudo dnf install postgresql-server",
            ),
            ("ID=alpine\n", "apk add postgresql"),
        ];
        for (release, command) in cases {
            assert_eq!(install_command(release), command, "{release}");
        }
    }

    #[test]
    fn pattern_expands_to_existing_folders() {
        let home = tempfile::tempdir().unwrap();
        for name in ["pgsql-14/bin", "pgsql-16/bin", "other/bin"] {
            fs::create_dir_all(home.path().join(name)).unwrap();
        }
        let mut found = expand(&format!("{}/pgsql-*/bin", home.path().display()));
        found.sort();
        let wanted = ["pgsql-14/bin", "pgsql-16/bin"].map(|name| home.path().join(name));
        assert_eq!(found, wanted);
    }
}
