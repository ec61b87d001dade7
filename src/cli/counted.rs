/// Renders a count with its unit: `no actions`, `1 action`, `2 actions`.
pub(super) fn counted(count: usize, entity: &str) -> String {
    match count {
        0 => format!("no {entity}s"),
        1 => format!("1 {entity}"),
        count => format!("{count} {entity}s"),
    }
}
