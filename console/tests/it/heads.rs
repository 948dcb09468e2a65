//! What is no question is refused, and harms nobody else.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use greenloop::inspect;

use crate::client::{Client, Reply};

#[test]
fn what_is_no_question_is_refused() {
    let client = Client::new();
    let long = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100));
    let refused = [
        ("\u{16}\u{3}\u{1} is a TLS client\r\n\r\n", 400),
        (
            "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
            405,
        ),
        ("OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (&long, 431),
        (&many, 431),
    ];
    for (bytes, status) in refused {
        let text = client.say(bytes);
        let reply = Reply::parse(&text);
        assert_eq!(reply.status, status, "{bytes:.60}");
        assert_eq!(reply.line("Connection"), Some("close"));
    }
    assert_eq!(client.ask("/").status, 200);
}

#[test]
fn parameters_that_make_no_sense_are_named() {
    let client = Client::new();
    let bad = [
        ("/api/threads?limit=-1", "`-1`", "`limit`"),
        ("/api/threads?sort=age", "`age`", "`sort`"),
        ("/api/threads?state=dead", "`dead`", "`state`"),
        ("/api/threads?parent=me", "`me`", "`parent`"),
        ("/api/threads?colour=red", "`colour`", "not known"),
        ("/api/threads?q=a&q=b", "`q`", "given twice"),
        ("/api/thread", "`id`", "lacks"),
        ("/api/thread?id=x", "`x`", "`id`"),
        ("/api/summary?x=1", "`x`", "not known"),
    ];
    for (path, first, second) in bad {
        let reply = client.ask(path);
        assert_eq!(reply.status, 400, "{path}");
        assert!(
            reply.body.contains(first) && reply.body.contains(second),
            "{}",
            reply.body
        );
    }
    assert_eq!(client.ask("/api/nothing").status, 404);
}

#[test]
fn questions_of_one_connection_are_answered_in_turn() {
    let client = Client::new();
    let ask = |path: &str, further: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{further}\r\n")
    };
    let all = [
        ask("/page.css", ""),
        ask("/nothing", ""),
        ask("/page.js", "Connection: close\r\n"),
    ];
    let text = client.say(&all.concat());
    let statuses: Vec<&str> = text
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &text[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "404", "200"]);
}

#[test]
fn a_head_in_single_bytes_is_a_head() {
    let client = Client::new();
    let mut stream = client.connect();
    for byte in b"GET /page.css HTTP/1.0\r\nHost: localhost\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(
        Reply::parse(&text).status,
        200,
        "and HTTP/1.0 ends the connection"
    );
}

#[test]
fn one_who_says_nothing_holds_up_nobody() {
    let client = Client::new();
    let silent: Vec<_> = (0..10).map(|_| client.connect()).collect();
    assert_eq!(client.ask("/api/summary").status, 200);
    drop(silent);
}

#[test]
fn so_many_who_say_nothing_that_no_more_may_stay_hold_up_nobody() {
    let question = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let consoles = [
        inspect::console(),
        inspect::console().token("0123456789abcdef"),
    ];
    for console in consoles {
        let client = Client::of(&console.serve("127.0.0.1:0").unwrap());
        let mut silent: Vec<_> = (0..100).map(|_| client.connect()).collect();
        let start = Instant::now();
        assert_eq!(client.ask("/").status, 200);
        // As long as they may be idle they would be waited for.
        assert!(start.elapsed() < Duration::from_secs(20));
        let left = silent[0].read(&mut [0]).unwrap_or(0);
        assert_eq!(left, 0, "whoever came first has gone");
        let mut text = String::new();
        let last = silent.last_mut().unwrap();
        last.write_all(question.as_bytes()).unwrap();
        last.read_to_string(&mut text).unwrap();
        assert_eq!(Reply::parse(&text).status, 200, "whoever came last is here");
    }
}
