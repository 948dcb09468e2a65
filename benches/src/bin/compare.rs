//! Greenloop and its peers side by side: all competitors in turn, several rounds, as Markdown.
//!
//! ```text
//! cargo run --release --bin compare -- all --svg plots                  # everything
//! cargo run --release --bin compare -- micro --rows yield,mutex --rounds 3
//! cargo run --release --bin compare -- echo churn --only epoll,greenloop,tokio
//! ```

use clap::Parser;
use greenloop_bench::suite;

fn main() {
    suite::run(&suite::Args::parse());
}
