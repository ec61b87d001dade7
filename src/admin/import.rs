//! An import as a change: compared in the rehearsal, applied in the commit.

mod access_rows;
mod joined_names;
mod kept;
mod lists;
mod names;
mod product_lists;
mod products;
mod prune;
pub(super) mod rows;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Value, json};

use crate::{
    domain::{Edition, FactKey, GroupId, Label, Revision, UserGroup},
    store::{ProductCounts, StoredEntities, WantedEntities},
};

use super::{
    audit,
    change::{AuditEntry, Change, Pass, RunResult, Size},
    change_set::ChangeSet,
    effect_counter,
    entry::ImportFile,
    error::AdminError,
    fault::Fault,
    impact::{self, Editions, Staged},
    interned_names::Names,
    invalidated_keys,
    outcome::{Effect, ImportOptions, ImportOutcome, ImportPhase, KeptItem, Prune},
    refusals::Report,
    staging::Staging,
    work::run_blocking,
    write_coordinator::slot::WriteSlot,
};
use rows::{AccessRow, Input, plan};

/// A callback for the progress of the import: its phase, the completed file if
/// any, and the rows of that file.
type Progress = Box<dyn Fn(ImportPhase, Option<ImportFile>, u64) + Send + Sync>;

/// An import as a change.
pub(super) struct Import {
    input: Input,
    categories: Names,
    has_products: bool,
    files: Vec<ImportFile>,
    staged_report: Report,
    options: ImportOptions,
    progress: Progress,
    compared: Option<Compared>,
}

/// The result of the comparison.
struct Compared {
    change_set: ChangeSet,
    report: Report,
    effect: Effect,
    products: [ProductCounts; 2],
    keys: Vec<FactKey>,
    kept: Vec<KeptItem>,
    refused: bool,
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Import {
    pub(super) fn new(
        staging: Staging,
        options: ImportOptions,
        progress: Progress,
    ) -> (WriteSlot, Self) {
        let Staging {
            slot,
            tenant: _,
            mut rows,
            mut access,
            groups,
            categories,
            products,
            unread: _,
            key_columns,
            report,
            files,
        } = staging;
        rows.sort_by_key(|row| row.place);
        access.sort_by_key(AccessRow::place);
        let import = Self {
            input: Input {
                rows,
                access,
                group_names: groups,
                key_columns,
            },
            categories,
            has_products: products > 0,
            files,
            staged_report: report,
            options,
            progress,
            compared: None,
        };
        (slot, import)
    }

    /// Compares the whole import with what is stored, and computes its effect.
    async fn compare(&self, pass: &Pass<'_>) -> Result<Compared, AdminError> {
        (self.progress)(ImportPhase::Comparing, None, 0);
        let stored = match pass.tenant.id {
            Some(id) => {
                pass.transaction
                    .load_entities(id, &WantedEntities::everything())
                    .await?
            }
            None => entities_of_new_tenant(),
        };
        let (change_set, mut report, planned) = run_blocking(|| self.plan(pass, stored));
        self.report_progress(&mut report, |file| !is_of_products(file));
        let products = self
            .compare_products(pass, &change_set, &mut report)
            .await?;
        self.report_progress(&mut report, is_of_products);
        let refused = !report.is_acceptable(self.options.skip_bad_rows);
        let rights_unchanged = match planned {
            Ok(rights_unchanged) => rights_unchanged,
            // The rejected rows are the more useful answer.
            Err(_) if refused => 0,
            Err(error) => return Err(error),
        };
        let is_new = pass.tenant.revision == Revision(0);
        let mut effect = effect_counter::effect_of(&change_set, &products, is_new);
        effect.unchanged = rights_unchanged + report.unchanged_entities();
        if !pass.context.dry_run {
            effect.sample.clear();
        } else if !refused {
            let editions = Editions::same(pass.tenant.edition);
            let staged = Staged::Products;
            impact::complete(&mut effect, pass, &change_set, editions, staged).await?;
        }
        let kept = match report.refused_rows() {
            0 => Vec::new(),
            _ if refused => Vec::new(),
            _ => self.kept(pass, &change_set, &report).await?,
        };
        Ok(Compared {
            kept,
            keys: invalidated_keys::keys(pass, &change_set, &products).await?,
            change_set,
            report,
            effect: if refused { Effect::default() } else { effect },
            products,
            refused,
        })
    }

    /// Applies the rows to the stored entities in memory.
    ///
    /// A kind whose file has a rejected row is not pruned: where a row is
    /// rejected only now, everything is repeated without pruning its kind.
    fn plan(
        &self,
        pass: &Pass<'_>,
        mut stored: StoredEntities,
    ) -> (ChangeSet, Report, Result<u64, AdminError>) {
        let pruning = (self.options.prune, self.files.as_slice());
        let may_repeat = self.options.prune != Prune::Nothing && self.options.skip_bad_rows;
        let mut spared = self.staged_report.refused_files();
        loop {
            let again = may_repeat.then(|| stored.clone());
            let mut change_set = ChangeSet::new(pass.tenant.edition, pass.tenant.last_id, stored);
            let mut report = self.staged_report.clone();
            report.spare(spared.clone());
            let actor = &pass.context.actor;
            let planned = plan(&mut change_set, &mut report, &self.input, pruning, actor);
            let refused = report.refused_files();
            match again {
                Some(again) if !report.is_refused_whole() && !refused.is_subset(&spared) => {
                    spared.extend(refused);
                    stored = again;
                }
                Some(_) | None => return (change_set, report, planned),
            }
        }
    }

    fn report_progress(&self, report: &mut Report, which: impl Fn(ImportFile) -> bool) {
        for file in self.files.iter().copied().filter(|file| which(*file)) {
            let rows = report.known(file).rows;
            (self.progress)(ImportPhase::Comparing, Some(file), rows);
        }
    }
}

impl Change for Import {
    type Answer = ImportOutcome;

