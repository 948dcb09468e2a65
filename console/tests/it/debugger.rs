//! `gdb/greenloop.py`: a debugger that lists green threads and looks at one's stack.

use std::env;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;

use greenloop::{Builder, inspect, thread};

use crate::within::until;

const MARK: &str = "GREENLOOP_CONSOLE_DEBUGGED";
const TEST: &str = "debugger::a_suspended_green_thread_is_seen_by_gdb";

#[test]
fn a_suspended_green_thread_is_seen_by_gdb() {
    if env::var_os(MARK).is_some() {
        return debugged();
    }
    if !is_possible() {
        return println!("skipped: there is no gdb here, or no x86-64");
    }
    let live = gdb(&[
        "break it::debugger::ready",
        "run",
        "greenloop threads",
        "greenloop bt debugged",
        "greenloop switch debugged",
        "up",
        "greenloop back",
        "greenloop switch nobody",
        "continue",
    ]);
    check(&live);
    assert!(live.contains("#2 "), "`up` goes on from there\n{live}");
    assert!(live.contains("there is no green thread nobody"), "{live}");
    assert!(
        live.contains("exited normally"),
        "it goes on unharmed\n{live}"
    );
}

#[test]
fn a_suspended_green_thread_is_seen_in_a_core() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if !is_possible() || pattern.trim() != "core" {
        return println!("skipped: no gdb, no x86-64, or cores go elsewhere: {pattern}");
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("green_threads.core");
    std::fs::create_dir_all(&folder).unwrap();
    // gdb's own `generate-core-file` leaves out what lies beside a guard page.
    let mut child = Command::new("sh");
    child
        .args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""])
        .current_dir(&folder);
    child
        .arg(env::current_exe().unwrap())
        .args(["--exact", TEST, "--test-threads=1"]);
    child
        .env(MARK, "dies")
        .env("GREENLOOP_WORKERS", "2")
        .output()
        .unwrap();

    let core = std::fs::read_dir(&folder)
        .unwrap()
        .next()
        .expect("a core")
        .unwrap()
        .path();
    let told = format!("core-file {}", core.display());
    let said = gdb(&[&told, "greenloop threads", "greenloop bt debugged"]);
    std::fs::remove_dir_all(folder).unwrap();
    check(&said);
}

fn is_possible() -> bool {
    cfg!(target_arch = "x86_64") && Command::new("gdb").arg("--version").output().is_ok()
}

#[track_caller]
fn check(said: &str) {
    for expected in [
        " 'debugged': waits to be unparked, on worker ",
        "debugger.rs:",
        " green threads\n",
        "it::debugger::where_it_waits (secret=4711)",
        "stack_init_trampoline",
    ] {
        assert!(
            said.contains(expected),
            "gdb does not say {expected:?}:\n{said}"
        );
    }
}

/// What gdb says to these commands.
fn gdb(commands: &[&str]) -> String {
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "gdb", "greenloop.py"]
        .iter()
        .collect();
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]);
    gdb.args(["-ex", "set startup-with-shell off", "-ex"])
        .arg(format!("source {}", script.display()));
    for command in commands {
        gdb.args(["-ex", command]);
    }
    gdb.arg("--args")
        .arg(env::current_exe().unwrap())
        .args(["--exact", TEST, "--test-threads=1"]);
    let output = gdb
        .env(MARK, "1")
        .env("GREENLOOP_WORKERS", "2")
        .output()
        .unwrap();
    let [out, err] =
        [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    format!("{out}\n{err}")
}

/// The program that is looked at.
fn debugged() {
    let builder = Builder::new().name("debugged".into());
    let waiting = builder.spawn(|| where_it_waits(4711)).unwrap();
    until("it waits", || {
        inspect::dump()
            .to_string()
            .contains("waiting to be unparked")
    });
    if env::var_os(MARK).is_some_and(|it| it == "dies") {
        std::process::abort();
    }
    ready();
    waiting.thread().unpark();
    assert_eq!(waiting.join().unwrap(), 4711);
}

#[inline(never)]
fn where_it_waits(secret: u64) -> u64 {
    thread::park();
    black_box(secret)
}

#[inline(never)]
fn ready() {
    black_box(());
}
