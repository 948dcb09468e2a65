//! `RedisFrontier`: a frontier in Redis, for all processes that begin at the same page.
//!
//! Claiming a page moves it from the frontier's list to the process's own, from which it is struck
//! off when it is done: it is always in one of them. Each process keeps a lease; when one has run
//! out, the others put back what that process had claimed. So every page is visited at least once,
//! and counted once. A crawl whose processes have all died goes on with the next one.
//!
//! The connections are those of the crate `redis`, over `std::net`: the monkey patch makes that the
//! many workers who wait for Redis are green threads.

use std::error::Error;
use std::sync::LazyLock;
use std::time::Duration;

use greenloop::sync::{AsyncResult, Mutex};
use greenloop::{monkey, sleep};
use redis::{Connection, RedisError, Script};
use url::Url;

use crate::frontier::{Frontier, Link, Outcome, Tally};
use crate::redis_server::RedisServer;

/// How often to look whether all is over, and at the leases.
const BEAT: Duration = Duration::from_millis(500);

static STEPS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis_frontier.lua")));

struct RedisFrontier {
    server: RedisServer,
    idle: Mutex<Vec<Connection>>,
    crawl: String,
    process: String,
    lease: Duration,
    tally: Mutex<Tally>,
    over: AsyncResult<Result<(), String>>,
}

/// Begins the crawl, or joins the one that is under way; each process has a lease.
pub(crate) fn open(
    redis: &str,
    lease: Duration,
    first: Link,
    pages: u32,
) -> Result<Box<dyn Frontier>, Box<dyn Error>> {
    let frontier = RedisFrontier {
        server: RedisServer::new(redis)?,
        idle: Mutex::default(),
        crawl: format!("greenloop:crawl:{}", first.url),
        process: format!("{:016x}", fastrand::u64(..)),
        lease,
        tally: Mutex::default(),
        over: AsyncResult::new(),
    };
    frontier.beat()?; // before a page can be claimed
    let (pages, url) = (pages.to_string(), first.url.as_str());
    frontier.step("begin", &[&pages, url, flag(first.is_allowed)])?;
    monkey::patch_all()?;
    Ok(Box::new(frontier))
}

impl RedisFrontier {
    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.crawl)
    }

    /// Runs `f` on a connection that nobody else uses; one that failed is not used again.
    fn on_connection<T>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, String> {
        let idle = self.idle.lock().unwrap().pop();
        let mut connection = idle.map_or_else(|| self.server.connect(), Ok)?;
        let result = f(&mut connection).map_err(|error| self.server.lost(&error))?;
        self.idle.lock().unwrap().push(connection);
        Ok(result)
    }

    /// Lets the server do a step of the crawl, and keeps what it says of the whole.
    fn step(&self, name: &str, arguments: &[&str]) -> Result<u32, String> {
        let mut call = STEPS.prepare_invoke();
        for key in ["seen", "frontier", "tally", "members", "pending:"] {
            call.key(self.key(key));
        }
        call.arg(name).arg(&self.process).arg(arguments);
        let (result, queued, forbidden, visited, failed, bytes, age) =
            self.on_connection(|connection| call.invoke(connection))?;
        let mut tally = self.tally.lock().unwrap();
        let now = Tally {
            queued,
            forbidden,
            visited,
            failed,
            bytes,
            here: tally.here,
            took: Duration::from_millis(age),
        };
        // Answers may overtake each other.
        if (now.done(), now.queued) >= (tally.done(), tally.queued) {
            *tally = now;
        }
        Ok(result)
    }

    fn is_over(&self) -> bool {
        let tally = self.tally.lock().unwrap();
        tally.done() == tally.queued
    }

    /// Keeps this process's lease, and looks after those of the others.
    fn beat(&self) -> Result<(), String> {
        let count = self.step("beat", &[&self.lease.as_millis().to_string()])?;
        if count > 0 {
            eprintln!("crawler: pages that silent processes had claimed, now put back: {count}");
        }
        Ok(())
    }

    fn claim(&self) -> Result<Option<Url>, String> {
        let mut claim = redis::cmd("BLMOVE");
        claim.arg(self.key("frontier"));
        claim.arg(self.key(&format!("pending:{}", self.process)));
        claim.arg(&["LEFT", "RIGHT"]).arg(BEAT.as_secs_f64());
        while !self.over.is_ready() {
            let page: Option<String> = self.on_connection(|connection| claim.query(connection))?;
            if let Some(page) = page {
                let url = Url::parse(&page).map_err(|error| format!("{page}: {error}"));
                return url.map(Some);
            }
            self.step("look", &[])?;
            if self.is_over() {
                self.end(Ok(()));
            }
        }
        Ok(None)
    }

    fn end(&self, how: Result<(), String>) {
        let _ = self.over.set(how); // the first one counts
    }
}

impl Frontier for RedisFrontier {
    fn next(&self) -> Option<Url> {
        self.claim().unwrap_or_else(|error| {
            self.end(Err(error));
            None
        })
    }

    fn done(&self, page: &Url, outcome: Outcome) {
        let (name, bytes, links) = match outcome {
            Outcome::Visited { bytes, links } => ("visited", bytes, links),
            Outcome::Failed => ("failed", 0, Vec::new()),
        };
        let bytes = bytes.to_string();
        let mut arguments = vec![page.as_str(), name, &bytes];
        for link in &links {
            arguments.extend([link.url.as_str(), flag(link.is_allowed)]);
        }
        match self.step("done", &arguments) {
            Ok(counted) => self.tally.lock().unwrap().here += counted,
            Err(error) => self.end(Err(error)),
        }
    }

    /// Takes a turn that holds for all processes.
    fn wait_for_turn(&self, pause: Duration) {
        let mut take = redis::cmd("SET");
        take.arg(self.key("turn")).arg(1).arg("NX");
        take.arg("PX").arg(pause.as_millis().max(1) as u64);
        while !self.over.is_ready() {
            match self.on_connection(|connection| take.query::<bool>(connection)) {
                Ok(true) => return,
                Ok(false) => sleep(pause.min(BEAT) / 10),
                Err(error) => self.end(Err(error)),
            }
        }
    }

    fn join(&self) -> Result<(), String> {
        loop {
            match self.over.wait_timeout(BEAT) {
                Ok(Ok(())) => break,
                Ok(Err(error)) => return Err(error.clone()),
                Err(_not_yet) => self.beat()?,
            }
        }
        self.step("leave", &[]).map(drop)
    }

    fn tally(&self) -> Tally {
        *self.tally.lock().unwrap()
    }
}

fn flag(is_set: bool) -> &'static str {
    if is_set { "1" } else { "0" }
}
