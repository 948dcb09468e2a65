//! What `http_server` makes of requests that are wrong, strange or torn to pieces.

use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::http_client::{Server, answers, rest};

/// Each is sent as it is; the server answers so, and closes by itself.
const REFUSED: [(&str, u16); 72] = [
    // The request line.
    ("\n", 400),
    (" GET / HTTP/1.1\r\n", 400),
    ("\x16\x03\x01\x02\x00\x01", 400), // somebody speaks TLS
    ("GET\r\n\r\n", 400),
    ("GET /\r\n\r\n", 400),
    ("GET / \r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/0.9\r\n\r\n", 505),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400),
    // The headers.
    ("GET / HTTP/1.1\r\n\r\n", 400), // no Host
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400), // folded
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: b\r\n\r\n", 400),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n",
        417,
    ),
    // How long the body is.
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n",
        413,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n",
        413,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
         Content-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501,
    ),
];

/// What follows a head that says `Transfer-Encoding: chunked`.
const REFUSED_CHUNKS: [(&str, u16); 21] = [
    ("\r\n", 400),
    (";\r\n", 400),
    ("x\r\n", 400),
    ("-1\r\n", 400),
    ("+1\r\n", 400),
    ("0x1\r\na\r\n0\r\n\r\n", 400),
    (" 1\r\na\r\n0\r\n\r\n", 400),
    ("1 \r\na\r\n0\r\n\r\n", 400),
    ("1\na\r\n0\r\n\r\n", 400),
    ("1\ra\r\n0\r\n\r\n", 400),
    ("1\r\nab\r\n0\r\n\r\n", 400),
    ("1\r\na\n0\r\n\r\n", 400),
    ("1\r\na\r0\r\n\r\n", 400),
    ("1;\0\r\na\r\n0\r\n\r\n", 400),
    ("1;x\ny\r\na\r\n0\r\n\r\n", 400),
    ("0\r\n\n", 400),
    ("0\r\nX: \x01\r\n\r\n", 400),
    ("0\r\nX: y\n\r\n", 400),
    ("100000000\r\n", 400),
    ("ffffffff\r\n", 413),
    ("3e9\r\n", 413),
];

#[test]
fn what_is_wrong_is_refused_and_the_connection_closed() {
    let server = Server::start(&["--max-body", "1000"]);
    for (request, status) in REFUSED {
        assert_eq!(server.statuses(request.as_bytes()), [status], "{request:?}");
    }
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, status) in REFUSED_CHUNKS {
        let request = format!("{head}{chunks}");
        assert_eq!(server.statuses(request.as_bytes()), [status], "{chunks:?}");
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let server = Server::start(&["--max-body", "1000"]);
    let long = |count: usize| "a".repeat(count);
    let head = "GET / HTTP/1.1\r\nHost: a\r\n";
    let cases = [
        (format!("GET /{}", long(8200)), 414),
        (format!("GET /{} HTTP/1.1\r\n", long(9000)), 414),
        (long(8193), 414),
        (format!("{head}X: {}", long(17_000)), 431),
        (format!("{head}{}\r\n", "X: y\r\n".repeat(64)), 431),
        (
            format!("{head}{}", format!("X: {}\r\n", long(4000)).repeat(5)),
            431,
        ),
        (
            format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n{}",
                long(1001)
            ),
            413,
        ),
        (
            format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
                "1;x=y\r\na\r\n".repeat(1001)
            ),
            413,
        ),
        (
            format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{}\r\n",
                long(5000)
            ),
            400,
        ),
    ];
    for (request, status) in cases {
        let start: String = request.chars().take(60).collect();
        assert_eq!(server.statuses(request.as_bytes()), [status], "{start:?}");
    }
    for request in [
        format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            long(8000)
        ),
        format!("{head}Connection: close\r\n{}\r\n", "X: y\r\n".repeat(62)),
        format!("{head}Connection: close\r\nX: {}\r\n\r\n", long(16_000)),
    ] {
        let status = server.statuses(request.as_bytes());
        assert!(status == [200] || status == [404], "{status:?}");
    }
}

