//! The parsers of the examples that are our own, with any input that there is.
#![cfg(test)]

#[allow(dead_code, reason = "the programs use all of it")]
#[path = "../../examples/common/http_server/chunked.rs"]
mod chunked;
#[allow(dead_code)]
#[path = "../../examples/common/frame.rs"]
mod frame;
#[allow(dead_code)]
#[path = "../../examples/common/http_server/head.rs"]
mod head;
#[allow(dead_code)]
#[path = "../../examples/common/http_server/limits.rs"]
mod limits;
#[allow(dead_code)]
#[path = "../../examples/common/http_server/request.rs"]
mod request;
mod spelling;
#[allow(dead_code)]
#[path = "../../examples/common/http_server/status.rs"]
mod status;

mod chunks;
mod frames;
mod heads;
mod terms;

use std::time::Duration;

/// Each target's, where nothing but chance leads it.
const TIME: Duration = Duration::from_secs(8);
