use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};

use super::Cli;

impl Cli {
    /// Reads the command line of this process, and its environment variables, of
    /// which an empty one counts as unset. Ends the process where it asks for
    /// help or cannot be read.
    #[must_use]
    pub fn of_process() -> Self {
        let mut command = without_empty_variables(Self::command(), &is_empty);
        let matches = command.get_matches_mut();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

fn is_empty(variable: &std::ffi::OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// Takes the variables that are empty from the arguments of a command and of
/// those below it. clap reads a variable when it is named: it cannot be told of
/// empty ones.
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
    fn an_empty_variable_is_taken_from_every_command() {
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
