//! What it costs that one can see inside: beside an earlier build, and with the monitor on.

use super::{Args, other, own};
use crate::Runtime;
use crate::peers::Program;
use crate::sample::{self, Competitor, Whose};
use crate::table::spread_text;

const COMPETITORS: [Competitor; 3] = [
    other("before", Whose::Before, 1),
    own("greenloop-1", Runtime::Greenloop, 1),
    other("greenloop-1 monitored", Whose::Monitored, 1),
];

const ROWS: [&str; 8] = [
    "yield_2",
    "yield_1k",
    "spawn_seq",
    "spawn_1k",
    "spawn_join_100k",
    "mutex",
    "mutex_1k",
    "mutex_1k_hold",
];

pub(super) fn tables(args: &Args) {
    let rows: Vec<&str> = args.chosen(&ROWS, |row| row);
    let competitors = args.competitors(&COMPETITORS, Program::Micro);
    let results = args.rounds(usize::MAX, &rows, &competitors, |row, competitor| {
        sample::micro(rows[row], competitor)
    });
    let title = "Watched: CPU ns per operation (median, half the range)";
    println!("{}", results.by_row(title, "cpu_ns_per_op", &spread_text));
    let title = "Watched: CPU per operation, ratio to the first";
    println!("{}", results.ratios(title, "cpu_ns_per_op"));
    println!("{}", results.notes());
}
