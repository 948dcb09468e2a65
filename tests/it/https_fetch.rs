//! The example `https_fetch`, on its demo site and on peers that mislead it.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use crate::course::{errors, figures};
use crate::examples::{NOBODY, last_line, run};

#[test]
fn the_pages_of_the_demo_site_come_at_once() {
    let output = run("https_fetch", &[]);
    assert!(output.status.success(), "{output:?}");
    let line = last_line(&output);
    let [came, total, bytes, seconds] = figures(&line)[..] else {
        panic!("{line}")
    };
    assert_eq!([came, total, bytes], [50.0, 50.0, 150_000.0], "{line}");
    assert!(seconds < 8.0, "fifty pages of 200 ms: {line}");
}

#[test]
fn each_failed_page_is_one_line() {
    let liar = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = format!("https://{}/", liar.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in liar.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap(); // never accepts
    let stalled = format!("https://{}/", silent.local_addr().unwrap());
    let refused = format!("https://{NOBODY}/");
    let cases = [
        (plain.as_str(), "expected TLS, received \"HTTP/1.1 400"),
        (&stalled, "the time ran out"),
        (&refused, "refused"),
        ("http://localhost/", "expected https"),
        ("nonsense", "not a URL"),
    ];
    let urls: Vec<&str> = cases.iter().map(|(url, _)| *url).collect();
    let output = run("https_fetch", &[&["--timeout", "1"], &urls[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert_eq!(errors.len(), cases.len(), "{errors:?}");
    for (url, reason) in cases {
        let line = errors.iter().find(|line| line.starts_with(url));
        let is_told = line.is_some_and(|line| line.contains(reason));
        assert!(is_told, "{url}: {reason} is not in {errors:?}");
    }
}

#[test]
fn bad_arguments_are_named() {
    let output = run(
        "https_fetch",
        &["--ca", "no/such.pem", "https://localhost/"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output)[0].contains("no/such.pem"), "{output:?}");
    let output = run("https_fetch", &["--at-once", "0"]);
    assert_eq!(output.status.code(), Some(2));
}
