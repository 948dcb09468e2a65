//! `web_proxy` with requests that are wrong, and targets that are silent, rude or strange.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use socket2::SockRef;

use crate::examples::{NOBODY, run};
use crate::http_client::{Server, read_answer, rest};
use crate::web_proxy::{get, one, proxy, read_head, refusal, saying, target};
use crate::within::{LONG, within};

/// Each is answered so, whatever its target would say.
const REFUSED: [(&str, u16); 24] = [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400), // no proxy's request
    ("GET\r\n\r\n", 400),
    ("\x16\x03\x01\r\n\r\n", 400),
    ("GET http://a/ HTTP/1.1\nHost: a\n\n", 400),
    ("GET http://a/ HTTP/1.1\r\n\r\n", 400), // no Host
    ("GET http://a/ HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    ("GET http://a/#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://me@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://a:0/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://a:+1/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://a:65536/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://[a]:1/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("GET http://a/ HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT http://a:1/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (
        "POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    (
        "POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        400,
    ),
    (
        "POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501,
    ),
];

#[test]
fn what_it_cannot_do_is_refused() {
    within(LONG, || {
        let proxy = proxy(&["--head-timeout", "2"]);
        for (request, status) in REFUSED {
            assert_eq!(refusal(&proxy, request).0, status, "{request:?}");
        }
        let long = "a".repeat(20_000);
        let request = format!("GET http://a/{long} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(refusal(&proxy, &request).0, 414);
        let request = format!("GET http://a/ HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n");
        assert_eq!(refusal(&proxy, &request).0, 431);
        let many = "X: y\r\n".repeat(101);
        let request = format!("GET http://a/ HTTP/1.1\r\nHost: a\r\n{many}\r\n");
        assert_eq!(refusal(&proxy, &request).0, 431);
        let request = format!("GET http://{}/ HTTP/1.1\r\nHost: a\r\n\r\n", proxy.address);
        assert_eq!(refusal(&proxy, &request).0, 508);
        assert_eq!(refusal(&proxy, "GET http://a/ HTT").0, 408, "a slow one");
        let mut short = proxy.connect();
        short.write_all(b"GET http").unwrap();
        short.shutdown(Shutdown::Write).unwrap();
        assert_eq!(one(&rest(&mut short)).status, 400);
        let mut mute = proxy.connect();
        mute.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut mute), b"");
    });
}

#[test]
fn a_target_that_fails_is_said_to_have_failed() {
    within(LONG, || {
        let proxy = proxy(&["--idle-timeout", "1"]);
        let reset = target(|mut stream| {
            read_head(&mut stream);
            let hard = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            hard.unwrap();
        });
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let cases = [
            (NOBODY.to_owned(), 502, "refused"),
            (
                "no-such-host.invalid".to_owned(),
                502,
                "no-such-host.invalid",
            ),
            (reset, 502, "reset"),
            (
                silent.local_addr().unwrap().to_string(),
                504,
                "nothing came for 1s",
            ),
            (saying(b""), 502, "ended before it began"),
            (saying(b"HTTP/1.1 200"), 502, "ended before it began"),
            (saying(b"SSH-2.0-x\r\n\r\n"), 502, "the target's answer"),
            (saying(b"HTTP/1.1 200 OK\nX: y\n\n"), 502, "malformed"),
            (saying(b"HTTP/1.1 101 Now\r\n\r\n"), 502, "101"),
            (
                saying(b"HTTP/1.1 200 A\r\nContent-Length: x\r\n\r\n"),
                502,
                "how long",
            ),
            (
                saying(b"HTTP/1.1 200 A\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
                502,
                "how long",
            ),
            (
                saying(
                    b"HTTP/1.1 200 A\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                ),
                502,
                "how long",
            ),
        ];
        for (address, expected, text) in cases {
            let (status, why) = refusal(&proxy, &get(&address));
            assert!(
                status == expected && why.contains(text),
                "{address}: {status} {why}"
            );
            assert_eq!(why.lines().count(), 1, "{why}");
        }
        let connect = format!("CONNECT {NOBODY} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(refusal(&proxy, &connect).0, 502);
    });
}

#[test]
fn an_answer_that_is_cut_looks_cut() {
    within(LONG, || {
        let proxy = proxy(&["--idle-timeout", "1"]);
        let stalled = target(|mut stream| {
            read_head(&mut stream);
            stream.write_all(b"HTTP/1.1 200 A\r\n\r\nhalf").unwrap();
            let _ = stream.read(&mut [0]); // until the proxy has had enough
        });
        for address in [
            saying(b"HTTP/1.1 200 A\r\nContent-Length: 9\r\n\r\nhalf"),
            saying(b"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
            saying(b"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n\r\nhalf"),
            stalled,
        ] {
            let mut stream = proxy.connect();
            stream.write_all(get(&address).as_bytes()).unwrap();
            let cut = stream.read_to_end(&mut Vec::new());
            assert!(cut.is_err(), "a reset, so that nobody takes it for all");
        }
    });
}

#[test]
fn a_target_may_answer_before_it_has_heard_all() {
    within(LONG, || {
        let server = Server::start(&["--max-body", "10"]);
        let proxy = proxy(&[]);
        let request = format!(
            "POST http://{}/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n12345",
            server.address
        );
        let mut stream = proxy.connect();
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut BufReader::new(&stream)).status, 413);
        let deaf = target(|mut stream| {
            read_head(&mut stream);
        });
        let request = request.replace(&server.address, &deaf);
        let (status, why) = refusal(&proxy, &request);
        assert_eq!(status, 502, "{why}");
    });
}

#[test]
fn wrong_flags_and_places_are_refused() {
    for flags in [
        &["--idle-timeout", "0"][..],
        &["--connections", "0"],
        &["--tunnel-ports", "http"],
        &["127.0.0.1:0", "more"],
    ] {
        assert_eq!(run("web_proxy", flags).status.code(), Some(2), "{flags:?}");
    }
    let output = run("web_proxy", &["nonsense"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.starts_with("web_proxy: ") && said.contains("nonsense"),
        "{said}"
    );
}
