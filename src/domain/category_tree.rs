use std::{collections::HashMap, hash::Hash};

/// The most levels of a category tree, its root being the first (rules 3.10).
pub const MOST_CATEGORY_LEVELS: usize = 1_000;

/// Gives each node a value that is derived from its parent's, in linear time.
///
/// `above` returns a node's parent, `derive` a node's value from the value of
/// its parent, `None` at a root. Nodes above `nodes` get a value too. In a
/// circle, which only rows stored by hand can make, one node counts as a root.
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
    // `None`: on the way up that is being walked.
    let mut derived: HashMap<N, Option<T>> = HashMap::new();
    let mut way = Vec::new();
    for node in nodes {
        let mut at = Some(node);
        while let Some(here) = at.filter(|here| !derived.contains_key(here)) {
            derived.insert(here, None);
            way.push(here);
            at = above(here);
        }
        let mut value = at.and_then(|known| derived.get(&known).copied().flatten());
        while let Some(here) = way.pop() {
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
    fn each_node_is_derived_once_from_its_parent() {
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
    fn a_circle_ends() {
        let above = |node: u32| Some((node + 1) % 3);
        let levels = inherit([0, 1, 2], above, |_, up: Option<usize>| {
            up.unwrap_or_default() + 1
        });
        let mut levels: Vec<usize> = levels.into_values().collect();
        levels.sort_unstable();
        assert_eq!(levels, [1, 2, 3]);
    }
}
