//! Fetches pages concurrently, one green thread a page, and tells how much time that saved.
//!
//! ```text
//! cargo run --release --example concurrent_fetch                        # fifty slow pages
//! cargo run --release --example concurrent_fetch -- --concurrency 10    # the same, ten at a time
//! cargo run --release --example concurrent_fetch -- https://crates.io http://127.0.0.1:1/refused
//! ```
//!
//! The HTTP client is `ureq`, which is written for blocking sockets; `common/http.rs` lends it ours.

#[path = "common/demo_site.rs"]
mod demo_site;
#[path = "common/http.rs"]
mod http;

use std::io;
use std::iter;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use greenloop::{joinall, spawn};
use indicatif::ProgressBar;
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
        let site = demo_site::start()?;
        args.urls = (1..=50).map(|page| format!("{site}/slow/{page}")).collect();
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
        let config = Agent::config_builder().timeout_global(Some(timeout));
        Fetcher {
            agent: http::agent(config),
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
