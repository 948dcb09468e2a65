//! Greenloop and its peers side by side: all competitors in turn, several rounds, Markdown on standard output.
//!
//! ```text
//! cargo run --release --bin compare                                  # everything: about a quarter of an hour
//! cargo run --release --bin compare -- micro --rows yield,mutex --rounds 3
//! cargo run --release --bin compare -- echo --only greenloop,tokio
//! ```

use clap::{Parser, ValueEnum};
use greenloop_bench::sample::{self, Competitor, Sample, Scene};
use greenloop_bench::table::{self, Results, median_text, spread_text};
use greenloop_bench::{Runtime, machine, micro};

/// Measures Greenloop and its peers, and prints the tables
#[derive(Parser)]
struct Args {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    what: What,
    /// How often each is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only rows and scenes with one of these in their names
    #[arg(long, value_delimiter = ',', default_value = "")]
    rows: Vec<String>,
    /// Only these competitors, by the beginnings of their names; the first one is what ratios refer to
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long an echo server is loaded each time
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Micro,
    Echo,
    All,
}

const fn competitor(name: &'static str, runtime: Runtime, workers: usize) -> Competitor {
    Competitor {
        name,
        runtime,
        workers,
        hub: false,
    }
}

const MICRO: [Competitor; 9] = [
    competitor("greenloop-1", Runtime::Greenloop, 1),
    competitor("greenloop-2", Runtime::Greenloop, 2),
    Competitor {
        hub: true,
        ..competitor("greenloop-hub", Runtime::Greenloop, 0)
    },
    competitor("corosensei", Runtime::Corosensei, 0),
    competitor("tokio-ct", Runtime::TokioCt, 0),
    competitor("tokio-2", Runtime::Tokio, 2),
    competitor("may-1", Runtime::May, 1),
    competitor("may-2", Runtime::May, 2),
    competitor("threads", Runtime::Threads, 0),
];

const ECHO: [Competitor; 5] = [
    competitor("greenloop", Runtime::Greenloop, 0),
    competitor("tokio", Runtime::Tokio, 0),
    competitor("tokio-ct", Runtime::TokioCt, 0),
    competitor("may", Runtime::May, 0),
    competitor("threads", Runtime::Threads, 0),
];

const SCENES: [Scene; 4] = [
    scene("1 worker, pinned, 64 connections", 1, true, &[]),
    scene(
        "1 worker, pinned, 1 connection",
        1,
        true,
        &["--connections=1"],
    ),
    scene(
        "1 worker, pinned, 2000 connections",
        1,
        true,
        &["--connections=2000"],
    ),
    scene("2 workers, 64 connections", 2, false, &[]),
];

const fn scene(
    name: &'static str,
    workers: usize,
    pinned: bool,
    load: &'static [&'static str],
) -> Scene {
    Scene {
        name,
        workers,
        pinned,
        load,
    }
}

fn main() {
    let args = Args::parse();
    println!("Machine: {}\n", machine::describe());
    if args.what != What::Echo {
        micro_tables(&args);
    }
    if args.what != What::Micro {
        echo_tables(&args);
    }
}

fn micro_tables(args: &Args) {
    let rows: Vec<&str> = chosen(&micro::NAMES, args, |row| row);
    let results = rounds(
        args,
        &rows,
        &competitors(&MICRO, args),
        |row, competitor| sample::micro(rows[row], competitor),
    );
    let title = "CPU ns per operation (median, half the range)";
    println!("{}", results.by_row(title, "cpu_ns_per_op", &spread_text));
    println!(
        "{}",
        results.ratios("CPU per operation, ratio to the first", "cpu_ns_per_op")
    );
    println!(
        "{}",
        results.by_row("Wall ns per operation", "wall_ns_per_op", &median_text)
    );
    for (at, row) in rows.iter().enumerate() {
        if row.starts_with("park") {
            println!("{}", results.by_key(&format!("Parked: {row}"), at, &PARKED));
        } else if row.starts_with("sleep") {
            println!(
                "{}",
                results.by_key("Sleepers, 1 to 1000 ms", at, &SLEEPERS)
            );
        }
    }
    println!("{}", results.notes());
}

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

fn echo_tables(args: &Args) {
    let scenes = chosen(&SCENES, args, |scene| scene.name);
    let names: Vec<&str> = scenes.iter().map(|scene| scene.name).collect();
    let cpus = machine::cpus();
    let results = rounds(
        args,
        &names,
        &competitors(&ECHO, args),
        |row, competitor| sample::echo(scenes[row], competitor, &cpus, args.seconds),
    );
    for (at, name) in names.iter().enumerate() {
        println!(
            "{}",
            results.by_key(&format!("Echo: {name}, 64 B"), at, &SERVED)
        );
    }
    println!("{}", results.notes());
}

const SERVED: [(&str, &str); 7] = [
    ("rate", "requests/s"),
    ("cpu_us", "server CPU µs/request"),
    ("cpu_us ratio", "ratio to the first"),
    ("p50_us", "p50 µs"),
    ("p99_us", "p99 µs"),
    ("p999_us", "p99.9 µs"),
    ("errors", "errors"),
];

fn chosen<T: Copy>(all: &[T], args: &Args, name: impl Fn(&T) -> &str) -> Vec<T> {
    let is_wanted = |name: &str| args.rows.iter().any(|row| name.contains(row));
    let wanted = all.iter().filter(|it| is_wanted(name(it)));
    wanted.copied().collect()
}

fn competitors(all: &[Competitor], args: &Args) -> Vec<Competitor> {
    let is_wanted = |name: &str| args.only.iter().any(|only| name.starts_with(only));
    let wanted = all
        .iter()
        .filter(|it| args.only.is_empty() || is_wanted(it.name));
    wanted.copied().collect()
}

/// As many rounds as asked for.
fn rounds(
    args: &Args,
    rows: &[&str],
    competitors: &[Competitor],
    measure: impl Fn(usize, Competitor) -> Sample,
) -> Results {
    let names: Vec<&str> = competitors.iter().map(|it| it.name).collect();
    table::rounds(args.rounds as usize, rows, &names, |row, at| {
        measure(row, competitors[at])
    })
}
