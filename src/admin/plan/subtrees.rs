use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use crate::domain::{ItemId, inherit};

use super::Planner;

/// The child categories of each category.
#[derive(Debug)]
pub(in crate::admin) struct Descendants {
    children: HashMap<ItemId, Vec<ItemId>>,
}

/// An operation on an item, and whether it applies to all descendants as well.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Order<O> {
    pub(in crate::admin) item: ItemId,
    pub(in crate::admin) reaches_below: bool,
    pub(in crate::admin) what: O,
}

impl Descendants {
    /// Returns the categories and all their descendants, each once, parents
    /// first.
    pub(super) fn with(&self, categories: impl IntoIterator<Item = ItemId>) -> Vec<ItemId> {
        let mut seen: HashSet<ItemId> = HashSet::new();
        let mut found: Vec<ItemId> = categories.into_iter().collect();
        found.retain(|id| seen.insert(*id));
        let mut at = 0;
        while let Some(id) = found.get(at).copied() {
            let children = self.children(id).iter().copied();
            found.extend(children.filter(|child| seen.insert(*child)));
            at += 1;
        }
        found
    }

    /// Returns for each category how many of its descendants satisfy `counted`.
    pub(super) fn counts(&self, counted: impl Fn(ItemId) -> bool) -> HashMap<ItemId, usize> {
        let below = self.children.values().flatten().copied();
        let below: HashSet<ItemId> = below.collect();
        let roots = self.children.keys().copied();
        let order = self.with(roots.filter(|id| !below.contains(id)));
        let mut counts: HashMap<ItemId, usize> = HashMap::with_capacity(order.len());
        for id in order.into_iter().rev() {
            let of_child = |child: &ItemId| {
                let lower = counts.get(child).copied().unwrap_or_default();
                lower + usize::from(counted(*child))
            };
            let count = self.children(id).iter().map(of_child).sum();
            counts.insert(id, count);
        }
        counts
    }

    fn children(&self, category: ItemId) -> &[ItemId] {
        self.children.get(&category).map_or(&[], Vec::as_slice)
    }
}

impl Planner<'_> {
    /// Returns the current parent-child relation of categories.
    pub(super) fn descendants(&self) -> Descendants {
        let mut children: HashMap<ItemId, Vec<ItemId>> = HashMap::new();
        for (id, item) in self.change_set.items.iter() {
            if let Some(parent) = item.parent() {
                children.entry(parent).or_default().push(id);
            }
        }
        Descendants { children }
    }

    /// Visits each reached item once and applies all orders that reach it: `join`
    /// merges an order into the joined ones, and `apply` carries out the result.
    ///
    /// So the work is proportional to the orders of each item, however many
    /// orders reach it from above.
    pub(super) fn carry_out<O: Clone + Default>(
        &mut self,
        orders: Vec<Order<O>>,
        join: impl Fn(&mut O, &O),
        mut apply: impl FnMut(&mut Self, ItemId, &O),
    ) {
        let descendants = self.descendants();
        let mut of_item: HashMap<ItemId, Vec<Order<O>>> = HashMap::new();
        for order in orders {
            of_item.entry(order.item).or_default().push(order);
        }
        let reaches_below = |id| {
            let orders = of_item.get(&id).into_iter().flatten();
            orders.into_iter().any(|order| order.reaches_below)
        };
        let above = |id| self.change_set.items.get(id)?.parent();
        // True if an order reaches the children of the item.
        let reached = inherit(of_item.keys().copied(), above, |id, above| {
            above == Some(true) || reaches_below(id)
        });
        let is_reached =
            |id: &ItemId| above(*id).is_some_and(|above| reached.get(&above) == Some(&true));
        let tops = of_item.keys().copied().filter(|id| !is_reached(id));
        // Each item with the joined orders that reach it from above.
        let mut waiting: Vec<(ItemId, Option<Rc<O>>)> = tops.map(|id| (id, None)).collect();
        let mut seen: HashSet<ItemId> = HashSet::new();
        while let Some((id, inherited)) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            let orders = of_item.get(&id).map_or(&[][..], Vec::as_slice);
            if let Some(here) = joined(inherited.as_ref(), orders.iter(), &join) {
                apply(self, id, &here);
            }
            let reaching = orders.iter().filter(|order| order.reaches_below);
            if let Some(below) = joined(inherited.as_ref(), reaching, &join) {
                let children = descendants.children(id).iter();
                waiting.extend(children.map(|child| (*child, Some(Rc::clone(&below)))));
            }
        }
    }
}

/// Joins these orders to the inherited ones; `None` if there are neither.
fn joined<'o, O: Clone + Default + 'o>(
    inherited: Option<&Rc<O>>,
    orders: impl Iterator<Item = &'o Order<O>>,
    join: &impl Fn(&mut O, &O),
) -> Option<Rc<O>> {
    let mut joined = inherited.map(Rc::clone);
    for order in orders {
        let all = joined.get_or_insert_with(Rc::default);
        join(Rc::make_mut(all), &order.what);
    }
    joined
}

#[cfg(test)]
mod tests;
