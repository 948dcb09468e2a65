//! The parsers of the examples that are our own, with any input that there is.
#![cfg(test)]

#[allow(dead_code, reason = "the programs use all of it")]
#[path = "../../examples/common/frame.rs"]
mod frame;
#[allow(dead_code, reason = "http_server uses all of it")]
#[path = "../../examples/common/http_parts/mod.rs"]
mod parts;
mod spelling;

mod chunks;
mod frames;
mod heads;
mod terms;

use std::time::Duration;

use parts::{chunked, head, limits, request, status};

/// Each target's, where nothing but chance leads it.
const TIME: Duration = Duration::from_secs(8);
