use clap::{Args, builder::BoolishValueParser};

use super::{AboutArguments, ContextArguments, ServerArguments};
use crate::{cli::names::SubjectName, pb};

/// Which resources to list, and how many at a time.
#[derive(Clone, Debug, Args)]
pub struct ListAllowedArguments {
    /// The question.
    #[command(flatten)]
    pub reach: ReachArguments,
    /// Which of them.
    #[command(flatten)]
    pub filter: FilterArguments,
    /// How many at a time.
    #[command(flatten)]
    pub page: PageArguments,
    /// Leave the levels out, which is faster; with `--all`.
    #[arg(
        long,
        env = "PIM_AUTHZ_IDS_ONLY",
        value_parser = BoolishValueParser::new(),
        requires = "all"
    )]
    pub ids_only: bool,
    /// The server to call.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Whom to list, and how many at a time.
#[derive(Clone, Debug, Args)]
pub struct ListSubjectsArguments {
    /// A permission such as `product.create`, or a level action such as `view`.
    pub action: String,
    /// What it is about.
    #[command(flatten)]
    pub about: AboutArguments,
    /// The subjects of one type alone: `user`, `app` or `connection`.
    #[arg(long = "type", env = "PIM_AUTHZ_TYPE", value_name = "TYPE")]
    pub subject_type: Option<String>,
    /// How many at a time.
    #[command(flatten)]
    pub page: PageArguments,
    /// The server to call.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Whose access to show as a filter.
#[derive(Clone, Debug, Args)]
pub struct AccessFilterArguments {
    /// The question.
    #[command(flatten)]
    pub reach: ReachArguments,
    /// The server to call.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// A question about all resources of a type.
#[derive(Clone, Debug, Args)]
pub struct ReachArguments {
    /// The subject: `user:julia`, `app:shop`, `connection:erp`.
    pub subject: SubjectName,
    /// A permission such as `product.create`, or a level action such as `view`.
    pub action: String,
    /// The type of the resources, such as `product`.
    #[arg(value_name = "TYPE")]
    pub resource_type: String,
    /// What of each resource is meant.
    #[command(flatten)]
    pub context: ContextArguments,
}

/// Which resources; all conditions given must hold.
#[derive(Clone, Debug, Default, Args)]
pub struct FilterArguments {
    /// Those of a category tree.
    #[arg(long, env = "PIM_AUTHZ_TREE", value_name = "CODE")]
    pub tree: Option<String>,
    /// Those of a category or of one below it.
    #[arg(long, env = "PIM_AUTHZ_CATEGORY", value_name = "CODE")]
    pub category: Option<String>,
    /// The resource of this code; may be given many times.
    #[arg(long = "id", env = "PIM_AUTHZ_ID", value_name = "CODE")]
    pub ids: Vec<String>,
}

/// How much of a list to show.
#[derive(Clone, Debug, Default, Args)]
pub struct PageArguments {
    /// The most rows of one page, up to 10,000 [default: the server's].
    #[arg(
        long,
        env = "PIM_AUTHZ_PAGE_SIZE",
        value_name = "ROWS",
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    pub page_size: Option<i32>,
    /// The page to show, as printed below the page before it.
    #[arg(long, env = "PIM_AUTHZ_PAGE_TOKEN", value_name = "TOKEN")]
    pub page_token: Option<String>,
    /// Everything, row by row as it comes; as JSON one object a line.
    #[arg(
        long,
        env = "PIM_AUTHZ_ALL",
        value_parser = BoolishValueParser::new(),
        conflicts_with = "page_token"
    )]
    pub all: bool,
}

impl FilterArguments {
    /// Converts the filter to its request message; `None` if no option is set.
    pub(in crate::cli) fn render(&self) -> Option<pb::ListFilter> {
        let filter = pb::ListFilter {
            tree: self.tree.clone().unwrap_or_default(),
            category: self.category.clone().unwrap_or_default(),
            ids: self.ids.clone(),
        };
        (filter != pb::ListFilter::default()).then_some(filter)
    }
}
