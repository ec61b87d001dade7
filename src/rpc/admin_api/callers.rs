use crate::{
    domain::{Caller, CallerRight, Code, OidcIdentity, StoredKey},
    listing::Place,
    pb,
    rpc::{failure::Failure, page_token::Binding, render},
    store::CallerRow,
};

use super::{
    AdminApi, Answer, check_no_tenant,
    entity_messages::timestamp,
    lists::{ListHead, Listed, read_page},
};

impl Answer<pb::ListCallersRequest> for AdminApi {
    type Message = pb::ListCallersResponse;

    async fn answer(&self, request: pb::ListCallersRequest) -> Result<Self::Message, Failure> {
        let pb::ListCallersRequest {
            tenant,
            page_size,
            page_token,
        } = request;
        check_no_tenant(&tenant)?;
        let head = ListHead {
            page_size,
            page_token,
            ..ListHead::default()
        };
        let listed = self.list_callers_page(head).await?;
        let callers = listed.entries.into_iter();
        Ok(pb::ListCallersResponse {
            callers: callers.map(|row| caller(row.caller)).collect(),
            next_page_token: listed.next_page_token,
            revision: listed.revision,
        })
    }
}

impl AdminApi {
    async fn list_callers_page(&self, head: ListHead) -> Result<Listed<CallerRow>, Failure> {
        let installation = Code::of_installation();
        let page =
            self.requested_page_of::<Place>(installation, head, Binding::to("ListCallers"))?;
        let (entries, version) = read_page!(self, page, |snapshot, after| {
            snapshot.callers_after(Place::folded_code(after), page.size + 1)
        });
        self.page(entries, &page, version, |row: &CallerRow| {
            Place::Entity(row.caller.name.folded().to_owned())
        })
    }
}

fn caller(caller: Caller) -> pb::Caller {
    let Caller {
        name,
        tenants,
        all_tenants,
        rights,
        subject_alternative_names,
        oidc_identities,
        keys,
    } = caller;
    pb::Caller {
        name: name.to_string(),
        tenants: render::codes(&tenants),
        all_tenants,
        rights: rights.iter().map(|held| right(held).into()).collect(),
        subject_alternative_names: subject_alternative_names.into_iter().collect(),
        oidc_identities: oidc_identities.into_iter().map(identity).collect(),
        keys: keys.iter().map(key).collect(),
    }
}

/// Renders a right of a caller.
pub(super) fn right(right: CallerRight) -> pb::CallerRight {
    match right {
        CallerRight::Check => pb::CallerRight::Check,
        CallerRight::List => pb::CallerRight::List,
        CallerRight::Administer => pb::CallerRight::Administer,
        CallerRight::Audit => pb::CallerRight::Audit,
        CallerRight::Operate => pb::CallerRight::Operate,
    }
}

fn identity(identity: OidcIdentity) -> pb::OidcIdentity {
    let OidcIdentity { issuer, subject } = identity;
    pb::OidcIdentity { issuer, subject }
}

fn key(key: &StoredKey) -> pb::CallerKey {
    let StoredKey {
        id,
        hash: _,
        created_at,
        expires_at,
    } = key;
    pb::CallerKey {
        id: id.to_string(),
        created_at: Some(timestamp(*created_at)),
        expires_at: expires_at.map(timestamp),
    }
}
