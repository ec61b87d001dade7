use std::collections::BTreeSet;

use pim_authz::pb;
use prost::Message as _;

/// Each call of the contract and the right that it requires (`api.md`, "Who
/// calls"); `everywhere` means on all tenants.
const RIGHTS: &[(&str, &str)] = &[
    ("AccessRightsService/GetEffectiveAccess", "administer"),
    ("AccessRightsService/GrantAccess", "administer"),
    ("AccessRightsService/ListAccess", "administer"),
    ("AccessRightsService/ReplaceAccess", "administer"),
    ("AccessRightsService/RevokeAccess", "administer"),
    ("AppService/AuthorizeScopes", "administer"),
    ("AppService/CancelConnection", "administer"),
    ("AppService/ConfirmConnection", "administer"),
    ("AppService/Disconnect", "administer"),
    ("AppService/GetApp", "administer"),
    ("AppService/ListApps", "administer"),
    ("AppService/SetPermissions", "administer"),
    ("AppService/StartConnection", "administer"),
    ("AppService/UpdateScopes", "administer"),
    ("AuditService/ListChanges", "audit"),
    ("AuditService/WatchChanges", "audit"),
    ("AuthorizationService/BatchCheck", "check"),
    ("AuthorizationService/Check", "check"),
    ("AuthorizationService/Explain", "check"),
    ("AuthorizationService/GetAccessFilter", "list"),
    ("AuthorizationService/ListActions", "check"),
    ("AuthorizationService/ListAllowed", "list"),
    ("AuthorizationService/ListSubjects", "list"),
    ("AuthorizationService/StreamAllowed", "list"),
    ("CallerService/CreateCallerKey", "operate everywhere"),
    ("CallerService/DeleteCallerKey", "operate everywhere"),
    ("CallerService/DeleteCallers", "operate everywhere"),
    ("CallerService/ListCallers", "operate everywhere"),
    ("CallerService/PutCallers", "operate everywhere"),
    ("CatalogService/DeleteAssetFamilies", "administer"),
    ("CatalogService/DeleteAttributeGroups", "administer"),
    ("CatalogService/DeleteAttributes", "administer"),
    ("CatalogService/DeleteCategories", "administer"),
    ("CatalogService/DeleteChannels", "administer"),
    ("CatalogService/DeleteGridViews", "administer"),
    ("CatalogService/DeleteLocales", "administer"),
    ("CatalogService/DeleteProducts", "administer"),
    ("CatalogService/DeleteProfiles", "administer"),
    ("CatalogService/DeleteReferenceEntities", "administer"),
    ("CatalogService/ImportProducts", "administer"),
    ("CatalogService/ListAssetFamilies", "administer"),
    ("CatalogService/ListAttributeGroups", "administer"),
    ("CatalogService/ListAttributes", "administer"),
    ("CatalogService/ListCategories", "administer"),
    ("CatalogService/ListChannels", "administer"),
    ("CatalogService/ListGridViews", "administer"),
    ("CatalogService/ListLocales", "administer"),
    ("CatalogService/ListProducts", "administer"),
    ("CatalogService/ListProfiles", "administer"),
    ("CatalogService/ListReferenceEntities", "administer"),
    ("CatalogService/PutAssetFamilies", "administer"),
    ("CatalogService/PutAttributeGroups", "administer"),
    ("CatalogService/PutAttributes", "administer"),
    ("CatalogService/PutCategories", "administer"),
    ("CatalogService/PutChannels", "administer"),
    ("CatalogService/PutGridViews", "administer"),
    ("CatalogService/PutLocales", "administer"),
    ("CatalogService/PutProducts", "administer"),
    ("CatalogService/PutProfiles", "administer"),
    ("CatalogService/PutReferenceEntities", "administer"),
    ("DirectoryService/DeleteConnections", "administer"),
    ("DirectoryService/DeleteRoles", "administer"),
    ("DirectoryService/DeleteUserGroups", "administer"),
    ("DirectoryService/DeleteUsers", "administer"),
    ("DirectoryService/ListConnections", "administer"),
    ("DirectoryService/ListRoles", "administer"),
    ("DirectoryService/ListUserGroups", "administer"),
    ("DirectoryService/ListUsers", "administer"),
    ("DirectoryService/PutConnections", "administer"),
    ("DirectoryService/PutRoles", "administer"),
    ("DirectoryService/PutUserGroups", "administer"),
    ("DirectoryService/PutUsers", "administer"),
    ("ImportService/ImportCatalog", "administer"),
    ("OperationsService/BeginMaintenance", "operate"),
    ("OperationsService/EndMaintenance", "operate"),
    ("OperationsService/GetStatus", "operate"),
    ("OperationsService/VerifyAudit", "audit"),
    ("TenantService/CreateTenant", "operate everywhere"),
    ("TenantService/DeleteTenant", "operate everywhere"),
    ("TenantService/GetTenant", "administer"),
    ("TenantService/ListTenants", "administer"),
    ("TenantService/UpdateTenant", "administer"),
];

