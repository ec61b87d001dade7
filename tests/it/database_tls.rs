//! TLS to PostgreSQL with each `sslmode` of libpq, on real servers that require
//! TLS or have none.

mod cancelled;
mod faults;
mod modes;
mod served;