    fn size(&self) -> Size {
        Size::Bulk
    }

    fn new_tenant_edition(&self) -> Option<Edition> {
        self.options.edition
    }

    async fn run(&mut self, pass: &mut Pass<'_>) -> Result<RunResult, AdminError> {
        if let Some(requested) = self.options.edition
            && requested != pass.tenant.edition
        {
            return Err(AdminError::EditionMismatch {
                tenant: pass.tenant.code.clone(),
                stored: pass.tenant.edition,
                requested,
            });
        }
        if pass.tenant.revision == Revision(0) {
            Fault::check_new_code("header.tenant", &pass.tenant.code)?;
        }
        pass.transaction.join_in_bulk().await?;
        let compared = match pass.reuse(self.compared.take()) {
            Some(compared) => compared,
            None => self.compare(pass).await?,
        };
        let ran = RunResult {
            effect: compared.effect.clone(),
            keys: compared.keys.clone(),
            refused: compared.refused,
            ..RunResult::default()
        };
        if pass.may_write() && !ran.refused && !ran.effect.is_empty() {
            (self.progress)(ImportPhase::Applying, None, 0);
            apply(pass, &compared).await?;
        }
        self.compared = Some(compared);
        Ok(ran)
    }

    fn answer(&self, revision: Revision) -> ImportOutcome {
        let Some(compared) = &self.compared else {
            let (files, refused) = self.staged_report.clone().finish();
            return ImportOutcome {
                revision,
                effect: Effect::default(),
                files,
                refused,
                refused_count: self.staged_report.refused_rows(),
                kept: Vec::new(),
                applied: false,
            };
        };
        let (files, refused) = compared.report.clone().finish();
        ImportOutcome {
            revision,
            effect: compared.effect.clone(),
            files,
            refused,
            refused_count: compared.report.refused_rows(),
            kept: compared.kept.clone(),
            applied: !compared.refused,
        }
    }

    fn encode(&self, answer: &ImportOutcome) -> Vec<u8> {
        (self.options.encode_answer)(answer)
    }
}

/// Writes the differences, and an audit row for each change.
async fn apply(pass: &mut Pass<'_>, compared: &Compared) -> Result<(), AdminError> {
    let change_set = &compared.change_set;
    change_set.write(pass).await?;
    let created: u64 = compared.products.iter().map(|counts| counts.created).sum();
    let different: u64 = compared.products.iter().map(|counts| counts.changed).sum();
    if created + different > 0 {
        pass.apply_products().await?;
    }
    if compared.products.iter().any(|counts| counts.removed > 0) {
        pass.delete_products().await?;
    }
    pass.tenant.last_product_id += i32::try_from(created).unwrap_or(i32::MAX);
    audit(pass, change_set, &compared.report).await
}

/// Writes an audit entry for each change except those of products, and one that
/// ends the import.
async fn audit(
    pass: &mut Pass<'_>,
    change_set: &ChangeSet,
    report: &Report,
) -> Result<(), AdminError> {
    let code = pass.tenant.code.clone();
    if pass.tenant.revision.0 == 0 {
        let edition = pass.tenant.edition;
        let describe = |edition: &Edition| json!({ "edition": <&str>::from(edition) });
        let made = audit::entry("tenant", Some(&code), None, Some(&edition), describe);
        pass.audit(made).await?;
    }
    audit::write(pass, change_set).await?;
    pass.audit(AuditEntry {
        kind: "import.applied".to_owned(),
        item: Some(("tenant", code.to_string())),
        subject: None,
        before: None,
        after: Some(summary(report).to_string()),
    })
    .await
}

/// Returns the counts of each file; the audit log does not contain the rejected
/// rows.
fn summary(report: &Report) -> Value {
    let files = report.clone().finish().0.into_iter().map(|file| {
        let counts = json!({
            "rows": file.rows,
            "created": file.created,
            "changed": file.changed,
            "unchanged": file.unchanged,
            "refused": file.refused,
        });
        (file.file, counts)
    });
    Value::Object(files.collect())
}

fn is_of_products(file: ImportFile) -> bool {
    matches!(file, ImportFile::ProductModels | ImportFile::Products)
}

/// Returns the entities of a new tenant: the group `All` (rules 1.4).
fn entities_of_new_tenant() -> StoredEntities {
    let mut entities = StoredEntities::default();
    if let Ok(code) = "All".parse() {
        let label = Label::default();
        entities.groups.insert(
            GroupId::ALL,
            UserGroup {
                code,
                label,
                private: false,
            },
        );
    }
    entities
}
