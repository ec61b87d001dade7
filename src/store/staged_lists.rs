use super::{StoreError, Transaction};

/// The categories of a staged row as they are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedList {
    /// Whether the row is of a model.
    pub model: bool,
    /// The line of its file.
    pub line: u64,
    /// The numbers of the categories, in the order of the list.
    pub listed: Vec<i32>,
}

/// What the list of a staged row means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolvedList {
    /// These categories, by number.
    Categories(Vec<i32>),
    /// It can be read in two ways; the message names both.
    Ambiguous(String),
}

impl Transaction<'_> {
    /// Lists the next staged rows after `after` (whether it is of a model, its
    /// line) whose list of categories holds one of the numbers of `any`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn list_staged_lists(
        &self,
        any: &[i32],
        after: (bool, u64),
        limit: i64,
    ) -> Result<Vec<StagedList>, StoreError> {
        const SQL: &str = "-- list_staged_lists
            SELECT model, line, listed
              FROM staged_product
             WHERE listed && $1 AND (model, line) > ($2, $3)
             ORDER BY model, line
             LIMIT $4";
        let line = i64::try_from(after.1).unwrap_or(i64::MAX);
        let rows = self
            .query("list_staged_lists", SQL, &[&any, &after.0, &line, &limit])
            .await?;
        let lists = rows.iter().map(|row| StagedList {
            model: row.get("model"),
            line: row.get::<_, i64>("line").unsigned_abs(),
            listed: row.get("listed"),
        });
        Ok(lists.collect())
    }

    /// Notes what the lists of staged rows mean; a row whose list can be read
    /// in two ways is refused.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn resolve_lists(
        &self,
        resolved: &[(StagedList, ResolvedList)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "-- resolve_lists
            UPDATE staged_product AS s
               SET resolved = meant.categories::integer[],
                   state = CASE WHEN meant.detail IS NULL THEN 0 ELSE 1 END,
                   issue = CASE WHEN meant.detail IS NULL THEN s.issue ELSE 'ambiguous' END,
                   detail = meant.detail
              FROM unnest($1::boolean[], $2::bigint[], $3::text[], $4::text[])
                AS meant (model, line, categories, detail)
             WHERE s.model = meant.model AND s.line = meant.line";
        let models: Vec<bool> = resolved.iter().map(|(list, _)| list.model).collect();
        let lines = resolved
            .iter()
            .map(|(list, _)| i64::try_from(list.line).unwrap_or(i64::MAX));
        let lines: Vec<i64> = lines.collect();
        let mut categories: Vec<Option<String>> = Vec::with_capacity(resolved.len());
        let mut details: Vec<Option<&str>> = Vec::with_capacity(resolved.len());
        for (_, meant) in resolved {
            match meant {
                ResolvedList::Categories(numbers) => {
                    categories.push(Some(array(numbers)));
                    details.push(None);
                }
                ResolvedList::Ambiguous(detail) => {
                    categories.push(None);
                    details.push(Some(detail));
                }
            }
        }
        self.execute(
            "resolve_lists",
            SQL,
            &[&models, &lines, &categories, &details],
        )
        .await
        .map(|_| ())
    }
}

/// The numbers as an array literal, sorted and each once, as categories are
/// staged.
fn array(numbers: &[i32]) -> String {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", texts.join(","))
}
