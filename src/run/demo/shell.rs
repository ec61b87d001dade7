//! Shell settings that another terminal needs before a printed line that begins
//! with `pim-authz` can be run in it.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The server address that clients use by default.
const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";

/// Returns lines for a shell: the PATH with this program, unless the shell finds
/// it, and the server's address, unless it is the default one.
pub(super) fn settings(address: SocketAddr) -> Vec<String> {
    let program = env::current_exe().and_then(fs::canonicalize);
    let found = env::var_os("PATH").unwrap_or_default();
    let path = program.ok().and_then(|program| {
        let is_found = first_on(&found) == Some(program.clone());
        (!is_found).then(|| path_line(&program)).flatten()
    });
    let server = (address.to_string() != DEFAULT_ADDRESS)
        .then(|| format!("export PIM_AUTHZ_SERVER=http://{address}"));
    path.into_iter().chain(server).collect()
}

/// Returns the program that a shell runs for `pim-authz`.
fn first_on(path: &std::ffi::OsStr) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|folder| folder.join("pim-authz"))
        .find(|program| program.is_file())
        .and_then(|program| fs::canonicalize(program).ok())
}

/// Returns the line that puts the folder of `program` first on the PATH.
fn path_line(program: &Path) -> Option<String> {
    let folder = program.parent()?.to_str()?;
    let special = |c: char| matches!(c, '"' | '\\' | '$' | '`');
    let mut quoted = String::new();
    for character in folder.chars() {
        if special(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    Some(format!(r#"export PATH="{quoted}:$PATH""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_special_characters_is_quoted() {
        let cases = [
            (
                "/srv/target/demo/pim-authz",
                r#"export PATH="/srv/target/demo:$PATH""#,
            ),
            (
                "/a b/$c\"`d/pim-authz",
                r#"export PATH="/a b/\$c\"\`d:$PATH""#,
            ),
        ];
        for (program, line) in cases {
            assert_eq!(path_line(Path::new(program)).as_deref(), Some(line));
        }
    }

    #[test]
    fn only_a_non_default_server_is_named() {
        let names_server = |address: &str| {
            settings(address.parse().unwrap())
                .iter()
                .any(|line| line.contains("PIM_AUTHZ_SERVER"))
        };
        assert!(!names_server("127.0.0.1:50051"));
        assert!(names_server("127.0.0.1:50052"));
    }
}
