use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};

use super::Cli;

impl Cli {
    /// Parses the command line and the environment variables of this process. An
    /// empty variable counts as unset. Exits the process on `--help`, `--version`
    /// or a parse error.
    #[must_use]
    pub fn of_process() -> Self {
        let mut command = without_empty_variables(Self::command(), &is_empty);
        let matches = command.get_matches_mut();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

/// Returns the actor as given, or else `user:$USER`; empty without either.
pub(super) fn actor(given: Option<&str>) -> String {
    if let Some(given) = given {
        return given.to_owned();
    }
    let user = std::env::var("USER").unwrap_or_default();
    if user.is_empty() {
        return user;
    }
    format!("user:{user}")
}

fn is_empty(variable: &std::ffi::OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// Removes empty environment variables from the arguments of a command and of
/// its subcommands. clap reads a variable when it is declared: it has no option
/// to ignore empty ones.
fn without_empty_variables(
    command: Command,
    is_empty: &dyn Fn(&std::ffi::OsStr) -> bool,
) -> Command {
    let set = |arg: Arg| {
        if arg.get_env().is_some_and(is_empty) {
            arg.env(None::<&'static str>)
        } else {
            arg
        }
    };
    command
        .mut_args(set)
        .mut_subcommands(|below| without_empty_variables(below, is_empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(command: &Command) -> Vec<String> {
        let own = command.get_arguments().filter_map(Arg::get_env);
        let own = own.map(|name| name.to_string_lossy().into_owned());
        let below = command.get_subcommands().flat_map(variables);
        own.chain(below).collect()
    }

    #[test]
    fn empty_variables_are_removed_from_every_command() {
        let all = variables(&Cli::command());
        for variable in &all {
            let command =
                without_empty_variables(Cli::command(), &|name| name == variable.as_str());
            assert!(!variables(&command).contains(variable), "{variable}");
        }
        let none = without_empty_variables(Cli::command(), &|_| false);
        assert_eq!(variables(&none), all);
        assert!(all.contains(&"PIM_AUTHZ_LISTEN".to_owned()));
    }
}
