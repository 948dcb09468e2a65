//! `compat`: one row of the matrix in one process.
//!
//! `compat list` names the rows, `compat row NAME [--jobs N]` runs one: its job once alone and N
//! times on OS threads, as std has it; then everything is patched, and N times on green threads of
//! one hub. The answers must be the same, and the time under 2.5 times that of one alone.
//! `compat backend` serves the slow servers that the rows talk to, `compat names ADDRESS` is a slow
//! name server, and `compat ports N` prints free ports, for `servers.sh`.

mod backend;
mod names;
mod rows;

use rows::{Missing, Row};
use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// Jobs at once, unless `--jobs` says otherwise.
const JOBS: usize = 20;
/// What a job takes alone, at least.
const ALONE: Duration = Duration::from_millis(200);
/// How much longer all of them may take.
const FACTOR: f64 = 2.5;

/// The exit status of a row whose server is not installed.
const SKIPPED: u8 = 77;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => {
            for row in rows::ALL {
                println!("{}", row.name);
            }
            ExitCode::SUCCESS
        }
        ["backend"] => backend::serve(),
        ["names", address] => names::serve(address),
        ["ports", count] => count.parse().map_or_else(|_| usage(), print_free_ports),
        ["row", name] => run(name, JOBS),
        ["row", name, "--jobs", count] => match count.parse() {
            Ok(count) => run(name, count),
            Err(_) => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: compat list | compat row NAME [--jobs N] | compat backend | compat names ADDRESS \
         | compat ports N"
    );
    ExitCode::from(2)
}

fn print_free_ports(count: usize) -> ExitCode {
    // All at once, so that they differ.
    let free: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    let ports = free
        .iter()
        .map(|it| it.local_addr().expect("bound").port().to_string());
    println!("{}", ports.collect::<Vec<_>>().join(" "));
    ExitCode::SUCCESS
}

fn run(name: &str, jobs: usize) -> ExitCode {
    let Some(row) = rows::ALL.iter().find(|row| row.name == name) else {
        eprintln!("no row {name:?}: `compat list` names them");
        return ExitCode::from(2);
    };
    if let Some(Missing(what)) = (row.missing)() {
        println!("{name}: skipped: {what}");
        return ExitCode::from(SKIPPED);
    }
    match compare(row, jobs) {
        Ok(figures) => {
            println!("{name}: {figures}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{name}: FAILED: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the job on OS threads, then on green threads.
fn compare(row: &'static Row, jobs: usize) -> Result<String, String> {
    let _backend = backend::start();
    (row.job)(0);
    let (alone, _) = timed(|| (row.job)(0));
    let (threads, expected) = timed(|| on_threads(row, jobs));
    let patched = greenloop::monkey::patch_all().map_err(|error| error.to_string())?;
    let (green, answers) = timed(|| greenloop::run(move || on_green_threads(row, jobs)));
    if answers != expected {
        return Err(format!("{patched}: {answers:?} instead of {expected:?}"));
    }
    let bound = alone.max(ALONE).mul_f64(FACTOR);
    let figures =
        format!("alone {alone:.0?}, {jobs} threads {threads:.0?}, {jobs} green {green:.0?}");
    if green > bound {
        return Err(format!("{figures}: more than {bound:.0?}"));
    }
    Ok(figures)
}

fn timed<T>(f: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = f();
    (start.elapsed(), result)
}

fn on_threads(row: &'static Row, jobs: usize) -> Vec<String> {
    let all: Vec<_> = (0..jobs)
        .map(|number| thread::spawn(move || (row.job)(number)))
        .collect();
    all.into_iter()
        .map(|one| one.join().expect("a job on an OS thread"))
        .collect()
}

fn on_green_threads(row: &'static Row, jobs: usize) -> Vec<String> {
    let all: Vec<_> = (0..jobs)
        .map(|number| greenloop::spawn_local(move || (row.job)(number)))
        .collect();
    all.into_iter()
        .map(|one| one.join().expect("a job on a green thread"))
        .collect()
}
