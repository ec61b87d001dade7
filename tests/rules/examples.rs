//! The worked examples of the product's own help pages, as worlds.

mod access_rights;
mod connect_an_app;
