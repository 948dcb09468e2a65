//! `open`, as it is without the feature `monkey`: the crate `redis` would block the workers.

use std::error::Error;
use std::time::Duration;

use crate::frontier::{Frontier, Link};

pub(crate) fn open(
    _: &str,
    _: Duration,
    _: Link,
    _: u32,
) -> Result<Box<dyn Frontier>, Box<dyn Error>> {
    let how = "cargo run --release --features monkey --example crawler -- --redis URL URL";
    Err(format!("--redis needs the feature monkey: {how}").into())
}
