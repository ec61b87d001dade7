use crate::{
    domain::{AccessFilter, AllowedResource, Code, FilterScope, Level, Revision},
    pb,
};

use super::render::{codes, level};

/// Renders a resource that a subject may access.
pub(super) fn allowed_resource(resource: AllowedResource) -> pb::AllowedResource {
    let AllowedResource { code, level: held } = resource;
    pb::AllowedResource {
        id: code.to_string(),
        level: level(held).into(),
    }
}

/// Renders one batch of a stream, with or without levels.
pub(super) fn allowed_batch(
    resources: Vec<AllowedResource>,
    ids_only: bool,
    resume_token: String,
) -> pb::AllowedBatch {
    let mut batch = pb::AllowedBatch {
        resume_token,
        ..pb::AllowedBatch::default()
    };
    if ids_only {
        batch.ids = resources.iter().map(|r| r.code.to_string()).collect();
    } else {
        batch.resources = resources.into_iter().map(allowed_resource).collect();
    }
    batch
}

/// Renders the access of a subject as a filter.
pub(super) fn access_filter(
    filter: AccessFilter,
    revision: Revision,
) -> pb::GetAccessFilterResponse {
    let AccessFilter {
        scope,
        channels,
        locales,
        attribute_groups,
    } = filter;
    let (scope, any_category, no_category, include_uncategorized) = match scope {
        FilterScope::Nothing => (pb::FilterScope::Nothing, Vec::new(), Vec::new(), false),
        FilterScope::Everything => (pb::FilterScope::Everything, Vec::new(), Vec::new(), true),
        FilterScope::Categories {
            any,
            none,
            include_uncategorised,
        } => (
            pb::FilterScope::Categories,
            codes(&any),
            codes(&none),
            include_uncategorised,
        ),
    };
    pb::GetAccessFilterResponse {
        scope: scope.into(),
        any_category,
        no_category,
        include_uncategorized,
        channels: item_levels(channels),
        locales: item_levels(locales),
        attribute_groups: item_levels(attribute_groups),
        revision: revision.0,
    }
}

fn item_levels(items: Vec<(Code, Level)>) -> Vec<pb::ItemLevel> {
    let render = |(code, held): (Code, Level)| pb::ItemLevel {
        id: code.to_string(),
        level: level(Some(held)).into(),
    };
    items.into_iter().map(render).collect()
}
