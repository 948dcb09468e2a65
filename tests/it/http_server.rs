//! `http_server` with real clients, slow ones, rude ones, many at once, and at its end.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use socket2::SockRef;

use crate::alone::alone;
use crate::examples::run;
use crate::http_client::{Server, answers, rest, statuses, value};
use crate::http_files::{Site, get};
use crate::within::{NOISE, until};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Larger than what sockets hold.
const HUGE: usize = 64 << 20;

#[test]
fn curl_is_content() {
    let server = Server::start(&[]);
    let big: Vec<u8> = (0..700_000_u32).map(|at| at as u8).collect();
    let file = Site::new("curl");
    fs::write(file.root().join("big"), &big).unwrap();
    let data = format!("@{}", file.root().join("big").display());
    let echo = ["--data-binary", &data, "/echo"];
    assert_eq!(curl(&server, &["/"]), b"Hello, World!");
    assert_eq!(curl(&server, &["-A", "me", "/agent"]), b"You are me.\n");
    assert_eq!(curl(&server, &echo), big);
    let expecting = [&["-H", "Expect: 100-continue"], &echo[..]].concat();
    assert_eq!(curl(&server, &expecting), big);
    let chunked = [&["-H", "Transfer-Encoding: chunked"], &echo[..]].concat();
    assert_eq!(curl(&server, &chunked), big);
    let head = String::from_utf8(curl(&server, &["-I", "/"])).unwrap();
    assert_eq!(value(&head, "Content-Length"), Some("13"), "{head}");
    let old = String::from_utf8(curl(&server, &["-0", "-i", "/"])).unwrap();
    assert!(
        old.contains("Connection: close\r\n") && old.ends_with("Hello, World!"),
        "{old}"
    );
    let twice = curl(
        &server,
        &[
            "-w",
            "%{num_connects}",
            "/",
            "--next",
            "-w",
            "%{num_connects}",
            "/",
        ],
    );
    assert_eq!(twice, b"Hello, World!1Hello, World!0", "one connection");
}

/// The arguments that begin with a slash are paths.
fn curl(server: &Server, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "60"]);
    for argument in arguments {
        match argument.strip_prefix('/') {
            Some(path) => command.arg(format!("http://{}/{path}", server.address)),
            None if *argument == "--next" => command.args(["--next", "-sS"]),
            None => command.arg(argument),
        };
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output.stdout
}

#[test]
fn pythons_client_keeps_its_connection() {
    let server = Server::start(&[]);
    let program = "
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], timeout=60)
connection.connect()
socket = connection.sock
for number in range(100):
    connection.request('GET', '/')
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b'Hello, World!'), number
    connection.request('POST', '/echo', body=iter([b'a', b'b' * number]), encode_chunked=True,
                       headers={'Transfer-Encoding': 'chunked'})
    assert connection.getresponse().read() == b'a' + b'b' * number
    connection.request('HEAD', '/nothing')
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (404, b'')
    assert connection.sock is socket, 'kept'
";
    let output = Command::new("python3")
        .args(["-c", program, &server.address])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn answers_to_what_has_come_go_out_at_once() {
    let server = Server::start(&[]);
    let one = server.ask(LAST).len() - "Connection: close\r\n".len();
    let mut stream = server.connect();
    stream.write_all(&GET.repeat(50)).unwrap();
    let mut bytes = vec![0; 100_000];
    let read = stream.read(&mut bytes).unwrap();
    assert_eq!(read, 50 * one, "all in one piece");
    assert_eq!(statuses(&bytes[..read]), [200; 50]);
}

#[test]
fn an_old_client_may_ask_for_a_kept_connection() {
    let server = Server::start(&[]);
    let kept = b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\nGET /";
    let heads = answers(&server.ask(kept));
    let said: Vec<_> = heads
        .iter()
        .map(|answer| value(&answer.head, "Connection"))
        .collect();
    assert_eq!(said, [Some("keep-alive"), Some("close")]);
}

