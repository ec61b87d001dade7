use crate::{
    cache::Cache,
    domain::{Code, Revision},
    listing::{self, Page, ResourceList, SubjectList},
    pb,
    store::{Store, TenantId},
};

use super::{
    caller_identity::CallerIdentity,
    failure::Failure,
    page_token::{Binding, InToken, PageTokens, TokenPlace},
    parse_listing::{self, Listed, ResourceListing, SubjectListing},
    render, render_listing,
};

/// Destructures a request in full: what it lists as [`Listed`], and its other fields.
macro_rules! destructure {
    ($message:ident as $request:ident { $($other:ident),+ $(,)? }) => {{
        let pb::$request {
            tenant,
            subject,
            action,
            resource_type,
            context,
            $($other),+
        } = $message;
        let listed = Listed {
            tenant,
            subject,
            action,
            resource_type,
            context,
        };
        (listed, $($other),+)
    }};
}

pub(super) use destructure;

/// Implements the calls that list.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    pub(super) cache: Cache,
    pub(super) store: Store,
    pub(super) tokens: PageTokens,
    pub(super) default_tenant: Code,
}

impl Lists {
    pub(super) async fn allowed(
        &self,
        calling: &CallerIdentity,
        message: pb::ListAllowedRequest,
    ) -> Result<pb::ListAllowedResponse, Failure> {
        let (listed, filter, page_size, page_token, minimum) = destructure!(
            message as ListAllowedRequest { filter, page_size, page_token, minimum_revision }
        );
        let listing =
            parse_listing::resource_listing("ListAllowed", listed, filter, &self.default_tenant)?;
        let size = parse_listing::page_size(page_size)?;
        let ResourceListing {
            tenant,
            question,
            filter,
            binding,
        } = listing;
        calling.check_tenant(&tenant)?;
        let token = self.tokens.open("page_token", &page_token, &binding)?;
        self.wait_for_revision(&tenant, minimum).await?;
        let mut list = ResourceList::new(tenant.clone(), question, filter);
        let after = place(token.as_ref());
        let found = list.page(&self.cache, &self.store, after, size).await?;
        let (found_in, page) = found.ok_or(Failure::TenantNotFound(tenant))?;
        check_tenant(token.as_ref(), found_in)?;
        let next_page_token = self.next_page_token(found_in, &page, &binding)?;
        let resources = page.found.into_iter();
        Ok(pb::ListAllowedResponse {
            resources: resources.map(render_listing::allowed_resource).collect(),
            next_page_token,
            revision: page.revision.0,
        })
    }

    pub(super) async fn wait_for_revision(
        &self,
        tenant: &Code,
        minimum: u64,
    ) -> Result<(), Failure> {
        let reached = self.cache.wait_for_revision(tenant, Revision(minimum));
        if reached.await? {
            return Ok(());
        }
        Err(Failure::TenantNotFound(tenant.clone()))
    }

    fn next_page_token<T, P: InToken>(
        &self,
        tenant: TenantId,
        page: &Page<T, P>,
        binding: &Binding,
    ) -> Result<String, Failure> {
        match &page.last {
            Some(last) if page.more => self.tokens.seal(tenant, last, binding),
            Some(_) | None => Ok(String::new()),
        }
    }

    pub(super) async fn subjects(
        &self,
        calling: &CallerIdentity,
        message: pb::ListSubjectsRequest,
    ) -> Result<pb::ListSubjectsResponse, Failure> {
        let size = parse_listing::page_size(message.page_size)?;
        let page_token = message.page_token.clone();
        let minimum = message.minimum_revision;
        let SubjectListing {
            tenant,
            question,
            kind,
            binding,
        } = parse_listing::subject_listing(message, &self.default_tenant)?;
        calling.check_tenant(&tenant)?;
        let token = self.tokens.open("page_token", &page_token, &binding)?;
        self.wait_for_revision(&tenant, minimum).await?;
        let list = SubjectList::new(tenant.clone(), question, kind);
        let after = place(token.as_ref());
        let found = list.page(&self.cache, &self.store, after, size).await?;
        let (found_in, page) = found.ok_or(Failure::TenantNotFound(tenant))?;
        check_tenant(token.as_ref(), found_in)?;
        Ok(pb::ListSubjectsResponse {
            subjects: page.found.iter().map(render::subject).collect(),
            next_page_token: self.next_page_token(found_in, &page, &binding)?,
            revision: page.revision.0,
        })
    }

    pub(super) async fn access_filter(
        &self,
        calling: &CallerIdentity,
        message: pb::GetAccessFilterRequest,
    ) -> Result<pb::GetAccessFilterResponse, Failure> {
        let (listed, minimum) =
            destructure!(message as GetAccessFilterRequest { minimum_revision });
        let (tenant, question) = parse_listing::product_question(listed, &self.default_tenant)?;
        calling.check_tenant(&tenant)?;
        self.wait_for_revision(&tenant, minimum).await?;
        let filter = listing::access_filter(&self.cache, &self.store, &tenant, &question).await?;
        let (filter, revision) = filter.ok_or(Failure::TenantNotFound(tenant))?;
        Ok(render_listing::access_filter(filter, revision))
    }
}

/// Returns the place of a page token before its tenant is checked.
pub(super) fn place<P: Clone>(token: Option<&TokenPlace<P>>) -> Option<P> {
    token.map(|token| token.unchecked().clone())
}

/// Rejects the token of a tenant deleted since: the page was read from another
/// tenant with the same code.
pub(super) fn check_tenant<P>(
    token: Option<&TokenPlace<P>>,
    found_in: TenantId,
) -> Result<(), Failure> {
    let place = token.map(|token| token.of(found_in));
    place.transpose().map(|_| ())
}
