//! `greenloop-top --once` against a program, and what it refuses.

use std::io::{Read, Write};
use std::net::TcpListener;
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
    let closed = TcpListener::bind("127.0.0.1:0")
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

/// Answers each question by the next of `bodies`, after a head that begins with its status.
fn foreign_page(bodies: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for (status, body) in bodies {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n");
            write!(stream, "{head}Connection: close\r\n\r\n{body}").unwrap();
        }
    });
    address
}

/// All but the ends of lines, which are ours.
fn has_commands(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.chars().any(|it| it.is_control() && it != '\n')
}

#[test]
fn what_a_page_says_is_no_command_to_the_terminal() {
    let trouble = "no\u{1b}[2J luck\r\ngreenloop-top: all is well".to_owned();
    let address = foreign_page(vec![("500 Internal Server Error", trouble)]);
    let output = top(&[&address, "--once"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("500") && said.contains("luck"), "{said}");
    assert!(!has_commands(&output.stderr), "{said:?}");
    assert_eq!(said.lines().count(), 1, "{said:?}");

    const EVIL: &str = r"evil\u001b[2J\nline";
    let worker = format!(r#"{{"index":0,"hub":false,"activity":"{EVIL}","live":1,"unstarted":0}}"#);
    let row = format!(r#"{{"id":1,"name":"{EVIL}","state":"{EVIL}","place":"{EVIL}"}}"#);
    let member = format!(r#"{{"id":1,"name":"{EVIL}","place":"{EVIL}","wait":"{EVIL}"}}"#);
    let bodies = [
        format!(
            r#"{{"green_threads":1,"states":{{"{EVIL}":1}},"waits":{{"{EVIL}":1}},
                "workers":[{worker}],"process":1,"deadlocks":{{"present":1}}}}"#
        ),
        format!(r#"{{"deadlocks":[{{"present":true,"count":1,"members":[{member}]}}]}}"#),
        format!(r#"{{"matching":1,"rows":[{row}]}}"#),
        r#"{"workers":[]}"#.to_owned(),
    ];
    let address = foreign_page(bodies.map(|it| ("200 OK", it)).into());
    let output = top(&[&address, "--once"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().count(), 6, "{text:?}");
    assert_eq!(text.matches("evil").count(), 9, "{text:?}");
    assert!(!has_commands(&output.stdout), "{text:?}");
}
