//! `http_server --tls` with clients of other make, and with those that break off.

use std::fs;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use greenloop::net::TcpStream;
use greenloop::net::tls::TlsStream;

use crate::authority::Authority;
use crate::examples::run;
use crate::http_client::{Server, answers, read_answer, rest, statuses, value};
use crate::http_files::Site;
use crate::http_peers::wrk;
use crate::within::{LONG, NOISE, within};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A server, whom its authority vouches for.
struct Secured {
    server: Server,
    authority: Authority,
    place: Site,
}

impl Secured {
    fn start(name: &str, flags: &[&str]) -> Secured {
        let (authority, place) = (Authority::new(), Site::new(name));
        let (chain, key) = authority.papers("localhost");
        let file = |name: &str, text: &str| {
            let path = place.0.join(name);
            fs::write(&path, text).unwrap();
            path.into_os_string().into_string().unwrap()
        };
        file("ca.pem", &authority.pem());
        let papers = ["--tls", &file("chain.pem", &chain), &file("key.pem", &key)];
        let server = Server::start(&[&papers, flags].concat());
        Secured {
            server,
            authority,
            place,
        }
    }

    fn port(&self) -> &str {
        self.server.address.rsplit_once(':').unwrap().1
    }

    fn ca(&self) -> String {
        self.place.0.join("ca.pem").display().to_string()
    }

    fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(&self.server.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let connector = self.authority.connector();
        connector.connect("localhost", stream).unwrap()
    }

    /// All that comes back until the server says that it ends: a mere end would be an error.
    fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        to_end(&mut stream)
    }
}

fn to_end(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    read.unwrap_or_else(|error| panic!("{error} after {} bytes", bytes.len()));
    bytes
}

#[test]
fn curl_trusts_it() {
    within(LONG, || {
        let secured = Secured::start("tls-curl", &[]);
        let big: Vec<u8> = (0..700_000_u32).map(|at| at as u8).collect();
        fs::write(secured.place.0.join("big"), &big).unwrap();
        let data = format!("@{}", secured.place.0.join("big").display());
        assert_eq!(curl(&secured, "/", &[]), b"Hello, World!");
        assert_eq!(curl(&secured, "/echo", &["--data-binary", &data]), big);
        let upload = ["--data-binary", &data, "-H", "Transfer-Encoding: chunked"];
        assert_eq!(curl(&secured, "/echo", &upload), big);
        let head = String::from_utf8(curl(&secured, "/", &["-I"])).unwrap();
        assert_eq!(value(&head, "Content-Length"), Some("13"), "{head}");
    });
}

