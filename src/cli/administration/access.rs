use serde_json::json;

use crate::{
    cli::{
        Answer, CliError, ServerArguments,
        arguments::{AccessArguments, GrantArguments},
        connection::{connect_to, patient},
        names::ResourceName,
        words,
    },
    pb::{self, access_rights_service_client::AccessRightsServiceClient},
};

use super::{
    effective, every_page, listed,
    writes::{level, request, service, written},
};

pub(super) async fn grant(arguments: &GrantArguments) -> Result<Answer, CliError> {
    let write = &arguments.write;
    let mut client = service!(AccessRightsServiceClient, write.server);
    let request = request!(GrantAccessRequest, write, { grants: vec![entry(arguments)?] });
    let answer = client.grant_access(patient(request)).await?.into_inner();
    Ok(written(write, answer.revision, answer.effect))
}

pub(super) async fn revoke(arguments: &GrantArguments) -> Result<Answer, CliError> {
    let write = &arguments.write;
    let mut client = service!(AccessRightsServiceClient, write.server);
    let request = request!(RevokeAccessRequest, write, { revocations: vec![entry(arguments)?] });
    let answer = client.revoke_access(patient(request)).await?.into_inner();
    Ok(written(write, answer.revision, answer.effect))
}

fn entry(arguments: &GrantArguments) -> Result<pb::AccessGrant, CliError> {
    Ok(pb::AccessGrant {
        group: arguments.group.clone(),
        item: Some(item(&arguments.item)),
        level: level(&arguments.level)?.into(),
        apply_to_children: arguments.no_children.then_some(false),
    })
}

fn item(name: &ResourceName) -> pb::Item {
    let pb::Resource { r#type, id, .. } = name.render();
    pb::Item { r#type, id }
}

pub(super) async fn show(arguments: &AccessArguments) -> Result<Answer, CliError> {
    let AccessArguments {
        item: named,
        group,
        subject,
        server,
    } = arguments;
    if let Some(subject) = subject {
        return effective::show(subject, server).await;
    }
    let item = named.as_ref().map(item);
    let (grants, revision) = rights(server, group.as_deref().unwrap_or_default(), item).await?;
    let rows = grants.iter().map(|grant| {
        let item = grant.item.clone().unwrap_or_default();
        let level = words::level(grant.level()).unwrap_or_default();
        let name = format!("{}:{}", item.r#type, item.id);
        let cells = vec![name, grant.group.clone(), level.clone()];
        let value = json!({
            "item": { "type": item.r#type, "id": item.id },
            "group": grant.group,
            "level": level,
        });
        (cells, value)
    });
    let header = ["item", "user group", "level"];
    Ok(listed(
        server.output,
        "right",
        &header,
        rows.collect(),
        revision,
    ))
}

/// Reads all access rights of a user group, or on an item, with their revision.
async fn rights(
    server: &ServerArguments,
    group: &str,
    item: Option<pb::Item>,
) -> Result<(Vec<pb::AccessGrant>, u64), CliError> {
    let mut client = service!(AccessRightsServiceClient, server);
    let request = pb::ListAccessRequest {
        tenant: server.tenant.clone(),
        page_size: 10_000,
        group: group.to_owned(),
        item,
        ..Default::default()
    };
    Ok(every_page!(client, list_access, request, grants))
}
