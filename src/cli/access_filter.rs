//! `pim-authz access-filter`: the products that a subject may access, as a filter
//! for a search engine of the caller's own.

use super::{
    AccessFilterArguments, Answer, CliError, Output, ReachArguments,
    connection::call,
    report::{facts, table},
    words,
};
use crate::pb::{self, authorization_service_client::AuthorizationServiceClient};

pub(super) async fn run(arguments: &AccessFilterArguments) -> Result<Answer, CliError> {
    let AccessFilterArguments { reach, server } = arguments;
    let ReachArguments {
        subject,
        action,
        resource_type,
        context,
    } = reach;
    let request = pb::GetAccessFilterRequest {
        tenant: server.tenant.clone(),
        subject: Some(subject.render()),
        action: action.clone(),
        resource_type: resource_type.clone(),
        context: context.render(),
        minimum_revision: 0,
    };
    let response = call!(
        server,
        AuthorizationServiceClient.get_access_filter(request)
    );
    Ok(show(&response, server.output))
}

fn show(response: &pb::GetAccessFilterResponse, output: Output) -> Answer {
    Answer::of(output, response, || filter(response) + &levels(response))
}

fn filter(response: &pb::GetAccessFilterResponse) -> String {
    let headline = match response.scope() {
        pb::FilterScope::Unspecified => "unspecified",
        pb::FilterScope::Nothing => "nothing",
        pb::FilterScope::Everything => "everything",
        pb::FilterScope::Categories => "by category",
    };
    let codes = |codes: &[String]| (!codes.is_empty()).then(|| codes.join(", "));
    let uncategorized = if response.include_uncategorized {
        "included"
    } else {
        "left out"
    };
    let rows = vec![
        ("any category of", codes(&response.any_category)),
        ("no category of", codes(&response.no_category)),
        ("uncategorized", Some(uncategorized.to_owned())),
        ("revision", Some(response.revision.to_string())),
    ];
    format!("{headline}\n{}", facts(rows))
}

/// Table of the levels per channel, locale and attribute group; empty without any.
fn levels(response: &pb::GetAccessFilterResponse) -> String {
    let kinds = [
        ("channel", &response.channels),
        ("locale", &response.locales),
        ("attribute_group", &response.attribute_groups),
    ];
    let rows: Vec<Vec<String>> = kinds
        .into_iter()
        .flat_map(|(kind, items)| items.iter().map(move |item| (kind, item)))
        .map(|(kind, item)| {
            let level = words::level(item.level()).unwrap_or_default();
            vec![kind.to_owned(), item.id.clone(), level]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    "\n".to_owned() + &table(&["type", "id", "level"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(id: &str, level: pb::Level) -> pb::ItemLevel {
        pb::ItemLevel {
            id: id.to_owned(),
            level: level.into(),
        }
    }

    fn by_categories() -> pb::GetAccessFilterResponse {
        pb::GetAccessFilterResponse {
            scope: pb::FilterScope::Categories.into(),
            any_category: vec!["audio".to_owned(), "tv".to_owned()],
            no_category: vec!["radio".to_owned()],
            include_uncategorized: false,
            channels: vec![held("ecommerce", pb::Level::Edit)],
            locales: vec![held("de_DE", pb::Level::View)],
            attribute_groups: Vec::new(),
            revision: 9,
        }
    }

    #[test]
    fn table_shows_the_filter_and_the_item_levels() {
        insta::assert_snapshot!(show(&by_categories(), Output::Table).out, @"
        by category
          any category of audio, tv
          no category of  radio
          uncategorized   left out
          revision        9

        type     id         level
        channel  ecommerce  edit
        locale   de_DE      view
        ");
    }

    #[test]
    fn filter_keeps_names_and_order_of_the_contract() {
        insta::assert_snapshot!(show(&by_categories(), Output::Json).out, @r#"
        {
          "scope": "categories",
          "any_category": [
            "audio",
            "tv"
          ],
          "no_category": [
            "radio"
          ],
          "include_uncategorized": false,
          "channels": [
            {
              "id": "ecommerce",
              "level": "edit"
            }
          ],
          "locales": [
            {
              "id": "de_DE",
              "level": "view"
            }
          ],
          "attribute_groups": [],
          "revision": 9
        }
        "#);
    }

    #[test]
    fn a_filter_of_everything_names_no_category() {
        let response = pb::GetAccessFilterResponse {
            scope: pb::FilterScope::Everything.into(),
            include_uncategorized: true,
            revision: 2,
            ..Default::default()
        };
        insta::assert_snapshot!(show(&response, Output::Table).out, @"
        everything
          uncategorized included
          revision      2
        ");
    }
}
