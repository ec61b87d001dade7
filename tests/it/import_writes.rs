//! The write path of imports (`WriteCoordinator`), on a real PostgreSQL.

mod audit;
mod catalog;
mod outcome;
mod steps;
mod writing;
