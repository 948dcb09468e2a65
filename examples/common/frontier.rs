//! `Frontier`: the pages that were found and are still to be visited, and what came of the others.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use greenloop::queue::Queue;
use greenloop::sleep;
use greenloop::sync::Mutex;
use url::Url;

/// Where the workers of a crawl take pages from.
pub(crate) trait Frontier: Send + Sync {
    /// Waits for a page to visit; there is none once all that was found has been visited.
    fn next(&self) -> Option<Url>;
    /// Notes what came of a page that `next` gave, and queues those of its links that are new.
    fn done(&self, page: &Url, outcome: Outcome);
    /// Waits until the site wants to be asked for another page, `pause` after the last.
    fn wait_for_turn(&self, pause: Duration);
    /// Waits until all that was found has been visited.
    fn join(&self) -> Result<(), String>;
    fn tally(&self) -> Tally;
}

/// A page that may be visited or, by the rules of its site, may not.
pub(crate) struct Link {
    pub(crate) url: Url,
    pub(crate) is_allowed: bool,
}

/// What came of a page.
pub(crate) enum Outcome {
    Visited { bytes: usize, links: Vec<Link> },
    Failed,
}

/// What came of all pages so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) queued: u32,
    pub(crate) forbidden: u32,
    pub(crate) visited: u32,
    pub(crate) failed: u32,
    pub(crate) bytes: usize,
    /// How many pages this process has finished with.
    pub(crate) here: u32,
    pub(crate) took: Duration,
}

impl Tally {
    /// How many pages are finished with.
    pub(crate) fn done(&self) -> u32 {
        self.visited + self.failed
    }
}

/// The frontier of one process: a joinable queue.
pub(crate) struct LocalFrontier {
    pages: u32,
    start: Instant,
    queue: Queue<Url>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    seen: HashSet<Url>,
    tally: Tally,
}

impl LocalFrontier {
    /// A crawl from the first page, of so many pages at most.
    pub(crate) fn new(first: Link, pages: u32) -> LocalFrontier {
        let frontier = LocalFrontier {
            pages,
            start: Instant::now(),
            queue: Queue::new(),
            found: Mutex::default(),
        };
        frontier.find(&mut frontier.found.lock().unwrap(), first);
        frontier
    }

    /// Queues a page, unless it was found before, is forbidden, or one too many.
    fn find(&self, found: &mut Found, link: Link) {
        if found.tally.queued == self.pages || !found.seen.insert(link.url.clone()) {
            return;
        }
        if !link.is_allowed {
            found.tally.forbidden += 1;
            return;
        }
        found.tally.queued += 1;
        let put = self.queue.put(link.url);
        put.expect("the queue is open while there is work");
    }
}

impl Frontier for LocalFrontier {
    fn next(&self) -> Option<Url> {
        self.queue.get().ok()
    }

    fn done(&self, _: &Url, outcome: Outcome) {
        let mut found = self.found.lock().unwrap();
        found.tally.here += 1;
        match outcome {
            Outcome::Visited { bytes, links } => {
                found.tally.visited += 1;
                found.tally.bytes += bytes;
                for link in links {
                    self.find(&mut found, link);
                }
            }
            Outcome::Failed => found.tally.failed += 1,
        }
        drop(found);
        self.queue.task_done().expect("once a page");
    }

    fn wait_for_turn(&self, pause: Duration) {
        sleep(pause);
    }

    fn join(&self) -> Result<(), String> {
        self.queue.join();
        self.queue.shutdown(false); // the workers end
        Ok(())
    }

    fn tally(&self) -> Tally {
        let took = self.start.elapsed();
        let found = self.found.lock().unwrap();
        Tally {
            took,
            ..found.tally
        }
    }
}
