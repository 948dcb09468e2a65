//! The symbols, a file for each family of calls.

mod socket;
mod time;
