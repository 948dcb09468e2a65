//! What the monkey patch costs, side by side: interleaved rounds, Markdown on standard output.
//!
//! ```text
//! bash monkey/cost/run                                # everything: three minutes on two CPUs
//! bash monkey/cost/run --rows recv,yield --rounds 3   # some rows
//! ```

use clap::Parser;
use greenloop_bench::machine;
use greenloop_bench::sample::{self, Sample, Scene, beside};
use greenloop_bench::table::{self, Results, median_text, spread_text};
use std::process::{Command, ExitCode};

/// Measures what the monkey patch costs, and prints the tables
#[derive(Parser)]
struct Args {
    /// How often each is measured
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only rows with one of these in their names
    #[arg(long, value_delimiter = ',', default_value = "")]
    rows: Vec<String>,
    /// How long an echo server is loaded each time
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
}

/// A program and its flags, under the name that it has in the tables.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    program: &'static str,
    flags: &'static [&'static str],
}

const fn kind(name: &'static str, program: &'static str, flags: &'static [&'static str]) -> Kind {
    Kind {
        name,
        program,
        flags,
    }
}

const CALLS: [&str; 7] = [
    "send", "recv", "write", "read", "close", "mutex", "std_park",
];
/// The first is what ratios refer to.
const CALLERS: [Kind; 4] = [
    kind("OS thread, not linked", "plain", &["--on=os"]),
    kind("linked", "linked", &["--on=os"]),
    kind("patched", "linked", &["--on=os", "--patched"]),
    kind("full green thread", "linked", &["--on=full", "--patched"]),
];

const GREEN: [&str; 5] = ["yield", "park", "spawn_seq", "spawn_1k_new", "spawn_1k"];
const THREADS: [Kind; 3] = [
    kind("light", "linked", &["--on=light", "--patched"]),
    kind("full", "linked", &["--on=full", "--patched"]),
    kind("light, not linked", "plain", &["--on=light"]),
];

const MEMORY: [&str; 1] = ["memory"];
const HOLDERS: [Kind; 3] = [
    kind("light", "linked", &["--on=light", "--patched"]),
    kind("full", "linked", &["--on=full", "--patched"]),
    kind("OS thread", "plain", &["--on=os"]),
];
const HELD: [(&str, &str); 5] = [
    ("rss_bytes_per_task", "RSS, B each"),
    ("pte_bytes_per_task", "page tables, B each"),
    ("kernel_stack_bytes_per_task", "kernel stacks, B each"),
    ("kernel_threads_per_task", "kernel threads each"),
    ("vmas_per_task", "mappings each"),
];

const SERVERS: [Kind; 4] = [
    kind("std::net, OS threads", "plain", &["echo", "--on=os"]),
    kind(
        "std::net, patched",
        "linked",
        &["echo", "--on=full", "--patched"],
    ),
    kind("greenloop::net", "plain", &["own_echo", "--on=light"]),
    kind(
        "greenloop::net, full",
        "linked",
        &["own_echo", "--on=full", "--patched"],
    ),
];
const SCENES: [Scene; 2] = [
    scene("echo: 1 worker, pinned, 64 connections", 1, true),
    scene("echo: 2 workers, 64 connections", 2, false),
];
const SERVED: [(&str, &str); 6] = [
    ("rate", "requests/s"),
    ("cpu_us", "server CPU µs/request"),
    ("cpu_us ratio", "ratio to the first"),
    ("p50_us", "p50 µs"),
    ("p99_us", "p99 µs"),
    ("errors", "errors"),
];

const fn scene(name: &'static str, workers: usize, pinned: bool) -> Scene {
    Scene {
        name,
        workers,
        pinned,
        load: &[],
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    for program in ["plain", "linked", "load"] {
        if !beside(program).exists() {
            eprintln!("cost: {program} is not there: start this by `monkey/cost/run`");
            return ExitCode::FAILURE;
        }
    }
    println!("Machine: {}\n", machine::describe());
    times("libc's calls", &CALLS, &CALLERS, &args);
    times("green threads", &GREEN, &THREADS, &args);
    if let Some(results) = measured(&MEMORY, &HOLDERS, &args) {
        let title = "Memory: each of 2,000 that are parked";
        println!("{}", results.by_key(title, 0, &HELD));
        println!("{}", results.notes());
    }
    echoes(&args);
    ExitCode::SUCCESS
}

/// The tables of CPU time, ratios, and wall time.
fn times(title: &str, rows: &[&str], kinds: &[Kind], args: &Args) {
    let Some(results) = measured(rows, kinds, args) else {
        return;
    };
    let cpu = format!("CPU ns per operation: {title} (median, half the range)");
    println!("{}", results.by_row(&cpu, "cpu_ns_per_op", &spread_text));
    let ratio = format!("CPU per operation, ratio to the first: {title}");
    println!("{}", results.ratios(&ratio, "cpu_ns_per_op"));
    let wall = format!("Wall ns per operation: {title}");
    println!("{}", results.by_row(&wall, "wall_ns_per_op", &median_text));
    println!("{}", results.notes());
}

/// None without a row that is wanted.
fn measured(rows: &[&str], kinds: &[Kind], args: &Args) -> Option<Results> {
    let rows = wanted(rows, args, |row| row);
    let measure = |row: usize, at: usize| -> Sample {
        let mut command = command(kinds[at]);
        command.arg(rows[row]);
        sample::one_line(command)
    };
    (!rows.is_empty()).then(|| table::rounds(args.rounds as usize, &rows, &names(kinds), measure))
}

fn echoes(args: &Args) {
    let scenes = wanted(&SCENES, args, |scene| scene.name);
    let titles: Vec<&str> = scenes.iter().map(|scene| scene.name).collect();
    let cpus = machine::cpus();
    let measure = |row: usize, at: usize| {
        let server = || command(SERVERS[at]);
        sample::loaded(server, scenes[row], &cpus, args.seconds)
    };
    let results = table::rounds(args.rounds as usize, &titles, &names(&SERVERS), measure);
    for (at, title) in titles.iter().enumerate() {
        println!("{}", results.by_key(&format!("{title}, 64 B"), at, &SERVED));
    }
    println!("{}", results.notes());
}

fn wanted<T: Copy>(all: &[T], args: &Args, name: impl Fn(&T) -> &str) -> Vec<T> {
    let is_wanted = |name: &str| args.rows.iter().any(|row| name.contains(row));
    all.iter()
        .copied()
        .filter(|it| is_wanted(name(it)))
        .collect()
}

fn names(kinds: &[Kind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.name).collect()
}

fn command(kind: Kind) -> Command {
    let mut command = Command::new(beside(kind.program));
    command.args(kind.flags);
    command
}
