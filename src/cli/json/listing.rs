//! JSON output of the listing calls. Types that are also printed row by row
//! implement `Display` for the table output.

use std::fmt;

use serde::Serialize;

use super::{Named, words};
use crate::pb;

#[derive(Serialize)]
pub(in crate::cli) struct AllowedPage<'a> {
    resources: Vec<Allowed<'a>>,
    next_page_token: &'a str,
    revision: u64,
}

/// One resource; displayed as its id, a tab and the level.
#[derive(Serialize)]
pub(in crate::cli) struct Allowed<'a> {
    id: &'a str,
    level: Option<String>,
}

/// One resource without its level.
#[derive(Serialize)]
pub(in crate::cli) struct AllowedId<'a> {
    id: &'a str,
}

#[derive(Serialize)]
pub(in crate::cli) struct SubjectPage<'a> {
    subjects: Vec<Named<'a>>,
    next_page_token: &'a str,
    revision: u64,
}

#[derive(Serialize)]
pub(in crate::cli) struct AccessFilter<'a> {
    scope: Option<String>,
    any_category: &'a [String],
    no_category: &'a [String],
    include_uncategorized: bool,
    channels: Vec<ItemLevel<'a>>,
    locales: Vec<ItemLevel<'a>>,
    attribute_groups: Vec<ItemLevel<'a>>,
    revision: u64,
}

#[derive(Serialize)]
struct ItemLevel<'a> {
    id: &'a str,
    level: Option<String>,
}

impl<'a> AllowedPage<'a> {
    pub(in crate::cli) fn render(response: &'a pb::ListAllowedResponse) -> Self {
        let pb::ListAllowedResponse {
            resources,
            next_page_token,
            revision,
        } = response;
        Self {
            resources: resources.iter().map(Allowed::render).collect(),
            next_page_token,
            revision: *revision,
        }
    }
}

impl<'a> Allowed<'a> {
    pub(in crate::cli) fn render(resource: &'a pb::AllowedResource) -> Self {
        Self {
            id: &resource.id,
            level: words::level(resource.level()),
        }
    }
}

impl fmt::Display for Allowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, level } = self;
        match level {
            Some(level) => write!(f, "{id}\t{level}"),
            None => f.write_str(id),
        }
    }
}

impl<'a> AllowedId<'a> {
    pub(in crate::cli) fn render(id: &'a str) -> Self {
        Self { id }
    }
}

impl fmt::Display for AllowedId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl<'a> SubjectPage<'a> {
    pub(in crate::cli) fn render(response: &'a pb::ListSubjectsResponse) -> Self {
        let pb::ListSubjectsResponse {
            subjects,
            next_page_token,
            revision,
        } = response;
        Self {
            subjects: subjects.iter().map(Named::subject).collect(),
            next_page_token,
            revision: *revision,
        }
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { r#type, id } = self;
        write!(f, "{type}:{id}")
    }
}

impl<'a> AccessFilter<'a> {
    pub(in crate::cli) fn render(response: &'a pb::GetAccessFilterResponse) -> Self {
        Self {
            scope: words::filter_scope(response.scope()),
            any_category: &response.any_category,
            no_category: &response.no_category,
            include_uncategorized: response.include_uncategorized,
            channels: levels(&response.channels),
            locales: levels(&response.locales),
            attribute_groups: levels(&response.attribute_groups),
            revision: response.revision,
        }
    }
}

fn levels(items: &[pb::ItemLevel]) -> Vec<ItemLevel<'_>> {
    let levels = items.iter().map(|item| ItemLevel {
        id: &item.id,
        level: words::level(item.level()),
    });
    levels.collect()
}
