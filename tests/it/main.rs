//! Every test that speaks through the public API, in one binary: a file a topic.

mod alone;
mod examples;
mod kill;
mod net;
mod net_convert;
mod net_limits;
mod net_resolve;
mod net_wait;
mod tidy;
mod timeout;
