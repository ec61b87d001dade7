use crate::{
    domain::{
        AccessRight, Code, GroupId, ItemId, ItemKind, ItemRef, Product, ProductId, ProductKind,
        Revision, SubjectRef,
    },
    listing::{self, EffectiveRight, Place},
    pb,
    rpc::{
        failure::{Failure, InvalidField, check_count},
        page_token::{Binding, InToken, TokenPlace},
        parse, parse_listing,
    },
    store::{
        TenantId, TenantRow,
        entries::{CodedEntry, RightPlace, RightsListed},
    },
};

use super::{AdminApi, LogOf, parse_entries};

/// Largest number of codes in a filter.
const MOST_CODES: usize = 10_000;

/// The fields common to all list requests.
#[derive(Debug, Default)]
pub(super) struct ListHead {
    pub(super) tenant: String,
    pub(super) page_size: i32,
    pub(super) page_token: String,
    pub(super) codes: Vec<String>,
    /// Set only by a request about the audit log.
    pub(super) log: LogOf,
}

/// One page of a list.
#[derive(Debug)]
pub(super) struct Listed<E> {
    pub(super) entries: Vec<E>,
    pub(super) next_page_token: String,
    pub(super) revision: u64,
}

/// The requested page, parsed and validated.
pub(super) struct RequestedPage<P> {
    pub(super) tenant: Code,
    codes: Vec<Code>,
    pub(super) size: usize,
    after: Option<TokenPlace<P>>,
    binding: Binding,
}

impl<P> RequestedPage<P> {
    /// Returns the position after which the page starts, checked against the
    /// tenant that was found.
    pub(super) fn after(&self, tenant: TenantId) -> Result<Option<&P>, Failure> {
        self.after
            .as_ref()
            .map(|place| place.of(tenant))
            .transpose()
    }
}

/// Reads the entries of a requested page: evaluates `$read` to a future of them, on a
/// snapshot of the tenant and with the place after which the page starts. Evaluates to
/// the confirmed entries, with the tenant and its revision.
macro_rules! read_page {
    ($api:expr, $page:expr, |$snapshot:ident, $after:ident| $read:expr) => {{
        let bounds = $crate::store::Bounds::READ;
        let read = $crate::store::read_tenant!($api.store, &$page.tenant, bounds, |$snapshot| {
            let $after = $page.after($snapshot.tenant().id)?;
            let entries = $read;
            Ok::<_, $crate::rpc::failure::Failure>((entries.await?, $snapshot.version()))
        })?;
        $api.confirmed(&$page.tenant, read).await?
    }};
}
pub(super) use read_page;

impl AdminApi {
    /// Parses the requested page of a list.
    pub(super) fn requested_page<P: InToken>(
        &self,
        head: ListHead,
        binding: Binding,
    ) -> Result<RequestedPage<P>, Failure> {
        let tenant = self.tenant_or_callers(&head.tenant, head.log)?;
        self.requested_page_of(tenant, head, binding)
    }

    /// Parses the requested page of a tenant that the caller may name.
    pub(super) fn requested_page_of<P: InToken>(
        &self,
        tenant: Code,
        head: ListHead,
        binding: Binding,
    ) -> Result<RequestedPage<P>, Failure> {
        let ListHead {
            tenant: _,
            page_size,
            page_token,
            codes,
            log: _,
        } = head;
        check_count("codes", codes.len(), MOST_CODES)?;
        let codes = parse_entries::list("codes", &codes)?;
        let size = parse_listing::page_size(page_size)?;
        let binding = binding.with(tenant.folded()).with_codes(&codes);
        let after = self.tokens.open("page_token", &page_token, &binding)?;
        Ok(RequestedPage {
            tenant,
            codes,
            size,
            after,
            binding,
        })
    }

    /// Builds a page from entries that include one more if there is a next page.
    pub(super) fn page<E, P: InToken>(
        &self,
        mut entries: Vec<E>,
        page: &RequestedPage<P>,
        (tenant, revision): (TenantId, Revision),
        place: impl Fn(&E) -> P,
    ) -> Result<Listed<E>, Failure> {
        let more = entries.len() > page.size;
        entries.truncate(page.size);
        let next_page_token = match entries.last() {
            Some(last) if more => {
                let place = place(last);
                self.tokens.seal(tenant, &place, &page.binding)?
            }
            Some(_) | None => String::new(),
        };
        Ok(Listed {
            entries,
            next_page_token,
            revision: revision.0,
        })
    }

    /// Returns a page of entries ordered by code. `call` begins the binding of its
    /// token: the name of the call, and fields of its own.
    pub(super) async fn list_coded<E: CodedEntry + Send>(
        &self,
        call: Binding,
        head: ListHead,
        space: E::Space,
    ) -> Result<Listed<E>, Failure>
    where
        E::Space: Send,
    {
        let page = self.requested_page::<Place>(head, call)?;
        let (entries, version) = read_page!(self, page, |snapshot, after| {
            let after = Place::folded_code(after);
            snapshot.entries_after::<E>(space, after, &page.codes, page.size + 1)
        });
        let place = |entry: &E| Place::Entity(entry.code().folded().to_owned());
        self.page(entries, &page, version, place)
    }

