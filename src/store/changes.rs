use tokio_postgres::{Row, types::ToSql};

use crate::domain::{Code, Revision, SubjectRef};

use super::{Snapshot, StoreError, product_lists::count, tenants, writes::stored};

/// One row of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct ChangeRow {
    pub place: ChangePlace,
    pub last: bool,
    /// Microseconds since 1970.
    pub time: i64,
    pub actor: String,
    pub caller: String,
    pub request_id: String,
    pub kind: String,
    /// Type and code.
    pub item: Option<(String, String)>,
    /// Type and code.
    pub subject: Option<(String, String)>,
    pub before: String,
    pub after: String,
    /// Hash of the write, on its last row; empty on others.
    pub hash: Vec<u8>,
}

/// Position of a row in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePlace {
    /// Revision created by the row's write.
    pub revision: Revision,
    /// Position within the write, from 1.
    pub part: u32,
}

impl ChangePlace {
    /// Returns the position after all rows of a write.
    #[must_use]
    pub fn after_all_of(revision: Revision) -> Self {
        Self {
            revision,
            part: u32::MAX,
        }
    }
}

/// Filter of the rows to list; an unset field matches all rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Rows of this actor, compared as written.
    pub actor: Option<String>,
    /// Rows about this subject.
    pub subject: Option<SubjectRef>,
    /// Rows about items of this type.
    pub item_type: Option<&'static str>,
    /// Rows about items with this code.
    pub item_code: Option<Code>,
    /// Earliest time, inclusive, in microseconds since 1970.
    pub since: Option<i64>,
    /// Latest time, exclusive, in microseconds since 1970.
    pub until: Option<i64>,
}

impl Snapshot<'_> {
    /// Reads the next rows of the audit log after a position.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn changes_after(
        &self,
        listed: &ChangeFilter,
        after: ChangePlace,
        limit: usize,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        const NAME: &str = "list_changes";
        const COLUMNS: &str = "revision, part, last, (extract(epoch FROM time) * 1000000)::bigint AS time, actor, caller, request_id,
                   kind, item_type, item_code, subject_type, subject_code, coalesce(before, '') AS before,
                   coalesce(after, '') AS after, coalesce(hash, ''::bytea) AS hash";
        let ChangeFilter {
            actor,
            subject,
            item_type,
            item_code,
            since,
            until,
        } = listed;
        let subject_type: Option<&str> = subject.as_ref().map(|subject| subject.kind.into());
        let subject_key = subject.as_ref().map(|subject| subject.code.folded());
        let item_key = item_code.as_ref().map(Code::folded);
        let part = i32::try_from(after.part).unwrap_or(i32::MAX);
        let (tenant, revision, limit) = (self.tenant().id.0, stored(after.revision), count(limit));
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&tenant, &revision, &part, &limit];
        // The statement contains only the filters that are set, so that each can use
        // an index.
        let mut filtered: Vec<String> = Vec::new();
        let filters: [(&str, Option<&(dyn ToSql + Sync)>); 7] = [
            ("actor = ", parameter(actor.as_ref())),
            ("subject_type = ", parameter(subject_type.as_ref())),
            ("subject_key = ", parameter(subject_key.as_ref())),
            ("item_type = ", parameter(item_type.as_ref())),
            ("item_key = ", parameter(item_key.as_ref())),
            (
                "time >= timestamptz 'epoch' + interval '1 microsecond' * ",
                parameter(since.as_ref()),
            ),
            (
                "time < timestamptz 'epoch' + interval '1 microsecond' * ",
                parameter(until.as_ref()),
            ),
        ];
        for (filter, value) in filters {
            if let Some(value) = value {
                parameters.push(value);
                let number = parameters.len();
                let cast = if filter.starts_with("time") {
                    "::bigint"
                } else {
                    ""
                };
                filtered.push(format!(" AND {filter}${number}{cast}"));
            }
        }
        let filters = filtered.concat();
        let sql = format!(
            "-- {NAME}
            SELECT {COLUMNS}
              FROM audit
             WHERE tenant_id = $1 AND (revision, part) > ($2, $3){filters}
             ORDER BY revision, part
             LIMIT $4"
        );
        let rows = self.query(NAME, &sql, &parameters).await?;
        Ok(rows.iter().map(change).collect())
    }
}

/// Converts a filter's value to a statement parameter.
fn parameter<T: ToSql + Sync>(value: Option<&T>) -> Option<&(dyn ToSql + Sync)> {
    value.map(|value| value as &(dyn ToSql + Sync))
}

fn change(row: &Row) -> ChangeRow {
    let pair = |kind: &str, code: &str| -> Option<(String, String)> {
        let kind: Option<String> = row.get(kind);
        let code: Option<String> = row.get(code);
        Some((kind?, code.unwrap_or_default()))
    };
    ChangeRow {
        place: ChangePlace {
            revision: tenants::revision(row.get("revision")),
            part: row.get::<_, i32>("part").unsigned_abs(),
        },
        last: row.get("last"),
        time: row.get("time"),
        actor: row.get("actor"),
        caller: row.get("caller"),
        request_id: row.get("request_id"),
        kind: row.get("kind"),
        item: pair("item_type", "item_code"),
        subject: pair("subject_type", "subject_code"),
        before: row.get("before"),
        after: row.get("after"),
        hash: row.get("hash"),
    }
}
