//! Decides who may do what in a product-information-management platform.

pub mod cli;
pub mod domain;
pub mod embedded;
pub mod pb;
