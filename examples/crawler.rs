//! Crawls one web site, breadth first: a joinable queue of pages, and a pool of workers that visit them.
//!
//! ```text
//! cargo run --release --example crawler                         # a demo site of 500 linked pages
//! cargo run --release --example crawler -- --workers 1          # the same, one after another
//! cargo run --release --example crawler -- https://docs.rs/ --pages 50 --workers 5
//! ```
//!
//! It stays on the site of the first page and out of what its robots.txt forbids, and visits no page
//! twice. Pages that are missing, huge or stalled cost no more than their own time. Of the demo
//! site, ten pages are missing, one stalls and one does not end.

#[path = "common/demo_site.rs"]
mod demo_site;
#[path = "common/http.rs"]
mod http;

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use greenloop::pool::Pool;
use greenloop::queue::Queue;
use greenloop::sync::Mutex;
use greenloop::{sleep, spawn_blocking, timeout};
use indicatif::ProgressBar;
use scraper::{Html, Selector};
use texting_robots::Robot;
use ureq::{Agent, Body};
use url::Url;

const NAME: &str = "greenloop-crawler";

/// How many bytes of a page are looked at.
const ENOUGH: u64 = 1 << 20;

/// Visits the pages of one site, following its links.
#[derive(Parser)]
struct Args {
    /// Where to begin [default: a demo site of its own]
    #[arg(value_name = "URL", value_parser = web_url)]
    url: Option<Url>,
    /// How many pages at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    pages: u32,
    /// How many pages at once
    #[arg(long, value_name = "W", default_value_t = 20)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    workers: u32,
    /// How long one page may take
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    #[arg(value_parser = value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("{other} is not the web")),
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    let first = match args.url {
        Some(url) => url,
        None => Url::parse(&demo_site::start()?)?.join("/page/1")?,
    };
    let crawl = match Crawl::new(&first, args.pages, Duration::from_secs(args.timeout)) {
        Ok(crawl) => Arc::new(crawl),
        Err(error) => {
            eprintln!("crawler: cannot tell what the robots.txt of {first} allows: {error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let start = Instant::now();
    crawl.find(first);
    let pool = Pool::new(args.workers as usize);
    for _ in 0..args.workers {
        let crawl = crawl.clone();
        pool.spawn(move || crawl.work());
    }
    crawl.queue.join(); // until all that was found has been visited
    crawl.queue.shutdown(false); // the workers end
    pool.join();
    crawl.progress.finish_and_clear();
    let tally = crawl.tally.lock().unwrap();
    tally.report(start.elapsed());
    Ok(ExitCode::from(u8::from(tally.visited == 0)))
}

/// What the workers share.
struct Crawl {
    agent: Agent,
    timeout: Duration,
    pages: u32,
    robot: Robot,
    queue: Queue<Url>,
    tally: Mutex<Tally>,
    turn: Mutex<()>,
    progress: ProgressBar, // draws only when standard error is a terminal
}

#[derive(Default)]
struct Tally {
    seen: HashSet<Url>,
    queued: u32,
    forbidden: u32,
    visited: u32,
    failed: u32,
    bytes: usize,
}

impl Crawl {
    fn new(first: &Url, pages: u32, limit: Duration) -> Result<Crawl, Box<dyn Error>> {
        // A redirection is a page with one link, and so may be on another site or seen before.
        let agent = http::agent(Agent::config_builder().user_agent(NAME).max_redirects(0));
        let url = first.join("/robots.txt")?;
        Ok(Crawl {
            timeout: limit,
            pages,
            robot: Robot::new(NAME, &rules(&agent, &url, limit)?)?,
            queue: Queue::new(),
            tally: Mutex::default(),
            turn: Mutex::default(),
            progress: ProgressBar::new(0),
            agent,
        })
    }

    /// Queues a page, unless it was found before, is forbidden, or one too many.
    fn find(&self, mut url: Url) {
        url.set_fragment(None);
        let mut tally = self.tally.lock().unwrap();
        if tally.queued == self.pages || !tally.seen.insert(url.clone()) {
            return;
        }
        if !self.robot.allowed(url.as_str()) {
            tally.forbidden += 1;
            return;
        }
        tally.queued += 1;
        self.progress.inc_length(1);
        let put = self.queue.put(url);
        put.expect("the queue is open while there is work");
    }

    /// Visits pages until the queue is shut down.
    fn work(&self) {
        for url in &self.queue {
            self.wait_for_turn();
            self.visit(&url);
            self.progress.inc(1);
            self.queue.task_done().expect("once a page");
        }
    }

    /// Keeps the pause that the site wants, if it does, between any two pages.
    fn wait_for_turn(&self) {
        if let Some(Ok(pause)) = self.robot.delay.map(Duration::try_from_secs_f32) {
            let _turn = self.turn.lock().unwrap(); // the others wait for the lock meanwhile
            sleep(pause);
        }
    }

    fn visit(&self, url: &Url) {
        match timeout(self.timeout, || self.fetch(url)) {
            Ok(Ok((bytes, links))) => {
                let mut tally = self.tally.lock().unwrap();
                tally.visited += 1;
                tally.bytes += bytes;
                drop(tally);
                let is_here = |link: &Url| link.origin() == url.origin();
                for link in links.into_iter().filter(is_here) {
                    self.find(link);
                }
            }
            Ok(Err(error)) => self.fail(url, &error),
            Err(elapsed) => self.fail(url, &elapsed),
        }
    }

    fn fail(&self, url: &Url, error: &dyn Display) {
        self.tally.lock().unwrap().failed += 1;
        self.progress.suspend(|| eprintln!("{url}: {error}"));
    }

    /// Returns how many bytes came, and the links in them.
    fn fetch(&self, url: &Url) -> Result<(usize, Vec<Url>), ureq::Error> {
        let answer = self.agent.get(url.as_str()).call()?;
        let moved = answer.headers().get("location").cloned();
        let is_html = answer.body().mime_type() == Some("text/html");
        let bytes = read(answer.into_body())?;
        let length = bytes.len();
        let mut found = Vec::new();
        if is_html {
            // Parsing a big page takes long enough to hold up the other green threads.
            let page = url.clone();
            let parsing = spawn_blocking(move || links(&page, &String::from_utf8_lossy(&bytes)));
            found = parsing.join().unwrap_or_default(); // no links if the parser panics
        }
        if let Some(Ok(to)) = moved.as_ref().map(|to| to.to_str()) {
            found.extend(url.join(to));
        }
        Ok((length, found))
    }
}

impl Tally {
    fn report(&self, took: Duration) {
        let (visited, seconds) = (self.visited, took.as_secs_f64());
        println!(
            "{visited} pages, {} bytes, in {seconds:.2} s: {:.0} pages/s; {} failed, {} forbidden",
            self.bytes,
            f64::from(visited) / seconds,
            self.failed,
            self.forbidden
        );
    }
}

/// The site's robots.txt. If it is missing, nothing is forbidden; if it cannot be had, that is an error.
fn rules(agent: &Agent, url: &Url, limit: Duration) -> Result<Vec<u8>, ureq::Error> {
    let request = agent.get(url.as_str()).config();
    let request = request.max_redirects(5).timeout_global(Some(limit));
    match request.build().call() {
        Ok(answer) => Ok(read(answer.into_body())?),
        Err(ureq::Error::StatusCode(400..=499)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn read(body: Body) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    body.into_reader().take(ENOUGH).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where the links of a page lead to.
fn links(page: &Url, html: &str) -> Vec<Url> {
    let html = Html::parse_document(html);
    let links = Selector::parse("a[href]").expect("a CSS selector");
    let hrefs = html.select(&links).filter_map(|link| link.attr("href"));
    hrefs.filter_map(|href| page.join(href).ok()).collect()
}
