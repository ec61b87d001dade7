use crate::{
    cli::{
        Answer, CliError,
        arguments::{AccessArguments, GrantArguments},
        names::ResourceName,
        words,
    },
    pb::{self, access_rights_service_client::AccessRightsServiceClient},
};

use super::{
    effective,
    lists::{Column, list_and_show},
    writes::write_and_show,
};

pub(super) async fn grant(arguments: &GrantArguments) -> Result<Answer, CliError> {
    Ok(write_and_show!(
        &arguments.write,
        AccessRightsServiceClient.grant_access(GrantAccessRequest {
            grants: vec![entry(arguments)?]
        })
    ))
}

pub(super) async fn revoke(arguments: &GrantArguments) -> Result<Answer, CliError> {
    Ok(write_and_show!(
        &arguments.write,
        AccessRightsServiceClient.revoke_access(RevokeAccessRequest {
            revocations: vec![entry(arguments)?]
        })
    ))
}

fn entry(arguments: &GrantArguments) -> Result<pb::AccessGrant, CliError> {
    let level = words::parse(
        &arguments.level,
        "LEVEL_",
        pb::Level::from_str_name,
        "level",
        "none, view, edit, own, execute, execute_and_edit",
    )?;
    Ok(pb::AccessGrant {
        group: arguments.group.clone(),
        item: Some(arguments.item.item()),
        level: level.into(),
        apply_to_children: arguments.no_children.then_some(false),
    })
}

pub(super) async fn show(arguments: &AccessArguments) -> Result<Answer, CliError> {
    const COLUMNS: [Column<pb::AccessGrant>; 3] = [
        ("item", |grant| words::item_name(grant.item.as_ref())),
        ("user group", |grant| grant.group.clone()),
        ("level", |grant| {
            words::level(grant.level()).unwrap_or_default()
        }),
    ];
    let AccessArguments {
        item,
        group,
        subject,
        server,
    } = arguments;
    if let Some(subject) = subject {
        return effective::show(subject, server).await;
    }
    let request = pb::ListAccessRequest {
        tenant: server.tenant.clone(),
        page_size: 10_000,
        group: group.clone().unwrap_or_default(),
        item: item.as_ref().map(ResourceName::item),
        ..Default::default()
    };
    Ok(list_and_show!(
        server,
        AccessRightsServiceClient.list_access(request).grants,
        "right",
        &COLUMNS
    ))
}
