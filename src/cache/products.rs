//! The product index of a tenant in memory: code → number → effective categories,
//! and category → products.
//!
//! It is loaded by COPY from one snapshot, and kept current from the log:
//!
//! - An announced product is *marked* before the announcement is acknowledged:
//!   from then on the index is not used for it. Questions read it from the
//!   database, and lists read only the marked products from there.
//! - Once its write is settled, a marked product is read again and *patched*.
//!   Patches are stored beside the arrays, which never change.
//! - An announcement of all products invalidates the index; it is loaded again.
//!
//! While the index of a tenant is loading, or if it does not fit half of the
//! memory, products are cached one by one like other facts.

mod base;
mod listed;
mod loads;
mod patching;
mod registry;
mod tenant;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    listed::ListedProducts,
    view::{SeenProduct, View},
};
pub(super) use self::{
    loads::want,
    patching::patch_all,
    registry::Products,
    tenant::{LentProducts, ProductReadPosition, ProductsReadPosition, TenantProducts},
};
