use crate::domain::Code;

use super::{Snapshot, StoreError};

/// What comparing a tenant's facts with its audit log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsReport {
    /// How many entities, access rights, products and models were compared:
    /// those that are stored, and those that should be according to the log.
    pub compared: u64,
    /// How many of them are not what the log says.
    pub different: u64,
    /// A sentence for each of the first of them, at most
    /// [`FactsReport::DESCRIBED`] of each kind.
    pub differences: Vec<String>,
}

impl FactsReport {
    /// How many differences of entities, of access rights and of products are
    /// described.
    pub const DESCRIBED: usize = 20;
}

/// The comparisons of what a tenant holds: their names and their statements.
const OF_A_TENANT: &[(&str, &str)] = &[
    (
        "compare_entities_with_log",
        include_str!("audit_facts_entities.sql"),
    ),
    (
        "compare_rights_with_log",
        include_str!("audit_facts_rights.sql"),
    ),
    (
        "compare_products_with_log",
        include_str!("audit_facts_products.sql"),
    ),
];

/// The comparison of callers, which belong to the installation.
const OF_CALLERS: &[(&str, &str)] = &[(
    "compare_callers_with_log",
    include_str!("audit_facts_callers.sql"),
)];

/// What every comparison ends with: its counts, and the first differences.
const FOUND: &str = "
SELECT counted.compared, counted.different, first.name, first.logged::text AS logged, first.stored::text AS stored
  FROM (SELECT count(*) AS compared, count(*) FILTER (WHERE differs) AS different FROM compared) AS counted
  LEFT JOIN LATERAL (SELECT * FROM compared WHERE differs ORDER BY name LIMIT $2) AS first ON true";

impl Snapshot<'_> {
    /// Compares each fact of the tenant with the last row of the audit log about
    /// it. What a row leaves out is as the row before it has it, and `All` is
    /// there from the beginning.
    ///
    /// When and by whom an app was connected is not in the log, and not
    /// compared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn compare_facts_with_log(&self) -> Result<FactsReport, StoreError> {
        let mut report = FactsReport::default();
        let comparisons = if self.tenant().code == Code::of_installation() {
            OF_CALLERS
        } else {
            OF_A_TENANT
        };
        for (name, comparison) in comparisons {
            self.compare(name, comparison, &mut report).await?;
        }
        Ok(report)
    }

    async fn compare(
        &self,
        name: &'static str,
        comparison: &str,
        report: &mut FactsReport,
    ) -> Result<(), StoreError> {
        let sql = format!("{comparison}{FOUND}");
        let described = i64::try_from(FactsReport::DESCRIBED).unwrap_or(i64::MAX);
        let tenant = self.tenant().id.0;
        let rows = self.query(name, &sql, &[&tenant, &described]).await?;
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
