//! How a change is made: one door, and a function for each kind of change.

pub mod entry;
