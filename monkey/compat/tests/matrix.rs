//! Runs all rows, each in a process of its own. Run it by `matrix.sh`, which starts the servers.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const SKIPPED: i32 = 77;
/// A row that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let compat = env!("CARGO_BIN_EXE_greenloop-compat");
    let list = Command::new(compat).arg("list").output().expect("the rows");
    let list = String::from_utf8(list.stdout).expect("names");
    // A row's name, or a part of it, as with other tests.
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with('-'))
        .collect();
    let mut failed = Vec::new();
    let (mut passed, mut skipped) = (0, 0);
    for name in list.lines() {
        if !only.is_empty() && !only.iter().any(|part| name.contains(part)) {
            continue;
        }
        match run(compat, name) {
            Some(0) => passed += 1,
            Some(SKIPPED) => skipped += 1,
            _ => failed.push(name),
        }
    }
    println!(
        "matrix: {passed} passed, {skipped} skipped, {} failed {failed:?}",
        failed.len()
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// Runs one row; its exit status, or none if it hung or was ended by a signal.
fn run(compat: &str, name: &str) -> Option<i32> {
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
        std::thread::sleep(Duration::from_millis(5));
    }
}
