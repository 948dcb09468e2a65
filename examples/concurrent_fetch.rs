//! Fetches pages concurrently, one green thread a page, and tells how much time that saved.
//!
//! ```text
//! cargo run --release --example concurrent_fetch                        # fifty slow pages
//! cargo run --release --example concurrent_fetch -- --concurrency 10    # the same, ten at a time
//! cargo run --release --example concurrent_fetch -- https://crates.io http://127.0.0.1:1/refused
//! ```
//!
//! The HTTP client is `ureq`, which is written for blocking sockets; `GreenTcp` lends it ours.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::iter;
use std::net::ToSocketAddrs;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use clap::Parser;
use greenloop::net::{TcpListener, TcpStream};
use greenloop::{joinall, sleep, spawn, spawn_blocking, thread};
use indicatif::ProgressBar;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::*;
use ureq::{Agent, Error};

/// Fetches every URL at once; without URLs, fifty slow pages of a demo site of its own.
#[derive(Parser)]
struct Args {
    /// How many pages at once [default: all]
    #[arg(long, value_name = "N")]
    concurrency: Option<NonZeroUsize>,
    /// How long one page may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// The pages, http or https
    #[arg(value_name = "URL")]
    urls: Vec<String>,
}

fn main() -> io::Result<ExitCode> {
    let mut args = Args::parse();
    if args.urls.is_empty() {
        args.urls = demo_site()?;
    }
    let total = args.urls.len();
    let at_once = args.concurrency.map_or(total, |n| n.get().min(total));
    let fetcher = Arc::new(Fetcher::new(Duration::from_secs(args.timeout), total));
    let urls = Arc::new(Mutex::new(args.urls.into_iter()));

    // By default a green thread for each URL; with fewer, each takes another URL when it is done.
    let start = Instant::now();
    let fetching = (0..at_once).map(|_| {
        let (fetcher, urls) = (fetcher.clone(), urls.clone());
        let next = move || urls.lock().unwrap().next();
        spawn(move || -> Vec<Page> { iter::from_fn(next).map(|url| fetcher.fetch(&url)).collect() })
    });
    let pages: Vec<Page> = joinall(fetching).into_iter().flatten().flatten().collect();
    let took = start.elapsed();
    fetcher.progress.finish_and_clear();

    let came: Vec<u64> = pages.iter().filter_map(|page| page.bytes).collect();
    let bytes: u64 = came.iter().sum();
    let one_after_another: Duration = pages.iter().map(|page| page.took).sum();
    println!(
        "fetched {} of {total} pages, {bytes} bytes, in {:.2} s (one after another: {:.2} s)",
        came.len(),
        took.as_secs_f64(),
        one_after_another.as_secs_f64(),
    );
    Ok(ExitCode::from(u8::from(came.len() < total)))
}

/// What became of one URL: its size, if it came, and the time that it took.
struct Page {
    bytes: Option<u64>,
    took: Duration,
}

/// What the green threads share.
struct Fetcher {
    agent: Agent,
    timeout: Duration,
    progress: ProgressBar, // draws only when standard error is a terminal
}

impl Fetcher {
    fn new(timeout: Duration, pages: usize) -> Fetcher {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_idle_connections(0) // each page has a connection of its own
            .proxy(None)
            .build();
        let agent = Agent::with_parts(config, GreenTcp.chain(RustlsConnector::default()), GreenDns);
        Fetcher {
            agent,
            timeout,
            progress: ProgressBar::new(pages as u64),
        }
    }

    fn fetch(&self, url: &str) -> Page {
        self.progress.suspend(|| println!("GET: {url}"));
        let start = Instant::now();
        let received = self.receive(url);
        let took = start.elapsed();
        self.progress.suspend(|| match &received {
            Ok(bytes) => println!("{bytes} bytes received from {url}"),
            Err(Error::Io(error)) => eprintln!("{url}: {error}"),
            Err(Error::Timeout(_)) => eprintln!("{url}: no whole answer within {:?}", self.timeout),
            Err(error) => eprintln!("{url}: {error}"),
        });
        self.progress.inc(1);
        Page {
            bytes: received.ok(),
            took,
        }
    }

