use crate::domain::CallerRight;

/// The right that a call requires of its caller (`api.md`, "Who calls").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequiredRight {
    /// Nothing, not even credentials.
    Nothing,
    /// A right, for the tenant that the call names.
    Right(CallerRight),
    /// A right on all tenants.
    OnAllTenants(CallerRight),
}

/// Returns what the call at `path` requires. `None`: the call does not exist or
/// has no entry here, and is rejected.
///
/// This is the only such table.
pub(super) fn needed(path: &str) -> Option<RequiredRight> {
    const OURS: &str = "/pim.authz.v1.";
    let Some((service, call)) = path
        .strip_prefix(OURS)
        .and_then(|called| called.split_once('/'))
    else {
        return of_others(path);
    };
    match service {
        "AuthorizationService" => of_question(call),
        "TenantService" => of_tenants(call),
        "DirectoryService" => of_directory(call),
        "CatalogService" => of_catalog(call),
        "ImportService" => administer(&["ImportCatalog"], call),
        "AccessRightsService" => administer(
            &[
                "GrantAccess",
                "RevokeAccess",
                "ReplaceAccess",
                "ListAccess",
                "GetEffectiveAccess",
            ],
            call,
        ),
        "AppService" => of_apps(call),
        "AuditService" => match call {
            "ListChanges" | "WatchChanges" => Some(RequiredRight::Right(CallerRight::Audit)),
            _ => None,
        },
        "OperationsService" => of_operations(call),
        "CallerService" => match call {
            "PutCallers" | "DeleteCallers" | "ListCallers" | "CreateCallerKey"
            | "DeleteCallerKey" => Some(RequiredRight::OnAllTenants(CallerRight::Operate)),
            _ => None,
        },
        _ => None,
    }
}

/// Requirements of the standard gRPC services. Health is checked by whatever runs
/// the server; the descriptors are public, and are served only if configured.
fn of_others(path: &str) -> Option<RequiredRight> {
    const OPEN: [&str; 3] = [
        "/grpc.health.v1.Health/",
        "/grpc.reflection.v1.ServerReflection/",
        "/grpc.reflection.v1alpha.ServerReflection/",
    ];
    let is_open = OPEN.iter().any(|service| path.starts_with(service));
    is_open.then_some(RequiredRight::Nothing)
}

fn administer(calls: &[&str], call: &str) -> Option<RequiredRight> {
    calls
        .contains(&call)
        .then_some(RequiredRight::Right(CallerRight::Administer))
}

fn of_question(call: &str) -> Option<RequiredRight> {
    let right = match call {
        "Check" | "BatchCheck" | "Explain" | "ListActions" => CallerRight::Check,
        "ListAllowed" | "StreamAllowed" | "ListSubjects" | "GetAccessFilter" => CallerRight::List,
        _ => return None,
    };
    Some(RequiredRight::Right(right))
}

fn of_tenants(call: &str) -> Option<RequiredRight> {
    match call {
        "CreateTenant" | "DeleteTenant" => Some(RequiredRight::OnAllTenants(CallerRight::Operate)),
        "GetTenant" | "ListTenants" | "UpdateTenant" => {
            Some(RequiredRight::Right(CallerRight::Administer))
        }
        _ => None,
    }
}

fn of_operations(call: &str) -> Option<RequiredRight> {
    let right = match call {
        "VerifyAudit" => CallerRight::Audit,
        "GetStatus" | "BeginMaintenance" | "EndMaintenance" => CallerRight::Operate,
        _ => return None,
    };
    Some(RequiredRight::Right(right))
}

fn of_directory(call: &str) -> Option<RequiredRight> {
    of_entities(call, &["Users", "Connections", "UserGroups", "Roles"])
}

fn of_catalog(call: &str) -> Option<RequiredRight> {
    const ENTITIES: [&str; 10] = [
        "Channels",
        "Locales",
        "Categories",
        "AttributeGroups",
        "Attributes",
        "Products",
        "AssetFamilies",
        "ReferenceEntities",
        "Profiles",
        "GridViews",
    ];
    of_entities(call, &ENTITIES).or_else(|| administer(&["ImportProducts"], call))
}

/// Put, Delete and List calls of each entity.
fn of_entities(call: &str, entities: &[&str]) -> Option<RequiredRight> {
    let verbs = ["Put", "Delete", "List"];
    let entity = verbs.iter().find_map(|verb| call.strip_prefix(verb))?;
    administer(entities, entity)
}

fn of_apps(call: &str) -> Option<RequiredRight> {
    const CALLS: [&str; 9] = [
        "StartConnection",
        "AuthorizeScopes",
        "SetPermissions",
        "ConfirmConnection",
        "CancelConnection",
        "GetApp",
        "ListApps",
        "UpdateScopes",
        "Disconnect",
    ];
    administer(&CALLS, call)
}

#[cfg(test)]
mod tests {
    use super::{super::observing::calls_of_contract, *};

    /// `tests/it/callers/table.rs` lists the rights, and tests them on a server.
    #[test]
    fn every_call_of_the_contract_needs_some_right() {
        for (path, _) in calls_of_contract() {
            let needed = needed(&path);
            assert!(needed.is_some(), "{path} has no entry");
            assert_ne!(needed, Some(RequiredRight::Nothing), "{path}");
        }
    }

    #[test]
    fn unknown_paths_have_no_entry() {
        for path in [
            "/pim.authz.v1.AuthorizationService/Guess",
            "/pim.authz.v1.AuthorizationService/",
            "/pim.authz.v1.DirectoryService/PutProducts",
            "/pim.authz.v1.DirectoryService/ForgetUsers",
            "/pim.authz.v1.NewService/Check",
            "/pim.authz.v2.AuthorizationService/Check",
            "/grpc.health.v1.Health",
            "/",
            "",
        ] {
            assert_eq!(needed(path), None, "{path}");
        }
    }
}
