//! `web_proxy` between real clients and targets that are in order, until it is stopped.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::http_client::{Answer, Server, answers, rest, value};
use crate::http_files::Site;
use crate::served::Served;
use crate::within::{LONG, NOISE, within};

pub(crate) fn proxy(flags: &[&str]) -> Served {
    Served::start("web_proxy", flags)
}

/// What comes back until the proxy ends the connection.
pub(crate) fn ask(proxy: &Served, request: &str) -> Vec<u8> {
    let mut stream = proxy.connect();
    let _ = stream.write_all(request.as_bytes()); // it may have heard enough
    rest(&mut stream)
}

pub(crate) fn one(answer: &[u8]) -> Answer {
    let mut all = answers(answer);
    assert_eq!(all.len(), 1, "{}", answer.escape_ascii());
    all.remove(0)
}

/// The status and text of a refusal.
pub(crate) fn refusal(proxy: &Served, request: &str) -> (u16, String) {
    let Answer { status, body, .. } = one(&ask(proxy, request));
    (status, String::from_utf8(body).unwrap())
}

/// A target that does this to each connection, one after the other.
pub(crate) fn target(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

/// A target that answers each request so, and then closes.
pub(crate) fn saying(answer: &'static [u8]) -> String {
    target(move |mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(answer);
    })
}

/// Asks for the page of this target.
pub(crate) fn get(address: &str) -> String {
    format!("GET http://{address}/ HTTP/1.1\r\nHost: a\r\n\r\n")
}

pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn terminated(mut proxy: Served, limit: Duration) -> ExitStatus {
    proxy.terminate();
    proxy.wait(limit)
}

/// The arguments are curl's.
fn curl(proxy: &Served, arguments: &[&str]) -> Vec<u8> {
    let through = format!("http://{}", proxy.address);
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "60", "--noproxy", "", "-x", &through])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output.stdout
}

#[test]
fn curl_fetches_pages_through_it() {
    within(LONG, || {
        let (server, proxy) = (Server::start(&[]), proxy(&[]));
        let url = |path: &str| format!("http://{}{path}", server.address);
        let place = Site::new("proxied").with_file("big", 700_000);
        let big = fs::read(place.root().join("big")).unwrap();
        let data = format!("@{}", place.root().join("big").display());
        assert_eq!(curl(&proxy, &[&url("/")]), b"Hello, World!");
        assert_eq!(
            curl(&proxy, &["-p", &url("/")]),
            b"Hello, World!",
            "CONNECT"
        );
        assert_eq!(curl(&proxy, &["-0", &url("/")]), b"Hello, World!");
        let to = url("/echo");
        for flags in [
            &[][..],
            &["-H", "Expect: 100-continue"],
            &["-H", "Transfer-Encoding: chunked"],
            &["-p"],
        ] {
            let echo = [flags, &["--data-binary", &data, &to]].concat();
            assert!(curl(&proxy, &echo) == big, "{flags:?}");
        }
        let head = String::from_utf8(curl(&proxy, &["-I", &url("/")])).unwrap();
        assert_eq!(value(&head, "Content-Length"), Some("13"), "{head}");
        assert_eq!(value(&head, "Via"), Some("1.1 greenloop"), "{head}");
        let missing = curl(&proxy, &["-w", "%{http_code}", &url("/nothing")]);
        assert_eq!(missing, b"404 Not Found\n404");
    });
}

#[cfg(feature = "tls")]
#[test]
fn curl_speaks_tls_through_it() {
    within(LONG, || {
        let place = Site::new("proxied-tls").with_file("big", 3_000_000);
        let authority = crate::authority::Authority::new();
        let (chain, key) = authority.papers("localhost");
        let path = |name: &str| place.0.join(name).display().to_string();
        for (name, text) in [("ca", authority.pem()), ("chain", chain), ("key", key)] {
            fs::write(path(name), text).unwrap();
        }
        let root = place.root().display().to_string();
        let server = Server::start(&["--root", &root, "--tls", &path("chain"), &path("key")]);
        let port = server.address.rsplit_once(':').unwrap().1;
        let proxy = proxy(&["--tunnel-ports", port]);
        let url = format!("https://localhost:{port}/big");
        let came = curl(&proxy, &["--cacert", &path("ca"), &url]);
        assert!(came == fs::read(place.root().join("big")).unwrap());
        let (status, why) = refusal(&proxy, "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((status, &*why), (403, "no tunnel leads to port 1\n"));
    });
}

#[test]
fn a_tunnel_passes_ends_on_one_by_one() {
    within(LONG, || {
        let address = target(|mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap(); // the client's end
            all.reverse();
            stream.write_all(&all).unwrap();
        });
        let proxy = proxy(&[]);
        let mut stream = proxy.connect();
        // What comes along with the request is for the target.
        write!(stream, "CONNECT {address} HTTP/1.1\r\nHost: a\r\n\r\nabc").unwrap();
        assert!(read_head(&mut stream).starts_with("HTTP/1.1 200 "));
        stream.write_all(b"def").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut stream), b"fedcba");

        let greeting = target(|mut stream| {
            stream.write_all(b"hello").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            assert_eq!(all, b"and goodbye");
        });
        let mut stream = proxy.connect();
        write!(stream, "CONNECT {greeting} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read_head(&mut stream);
        assert_eq!(rest(&mut stream), b"hello");
        stream.write_all(b"and goodbye").unwrap();
    });
}

