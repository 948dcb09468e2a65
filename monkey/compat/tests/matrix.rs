//! Runs all rows, each in a process of its own, once or `--runs N` times. Run it by `matrix.sh`, which starts the servers.

use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SKIPPED: i32 = 77;
/// A row that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let asked = match Asked::parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}; usage: matrix [PART_OF_A_NAME…] [--runs N] [--at-once N]");
            return ExitCode::from(2);
        }
    };
    let compat = env!("CARGO_BIN_EXE_greenloop-compat");
    let list = Command::new(compat).arg("list").output().expect("the rows");
    let list = String::from_utf8(list.stdout).expect("names");
    let rows: Vec<&str> = list.lines().filter(|name| asked.names(name)).collect();
    let mut failures = 0;
    for run in 1..=asked.runs {
        failures += run_all(compat, &rows, asked.at_once, run);
    }
    ExitCode::from(u8::from(failures > 0))
}

/// What the command line asks for.
struct Asked {
    /// Rows' names, or parts of them, as with other tests; none for all.
    parts: Vec<String>,
    /// How often all of them run.
    runs: usize,
    /// How many rows run at the same time.
    at_once: usize,
}

impl Asked {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
        let mut asked = Asked {
            parts: Vec::new(),
            runs: 1,
            at_once: 1,
        };
        while let Some(word) = words.next() {
            let mut count = || {
                let count = words.next().and_then(|it| it.parse().ok());
                count
                    .filter(|&it| it > 0)
                    .ok_or(format!("{word} wants a number above 0"))
            };
            match &*word {
                "--runs" => asked.runs = count()?,
                "--at-once" => asked.at_once = count()?,
                flag if flag.starts_with('-') => {} // libtest's own, as `--quiet`
                part => asked.parts.push(part.to_owned()),
            }
        }
        Ok(asked)
    }

    fn names(&self, row: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|part| row.contains(part))
    }
}

/// Runs all rows once; how many failed.
fn run_all(compat: &str, rows: &[&str], at_once: usize, run: usize) -> usize {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(name) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let status = run_row(compat, name);
                    results.lock().expect("no panic").push((*name, status));
                }
            });
        }
    });
    let results = results.into_inner().expect("no panic");
    let count = |code| results.iter().filter(|it| it.1 == Some(code)).count();
    let (passed, skipped) = (count(0), count(SKIPPED));
    let failed = results
        .iter()
        .filter(|it| ![Some(0), Some(SKIPPED)].contains(&it.1));
    let failed: Vec<_> = failed.map(|it| it.0).collect();
    println!(
        "matrix, run {run}: {passed} passed, {skipped} skipped, {} failed {failed:?}",
        failed.len()
    );
    failed.len()
}

/// Runs one row; its exit status, or none if it hung or was ended by a signal.
fn run_row(compat: &str, name: &str) -> Option<i32> {
    let mut row = Command::new(compat)
        .args(["row", name])
        // OpenSSL would read all of Debian's certificates for each connector: 0.2 s of computing.
        .envs([
            ("SSL_CERT_FILE", "/dev/null"),
            ("SSL_CERT_DIR", "/dev/null"),
        ])
        .stdin(Stdio::null())
        .spawn()
        .expect("a row's process");
    let start = Instant::now();
    loop {
        if let Some(status) = row.try_wait().expect("the row's status") {
            if status.code().is_none() {
                println!("{name}: FAILED: {status}");
            }
            return status.code();
        }
        if start.elapsed() > LIMIT {
            println!("{name}: FAILED: it hung for {LIMIT:?}");
            let _ = row.kill();
            let _ = row.wait();
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