#[test]
fn what_is_only_strange_is_answered() {
    let server = Server::start(&["--max-body", "1000"]);
    let close = "Host: a\r\nConnection: close\r\n\r\n";
    let cases = [
        (format!("\r\n\r\nGET / HTTP/1.1\r\n{close}"), 200),
        (format!("GET http://a/ HTTP/1.1\r\n{close}"), 200),
        (format!("GET HTTP://a HTTP/1.1\r\n{close}"), 200),
        (format!("GET http://a?b HTTP/1.1\r\n{close}"), 200),
        (
            format!("GET /?a=/b%00&c#d HTTP/1.1\r\n{close}").replace('#', "%23"),
            200,
        ),
        (format!("OPTIONS * HTTP/1.1\r\n{close}"), 404),
        (format!("CONNECT a:1 HTTP/1.1\r\n{close}"), 404),
        (format!("TRACE / HTTP/1.1\r\n{close}"), 405),
        (format!("DELETE / HTTP/1.1\r\n{close}"), 405),
        (
            format!("GET / HTTP/1.1\r\nX:\r\nY:b\r\nZ: \t c \t\r\n{close}"),
            200,
        ),
        (format!("GET / HTTP/1.1\r\nX: caf\u{e9}\r\n{close}"), 200),
        (
            format!("GET / HTTP/1.1\r\nConnection: x, CLOSE ,y\r\n{close}"),
            200,
        ),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 200),
        (
            "GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n".to_owned(),
            200,
        ),
        (
            format!("POST /echo HTTP/1.1\r\nContent-Length: 0003\r\n{close}abc"),
            200,
        ),
        (
            format!("POST /echo HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\n{close}3e8;a=\"b\"\r\n")
                + &"a".repeat(1000)
                + "\r\n0\r\nX: y\r\nZ: \r\n\r\n",
            200,
        ),
    ];
    for (request, status) in cases {
        assert_eq!(server.statuses(request.as_bytes()), [status], "{request:?}");
    }
}

/// Requests of all kinds in a row, of which the last one ends the connection.
const MIXED: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
    POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nGET / HTTP\
    POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
    3\r\nab\r\r\n00C;x=1\r\n\n0\r\n\r\nGET /\r\r\n0\r\nX: y\r\nZ: \r\n\r\n\
    \r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n\
    DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\r\n\
    GET /agent HTTP/1.1\r\nHost: a\r\nUser-Agent: t\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n";

/// The statuses and bodies of the answers to `MIXED`.
fn mixed() -> Vec<(u16, &'static str)> {
    vec![
        (200, "Hello, World!"),
        (200, "GET / HTTP"),
        (200, "ab\r\n0\r\n\r\nGET /\r"),
        (404, "404 Not Found\n"),
        (405, "405 Method Not Allowed\n"),
        (200, "You are t.\n"),
    ]
}

fn assert_mixed(answered: &[u8], split: &str) {
    let answered = answers(answered);
    let bodies = answered
        .iter()
        .map(|it| std::str::from_utf8(&it.body).unwrap());
    let got: Vec<_> = answered.iter().map(|it| it.status).zip(bodies).collect();
    assert_eq!(got, mixed(), "{split}");
}

#[test]
fn requests_are_the_same_however_they_are_split() {
    let server = Server::start(&[]);
    let bytes = MIXED.as_bytes();
    assert_mixed(&server.ask(bytes), "whole");
    let ask = |first: usize| {
        let mut stream = server.connect();
        stream.write_all(&bytes[..first]).unwrap();
        pause();
        let _ = stream.write_all(&bytes[first..]); // the last bytes may find it closed
        assert_mixed(&rest(&mut stream), &format!("after {first} bytes"));
    };
    let boundaries: Vec<usize> = (1..bytes.len()).collect();
    thread::scope(|scope| {
        for some in boundaries.chunks(100) {
            scope.spawn(|| some.iter().for_each(|first| ask(*first)));
        }
    });
}

#[test]
fn requests_may_come_byte_by_byte() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    for byte in MIXED.as_bytes() {
        let _ = stream.write_all(&[*byte]);
        pause();
    }
    assert_mixed(&rest(&mut stream), "byte by byte");
}

/// Makes it likely that the server reads before more comes; it has to answer the same if not.
fn pause() {
    thread::sleep(Duration::from_millis(1));
}
