//! The soak: minutes of echo, churn, sleepers, kills and HTTP together, with exact counts at the
//! end, and memory that stays flat.

mod flatness;
mod website;
mod work;

use flatness::Watch;
use greenloop::{Runtime, joinall};
use indicatif::{ProgressBar, ProgressStyle};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use website::Website;

/// How often memory and descriptors are looked at.
const STEP: Duration = Duration::from_millis(500);
/// How long the last connections may take to be closed.
const CLOSING: Duration = Duration::from_secs(10);

/// What has been done, and what must be the same.
#[derive(Default, Debug)]
struct Counts {
    /// Echo: messages sent, and answers.
    asked: AtomicU64,
    answered: AtomicU64,
    /// Connections opened to the echo server, those accepted, and those that it has seen end.
    opened: AtomicU64,
    accepted: AtomicU64,
    ended: AtomicU64,
    /// Sleeps begun, and over; none too early.
    slept: AtomicU64,
    woken: AtomicU64,
    /// Green threads to be killed, those whose joiner was told, those whose values were dropped.
    victims: AtomicU64,
    killed: AtomicU64,
    dropped: AtomicU64,
    /// HTTP requests, and answers.
    requests: AtomicU64,
    answers: AtomicU64,
}

impl Counts {
    fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Two that must be equal, with their names.
    fn pairs(&self) -> [(&'static str, u64, u64); 6] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("echoes", of(&self.asked), of(&self.answered)),
            ("connections accepted", of(&self.opened), of(&self.accepted)),
            ("connections ended", of(&self.opened), of(&self.ended)),
            ("sleeps", of(&self.slept), of(&self.woken)),
            ("kills", of(&self.victims), of(&self.killed)),
            ("HTTP requests", of(&self.requests), of(&self.answers)),
        ]
    }
}

/// What all parts share.
#[derive(Clone)]
struct Shared {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    echo: SocketAddr,
    http: Option<SocketAddr>,
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// Runs it for `time`; returns what was done, line by line.
///
/// # Errors
///
/// What is not as it must be: a count, or memory or descriptors that have grown.
pub fn run(time: Duration, workers: usize) -> Result<Vec<String>, String> {
    let named = |error: io::Error| error.to_string();
    let builder = Runtime::builder().workers(workers);
    builder.start().map_err(named)?;
    let counts = Arc::new(Counts::default());
    let website = Website::start(workers);
    let shared = Shared {
        echo: work::serve(counts.clone()).map_err(named)?,
        http: website.as_ref().ok().map(Website::address),
        counts,
        stop: Arc::default(),
    };
    let mut watches = vec![Watch::own()];
    if let Ok(website) = &website {
        watches.push(website.watch());
    }
    let parts = work::start(&shared);
    look(&mut watches, time);
    shared.stop.store(true, Ordering::Relaxed);
    for part in joinall(parts) {
        let ended = part.map_err(|_| "a part has panicked; see above".to_string())?;
        ended.map_err(|error| format!("a part has failed: {error}"))?;
    }
    settle(&shared.counts);
    let mut lines = check(&shared.counts)?;
    for watch in &watches {
        lines.push(watch.check()?);
    }
    lines.extend(website.err());
    Ok(lines)
}

fn look(watches: &mut [Watch], time: Duration) {
    let bar = ProgressBar::new(time.as_secs());
    let style = ProgressStyle::with_template("soak {bar:30} {pos}/{len} s, {msg}");
    bar.set_style(style.expect("a valid template"));
    let start = Instant::now();
    while start.elapsed() < time {
        thread::sleep(STEP);
        watches.iter_mut().for_each(Watch::look);
        bar.set_position(start.elapsed().as_secs());
        bar.set_message(watches[0].to_string());
    }
    bar.finish_and_clear();
}

/// Waits until the echo server has seen all connections end.
fn settle(counts: &Counts) {
    let end = Instant::now() + CLOSING;
    let is_open = |(_, one, other)| one != other;
    while counts.pairs().into_iter().any(is_open) && Instant::now() < end {
        thread::sleep(STEP / 10);
    }
}

fn check(counts: &Counts) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    for (name, one, other) in counts.pairs() {
        if one != other {
            return Err(format!("{name}: {one} begun, {other} done"));
        }
        lines.push(format!("{name}: {one}, all done"));
    }
    let (victims, dropped) = (&counts.victims, &counts.dropped);
    let (victims, dropped) = (
        victims.load(Ordering::Relaxed),
        dropped.load(Ordering::Relaxed),
    );
    if victims != dropped {
        return Err(format!(
            "kills: {victims} victims, values of {dropped} were dropped"
        ));
    }
    Ok(lines)
}
