//! Fetches https pages concurrently, one green thread a page, by TLS over green sockets.
//!
//! ```text
//! cargo run --release --features tls --example https_fetch                      # a demo site
//! cargo run --release --features tls --example https_fetch -- https://crates.io https://docs.rs/
//! cargo run --release --features tls --example https_fetch -- --ca own.pem https://localhost:8443/
//! ```
//!
//! The HTTP is the simplest that there is (1.0, no redirections), so that all of the TLS is to be
//! seen: one connector for everybody, and a `TlsStream` that is read as the socket is.

#[path = "common/https_site.rs"]
mod https_site;

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use greenloop::net::TcpStream;
use greenloop::net::tls::{Roots, TlsConnector};
use greenloop::pool::Pool;
use greenloop::timeout;
use indicatif::ProgressBar;
use url::Url;

/// Fetches every URL at once; without URLs, fifty slow pages of a demo site of its own.
#[derive(Parser)]
struct Args {
    /// How many pages at once
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    at_once: u32,
    /// How long one page may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Trust the certificates of this file, instead of the system's
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    /// The pages
    #[arg(value_name = "URL")]
    urls: Vec<String>,
}

fn main() -> ExitCode {
    run(Args::parse()).unwrap_or_else(|error| {
        eprintln!("https_fetch: {error}");
        ExitCode::FAILURE
    })
}

fn run(mut args: Args) -> io::Result<ExitCode> {
    let roots = if args.urls.is_empty() {
        let (site, roots) = https_site::start()?;
        args.urls = (1..=50).map(|page| format!("{site}/{page}")).collect();
        roots
    } else {
        args.ca.map_or_else(Roots::native, Roots::from_file)?
    };
    let connector = TlsConnector::builder().roots(roots).alpn(["http/1.0"]);
    let connector = connector.build()?;
    let (total, limit) = (args.urls.len(), Duration::from_secs(args.timeout));
    let progress = Arc::new(ProgressBar::new(total as u64)); // drawn on a terminal alone

    let start = Instant::now();
    let fetch = move |url: String| {
        let page = timeout(limit, || fetch(&connector, &url));
        (url, page.unwrap_or_else(|elapsed| Err(elapsed.into())))
    };
    let (mut came, mut bytes) = (0, 0);
    let pool = Pool::new(args.at_once as usize);
    for page in pool.imap_unordered(args.urls, fetch, None) {
        let (url, page) = page.expect("fetching does not panic");
        progress.suspend(|| match page {
            Ok(size) => {
                println!("{size} bytes received from {url}");
                (came, bytes) = (came + 1, bytes + size);
            }
            Err(error) => eprintln!("{url}: {error}"),
        });
        progress.inc(1);
    }
    progress.finish_and_clear();
    let took = start.elapsed().as_secs_f64();
    println!("fetched {came} of {total} pages, {bytes} bytes, in {took:.2} s");
    Ok(ExitCode::from(u8::from(came < total)))
}

/// Blocking style: each of these calls lets the other green threads run while it waits.
fn fetch(connector: &TlsConnector, url: &str) -> io::Result<u64> {
    let url = Url::parse(url).map_err(|error| invalid(format!("not a URL: {error}")))?;
    if url.scheme() != "https" {
        return Err(invalid(format!("expected https, not {}", url.scheme())));
    }
    let host = url.host_str().ok_or_else(|| invalid("no host".into()))?;
    let host = host.trim_matches(['[', ']']); // around an IPv6 address
    let port = url.port().unwrap_or(443);

    let stream = TcpStream::connect((host, port))?;
    let mut stream = connector.connect(host, stream)?;
    let (path, query) = (url.path(), url.query());
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    write!(
        stream,
        "GET {path}{query} HTTP/1.0\r\nHost: {}\r\nUser-Agent: https_fetch\r\n\r\n",
        &url[url::Position::BeforeHost..url::Position::AfterPort]
    )?;
    read_page(BufReader::new(stream))
}

/// Reads the answer to its end, and returns the size of the page.
fn read_page(mut answer: impl BufRead) -> io::Result<u64> {
    const LONGEST_HEAD: u64 = 64 << 10;
    let mut head = answer.by_ref().take(LONGEST_HEAD).lines();
    let status = head.next().unwrap_or_else(|| Ok(String::new()))?;
    match status.split(' ').nth(1) {
        Some("200") if status.starts_with("HTTP/1.") => {}
        _ => return Err(invalid(format!("expected status 200, got '{status}'"))),
    }
    let mut length = None;
    loop {
        let line = head
            .next()
            .ok_or_else(|| invalid("a head without an end".into()))??;
        match line.split_once(':') {
            _ if line.is_empty() => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok();
            }
            _ => {}
        }
    }
    let Some(length) = length else {
        return io::copy(&mut answer, &mut io::sink()); // TLS tells an end from a cut
    };
    let size = io::copy(&mut answer.take(length), &mut io::sink())?;
    if size < length {
        let what = format!("{size} of {length} bytes came");
        return Err(io::Error::new(ErrorKind::UnexpectedEof, what));
    }
    Ok(size)
}

fn invalid(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
