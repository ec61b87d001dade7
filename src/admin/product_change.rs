use hashbrown::HashMap;
use serde_json::json;

use crate::{
    domain::{Code, EntityKind, ItemId, ItemKind, ProductKind, ProductPatch},
    store::{
        Planning, ProductCounts, ProductIssue, RowRead, StagedProduct, StagedRefusal,
        WantedEntities,
    },
};

use super::{
    change::{AuditEntry, BULK_ENTRIES, Change, ComparedWith, Pass, Size},
    change_set::ChangeSet,
    compared::Compared,
    entity_change::Entities,
    error::AdminError,
    fault::{Fault, Refused},
    impact::Staged,
    interned_names::Names,
    outcome::Effect,
    plan::Cascade,
    request::distinct_by,
};

/// A requested change of products and models.
#[derive(Clone, Debug)]
pub enum ProductRequest {
    /// Creates or changes them.
    Put(Vec<ProductPatch>),
    /// Deletes them; with [`Cascade::Delete`], also the descendants of models.
    Delete {
        /// Which of the two code spaces.
        kind: ProductKind,
        /// The codes.
        codes: Vec<Code>,
        /// Whether variants are deleted too.
        cascade: Cascade,
    },
}

async fn compare_put(
    pass: &Pass<'_>,
    entries: &[ProductPatch],
) -> Result<Compared<Entities, ()>, AdminError> {
    let mut names = Names::default();
    let staged: Vec<StagedProduct> = (1..)
        .zip(entries)
        .map(|(line, entry)| staged_product(line, entry.clone(), 0, &mut names))
        .collect();
    distinct_by(
        "products",
        &staged,
        |entry| (entry.model, &entry.code),
        |entry| (&entry.parent, &entry.categories),
    )?;
    let codes = names.codes().iter().cloned();
    let wanted = WantedEntities {
        items: codes.map(|code| (ItemKind::Category, code)).collect(),
        ..WantedEntities::default()
    };
    let change_set = ChangeSet::read(pass, &wanted).await?;
    let find = |code| change_set.find_item(ItemKind::Category, code);
    let categories: Vec<Option<ItemId>> = names.codes().iter().map(find).collect();
    let (tenant, last) = (pass.tenant.number(), pass.tenant.last_product_id);
    pass.transaction.stage_products(&staged).await?;
    pass.transaction.begin_comparison().await?;
    pass.transaction
        .compare_products(tenant, last, &categories)
        .await?;
    let transaction = pass.transaction;
    let (models, leaves, refused_models, refused_leaves) = tokio::try_join!(
        transaction.count_compared(true),
        transaction.count_compared(false),
        transaction.list_refused(true, 1),
        transaction.list_refused(false, 1),
    )?;
    let products = [models, leaves];
    let refused = refused_models.into_iter().chain(refused_leaves);
    let refused = refused.min_by_key(|refused| refused.line);
    if let Some(refused) = refused {
        return Err(fault(pass, &refused, &names, entries).await?.into());
    }
    check_new_codes(pass, entries).await?;
    let unchanged = products.iter().map(|counts| counts.unchanged).sum();
    let entities = Entities {
        change_set,
        products,
    };
    entities.compared(pass, Staged::Products, unchanged).await
}

/// Rejects the first new product whose code has white space at an end
/// (rules 1.5).
async fn check_new_codes(pass: &Pass<'_>, entries: &[ProductPatch]) -> Result<(), AdminError> {
    let blank = (1..)
        .zip(entries)
        .filter(|(_, entry)| entry.code.has_blank_end());
    let lines: Vec<i64> = blank.map(|(line, _)| line).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let new = pass.transaction.first_new_line(&lines).await?;
    let index = new.and_then(|line| usize::try_from(line.checked_sub(1)?).ok());
    if let Some((index, entry)) = index.and_then(|index| Some((index, entries.get(index)?))) {
        let checked = Fault::check_new_code("code", &entry.code);
        checked.map_err(|fault| fault.of_entry("products", index))?;
    }
    Ok(())
}

impl ProductRequest {
    fn entries(&self) -> u64 {
        let entries = match self {
            Self::Put(entries) => entries.len(),
            Self::Delete { codes, .. } => codes.len(),
        };
        u64::try_from(entries).unwrap_or(u64::MAX)
    }
}

/// Returns the product to stage, its categories replaced by their numbers in
/// `names`.
pub(super) fn staged_product(
    line: u64,
    product: ProductPatch,
    rest: i64,
    names: &mut Names,
) -> StagedProduct {
    let ProductPatch {
        kind,
        code,
        parent,
        categories,
    } = product;
    let listed = categories.map(|codes| names.numbers(codes));
    let categories = listed.clone().map(|mut numbers| {
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    });
    StagedProduct {
        line,
        model: kind == ProductKind::Model,
        code,
        parent,
        categories,
        read: RowRead::Whole,
        listed: listed.filter(|numbers| numbers.len() > 1),
        rest,
    }
}

