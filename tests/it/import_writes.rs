//! The coordinator for writes and the import, on a real PostgreSQL.

mod audit;
mod catalog;
mod outcome;
mod steps;
mod writing;
