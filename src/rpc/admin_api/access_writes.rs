use crate::{
    admin::request::{AccessChange, Children, EntityRequest, ItemRights},
    domain::{AccessRight, ItemKind},
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        parse::code,
    },
};

use super::{
    parse_entries::{item, level, some_level},
    writes::{entries, writes},
};

writes! {
    GrantAccessRequest -> GrantAccessResponse: EntityRequest =
        |message, _| EntityRequest::GrantAccess(entries("grants", message.grants, access)?);
    RevokeAccessRequest -> RevokeAccessResponse: EntityRequest =
        |message, _| EntityRequest::RevokeAccess(entries("revocations", message.revocations, access)?);
    ReplaceAccessRequest [expected_revision] -> ReplaceAccessResponse: EntityRequest =
        |message, _| EntityRequest::ReplaceAccess(entries("items", message.items, item_rights)?);
}

fn access(message: pb::AccessGrant) -> Result<AccessChange, InvalidField> {
    let pb::AccessGrant {
        group,
        item: named,
        level: number,
        apply_to_children,
    } = message;
    let item = item(named)?;
    Ok(AccessChange {
        children: children(apply_to_children, item.kind)?,
        right: AccessRight {
            group: code("group", &group)?,
            level: some_level("level", number, item.kind)?,
            item,
        },
    })
}

fn item_rights(message: pb::ItemRights) -> Result<ItemRights, InvalidField> {
    let pb::ItemRights {
        item: named,
        rights,
        apply_to_children,
    } = message;
    let item = item(named)?;
    let mut parsed = Vec::with_capacity(rights.len());
    let mut seen = std::collections::BTreeSet::new();
    for (index, right) in rights.into_iter().enumerate() {
        let pb::GroupLevel {
            group,
            level: number,
        } = right;
        let field = format!("rights[{index}]");
        let group = code(&format!("{field}.group"), &group)?;
        if !seen.insert(group.clone()) {
            let message = format!("`{group}` is there twice; name each user group once");
            return Err(InvalidField::new(format!("{field}.group"), message));
        }
        parsed.push((group, level(&format!("{field}.level"), number, item.kind)?));
    }
    Ok(ItemRights {
        rights: parsed,
        children: children(apply_to_children, item.kind)?,
        item,
    })
}

/// Converts `apply_to_children`: whether sub-categories get the same right. The
/// field is rejected on other items.
fn children(requested: Option<bool>, kind: ItemKind) -> Result<Children, InvalidField> {
    match (kind, requested) {
        (ItemKind::Category, None | Some(true)) => Ok(Children::Included),
        (ItemKind::Category, Some(false)) | (_, None) => Ok(Children::LeftOut),
        (_, Some(_)) => {
            let message = format!("is for categories only; leave it out on `{kind}`");
            Err(InvalidField::new("apply_to_children", message))
        }
    }
}
