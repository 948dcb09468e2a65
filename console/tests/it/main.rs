//! The page's tests, by bare HTTP: a file a topic.

mod browser;
#[path = "../../../tests/it/child.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod child;
mod chromium;
mod client;
mod deadlocks;
mod debugger;
mod doors;
mod heads;
mod many;
mod metrics;
mod seen;
#[path = "../../../tests/it/within.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod within;
