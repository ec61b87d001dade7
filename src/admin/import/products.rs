use crate::{
    admin::{
        change::Pass,
        change_set::ChangeSet,
        entry::{ImportFile, Refusal},
        error::AdminError,
        fault::Refused,
        outcome::{ImportReport, Prune},
        refusals::Report,
    },
    domain::{Code, EntityKind, ItemId, ItemKind},
    store::{ProductCounts, ProductIssue, StagedRefusal},
};

use super::{Import, product_lists, prune, rows};

/// The files of models and of products; true for models.
const FILES: [(ImportFile, bool); 2] = [
    (ImportFile::ProductModels, true),
    (ImportFile::Products, false),
];

impl Import {
    /// Compares products and models; returns the counts of models first.
    pub(super) async fn compare_products(
        &self,
        pass: &Pass<'_>,
        change_set: &ChangeSet,
        report: &mut Report,
    ) -> Result<[ProductCounts; 2], AdminError> {
        let mut counts = [ProductCounts::default(); 2];
        if self.has_products {
            self.compare_staged(pass, change_set, report, &mut counts)
                .await?;
        }
        if self.options.prune != Prune::Nothing {
            self.prune_products(pass, change_set, report, &mut counts)
                .await?;
        }
        Ok(counts)
    }

    async fn compare_staged(
        &self,
        pass: &Pass<'_>,
        change_set: &ChangeSet,
        report: &mut Report,
        counts: &mut [ProductCounts; 2],
    ) -> Result<(), AdminError> {
        let transaction = pass.transaction;
        transaction.begin_comparison().await?;
        let mut names = self.categories.clone();
        product_lists::resolve(transaction, change_set, &mut names).await?;
        let category = |code| change_set.find_item(ItemKind::Category, code);
        let categories: Vec<Option<ItemId>> = names.codes().iter().map(category).collect();
        let (tenant, last) = (pass.tenant.number(), pass.tenant.last_product_id);
        transaction
            .compare_products(tenant, last, &categories)
            .await?;
        for ((file, model), counted) in FILES.into_iter().zip(counts) {
            *counted = transaction.count_compared(model).await?;
            let limit = i64::try_from(ImportReport::REFUSALS).unwrap_or(i64::MAX);
            let refused = transaction.list_refused(model, limit).await?;
            let listed = u64::try_from(refused.len()).unwrap_or(u64::MAX);
            for refusal in refused {
                report.refuse(self.refusal(file, &refusal));
            }
            report.refuse_unlisted(file, counted.refused.saturating_sub(listed));
            if counted.created + counted.changed + counted.unchanged > 0 {
                let entry = report.known(file);
                entry.created += counted.created;
                entry.changed += counted.changed;
                entry.unchanged += counted.unchanged;
            }
        }
        Ok(())
    }

    /// Nominates the products and models that their files do not list for
    /// deletion, and those in deleted categories to be removed from these.
    async fn prune_products(
        &self,
        pass: &Pass<'_>,
        change_set: &ChangeSet,
        report: &mut Report,
        counts: &mut [ProductCounts; 2],
    ) -> Result<(), AdminError> {
        let (transaction, tenant) = (pass.transaction, pass.tenant.number());
        transaction.clear_removals().await?;
        for ((file, model), counted) in FILES.into_iter().zip(&mut *counts) {
            if !self.files.contains(&file) || !report.may_prune(&[file]) {
                continue;
            }
            let (removed, of) = transaction.nominate_unstaged(tenant, model).await?;
            if self.options.prune == Prune::UpToAFifth && prune::is_too_much(removed, of) {
                let entity = if model { "product models" } else { "products" };
                report.refuse_whole(file, prune::too_much(entity, removed, of));
                continue;
            }
            counted.removed = removed;
            report.known(file).removed += removed;
        }
        if let Some(used) = transaction.find_model_left(tenant).await? {
            let message = format!(
                "product model `{}` is not named here, but {} that stay lie below it",
                used.code, used.children
            );
            report.refuse_whole(ImportFile::ProductModels, message);
        }
        let gone = change_set.items.changes().filter(|(_, before, after)| {
            after.is_none() && before.is_some_and(|item| item.kind() == ItemKind::Category)
        });
        let gone: Vec<ItemId> = gone.map(|(id, _, _)| id).collect();
        if !gone.is_empty() {
            transaction.nominate_leavers(tenant, &gone).await?;
            for ((_, model), counted) in FILES.into_iter().zip(counts) {
                counted.changed = transaction.count_compared(model).await?.changed;
            }
        }
        transaction.count_removals(tenant).await?;
        Ok(())
    }

    fn refusal(&self, file: ImportFile, staged: &StagedRefusal) -> Refusal {
        let key = self.input.key_columns.of(file);
        let code = &staged.code;
        let (column, message) = match staged.issue {
            ProductIssue::Repeated => (
                key,
                format!(
                    "`{code}` is on a line before with other content; a key is there once, or identical"
                ),
            ),
            ProductIssue::Ambiguous => ("categories", staged.detail.clone()),
            ProductIssue::CategoryUnknown => {
                let number = staged
                    .category
                    .and_then(|number| u32::try_from(number).ok());
                let name = number.and_then(|number| self.categories.code(number));
                let name = name.map_or("", Code::as_str);
                ("categories", unknown(EntityKind::Category, name))
            }
            ProductIssue::ParentUnknown => {
                ("parent", unknown(EntityKind::ProductModel, &staged.parent))
            }
            ProductIssue::ThirdLevel => (
                "parent",
                format!(
                    "`{code}` below `{}` would make a third level of models, or a loop; there are at most two",
                    staged.parent
                ),
            ),
        };
        Refusal {
            file: file.to_string(),
            line: staged.line,
            column: column.to_owned(),
            message,
            // The entities that rejected rows of products name are found by SQL.
            key: None,
        }
    }
}

fn unknown(entity: EntityKind, code: &str) -> String {
    let code = code.to_owned();
    rows::message(&Refused::NotFound { entity, code })
}
