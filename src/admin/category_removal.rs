use std::collections::{BTreeSet, HashMap};

use crate::{
    domain::{Code, Edition, ItemId, ItemKind, Revision},
    store::{ProductCounts, Relatives, RightsWanted, WantedEntities},
};

use super::{
    change::{Change, Pass, RunResult, Size},
    entity_change::{Compared, EncodeWritten, change_set},
    error::AdminError,
    fault::Fault,
    guards::Guards,
    impact::Staged,
    outcome::{Effect, Written},
    plan::{Cascade, Planner},
    work::run_blocking,
};

/// Deletes categories and removes products from them (rules 3.9).
#[derive(Debug)]
pub(super) struct CategoryRemoval {
    codes: Vec<Code>,
    cascade: Cascade,
    encode: EncodeWritten,
    compared: Option<Compared>,
}

impl CategoryRemoval {
    pub(super) fn new(codes: Vec<Code>, cascade: Cascade, encode: EncodeWritten) -> Self {
        let mut seen = BTreeSet::new();
        Self {
            codes: codes
                .into_iter()
                .filter(|code| seen.insert(code.clone()))
                .collect(),
            cascade,
            encode,
            compared: None,
        }
    }

    async fn compare(&self, pass: &Pass<'_>) -> Result<Compared, AdminError> {
        let named = self.codes.iter().cloned();
        let wanted = WantedEntities {
            items: named.map(|code| (ItemKind::Category, code)).collect(),
            relatives: Relatives::Descendants,
            item_kinds: vec![ItemKind::Channel],
            rights: RightsWanted::OnItems,
            ..WantedEntities::default()
        };
        let mut change_set = change_set(pass, &wanted).await?;
        let guards = Guards::before(&change_set);
        let (transaction, tenant) = (pass.transaction, pass.tenant.number());
        let named = self.codes.iter();
        let named = named.filter_map(|code| change_set.find_item(ItemKind::Category, code));
        let named: Vec<ItemId> = named.collect();
        let counted = transaction.count_in_categories(tenant, &named).await?;
        let counted: HashMap<ItemId, u64> = counted.into_iter().collect();
        let products = |id| {
            let count = counted.get(&id).copied().unwrap_or_default();
            usize::try_from(count).unwrap_or(usize::MAX)
        };
        let gone = run_blocking(|| {
            let mut planner = Planner::new(&mut change_set);
            let gone = planner.categories_to_delete(&self.codes, self.cascade, products)?;
            planner.delete_categories(&gone);
            Ok(gone)
        });
        let gone = gone.map_err(|(index, fault): (usize, Fault)| fault.of_entry("codes", index))?;
        let gone: Vec<ItemId> = gone.into_iter().collect();
        // A product in several of these categories is counted more than once.
        let leaving = transaction.count_in_categories(tenant, &gone).await?;
        let leaving: u64 = leaving.into_iter().map(|(_, count)| count).sum();
        let leaving = usize::try_from(leaving).unwrap_or(usize::MAX);
        pass.join_products(leaving).await?;
        transaction.prepare_staging().await?;
        transaction.nominate_leavers(tenant, &gone).await?;
        let mut products = [ProductCounts::default(); 2];
        for (model, counted) in [true, false].into_iter().zip(&mut products) {
            let found = transaction.count_compared(model).await?;
            counted.changed = found.changed;
        }
        Compared::of(pass, change_set, &guards, (products, Staged::Products), 0).await
    }
}

impl Change for CategoryRemoval {
    type Answer = Written;

    fn size(&self) -> Size {
        Size::Large
    }

    fn new_tenant_edition(&self) -> Option<Edition> {
        None
    }

    async fn run(&mut self, pass: &mut Pass<'_>) -> Result<RunResult, AdminError> {
        let mut compared = match pass.reuse(self.compared.take()) {
            Some(compared) => compared,
            None => self.compare(pass).await?,
        };
        let ran = compared.ran();
        if pass.may_write() && !ran.is_nothing() {
            let leaving: u64 = compared.products.iter().map(|counts| counts.changed).sum();
            if leaving > 0 {
                let leaving = usize::try_from(leaving).unwrap_or(usize::MAX);
                pass.join_products(leaving).await?;
                pass.apply_products().await?;
            }
            compared.write_entities(pass).await?;
        }
        self.compared = Some(compared);
        Ok(ran)
    }

    fn answer(&self, revision: Revision) -> Written {
        let compared = self.compared.as_ref();
        Written {
            revision,
            effect: compared.map_or_else(Effect::default, |found| found.effect.clone()),
        }
    }

    fn encode(&self, answer: &Written) -> Vec<u8> {
        (self.encode)(answer)
    }
}
