use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::{
    domain::{Code, ItemId, ItemKind},
    store::{ProductCounts, Relatives, RightsWanted, WantedEntities},
};

use super::{
    change::{Change, ComparedWith, Pass, Size},
    change_set::ChangeSet,
    entity_change::Entities,
    error::AdminError,
    fault::Fault,
    impact::Staged,
    plan::{Cascade, Planner},
    work::run_blocking,
};

/// Deletes categories and removes products from them (rules 3.9).
#[derive(Clone, Debug)]
pub struct CategoryRemoval {
    /// The categories; each is deleted once.
    pub codes: Vec<Code>,
    /// Whether sub-categories are deleted too, and references to the categories.
    pub cascade: Cascade,
}

impl Change for CategoryRemoval {
    type Plan = Entities;
    type Details = ();

    fn size(&self) -> Size {
        Size::Large
    }

    async fn compare(&self, pass: &Pass<'_>) -> Result<ComparedWith<Self>, AdminError> {
        let named: BTreeSet<&Code> = self.codes.iter().collect();
        let items = named.iter().copied().cloned();
        let wanted = WantedEntities {
            items: items.map(|code| (ItemKind::Category, code)).collect(),
            relatives: Relatives::Descendants,
            item_kinds: vec![ItemKind::Channel],
            rights: RightsWanted::OnItems,
            ..WantedEntities::default()
        };
        let mut change_set = ChangeSet::read(pass, &wanted).await?;
        let (transaction, tenant) = (pass.transaction, pass.tenant.number());
        let named = named.into_iter();
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
        let leaving = leaving.into_iter().map(|(_, count)| count).sum();
        pass.join_products(leaving).await?;
        transaction.prepare_staging().await?;
        transaction.nominate_leavers(tenant, &gone).await?;
        let mut products = [ProductCounts::default(); 2];
        for (model, counted) in [true, false].into_iter().zip(&mut products) {
            counted.changed = transaction.count_compared(model).await?.changed;
        }
        let entities = Entities {
            change_set,
            products,
        };
        entities.compared(pass, Staged::Products, 0).await
    }

    async fn write(
        &self,
        pass: &mut Pass<'_>,
        compared: &mut ComparedWith<Self>,
    ) -> Result<(), AdminError> {
        let entities = &mut compared.plan;
        let leaving = entities.changed_products();
        if leaving > 0 {
            pass.join_products(leaving).await?;
            pass.apply_products().await?;
        }
        entities.write(pass).await
    }
}
