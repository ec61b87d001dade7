use super::{StoreError, Transaction};

/// Category list of a staged row, as written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedList {
    /// True if the row is of a model.
    pub model: bool,
    /// Line number in the file.
    pub line: u64,
    /// Numbers of the listed codes, in the order of the list.
    pub listed: Vec<i32>,
}

/// Interpretation of a staged row's category list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolvedList {
    /// Numbers of the categories.
    Categories(Vec<i32>),
    /// The list has two interpretations; the message names both.
    Ambiguous(String),
}

impl Transaction<'_> {
    /// Lists up to `limit` staged rows after the position `after` (model flag, line)
    /// whose category list contains any of the numbers in `any`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
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
        self.parsed(SQL, &[&any, &after.0, &line, &limit], |row| {
            Ok(StagedList {
                model: row.get("model")?,
                line: row.count("line")?,
                listed: row.get("listed")?,
            })
        })
        .await
    }

    /// Stores the interpretations of staged rows' lists. Rejects rows whose list is
    /// ambiguous.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
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
        self.run(SQL, &[&models, &lines, &categories, &details])
            .await
    }
}

/// Formats the numbers as an array literal, sorted and without duplicates, as
/// categories are staged.
fn array(numbers: &[i32]) -> String {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", texts.join(","))
}
