//! The products of a tenant, all at hand: code → number → effective categories,
//! and category → products.
//!
//! Loaded by COPY from one snapshot, and kept current from the log:
//!
//! - An announced product is *marked* before the announcement is acknowledged:
//!   from then on nothing is answered from what the index holds of it. Questions
//!   ask the database, and lists ask it for the marked ones alone.
//! - Once its write is settled, a marked product is read again and *patched*.
//!   Patches lie beside the arrays, which never change.
//! - An announcement of all products voids the index; it is loaded again.
//!
//! Where the products of a tenant do not fit half of the memory, or are still
//! loading, they are kept one by one like other facts.

mod base;
mod listed;
mod loads;
mod patching;
mod registry;
mod tenant;
mod view;

#[cfg(test)]
mod tests;

pub use self::{listed::ListedProducts, view::SeenProduct};
pub(super) use self::{
    listed::ProductsReadPosition,
    loads::want,
    patching::patch_all,
    registry::Products,
    tenant::{ProductReadPosition, TenantProducts},
};

/// The most models above a product (rules 1.5).
const MODELS_ABOVE: usize = 2;
