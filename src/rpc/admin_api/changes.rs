use crate::{
    domain::{Code, EntityKind, ItemKind, ProductKind, Revision},
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        page_token::{Binding, InToken},
        parse::{self, quoted},
        parse_import,
    },
    store::{Bounds, ChainReport, ChangeFilter, ChangePlace, ChangeRow, FactsReport, read_tenant},
};

use super::{
    AdminApi, Answer, LogOf,
    entity_messages::timestamp,
    lists::{ListHead, Listed, read_page},
};

impl Answer<pb::ListChangesRequest> for AdminApi {
    type Message = pb::ListChangesResponse;

    async fn answer(&self, request: pb::ListChangesRequest) -> Result<Self::Message, Failure> {
        let pb::ListChangesRequest {
            tenant,
            page_size,
            page_token,
            actor,
            subject,
            item,
            since,
            until,
            after_revision,
            after_part,
            callers,
        } = request;
        let actor = changed_by(actor)?;
        let (item_type, item_code) = changed_item(item)?;
        let listed = ChangeFilter {
            actor: Some(actor).filter(|actor| !actor.is_empty()),
            subject: subject.map(parse::subject).transpose()?,
            item_type,
            item_code,
            since: since.map(|time| microseconds("since", time)).transpose()?,
            until: until.map(|time| microseconds("until", time)).transpose()?,
        };
        let head = ListHead {
            tenant,
            page_size,
            page_token,
            codes: Vec::new(),
            log: LogOf::requested(callers),
        };
        let begin = place(after_revision, after_part);
        let listed = self.list_changes_page(head, &listed, begin).await?;
        Ok(pb::ListChangesResponse {
            changes: listed.entries.into_iter().map(change).collect(),
            next_page_token: listed.next_page_token,
            revision: listed.revision,
        })
    }
}

impl AdminApi {
    /// Returns a page of the audit log that starts after `begin`.
    async fn list_changes_page(
        &self,
        head: ListHead,
        listed: &ChangeFilter,
        begin: ChangePlace,
    ) -> Result<Listed<ChangeRow>, Failure> {
        let page = self.requested_page::<ChangePlace>(head, binding(listed, begin))?;
        let (entries, version) = read_page!(self, page, |snapshot, after| {
            let after = after.copied().unwrap_or(begin);
            snapshot.changes_after(listed, after, page.size + 1)
        });
        self.page(entries, &page, version, |entry| entry.place)
    }
}

/// Returns the fields that a page token of changes is bound to.
fn binding(listed: &ChangeFilter, begin: ChangePlace) -> Binding {
    let ChangeFilter {
        actor,
        subject,
        item_type,
        item_code,
        since,
        until,
    } = listed;
    let number = |number: &Option<i64>| number.map(|number| number.to_string());
    Binding::to("ListChanges")
        .with_optional(actor.as_deref())
        .with_optional(subject.as_ref().map(|subject| subject.kind.into()))
        .with_optional(subject.as_ref().map(|subject| subject.code.folded()))
        .with_optional(*item_type)
        .with_optional(item_code.as_ref().map(Code::folded))
        .with_optional(number(since).as_deref())
        .with_optional(number(until).as_deref())
        .with(&begin.revision.to_string())
        .with(&begin.part.to_string())
}

/// Returns the log position that a caller names: after a whole write, or after a
/// part of it.
pub(super) fn place(after_revision: u64, after_part: u32) -> ChangePlace {
    let revision = Revision(after_revision);
    if after_part == 0 {
        return ChangePlace::after_all_of(revision);
    }
    ChangePlace {
        revision,
        part: after_part,
    }
}

/// Parses the actor of the listed changes: a subject, or a caller whose request
/// named no actor.
fn changed_by(actor: String) -> Result<String, InvalidField> {
    let caller = actor.strip_prefix("caller:");
    if caller.is_some_and(|name| name.parse::<Code>().is_ok()) {
        return Ok(actor);
    }
    parse_import::actor(actor)
}

