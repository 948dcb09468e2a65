//! `greenloop-top --once` against a program, and what it refuses.

use std::process::{Command, Output};
use std::time::Duration;

use greenloop::{Builder, inspect, thread};

const TOKEN: &str = "0123456789abcdef";

fn top(args: &[&str]) -> Output {
    let mut top = Command::new(env!("CARGO_BIN_EXE_greenloop-top"));
    top.env_remove("GREENLOOP_TOKEN")
        .args(args)
        .output()
        .unwrap()
}

#[track_caller]
fn refuses(args: &[&str], why: &str) {
    let output = top(args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        said.starts_with("greenloop-top: ") && said.contains(why),
        "{said}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn one_frame_has_workers_and_green_threads() {
    let builder = Builder::new().name("seen in\u{1b}[31m a terminal".into());
    let parked = builder.spawn(thread::park).unwrap();
    while !inspect::dump().to_string().contains("to be unparked") {
        greenloop::yield_now();
    }
    let address = inspect::serve("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .to_string();
    let output = top(&[&address, "--once", "--filter", "a terminal"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains(&format!("process {}: ", std::process::id())),
        "{text}"
    );
    assert!(text.contains("\nworker 0: "), "{text}");
    assert!(
        text.contains(" % busy, ") && text.contains(" switches/s"),
        "{text}"
    );
    assert!(
        text.contains("seen in\u{fffd}[31m a terminal  waiting to be unparked  "),
        "{text}"
    );
    assert!(text.lines().last().unwrap().contains("top.rs:"), "{text}");
    parked.thread().unpark();
    parked.join().unwrap();
}

#[test]
fn a_deadlock_is_told_with_its_members() {
    let address = inspect::serve("127.0.0.1:0").unwrap().local_addr();
    let (found, finds) = std::sync::mpsc::channel();
    inspect::on_deadlock(move |_| found.send(()).unwrap());
    let itself = Builder::new().name("narcissus".into()).spawn(|| {
        let mutex = greenloop::sync::Mutex::new(());
        let _held = mutex.lock();
        drop(mutex.lock());
    });
    finds.recv_timeout(Duration::from_secs(120)).unwrap();
    let output = top(&[&address.to_string(), "--once", "--rows", "0"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, deadlock) = text
        .split_once("\nDEADLOCK of 1:\n  green thread ")
        .unwrap();
    let line = deadlock.lines().next().unwrap();
    assert!(
        line.contains("'narcissus' (spawned at ") && line.contains("top.rs:"),
        "{text}"
    );
    assert!(line.contains("): locking the mutex at 0x"), "{text}");
    itself.unwrap().kill();
}

#[test]
fn a_token_is_sent() {
    let serving = inspect::console()
        .token(TOKEN)
        .serve("127.0.0.1:0")
        .unwrap();
    let address = serving.local_addr().to_string();
    assert!(
        top(&[&address, "--once", "--token", TOKEN])
            .status
            .success()
    );
    refuses(&[&address, "--once"], "it wants a token");
    refuses(
        &[&address, "--once", "--token", "wrong"],
        "this is not its token",
    );
}

#[test]
fn an_address_that_is_no_good_is_told() {
    refuses(&["localhost", "--once"], "`localhost` is no HOST:PORT");
    refuses(&["http://127.0.0.1:1", "--once"], "is no HOST:PORT");
    refuses(&["127.0.0.1:0", "--once"], "is no HOST:PORT");
    refuses(
        &["127.0.0.1:1", "--once", "--sort", "age"],
        "`age` is no column to sort by",
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    refuses(&[&closed.to_string(), "--once"], "cannot ask 127.0.0.1:");
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    refuses(
        &[&serving.local_addr().to_string()],
        "is no terminal; use --once",
    );
}