    /// Blocking style: each of these calls lets the other green threads run while it waits.
    fn receive(&self, url: &str) -> Result<u64, Error> {
        let page = self.agent.get(url).call()?;
        let mut body = page.into_body().into_reader();
        Ok(io::copy(&mut body, &mut io::sink())?)
    }
}

/// Serves fifty pages on a free loopback port, each after 200 ms, and returns their URLs.
fn demo_site() -> io::Result<Vec<String>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || answer(stream));
        }
    });
    Ok((1..=50)
        .map(|page| format!("http://{address}/page/{page}"))
        .collect())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    for line in BufReader::new(&stream).lines() {
        if line?.is_empty() {
            break; // the end of the request's head
        }
    }
    sleep(Duration::from_millis(200));
    let body = "A slow page of the demo site.\n".repeat(100);
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Opens ureq's connections as green ones. In the chain above, rustls comes next, for https.
#[derive(Debug)]
struct GreenTcp;

impl Connector for GreenTcp {
    type Out = GreenTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<GreenTransport>, Error> {
        let (addresses, config) = (&details.addrs, details.config);
        let timeout = *details.timeout.after / addresses.len().max(1) as u32; // a fair share each
        let mut failed = Error::HostNotFound;
        for address in addresses {
            match TcpStream::connect_timeout(address, timeout) {
                Ok(stream) => {
                    let (input, output) = (config.input_buffer_size(), config.output_buffer_size());
                    let buffers = LazyBuffers::new(input, output);
                    return Ok(Some(GreenTransport { stream, buffers }));
                }
                Err(error) => failed = or_timeout(error, details.timeout),
            }
        }
        Err(failed)
    }
}

/// One connection of ureq's, with the buffers that it fills and empties.
#[derive(Debug)]
struct GreenTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for GreenTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let sent = self.stream.set_write_timeout(Some(*timeout.after));
        sent.and_then(|()| self.stream.write_all(&self.buffers.output()[..amount]))
            .map_err(|error| or_timeout(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let read = self.stream.set_read_timeout(Some(*timeout.after));
        let amount = read
            .and_then(|()| self.stream.read(self.buffers.input_append_buf()))
            .map_err(|error| or_timeout(error, timeout))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        false // never used for a second page
    }
}

/// The error as it is, unless the time was up (or none was left to set: `InvalidInput`).
fn or_timeout(error: io::Error, timeout: NextTimeout) -> Error {
    use io::ErrorKind::{InvalidInput, TimedOut, WouldBlock};
    match error.kind() {
        TimedOut | WouldBlock | InvalidInput => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}

/// Looks names up on the blocking pool, for as long as the page's timeout allows.
#[derive(Debug)]
struct GreenDns;

impl Resolver for GreenDns {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(Error::HostNotFound);
        };
        let host = DefaultResolver::host_and_port(scheme, authority)
            .ok_or_else(|| Error::BadUri(format!("unknown scheme: {scheme}")))?;
        let (found, answer) = mpsc::channel();
        let waiter = thread::current();
        spawn_blocking(move || {
            let _ = found.send(host.to_socket_addrs());
            waiter.unpark();
        });
        let until = Instant::now() + *timeout.after;
        let addresses = loop {
            let left = until.checked_duration_since(Instant::now());
            match (answer.try_recv(), left) {
                (Ok(addresses), _) => break addresses?,
                (Err(_), Some(left)) => thread::park_timeout(left),
                (Err(_), None) => return Err(Error::Timeout(timeout.reason)),
            }
        };
        let mut kept = self.empty();
        addresses.take(16).for_each(|address| kept.push(address));
        Ok(kept)
    }
}