/// A call of the contract.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `TenantService/GetTenant`.
    pub(crate) name: &'static str,
    pub(crate) right: pb::CallerRight,
    pub(crate) is_everywhere: bool,
}

/// Every call of the contract.
pub(crate) fn every_call() -> Vec<Call> {
    let calls = RIGHTS.iter().map(|(name, right)| {
        let (right, everywhere) = right.split_once(' ').unwrap_or((right, ""));
        let right = format!("CALLER_RIGHT_{}", right.to_uppercase());
        Call {
            name,
            right: pb::CallerRight::from_str_name(&right).unwrap(),
            is_everywhere: everywhere == "everywhere",
        }
    });
    calls.collect()
}

impl Call {
    pub(crate) fn path(&self) -> String {
        format!("/pim.authz.v1.{}", self.name)
    }

    /// Whether the call names a tenant that its caller must have, and reports a
    /// tenant that does not exist as an error.
    pub(crate) fn names_a_tenant(&self) -> bool {
        const WITHOUT: [&str; 4] = [
            "TenantService/ListTenants",
            // It also reports on the server.
            "OperationsService/GetStatus",
            "OperationsService/BeginMaintenance",
            "OperationsService/EndMaintenance",
        ];
        !self.is_everywhere && !WITHOUT.contains(&self.name)
    }

    /// An encoded request that names the tenant, if the call has a field for
    /// it, and is valid up to the check of the tenant.
    pub(crate) fn request(&self, tenant: &str) -> Vec<u8> {
        if let Some(question) = self.question(tenant) {
            return question;
        }
        let tenant = tenant.to_owned();
        match self.name {
            "ImportService/ImportCatalog" => {
                let header = pb::ImportHeader {
                    tenant,
                    ..Default::default()
                };
                let part = pb::import_catalog_request::Part::Header(header);
                pb::ImportCatalogRequest { part: Some(part) }.encode_to_vec()
            }
            "CatalogService/ImportProducts" => pb::ImportProductsRequest {
                tenant,
                chunk: 1,
                ..Default::default()
            }
            .encode_to_vec(),
            "AppService/GetApp" => pb::GetAppRequest {
                tenant,
                app: "shop".to_owned(),
            }
            .encode_to_vec(),
            "OperationsService/BeginMaintenance"
            | "OperationsService/EndMaintenance"
            | "TenantService/ListTenants" => Vec::new(),
            // All other requests begin with the tenant.
            _ => pb::GetTenantRequest { tenant }.encode_to_vec(),
        }
    }

    /// The encoded request, if the call is a question.
    fn question(&self, tenant: &str) -> Option<Vec<u8>> {
        let tenant = tenant.to_owned();
        let subject = Some(pb::Subject {
            r#type: "user".to_owned(),
            id: "julia".to_owned(),
        });
        let action = "view".to_owned();
        let resource_type = "product".to_owned();
        let product = Some(pb::Resource {
            r#type: "product".to_owned(),
            id: "hat".to_owned(),
            ..Default::default()
        });
        macro_rules! message {
            ($message:ident: $($field:ident $(= $value:expr)?),+) => {
                pb::$message { $($field $(: $value)?,)+ ..Default::default() }.encode_to_vec()
            };
        }
        Some(match self.name {
            // `Explain` has the same fields as `Check`.
            "AuthorizationService/Check" | "AuthorizationService/Explain" => {
                message!(CheckRequest: tenant, subject, action, resource = product)
            }
            "AuthorizationService/BatchCheck" => {
                let items = vec![pb::CheckItem::default()];
                message!(BatchCheckRequest: tenant, subject, action, resource = product, items)
            }
            "AuthorizationService/ListActions" => message!(ListActionsRequest: tenant, subject),
            "AuthorizationService/ListAllowed" => {
                message!(ListAllowedRequest: tenant, subject, action, resource_type)
            }
            "AuthorizationService/StreamAllowed" => {
                message!(StreamAllowedRequest: tenant, subject, action, resource_type)
            }
            "AuthorizationService/ListSubjects" => {
                message!(ListSubjectsRequest: tenant, action, resource = product)
            }
            "AuthorizationService/GetAccessFilter" => {
                message!(GetAccessFilterRequest: tenant, subject, action, resource_type)
            }
            _ => return None,
        })
    }
}

#[test]
fn rights_table_lists_every_call_of_the_contract() {
    let descriptors = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
    let mut found = BTreeSet::new();
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                found.insert(format!("{}/{}", service.name(), method.name()));
            }
        }
    }
    let found: Vec<String> = found.into_iter().collect();
    let mut listed: Vec<&str> = every_call().iter().map(|call| call.name).collect();
    listed.sort_unstable();
    assert_eq!(listed, found);
}
