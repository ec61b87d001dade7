use crate::domain::Code;

use super::{Snapshot, StoreError, statement::name_of};

/// Result of comparing a tenant's facts with its audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsReport {
    /// Number of entities, access rights, products and models compared: all that are
    /// stored or that should be stored according to the log.
    pub compared: u64,
    /// Number of them that differ from the log.
    pub different: u64,
    /// Descriptions of the first differences, at most [`FactsReport::DESCRIBED`] of
    /// each kind.
    pub differences: Vec<String>,
}

impl FactsReport {
    /// Maximum number of differences described for each of entities, access rights
    /// and products.
    pub const DESCRIBED: usize = 20;
}

/// Comparisons of a tenant's facts.
const TENANT_COMPARISONS: &[&str] = &[
    include_str!("audit_facts_entities.sql"),
    include_str!("audit_facts_rights.sql"),
    include_str!("audit_facts_products.sql"),
];

/// Comparison of callers, which belong to the installation.
const CALLER_COMPARISONS: &[&str] = &[include_str!("audit_facts_callers.sql")];

/// End of every comparison's SQL: selects the counts and the first differences.
const SUMMARY: &str = "
SELECT counted.compared, counted.different, first.name, first.logged::text AS logged, first.stored::text AS stored
  FROM (SELECT count(*) AS compared, count(*) FILTER (WHERE differs) AS different FROM compared) AS counted
  LEFT JOIN LATERAL (SELECT * FROM compared WHERE differs ORDER BY name LIMIT $2) AS first ON true";

impl Snapshot<'_> {
    /// Compares each fact of the tenant with the last audit row about it. A value
    /// that a row omits is taken from the row before; the group `All` exists from the
    /// beginning.
    ///
    /// The time at which and the user by whom an app was connected are not logged and
    /// not compared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn compare_facts_with_log(&self) -> Result<FactsReport, StoreError> {
        let mut report = FactsReport::default();
        let comparisons = if self.tenant().code == Code::of_installation() {
            CALLER_COMPARISONS
        } else {
            TENANT_COMPARISONS
        };
        for comparison in comparisons {
            self.compare(comparison, &mut report).await?;
        }
        Ok(report)
    }

    async fn compare(
        &self,
        comparison: &'static str,
        report: &mut FactsReport,
    ) -> Result<(), StoreError> {
        let sql = format!("{comparison}{SUMMARY}");
        let described = i64::try_from(FactsReport::DESCRIBED).unwrap_or(i64::MAX);
        let tenant = self.tenant().id.0;
        let rows = self
            .query(name_of(comparison), &sql, &[&tenant, &described])
            .await?;
        if let Some(row) = rows.first() {
            report.compared += row.get::<_, i64>("compared").unsigned_abs();
            report.different += row.get::<_, i64>("different").unsigned_abs();
        }
        for row in &rows {
            let Some(fact) = row.get::<_, Option<&str>>("name") else {
                continue;
            };
            let word = |column| row.get::<_, Option<&str>>(column).unwrap_or("nothing");
            let (logged, stored) = (word("logged"), word("stored"));
            report
                .differences
                .push(format!("{fact}: stored is {stored}, in the log {logged}"));
        }
        Ok(())
    }
}
