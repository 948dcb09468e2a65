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
//!
//! With `--redis` the queue is in Redis, and all crawlers that begin at the same page share one
//! crawl, on as many machines as you like. Kill some: the others visit what those had claimed.
//!
//! ```text
//! cargo run --release --example crawler -- --serve 127.0.0.1:8000         # the demo site for all
//! cargo run --release --features monkey --example crawler -- \
//!     --redis redis://127.0.0.1/ http://127.0.0.1:8000/page/1             # in several terminals
//! ```

#[path = "common/demo_site.rs"]
mod demo_site;
#[path = "common/frontier.rs"]
mod frontier;
#[path = "common/http.rs"]
mod http;
#[cfg_attr(feature = "monkey", path = "common/redis_frontier.rs")]
#[cfg_attr(not(feature = "monkey"), path = "common/no_redis_frontier.rs")]
mod redis_frontier;
#[cfg(feature = "monkey")]
#[path = "common/redis_server.rs"]
mod redis_server;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, value_parser};
use frontier::{Frontier, Link, LocalFrontier, Outcome, Tally};
use greenloop::pool::Pool;
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
    /// Share the crawl with other processes: where the Redis server is [needs the feature monkey]
    #[arg(long, value_name = "REDIS", requires = "url")]
    redis: Option<String>,
    /// After how long a silent process counts as dead, and others take its pages
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u64).range(2..=86_400))]
    lease: u64,
    /// Only serve the demo site, and say which pages are asked for
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["url", "redis"])]
    serve: Option<String>,
}

fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("{other} is not the web")),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match &args.serve {
        Some(address) => serve(address),
        None => crawl(&args),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("crawler: {error}");
        ExitCode::FAILURE
    })
}

fn serve(address: &str) -> Result<ExitCode, Box<dyn Error>> {
    let site = demo_site::start_at(address, |path| println!("GET {path}"));
    let site = site.map_err(|error| format!("cannot serve at {address}: {error}"))?;
    println!("the demo site begins at {site}/page/1");
    loop {
        sleep(Duration::MAX); // until somebody ends the process
    }
}

fn crawl(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let first = match &args.url {
        Some(url) => url.clone(),
        None => Url::parse(&demo_site::start()?)?.join("/page/1")?,
    };
    let crawl = Arc::new(Crawl::new(first, args)?);
    let pool = Pool::new(args.workers as usize);
    for _ in 0..args.workers {
        let crawl = crawl.clone();
        pool.spawn(move || crawl.work());
    }
    crawl.frontier.join()?; // until all that was found has been visited
    pool.join();
    crawl.progress.finish_and_clear();
    let tally = crawl.frontier.tally();
    if args.redis.is_some() {
        println!("{} of {} pages by this process", tally.here, tally.done());
    }
    report(&tally);
    Ok(ExitCode::from(u8::from(tally.visited == 0)))
}

/// What the workers share.
struct Crawl {
    visitor: Visitor,
    frontier: Box<dyn Frontier>,
    turn: Mutex<()>,
    progress: ProgressBar, // draws only when standard error is a terminal
}

impl Crawl {
    fn new(first: Url, args: &Args) -> Result<Crawl, Box<dyn Error>> {
        let visitor = Visitor::new(&first, Duration::from_secs(args.timeout))?;
        let first = visitor.link(first);
        let lease = Duration::from_secs(args.lease);
        let frontier: Box<dyn Frontier> = match &args.redis {
            Some(redis) => redis_frontier::open(redis, lease, first, args.pages)?,
            None => Box::new(LocalFrontier::new(first, args.pages)),
        };
        Ok(Crawl {
            visitor,
            frontier,
            turn: Mutex::default(),
            progress: ProgressBar::new(0),
        })
    }

    /// Visits pages until there are none.
    fn work(&self) {
        while let Some(page) = self.frontier.next() {
            self.wait_for_turn();
            let outcome = self.visitor.visit(&page).unwrap_or_else(|error| {
                self.progress.suspend(|| eprintln!("{page}: {error}"));
                Outcome::Failed
            });
            self.frontier.done(&page, outcome);
            self.show_progress();
        }
    }

    /// Keeps the pause that the site wants, if it does, between any two pages.
    fn wait_for_turn(&self) {
        if let Some(Ok(pause)) = self.visitor.robot.delay.map(Duration::try_from_secs_f32) {
            let _turn = self.turn.lock().unwrap(); // the others wait for the lock meanwhile
            self.frontier.wait_for_turn(pause);
        }
    }

    fn show_progress(&self) {
        let tally = self.frontier.tally();
        self.progress.set_length(tally.queued.into());
        self.progress.set_position(tally.done().into());
    }
}

/// Fetches pages of a site whose rules it knows.
struct Visitor {
    agent: Agent,
    timeout: Duration,
    robot: Robot,
}

impl Visitor {
    fn new(first: &Url, timeout: Duration) -> Result<Visitor, Box<dyn Error>> {
        // A redirection is a page with one link, and so may be on another site or seen before.
        let agent = http::agent(Agent::config_builder().user_agent(NAME).max_redirects(0));
        let unknown = |error: &dyn Display| {
            format!("cannot tell what the robots.txt of {first} allows: {error}")
        };
        let url = first.join("/robots.txt")?;
        let rules = rules(&agent, &url, timeout).map_err(|error| unknown(&error))?;
        Ok(Visitor {
            agent,
            timeout,
            robot: Robot::new(NAME, &rules).map_err(|error| unknown(&error))?,
        })
    }

    fn link(&self, mut url: Url) -> Link {
        url.set_fragment(None);
        let is_allowed = self.robot.allowed(url.as_str());
        Link { url, is_allowed }
    }

    fn visit(&self, url: &Url) -> Result<Outcome, Box<dyn Error>> {
        let (bytes, mut links) = timeout(self.timeout, || self.fetch(url))??;
        links.retain(|link| link.origin() == url.origin());
        let links = links.into_iter().map(|link| self.link(link)).collect();
        Ok(Outcome::Visited { bytes, links })
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

fn report(tally: &Tally) {
    let (visited, seconds) = (tally.visited, tally.took.as_secs_f64());
    println!(
        "{visited} pages, {} bytes, in {seconds:.2} s: {:.0} pages/s; {} failed, {} forbidden",
        tally.bytes,
        f64::from(visited) / seconds,
        tally.failed,
        tally.forbidden
    );
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
