//! The tables of growth and of fairness.

use super::{Args, other, own};
use crate::peers::Program;
use crate::plot::{self, Series};
use crate::sample::{self, Competitor, Whose};
use crate::table::{Results, spread_text};
use crate::{Runtime, micro};

const COMPETITORS: [Competitor; 8] = [
    own("greenloop-1", Runtime::Greenloop, 1),
    own("greenloop-2", Runtime::Greenloop, 2),
    own("tokio-ct", Runtime::TokioCt, 0),
    own("tokio-2", Runtime::Tokio, 2),
    own("may-1", Runtime::May, 1),
    other("go-1", Whose::Go, 1),
    other("go-2", Whose::Go, 2),
    other("gevent", Whose::Gevent, 0),
];

const FAIR: [Competitor; 7] = [
    own("greenloop-1", Runtime::Greenloop, 1),
    own("greenloop-2", Runtime::Greenloop, 2),
    own("tokio-ct", Runtime::TokioCt, 0),
    own("tokio-2", Runtime::Tokio, 2),
    own("may-1", Runtime::May, 1),
    own("may-2", Runtime::May, 2),
    own("threads", Runtime::Threads, 0),
];

const WAITERS: [(&str, &str); 3] = [
    ("p50_us", "p50 µs"),
    ("p99_us", "p99 µs"),
    ("p999_us", "p99.9 µs"),
];

pub(super) fn tables(args: &Args) {
    let rows: Vec<&str> = args.chosen(&micro::GROWTH, |row| row);
    let competitors = args.competitors(&COMPETITORS, Program::Micro);
    let results = args.rounds(3, &rows, &competitors, |row, competitor| {
        sample::micro(rows[row], competitor)
    });
    let title = "Growth: CPU ns per operation (median, half the range)";
    println!("{}", results.by_row(title, "cpu_ns_per_op", &spread_text));
    println!("{}", results.notes());
    draw(args, &results);
}

/// A panel for each kind.
fn draw(args: &Args, results: &Results) {
    let Some(folder) = &args.svg else { return };
    let mut panels: Vec<(String, Series)> = Vec::new();
    for (row, name) in results.rows().iter().enumerate() {
        let Some((kind, count)) = name.split_once('@') else {
            continue;
        };
        if panels.last().is_none_or(|(last, _)| last != kind) {
            let all = results.competitors().iter();
            let empty = all.map(|name| (name.clone(), Vec::new()));
            panels.push((kind.to_owned(), empty.collect()));
        }
        let (_, series) = panels.last_mut().expect("one was pushed");
        for (competitor, (_, points)) in series.iter_mut().enumerate() {
            let figure = results.figure(row, competitor, "cpu_ns_per_op");
            points.extend(count.parse().ok().zip(figure));
        }
    }
    for (_, series) in &mut panels {
        series.retain(|(_, points)| !points.is_empty());
    }
    let (path, title) = (
        folder.join("growth.svg"),
        "What an operation costs among many",
    );
    let drawn = std::fs::create_dir_all(folder).map_err(Into::into);
    let drawn = drawn.and_then(|()| plot::lines(&path, title, "CPU ns", &panels));
    if let Err(error) = drawn {
        eprintln!("compare: {}: {error}", path.display());
    }
}

pub(super) fn fairness_tables(args: &Args) {
    let rows: Vec<&str> = args.chosen(&micro::FAIRNESS, |row| row);
    let competitors = args.competitors(&FAIR, Program::Micro);
    let results = args.rounds(3, &rows, &competitors, |row, competitor| {
        sample::micro(rows[row], competitor)
    });
    for (at, row) in rows.iter().enumerate() {
        let (title, keys): (_, &[(&str, &str)]) = match *row {
            "balance_1k" => (
                "1,000 connections that stay",
                &[("fuller_percent", "on the fuller worker, %")],
            ),
            "stuck_2s" => (
                "100 unstarted ones behind a computation of 2 s",
                &[("delay_max_ms", "the last begins after, ms")],
            ),
            "waiter_busy" => (
                "A waiter beside 100 spinners that compute 10 µs a turn",
                &WAITERS,
            ),
            _ => ("A waiter beside 100 spinners that only yield", &WAITERS),
        };
        println!("{}", results.by_key(title, at, keys));
    }
    println!("{}", results.notes());
}