#[test]
fn who_expects_to_be_asked_for_a_body_is_asked_once() {
    let server = Server::start(&["--max-body", "10"]);
    let head = |length| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let mut stream = server.connect();
    stream.write_all(head(5).as_bytes()).unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"12").unwrap();
    stream.write_all(b"345").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answers(&rest(&mut stream))[0].body, b"12345");
    let eager = head(5) + "12345";
    assert_eq!(
        answers(&server.ask(eager.as_bytes())).len(),
        1,
        "it need not be asked"
    );
    assert_eq!(server.statuses(head(11).as_bytes()), [413]);
}

#[test]
fn a_slow_head_or_body_has_an_end() {
    let server = Server::start(&["--head-timeout", "1", "--body-timeout", "1"]);
    let body = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n";
    for start in [&b"GET / HTTP/1.1\r\nX: "[..], body] {
        let mut stream = server.connect();
        stream.write_all(start).unwrap();
        let (began, mut sent) = (Instant::now(), true);
        while sent && began.elapsed() < Duration::from_secs(60) {
            sent = stream.write_all(b"x").is_ok() && !has_answer(&stream);
        }
        assert!(
            began.elapsed() >= Duration::from_millis(900),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(statuses(&rest(&mut stream)), [408]);
    }
    let mut silent = server.connect();
    assert_eq!(rest(&mut silent), b"", "who says nothing is told nothing");
}

/// Whose bytes come while it is cut.
#[test]
fn a_head_that_drips_is_told_that_it_is_slow() {
    let server = Server::start(&["--head-timeout", "1"]);
    let drip = || {
        let mut stream = server.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(1500) && stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_micros(400));
        }
        statuses(&rest(&mut stream))
    };
    std::thread::scope(|s| {
        let all: Vec<_> = (0..40).map(|_| s.spawn(drip)).collect();
        for it in all {
            assert_eq!(it.join().unwrap(), [408]);
        }
    });
}

/// Looks for 50 ms.
fn has_answer(stream: &TcpStream) -> bool {
    let long = stream.read_timeout().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let has_answer = stream.peek(&mut [0]).is_ok();
    stream.set_read_timeout(long).unwrap();
    has_answer
}

