use std::hash::Hash;

use hashbrown::HashMap;

/// Maximum number of levels of a category tree, including its root (rules 3.10).
pub const MAX_CATEGORY_LEVELS: usize = 1_000;

/// Derives a value for each node from its parent's value, in linear time.
///
/// `above` returns a node's parent; `derive` returns a node's value from its
/// parent's value, which is `None` at a root. Ancestors of `nodes` get a value
/// too. In a cycle, which only rows stored by hand can form, one node is treated
/// as a root.
///
/// # Examples
///
/// ```
/// use pim_authz::domain::inherit;
///
/// let level = |_, above: Option<usize>| above.unwrap_or_default() + 1;
/// let above = |node: u32| node.checked_sub(1);
/// assert_eq!(inherit([2], above, level)[&2], 3);
/// ```
pub fn inherit<N, T>(
    nodes: impl IntoIterator<Item = N>,
    above: impl Fn(N) -> Option<N>,
    derive: impl Fn(N, Option<T>) -> T,
) -> HashMap<N, T>
where
    N: Copy + Eq + Hash,
    T: Copy,
{
    // `None` while the node is on the path that is being walked up.
    let mut derived: HashMap<N, Option<T>> = HashMap::new();
    let mut path = Vec::new();
    for node in nodes {
        let mut at = Some(node);
        while let Some(here) = at.filter(|here| !derived.contains_key(here)) {
            derived.insert(here, None);
            path.push(here);
            at = above(here);
        }
        let mut value = at.and_then(|known| derived.get(&known).copied().flatten());
        while let Some(here) = path.pop() {
            value = Some(derive(here, value));
            derived.insert(here, value);
        }
    }
    let values = derived.into_iter();
    values
        .filter_map(|(node, value)| Some((node, value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_derived_once_from_the_parents_value() {
        // 4 → 3 → 1, 2 → 1, 5 alone.
        let above = |node: u32| {
            [(4, 3), (3, 1), (2, 1)]
                .iter()
                .find(|(at, _)| *at == node)
                .map(|(_, up)| *up)
        };
        let calls = std::cell::Cell::new(0);
        let levels = inherit([4, 2, 5, 1, 3], above, |_, up: Option<usize>| {
            calls.set(calls.get() + 1);
            up.unwrap_or_default() + 1
        });
        let mut levels: Vec<(u32, usize)> = levels.into_iter().collect();
        levels.sort_unstable();
        assert_eq!(levels, [(1, 1), (2, 2), (3, 2), (4, 3), (5, 1)]);
        assert_eq!(calls.get(), 5);
    }

    #[test]
    fn cycle_terminates() {
        let above = |node: u32| Some((node + 1) % 3);
        let levels = inherit([0, 1, 2], above, |_, up: Option<usize>| {
            up.unwrap_or_default() + 1
        });
        let mut levels: Vec<usize> = levels.into_values().collect();
        levels.sort_unstable();
        assert_eq!(levels, [1, 2, 3]);
    }
}