fn curl(secured: &Secured, path: &str, flags: &[&str]) -> Vec<u8> {
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "60", "--cacert", &secured.ca()])
        .args([
            "--resolve",
            &format!("localhost:{}:127.0.0.1", secured.port()),
        ])
        .args(flags)
        .arg(format!("https://localhost:{}{path}", secured.port()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{flags:?}: {output:?}");
    output.stdout
}

#[test]
fn openssl_is_answered() {
    within(LONG, || {
        let secured = Secured::start("tls-openssl", &[]);
        for version in ["-tls1_2", "-tls1_3"] {
            let spawned = Command::new("openssl")
                .args(["s_client", "-quiet", "-verify_return_error", version])
                .args([
                    "-connect",
                    &secured.server.address,
                    "-CAfile",
                    &secured.ca(),
                ])
                .args(["-servername", "localhost", "-alpn", "http/1.1"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn();
            let mut child = match spawned {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return eprintln!("skipped: openssl is not installed");
                }
                child => child.unwrap(),
            };
            let input = child.stdin.take().unwrap();
            (&input).write_all(LAST).unwrap();
            let output = child.wait_with_output().unwrap(); // by the server's end, not by ours
            drop(input);
            assert_eq!(statuses(&output.stdout), [200], "{version}");
        }
    });
}

#[test]
fn wrk_sees_no_failed_request_by_tls() {
    within(LONG, || {
        let secured = Secured::start("tls-wrk", &[]);
        wrk(&[], &format!("https://{}/", secured.server.address));
    });
}

#[test]
fn every_end_is_announced() {
    within(LONG, || {
        let secured = Secured::start("tls-ends", &["--idle-timeout", "1", "--head-timeout", "2"]);
        assert_eq!(statuses(&secured.ask(LAST)), [200]);
        assert_eq!(statuses(&secured.ask(b"GET\r\n\r\n")), [400]);
        assert_eq!(statuses(&secured.ask(GET)), [200], "then it was idle");
        assert_eq!(
            statuses(&secured.ask(&GET[..20])),
            [408],
            "then it was slow"
        );
        let mut polite = secured.connect();
        polite.write_all(&GET.repeat(50)).unwrap();
        polite.shutdown().unwrap();
        assert_eq!(statuses(&to_end(&mut polite)), [200; 50]);
    });
}

#[test]
fn a_large_file_comes_by_tls() {
    within(LONG, || {
        let site = Site::new("tls-site").with_file("large", 5_000_001);
        let root = site.root().into_os_string().into_string().unwrap();
        let secured = Secured::start("tls-file", &["--root", &root]);
        let answer = secured.ask(b"GET /large HTTP/1.0\r\n\r\n");
        let large = fs::read(site.root().join("large")).unwrap();
        assert!(answers(&answer)[0].body == large);
    });
}

#[test]
fn who_breaks_off_or_speaks_no_tls_harms_nobody() {
    within(LONG, || {
        let secured = Secured::start("tls-rude", &["--head-timeout", "2"]);
        let before = secured.server.sockets();
        let mut plain = secured.server.connect();
        plain.write_all(GET).unwrap();
        let _ = plain.read_to_end(&mut Vec::new()); // an alert, or a reset
        let mut silent = secured.server.connect();
        for sent in [&b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x00\x05hello"] {
            let mut stream = secured.server.connect();
            stream.write_all(sent).unwrap();
        }
        for bytes in [&GET[..0], &GET[..10], GET] {
            let mut stream = secured.connect();
            stream.write_all(bytes).unwrap(); // and no word of the end
        }
        assert_eq!(statuses(&secured.ask(LAST)), [200], "others are served");
        let _ = silent.read(&mut [0]); // its time is over
        secured.server.until_sockets(before);
    });
}

#[test]
fn a_stop_by_tls_answers_what_has_come() {
    within(LONG, || {
        let mut secured = Secured::start("tls-stop", &["--drain-timeout", "60"]);
        let mut streams: Vec<_> = (0..50).map(|_| secured.connect()).collect();
        for stream in &mut streams {
            stream.write_all(GET).unwrap();
            assert_eq!(read_answer(&mut BufReader::new(&*stream)).status, 200);
        }
        let (asking, idle) = streams.split_at_mut(25);
        for stream in &mut *asking {
            stream.write_all(&GET[..10]).unwrap();
        }
        secured.server.terminate();
        for stream in idle {
            assert_eq!(to_end(stream), b"");
        }
        for stream in asking {
            stream.write_all(&GET[10..]).unwrap();
            assert_eq!(statuses(&to_end(stream)), [200]);
        }
        assert_eq!(secured.server.wait(NOISE).code(), Some(0));
    });
}

#[test]
fn wrong_papers_are_refused() {
    let place = Site::new("tls-papers");
    let (chain, key) = Authority::new().papers("localhost");
    let (_, other) = Authority::new().papers("localhost");
    let path = |name: &str| place.0.join(name).display().to_string();
    for (name, text) in [("chain", &chain), ("key", &key), ("other", &other)] {
        fs::write(Path::new(&path(name)), text).unwrap();
    }
    for (chain, key) in [("chain", "other"), ("key", "chain"), ("chain", "missing")] {
        let output = run(
            "http_server",
            &["127.0.0.1:0", "--tls", &path(chain), &path(key)],
        );
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("http_server: --tls: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_deaf_client_of_tls_is_cut_at_the_deadline() {
    within(LONG, || {
        let site = Site::new("tls-deaf").with_file("huge", 64 << 20);
        let root = site.root().into_os_string().into_string().unwrap();
        let flags = ["--root", &root, "--drain-timeout", "1"];
        let mut secured = Secured::start("tls-deadline", &flags);
        let mut deaf = secured.connect();
        deaf.write_all(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        deaf.read_exact(&mut [0]).unwrap();
        secured.server.terminate();
        let limit = Duration::from_secs(2) + NOISE;
        assert_eq!(secured.server.wait(limit).code(), Some(0));
        assert!(deaf.read_to_end(&mut Vec::new()).is_err());
        let mut late = std::net::TcpStream::connect(&secured.server.address);
        assert!(late.as_mut().map(rest).is_err(), "nobody listens");
    });
}