#[test]
fn headers_for_the_next_hop_go_no_further() {
    within(LONG, || {
        let (sender, heads) = mpsc::channel();
        let address = target(move |mut stream| {
            sender.send(read_head(&mut stream)).unwrap();
            let answer = b"HTTP/1.1 200 Fine\r\nConnection: X-Own, close\r\nX-Own: 1\r\n\
                Keep-Alive: 5\r\nX-Kept: 2\r\nContent-Length: 2\r\n\r\nok and more";
            stream.write_all(answer).unwrap();
        });
        let proxy = proxy(&[]);
        let request = format!(
            "POST http://{address}?a=b HTTP/1.1\r\nHost: elsewhere\r\nX-Kept: 1\r\n\
             Connection: x-gone, Content-Length, Keep-Alive\r\nX-Gone: 1\r\nKeep-Alive: 1\r\n\
             Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nTE: trailers\r\n\
             Upgrade: h2c\r\nVia: 1.0 other\r\nContent-Length: 3\r\n\r\nabc"
        );
        let answer = one(&ask(&proxy, &request));
        let seen = heads.recv().unwrap();
        let expected = format!(
            "POST /?a=b HTTP/1.1\r\nHost: {address}\r\nX-Kept: 1\r\nVia: 1.0 other\r\n\
             Content-Length: 3\r\nVia: 1.1 greenloop\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(seen, expected);
        let head = "HTTP/1.1 200 Fine\r\nX-Kept: 2\r\nContent-Length: 2\r\n\
             Via: 1.1 greenloop\r\nConnection: close\r\n\r\n";
        assert_eq!((&*answer.head, &*answer.body), (head, &b"ok"[..]));
    });
}

#[test]
fn answers_of_every_length_come_through_whole() {
    within(LONG, || {
        let proxy = proxy(&[]);
        let chunked = b"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let cases: [(&[u8], &str, &str); 5] = [
            (chunked, "1.1", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
            (chunked, "1.0", "abcde"),
            (b"HTTP/1.1 200 A\r\n\r\nto the end", "1.1", "to the end"),
            (b"HTTP/1.1 204 A\r\n\r\n", "1.1", ""),
            (
                b"HTTP/1.0 200 A\r\nContent-Length: 2\r\n\r\nab",
                "1.0",
                "ab",
            ),
        ];
        for (answer, version, body) in cases {
            let request = get(&saying(answer)).replace("HTTP/1.1", &format!("HTTP/{version}"));
            let text = String::from_utf8(ask(&proxy, &request)).unwrap();
            let (head, came) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(came, body, "{text}");
            assert!(head.ends_with("\r\nConnection: close"), "{text}");
            let is_chunked = head.contains("chunked");
            assert_eq!(
                is_chunked,
                version == "1.1" && body.ends_with("0\r\n\r\n"),
                "{text}"
            );
        }
        let told =
            saying(b"HTTP/1.1 103 Hint\r\nX: y\r\n\r\nHTTP/1.1 200 A\r\nContent-Length: 0\r\n\r\n");
        let both: Vec<u16> = answers(&ask(&proxy, &get(&told)))
            .iter()
            .map(|answer| answer.status)
            .collect();
        assert_eq!(both, [103, 200]);
    });
}

#[test]
fn many_clients_are_served_at_once() {
    within(LONG, || {
        let (server, proxy) = (Server::start(&[]), proxy(&[]));
        let mut streams: Vec<_> = (0..200).map(|_| proxy.connect()).collect();
        let request = get(&server.address);
        for stream in &mut streams {
            stream.write_all(request.as_bytes()).unwrap();
        }
        for mut stream in streams {
            assert_eq!(one(&rest(&mut stream)).body, b"Hello, World!");
        }
        assert_eq!(terminated(proxy, NOISE).code(), Some(0));
    });
}

#[test]
fn a_stop_lets_a_conversation_end() {
    within(LONG, || {
        let (go, wait) = mpsc::channel();
        let slow = target(move |mut stream| {
            read_head(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 A\r\nContent-Length: 4\r\n\r\n12")
                .unwrap();
            wait.recv().unwrap();
            stream.write_all(b"34").unwrap();
        });
        let mut proxy = proxy(&["--drain-timeout", "60"]);
        let mut stream = proxy.connect();
        stream.write_all(get(&slow).as_bytes()).unwrap();
        let head = read_head(&mut stream);
        proxy.terminate();
        let start = Instant::now();
        while TcpStream::connect(&proxy.address).is_ok() {
            assert!(start.elapsed() < LONG, "it still listens");
        }
        go.send(()).unwrap();
        assert_eq!(rest(&mut stream), b"1234", "{head}");
        assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
    });
}

#[test]
fn a_stop_has_a_deadline() {
    within(LONG, || {
        let proxy = proxy(&["--drain-timeout", "1"]);
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = proxy.connect();
        let address = silent.local_addr().unwrap();
        write!(stream, "CONNECT {address} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read_head(&mut stream);
        let began = Instant::now();
        let status = terminated(proxy, Duration::from_secs(2) + NOISE);
        assert_eq!(status.code(), Some(0));
        assert!(began.elapsed() >= Duration::from_secs(1));
    });
}