/// Parses the item of a change; its types are those of the audit log.
fn changed_item(
    item: Option<pb::Item>,
) -> Result<(Option<&'static str>, Option<Code>), InvalidField> {
    use strum::IntoEnumIterator as _;
    let Some(pb::Item { r#type, id }) = item else {
        return Ok((None, None));
    };
    let entities = [
        EntityKind::from(ProductKind::Product),
        EntityKind::from(ProductKind::Model),
        EntityKind::Attribute,
        EntityKind::GridView,
        EntityKind::UserGroup,
        EntityKind::Role,
        EntityKind::Tenant,
        EntityKind::Caller,
        EntityKind::CallerKey,
    ];
    let types = ItemKind::iter().map(EntityKind::from).chain(entities);
    let types: Vec<&'static str> = types.map(Into::into).collect();
    let Some(kind) = types.iter().find(|kind| **kind == r#type) else {
        let message = format!(
            "`{}` is unknown; allowed are: {}",
            quoted(&r#type),
            types.join(", ")
        );
        return Err(InvalidField::new("item.type", message));
    };
    Ok((Some(*kind), parse::optional_code("item.id", &id)?))
}

fn microseconds(field: &str, time: prost_types::Timestamp) -> Result<i64, InvalidField> {
    let prost_types::Timestamp { seconds, nanos } = time;
    let valid = (0..1_000_000_000).contains(&nanos);
    let seconds = seconds.checked_mul(1_000_000).filter(|_| valid);
    let whole = seconds.and_then(|micros| micros.checked_add(i64::from(nanos / 1_000)));
    // PostgreSQL's timestamps end in the year 294276.
    whole
        .filter(|micros| (-62_135_596_800_000_000..9_000_000_000_000_000_000).contains(micros))
        .ok_or_else(|| InvalidField::new(field, "is no time between the years 1 and 9999"))
}

/// Renders a row of the audit log.
pub(super) fn change(row: ChangeRow) -> pb::Change {
    let ChangeRow {
        place,
        last,
        time,
        actor,
        caller,
        request_id,
        kind,
        item,
        subject,
        before,
        after,
        hash,
    } = row;
    pb::Change {
        revision: place.revision.0,
        part: place.part,
        last,
        time: Some(timestamp(time)),
        actor,
        request_id,
        kind,
        item: item.map(|(r#type, id)| pb::Item { r#type, id }),
        subject: subject.map(|(r#type, id)| pb::Subject { r#type, id }),
        before,
        after,
        hash,
        caller,
    }
}

impl Answer<pb::VerifyAuditRequest> for AdminApi {
    type Message = pb::VerifyAuditResponse;

    async fn answer(&self, request: pb::VerifyAuditRequest) -> Result<Self::Message, Failure> {
        let code = self.tenant_or_callers(&request.tenant, LogOf::requested(request.callers))?;
        let bounds = if request.facts {
            Bounds::BULK
        } else {
            Bounds::READ_WHOLE
        };
        let verified = read_tenant!(self.whole, &code, bounds, |snapshot| {
            let report = snapshot.verify_chain().await?;
            let facts = if request.facts {
                snapshot.compare_facts_with_log().await?
            } else {
                FactsReport::default()
            };
            Ok::<_, Failure>((report, facts, snapshot.tenant().revision))
        })?;
        let (report, facts, revision) = self.confirmed(&code, verified).await?;
        let ChainReport {
            rows,
            erased,
            broken,
        } = report;
        let intact = broken.is_none() && facts.different == 0;
        let (broken_revision, problem) = broken
            .map(|(revision, problem)| (revision.0, problem))
            .unwrap_or_default();
        Ok(pb::VerifyAuditResponse {
            intact,
            revision: revision.0,
            rows,
            erased_rows: erased,
            broken_revision,
            problem,
            compared_facts: facts.compared,
            different_facts: facts.different,
            differences: facts.differences,
        })
    }
}

/// The first byte of an encoded position states its kind.
const CHANGE: u8 = 5;

impl InToken for ChangePlace {
    fn write(&self) -> Vec<u8> {
        let mut bytes = vec![CHANGE];
        bytes.extend(self.revision.0.to_le_bytes());
        bytes.extend(self.part.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let numbers = bytes.strip_prefix(&[CHANGE])?;
        let (revision, part) = numbers.split_at_checked(8)?;
        Some(Self {
            revision: Revision(u64::from_le_bytes(revision.try_into().ok()?)),
            part: u32::from_le_bytes(part.try_into().ok()?),
        })
    }
}