/// Returns why a staged entry is rejected, with its index in the request.
async fn fault(
    pass: &Pass<'_>,
    refused: &StagedRefusal,
    names: &Names,
    entries: &[ProductPatch],
) -> Result<Fault, AdminError> {
    let index = usize::try_from(refused.line.saturating_sub(1)).unwrap_or_default();
    let StagedRefusal { code, parent, .. } = refused;
    let parent_invalid = |message| {
        let code = code.clone();
        Fault::new("parent", Refused::ParentInvalid { code, message })
    };
    let fault = match refused.issue {
        // Already rejected by `distinct_by`, with its index.
        ProductIssue::Repeated => Fault::invalid("", "is there before with other content"),
        // Lists in a request are not split and joined like those of files.
        ProductIssue::Ambiguous => Fault::invalid("categories", refused.detail.clone()),
        ProductIssue::CategoryUnknown => {
            let number = refused
                .category
                .and_then(|number| u32::try_from(number).ok());
            let code = number.and_then(|number| names.code(number));
            let code = code.map(Code::to_string).unwrap_or_default();
            Fault::unknown("categories", EntityKind::Category, &code)
        }
        ProductIssue::ParentUnknown if is_product(pass, parent, entries).await? => parent_invalid(
            format!("the parent `{parent}` of `{code}` is a product; a parent is a product model"),
        ),
        ProductIssue::ParentUnknown => Fault::unknown("parent", EntityKind::ProductModel, parent),
        ProductIssue::ThirdLevel => parent_invalid(format!(
            "`{code}` below `{parent}` would make a third level of models, or a loop; there are at most two"
        )),
    };
    Ok(fault.of_entry("products", index))
}

async fn is_product(
    pass: &Pass<'_>,
    code: &str,
    entries: &[ProductPatch],
) -> Result<bool, AdminError> {
    let key = Code::fold(code);
    let is_entry =
        |entry: &ProductPatch| entry.kind == ProductKind::Product && entry.code.folded() == key;
    if entries.iter().any(is_entry) {
        return Ok(true);
    }
    let tenant = pass.tenant.number();
    Ok(pass.transaction.has_product(tenant, &key).await?)
}

async fn compare_delete(
    pass: &Pass<'_>,
    kind: ProductKind,
    codes: &[Code],
    cascade: Cascade,
) -> Result<Compared<Entities, ()>, AdminError> {
    let tenant = pass.tenant.number();
    let keys: Vec<&str> = codes.iter().map(Code::folded).collect();
    let unknown = pass
        .transaction
        .nominate_removals(tenant, kind, &keys)
        .await?;
    if let Some((index, code)) = unknown.and_then(|index| Some((index, codes.get(index)?))) {
        return Err(Fault::unknown("", kind, code)
            .of_entry("codes", index)
            .into());
    }
    if cascade == Cascade::Delete {
        pass.transaction.nominate_variants(tenant).await?;
    } else if let Some(used) = pass.transaction.find_model_in_use(tenant).await? {
        let places: HashMap<&str, (usize, &Code)> = codes
            .iter()
            .enumerate()
            .map(|(i, code)| (code.folded(), (i, code)))
            .collect();
        let (index, code) = places
            .get(Code::fold(&used.code).as_str())
            .copied()
            .ok_or(AdminError::Conflict)?;
        let entity = EntityKind::ProductModel;
        let uses = match used.children {
            1 => "1 product or model below it".to_owned(),
            children => format!("{children} products and models below it"),
        };
        let code = code.clone();
        let fault = Fault::new("", Refused::InUse { entity, code, uses });
        return Err(fault.of_entry("codes", index).into());
    }
    let [models, leaves] = pass.transaction.count_removals(tenant).await?;
    let removed = |removed| ProductCounts {
        removed,
        ..ProductCounts::default()
    };
    let change_set = ChangeSet::read(pass, &WantedEntities::default()).await?;
    let entities = Entities {
        change_set,
        products: [removed(models), removed(leaves)],
    };
    entities.compared(pass, Staged::Products, 0).await
}

/// Returns the audit row that ends a write of products.
fn ended(tenant: &Code, effect: &Effect) -> AuditEntry {
    let Effect {
        created,
        changed,
        removed,
        ..
    } = effect;
    let counts = json!({ "created": created, "changed": changed, "removed": removed });
    AuditEntry {
        kind: "products.applied".to_owned(),
        item: Some(("tenant", tenant.to_string())),
        after: Some(counts.to_string()),
        ..AuditEntry::default()
    }
}

impl Change for ProductRequest {
    type Plan = Entities;
    type Details = ();

    fn size(&self) -> Size {
        Size::Large
    }

    fn planning(&self) -> Planning {
        match self {
            // With a model go all its descendants.
            Self::Delete {
                kind: ProductKind::Model,
                ..
            } => Planning::EachTime,
            Self::Put(_) | Self::Delete { .. } if self.entries() < BULK_ENTRIES => {
                Planning::ByIndex
            }
            Self::Put(_) | Self::Delete { .. } => Planning::EachTime,
        }
    }

    async fn compare(&self, pass: &Pass<'_>) -> Result<ComparedWith<Self>, AdminError> {
        pass.join_products(self.entries()).await?;
        pass.transaction.prepare_staging().await?;
        match self {
            Self::Put(entries) => compare_put(pass, entries).await,
            Self::Delete {
                kind,
                codes,
                cascade,
            } => compare_delete(pass, *kind, codes, *cascade).await,
        }
    }

    async fn write(
        &self,
        pass: &mut Pass<'_>,
        compared: &mut ComparedWith<Self>,
    ) -> Result<(), AdminError> {
        pass.join_products(self.entries()).await?;
        match self {
            Self::Put(_) => pass.apply_products().await?,
            Self::Delete { .. } => pass.delete_products().await?,
        }
        // SQL statements wrote the audit rows of the products; this one ends the
        // write.
        pass.audit(ended(&pass.tenant.code, &compared.effect))
            .await?;
        pass.number_products(compared.plan.created_products());
        Ok(())
    }
}
