//! A hundred thousand green threads, and an answer within a second.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenloop::sync::Event;

use crate::client::Client;
use crate::within::{LONG, within};

/// A build without optimisation has fewer, and more time: the checks run this one with it, too.
const MANY: usize = if cfg!(debug_assertions) {
    10_000
} else {
    100_000
};
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });
const MARK: &str = "GREENLOOP_CONSOLE_MANY";

/// In a process of its own: the other tests count theirs.
#[test]
fn very_many_are_shown_within_a_second() {
    if std::env::var_os(MARK).is_some() {
        return within(2 * LONG, ask_all);
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "many::very_many_are_shown_within_a_second",
        "--nocapture",
    ]);
    let output = child.env(MARK, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{text}");
    assert!(
        output.status.success() && text.contains("best of five"),
        "{output:?}"
    );
}

fn ask_all() {
    let end = Arc::new(Event::new());
    for _ in 0..MANY {
        let end = Arc::clone(&end);
        greenloop::spawn(move || end.wait());
    }
    let client = Client::new();
    // The place is part of it: the page itself waits for an event, too.
    client.rows("for=Event&q=many.rs&limit=0", MANY);
    for path in [
        "/api/summary",
        "/api/threads?limit=100",
        "/api/threads?limit=1000&sort=wait&order=desc&offset=50000",
        "/api/threads?q=event&sort=since",
        "/api/threads?parent=none",
        "/api/waits",
        "/api/sites",
        "/api/deadlocks",
        "/api/metrics",
        "/api/thread?id=500&backtrace=1",
        "/api/dump.json",
        "/api/dump.txt",
    ] {
        let best = (0..5).map(|_| time(client, path)).min().unwrap();
        println!("{path}: {best:?} (best of five)");
        assert!(best < SOON, "{path}: {best:?}");
    }
    let id = client.rows("for=Event&q=many.rs&limit=1", MANY)[0]["id"].clone();
    let story = client.json(&format!("/api/thread?id={id}&backtrace=1"));
    assert!(story["backtrace"].is_string(), "of one among many: {story}");
    end.set();
}

fn time(client: Client, path: &str) -> Duration {
    let start = Instant::now();
    let reply = client.ask(path);
    let took = start.elapsed();
    assert_eq!(reply.status, 200, "{path}");
    let is_whole = path.starts_with("/api/dump");
    let length = reply.body.len();
    assert!(is_whole || length < 1 << 20, "{path}: {length} bytes");
    took
}