    /// Returns a page of products or models.
    pub(super) async fn list_product_entries(
        &self,
        head: ListHead,
        kind: ProductKind,
    ) -> Result<Listed<(ProductId, Product)>, Failure> {
        let binding = Binding::to("ListProducts").with(if kind == ProductKind::Model {
            "models"
        } else {
            "products"
        });
        let page = self.requested_page::<Place>(head, binding)?;
        let (entries, version) = read_page!(self, page, |snapshot, after| {
            let after = Place::product(after);
            snapshot.product_entries_after(kind, after, &page.codes, page.size + 1)
        });
        let place = |(id, _): &(ProductId, Product)| Place::Product {
            id: *id,
            everywhere: false,
        };
        self.page(entries, &page, version, place)
    }

    /// Returns a page of access rights.
    pub(super) async fn list_rights(
        &self,
        head: ListHead,
        listed: &RightsListed,
    ) -> Result<Listed<(RightPlace, AccessRight<Code, ItemRef>)>, Failure> {
        let RightsListed { group, kind, item } = listed;
        let binding = Binding::to("ListAccess")
            .with_optional(group.as_ref().map(Code::folded))
            .with_optional(kind.map(Into::into))
            .with_optional(item.as_ref().map(Code::folded));
        let page = self.requested_page::<RightPlace>(head, binding)?;
        let (entries, version) = read_page!(self, page, |snapshot, after| {
            let after = after.copied().unwrap_or(RightPlace::BEFORE_FIRST);
            snapshot.rights_after(listed, after, page.size + 1)
        });
        self.page(entries, &page, version, |(place, _)| *place)
    }

    /// Returns a page of the levels that a subject holds.
    pub(super) async fn list_effective_rights(
        &self,
        head: ListHead,
        subject: &SubjectRef,
        kind: Option<ItemKind>,
    ) -> Result<Listed<(ItemId, EffectiveRight)>, Failure> {
        let binding = Binding::to("GetEffectiveAccess")
            .with(subject.kind.into())
            .with(subject.code.folded())
            .with_optional(kind.map(Into::into));
        let mut page = self.requested_page::<RightPlace>(head, binding)?;
        let (found, version) = read_page!(self, page, |snapshot, after| {
            let after = after.map_or(RightPlace::BEFORE_FIRST.item, |place| place.item);
            listing::effective_rights(&snapshot, subject, kind, after, page.size)
        });
        page.size = found.size;
        self.page(found.rights, &page, version, |(item, _)| RightPlace {
            item: *item,
            ..RightPlace::BEFORE_FIRST
        })
    }

    /// Returns a page of tenants.
    pub(super) async fn list_tenants_page(
        &self,
        page_size: i32,
        page_token: &str,
    ) -> Result<Listed<TenantRow>, Failure> {
        let size = parse_listing::page_size(page_size)?;
        let binding = Binding::to("ListTenants");
        let after = self.tokens.open("page_token", page_token, &binding)?;
        let key = Place::folded_code(after.as_ref().map(TokenPlace::unchecked));
        let among = self.calling.tenants();
        let read = self.store.tenants_after(key, size + 1, among.as_deref());
        let entries = self.cache.confirmed(read.await?).await?;
        let page = RequestedPage {
            tenant: self.default_tenant.clone(),
            codes: Vec::new(),
            size,
            after,
            binding,
        };
        // A revision belongs to one tenant, and this list spans tenants.
        self.page(entries, &page, (TenantId(0), Revision(0)), |tenant| {
            Place::Entity(tenant.code.folded().to_owned())
        })
    }
}

/// The first byte of an encoded position states its kind.
const RIGHT: u8 = 4;

impl InToken for RightPlace {
    fn write(&self) -> Vec<u8> {
        let mut bytes = vec![RIGHT];
        bytes.extend(self.item.0.to_le_bytes());
        bytes.extend(self.group.0.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (item, group) = bytes.strip_prefix(&[RIGHT])?.split_at_checked(4)?;
        Some(Self {
            item: ItemId(i32::from_le_bytes(item.try_into().ok()?)),
            group: GroupId(i32::from_le_bytes(group.try_into().ok()?)),
        })
    }
}

/// Parses which access rights a request lists.
pub(super) fn rights_listed(
    group: &str,
    item: Option<pb::Item>,
) -> Result<RightsListed, InvalidField> {
    let group = parse::optional_code("group", group)?;
    let Some(pb::Item { r#type, id }) = item else {
        return Ok(RightsListed {
            group,
            ..RightsListed::default()
        });
    };
    Ok(RightsListed {
        group,
        kind: Some(parse::word("item.type", &r#type)?),
        item: parse::optional_code("item.id", &id)?,
    })
}