#[test]
fn an_idle_connection_is_closed_and_a_used_one_kept() {
    let server = Server::start(&["--idle-timeout", "1"]);
    let mut stream = server.connect();
    let mut answer = vec![0; server.ask(LAST).len() - "Connection: close\r\n".len()];
    let began = Instant::now();
    for _ in 0..5 {
        stream.write_all(GET).unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert!(!has_answer(&stream), "it is still open");
    }
    assert_eq!(rest(&mut stream), b"");
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_client_that_never_reads_is_reset() {
    let site = Site::new("deaf").with_file("huge", HUGE);
    let server = site.serve(&["--write-timeout", "1"]);
    let before = server.sockets();
    let mut deaf = server.connect();
    deaf.write_all(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    deaf.peek(&mut [0]).unwrap(); // the answer has begun
    assert_eq!(get(&server, "/").status, 200, "others are served");
    server.until_sockets(before);
    let mut bytes = Vec::new();
    let error = deaf.read_to_end(&mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(bytes.len() < HUGE);
}

#[test]
fn resets_in_the_midst_of_an_answer_harm_nobody() {
    let site = Site::new("reset").with_file("huge", HUGE);
    let server = site.serve(&[]);
    let before = server.sockets();
    for _ in 0..20 {
        let mut rude = server.connect();
        rude.write_all(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        rude.peek(&mut [0]).unwrap();
        SockRef::from(&rude)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
    server.until_sockets(before);
    assert_eq!(get(&server, "/").status, 200);
}

#[test]
fn a_stop_answers_what_has_come_and_closes_what_is_idle() {
    let site = Site::new("stop").with_file("huge", HUGE);
    let mut server = site.serve(&[]);
    let mut streams: Vec<_> = (0..3).map(|_| server.connect()).collect();
    let [idle, begun, reading] = &mut streams[..] else {
        unreachable!()
    };
    idle.write_all(GET).unwrap();
    idle.peek(&mut [0]).unwrap();
    begun.write_all(&GET[..20]).unwrap();
    reading
        .write_all(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    reading.peek(&mut [0]).unwrap();
    server.terminate();
    assert_eq!(statuses(&rest(idle)), [200]);
    assert!(
        TcpStream::connect(&server.address).is_err(),
        "nobody listens any more"
    );
    begun.write_all(&GET[20..]).unwrap();
    let last = answers(&rest(begun));
    assert_eq!(value(&last[0].head, "Connection"), Some("close"));
    assert_eq!(answers(&rest(reading))[0].body.len(), HUGE);
    assert_eq!(server.wait(NOISE).code(), Some(0));
}

#[test]
fn a_stop_has_a_deadline() {
    let site = Site::new("deadline").with_file("huge", HUGE);
    let mut server = site.serve(&["--drain-timeout", "1"]);
    let mut deaf = server.connect();
    deaf.write_all(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    deaf.peek(&mut [0]).unwrap();
    let began = Instant::now();
    server.terminate();
    assert_eq!(server.wait(Duration::from_secs(1) + NOISE).code(), Some(0));
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn two_thousand_connections_and_a_stop() {
    let name = concat!(module_path!(), "::two_thousand_connections_and_a_stop");
    alone(name, "ulimit -n 8192", || stop_with(2000));
}

/// As many as there may be descriptors for, where that is fewer.
#[test]
fn ten_thousand_connections_and_a_stop() {
    let name = concat!(module_path!(), "::ten_thousand_connections_and_a_stop");
    alone(name, "ulimit -n $(ulimit -Hn)", || {
        let limit = getrlimit(Resource::Nofile).current;
        let most = limit.map_or(10_000, |limit| limit.saturating_sub(200));
        stop_with(most.min(10_000) as usize);
    });
}

/// Connections of all kinds, many of which nobody has accepted yet when the stop comes.
fn stop_with(count: usize) {
    let mut server = Server::start(&["--drain-timeout", "60"]);
    let mut streams = Vec::new();
    for number in 0..count {
        streams.push(server.connect());
        if number % 1000 == 999 {
            // The backlog has room for 4,096.
            until("it accepts", || server.sockets() + 2000 > streams.len());
        }
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let _ = match number % 4 {
            0 => Ok(()),
            1 => stream.write_all(&GET[..10]),
            _ => stream.write_all(GET),
        };
    }
    server.terminate();
    for (number, mut stream) in streams.into_iter().enumerate() {
        if number % 4 == 1 {
            stream.write_all(&GET[10..]).unwrap();
        }
        let asked = usize::from(number % 4 != 0);
        let came = statuses(&rest(&mut stream));
        assert_eq!(came, vec![200; asked], "number {number}");
    }
    assert_eq!(server.wait(NOISE).code(), Some(0));
}

#[test]
fn wrong_flags_and_places_are_refused() {
    for flags in [
        &["--head-timeout", "0"][..],
        &["--idle-timeout", "soon"],
        &["--workers", "many"],
        &["--max-body", "-1"],
        &["127.0.0.1:0", "more"],
        &["--drain-timeout", "1e300"],
        &["--connections", "0"],
        &["--tls", "cert.pem"],
    ] {
        assert_eq!(
            run("http_server", flags).status.code(),
            Some(2),
            "{flags:?}"
        );
    }
    let server = Server::start(&[]);
    for (flags, named) in [
        (&["nonsense"][..], "nonsense"),
        (&[&server.address], &server.address),
        (&["--root", "/no/such/folder"], "/no/such/folder"),
        (&["--workers", "0"], "workers is 0"),
        #[cfg(not(feature = "tls"))]
        (&["--tls", "cert.pem", "key.pem"], "--features tls"),
    ] {
        let output = run("http_server", flags);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.lines().count()),
            (Some(1), 1),
            "{said}"
        );
        assert!(
            said.starts_with("http_server: ") && said.contains(named),
            "{said}"
        );
    }
}
