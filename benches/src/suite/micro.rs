//! The tables of the micro rows.

use super::{Args, other, own};
use crate::peers::Program;
use crate::sample::{self, Competitor, Whose};
use crate::table::{median_text, spread_text};
use crate::{Runtime, micro};

const COMPETITORS: [Competitor; 12] = [
    own("greenloop-1", Runtime::Greenloop, 1),
    own("greenloop-2", Runtime::Greenloop, 2),
    Competitor {
        hub: true,
        ..own("greenloop-hub", Runtime::Greenloop, 0)
    },
    own("corosensei", Runtime::Corosensei, 0),
    own("tokio-ct", Runtime::TokioCt, 0),
    own("tokio-2", Runtime::Tokio, 2),
    own("may-1", Runtime::May, 1),
    own("may-2", Runtime::May, 2),
    other("go-1", Whose::Go, 1),
    other("go-2", Whose::Go, 2),
    other("gevent", Whose::Gevent, 0),
    own("threads", Runtime::Threads, 0),
];

const PARKED: [(&str, &str); 5] = [
    ("rss_bytes_per_task", "RSS, B each"),
    ("pte_bytes_per_task", "page tables, B each"),
    ("vmas_per_task", "mappings each"),
    ("cpu_ns_per_op", "spawn and park, CPU ns"),
    ("wake_join_ns_per_task", "wake and join, ns"),
];

const SLEEPERS: [(&str, &str); 5] = [
    ("overshoot_p50_us", "late by, p50 µs"),
    ("overshoot_p99_us", "p99 µs"),
    ("overshoot_max_us", "most µs"),
    ("wall_ms", "wall ms"),
    ("cpu_ms", "CPU ms"),
];

pub(super) fn tables(args: &Args) {
    let rows: Vec<&str> = args.chosen(&micro::NAMES, |row| row);
    let competitors = args.competitors(&COMPETITORS, Program::Micro);
    let results = args.rounds(usize::MAX, &rows, &competitors, |row, competitor| {
        sample::micro(rows[row], competitor)
    });
    let title = "CPU ns per operation (median, half the range)";
    println!("{}", results.by_row(title, "cpu_ns_per_op", &spread_text));
    let title = "CPU per operation, ratio to the first";
    println!("{}", results.ratios(title, "cpu_ns_per_op"));
    let title = "Wall ns per operation";
    println!("{}", results.by_row(title, "wall_ns_per_op", &median_text));
    for (at, row) in rows.iter().enumerate() {
        if row.starts_with("park") {
            println!("{}", results.by_key(&format!("Parked: {row}"), at, &PARKED));
        } else if row.starts_with("sleep") {
            let title = "Sleepers, 1 to 1000 ms";
            println!("{}", results.by_key(title, at, &SLEEPERS));
        }
    }
    println!("{}", results.notes());
    args.draw(
        &results,
        "micro.svg",
        "What an operation costs (hollow: two workers)",
        "CPU ns per operation",
        "cpu_ns_per_op",
    );
}
