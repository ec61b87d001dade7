//! The command `pim-authz`.
fn main() {}
