//! The example programs, run as a newcomer runs them: by their flags, output and exit codes.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::served::Served;

/// An address at which nobody listens.
pub(crate) const NOBODY: &str = "127.0.0.1:1";

#[test]
fn the_demo_site_comes_in_the_time_of_a_few_pages() {
    let output = run("concurrent_fetch", &[]);
    let last = last_line(&output);
    assert!(output.status.success(), "{output:?}");
    let figures = fetched(&last);
    assert_eq!(figures[..3], [50.0, 50.0, 150_000.0], "{last}");
    assert!(figures[3] < 5.0 && figures[4] >= 10.0, "{last}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("GET: http://127.0.0.1:"))
            .count(),
        50
    );
    assert_eq!(
        text.lines()
            .filter(|line| line.contains(" bytes received from http://"))
            .count(),
        50
    );
}

#[test]
fn concurrency_bounds_how_many_pages_are_fetched_at_once() {
    let output = run("concurrent_fetch", &["--concurrency", "10"]);
    let last = last_line(&output);
    assert!(output.status.success(), "{output:?}");
    assert!(
        fetched(&last)[3] >= 1.0,
        "fifty pages of 200 ms, ten at once: {last}"
    );
}

#[test]
fn each_failed_page_is_one_line_and_the_others_still_come() {
    let (good, missing) = (site("200 OK"), site("404 Not Found"));
    let (stalled, refused) = (stalled_site(), format!("http://{NOBODY}/"));
    let bad = "http://[not-a-url";
    let output = run(
        "concurrent_fetch",
        &["--timeout", "1", &good, bad, &refused, &missing, &stalled],
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fetched(&last_line(&output))[..3], [1.0, 5.0, 5.0]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(&format!("5 bytes received from {good}")),
        "{text}"
    );
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 4, "{errors}");
    for (url, reason) in [
        (bad, "invalid"),
        (&refused, "refused"),
        (&missing, "404"),
        (&stalled, "within 1s"),
    ] {
        let line = errors
            .lines()
            .find(|line| line.starts_with(&format!("{url}: ")));
        assert!(
            line.is_some_and(|line| line.contains(reason)),
            "{url} not in {errors}"
        );
    }
}

#[test]
fn a_broken_connection_or_a_strange_scheme_is_a_failed_page() {
    let cut = serve(|stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            .unwrap();
    });
    let output = run("concurrent_fetch", &[&cut, "ftp://127.0.0.1/x", "nonsense"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 3, "{errors}");
}

#[test]
fn wrong_flags_are_usage_errors() {
    let cases: [(&str, &[&str]); 5] = [
        ("concurrent_fetch", &["--concurrency", "0"]),
        ("concurrent_fetch", &["--timeout", "soon"]),
        ("echo_client", &[]),
        ("echo_client", &["127.0.0.1:1", "--rounds", "0"]),
        ("gevent_server", &["127.0.0.1:0", "too many"]),
    ];
    for (program, arguments) in cases {
        let output = run(program, arguments);
        assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}");
        assert!(
            output.stdout.is_empty() && output.stderr.starts_with(b"error: "),
            "{output:?}"
        );
    }
}

#[test]
fn the_server_echoes_what_the_client_checks() {
    let server = Served::start("gevent_server", &[]);
    for arguments in [["50", "20", "64"], ["5", "2", "1000000"], ["1", "1", "1"]] {
        let [connections, rounds, size] = arguments;
        let flags = [
            "--connections",
            connections,
            "--rounds",
            rounds,
            "--size",
            size,
        ];
        let output = run(
            "echo_client",
            &[&[server.address.as_str()], &flags[..]].concat(),
        );
        assert!(output.status.success(), "{output:?}");
        let asked = connections.parse::<u32>().unwrap() * rounds.parse::<u32>().unwrap();
        let line = last_line(&output);
        assert!(line.starts_with(&format!("{asked} requests in ")), "{line}");
        assert!(
            line.contains("requests/s, p50 ") && line.contains(" ms, p99 "),
            "{line}"
        );
    }
}

