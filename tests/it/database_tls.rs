//! TLS to PostgreSQL, by each `sslmode` of libpq, on real ones that demand it or
//! have none.

mod cancelled;
mod faults;
mod modes;
mod served;