#[test]
fn a_client_that_resets_does_not_end_the_server() {
    let server = Served::start("gevent_server", &[]);
    for _ in 0..20 {
        let mut client = TcpStream::connect(&server.address).unwrap();
        client.write_all(&[7; 100_000]).unwrap();
        drop(client); // with unread answers: the kernel resets
    }
    let output = run(
        "echo_client",
        &[&server.address, "--connections", "3", "--rounds", "3"],
    );
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_server_sends_the_rest_after_a_half_close() {
    let server = Served::start("gevent_server", &[]);
    let mut client = TcpStream::connect(&server.address).unwrap();
    client.write_all(b"last words").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut echoed = String::new();
    client.read_to_string(&mut echoed).unwrap();
    assert_eq!(echoed, "last words");
}

#[test]
fn an_address_that_cannot_be_had_is_one_line() {
    let server = Served::start("gevent_server", &[]);
    let cases = [
        ("gevent_server", server.address.as_str()),
        ("gevent_server", "nonsense"),
    ];
    for (program, address) in cases.into_iter().chain([("echo_client", "nonsense")]) {
        let output = run(program, &[address]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), error.lines().count()),
            (Some(1), 1),
            "{error}"
        );
        assert!(
            error.starts_with(program) && error.contains(address),
            "{error}"
        );
    }
    let output = run("echo_client", &[NOBODY, "--connections", "4"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("4 of 4 connections failed: Connection refused"),
        "{error}"
    );
}

#[test]
fn a_server_that_lies_is_found_out() {
    let liar = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = liar.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in liar.incoming().flatten() {
            let mut message = [0; 64];
            stream.read_exact(&mut message).unwrap();
            message[63] ^= 1;
            stream.write_all(&message).unwrap();
        }
    });
    let output = run(
        "echo_client",
        &[&address, "--connections", "2", "--rounds", "1"],
    );
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("what came back is not what was sent"),
        "{error}"
    );
}

pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(built(program));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Cargo builds the examples for `cargo test` and leaves them beside the folder of the test itself.
fn built(program: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test
        .parent()
        .unwrap()
        .with_file_name("examples")
        .join(program);
    assert!(
        path.exists(),
        "{} is not built: `cargo build --examples` builds it",
        path.display()
    );
    path
}

/// Runs the program to its end, which must come within half a minute.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    let mut child = command(program, arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let outputs = (read_all(child.stdout.take()), read_all(child.stderr.take()));
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() < Duration::from_secs(30) => {
                thread::sleep(Duration::from_millis(5));
            }
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!(
                    "{program} {arguments:?} did not end: {:?}",
                    outputs.0.join()
                );
            }
        }
    };
    Output {
        status,
        stdout: outputs.0.join().unwrap(),
        stderr: outputs.1.join().unwrap(),
    }
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    let mut pipe = pipe.unwrap();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

pub(crate) fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().unwrap_or_default().to_owned()
}

/// The five figures of `fetched 50 of 50 pages, B bytes, in 0.21 s (one after another: 10.02 s)`.
fn fetched(line: &str) -> Vec<f64> {
    let shape: String = line
        .chars()
        .filter(|c| !c.is_ascii_digit() && *c != '.')
        .collect();
    assert_eq!(
        shape, "fetched  of  pages,  bytes, in  s (one after another:  s)",
        "{line}"
    );
    let figures = line.split(|c: char| !c.is_ascii_digit() && c != '.');
    figures
        .filter(|figure| !figure.is_empty())
        .map(|figure| figure.parse().unwrap())
        .collect()
}

/// A site whose every page is "hello", with this status.
fn site(status: &'static str) -> String {
    serve(move |stream| {
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhello"
        )
        .unwrap();
    })
}

/// A site that reads the request and never answers.
pub(crate) fn stalled_site() -> String {
    serve(|stream| drop(stream.read_to_end(&mut Vec::new())))
}

fn serve(answer: impl Fn(&mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = head.map_while(Result::ok).find(String::is_empty);
            answer(&mut stream);
        }
    });
    url
}
