//! `Scheduler`: where an unstarted green thread goes, and who is woken for it.
//!
//! Only closures that have not started move between workers: Rust cannot check that what lies on a
//! suspended stack is `Send`, and the compiler may keep the address of a thread-local across a
//! switch. What that costs in balance is mended here:
//!
//! * A lone spawn wakes nobody, as its own worker runs it next. The second unstarted one in a deque
//!   wakes one idle worker, which steals half, and passes the wake-up on when it has found
//!   something.
//! * While a worker is busy one idle worker watches: every 10 ms it robs whoever has not switched
//!   since. When all are idle nothing ticks.
//! * A spawn from outside goes to the less loaded of two workers; one that follows an accept, to
//!   the least loaded.
//!
//! Rejected: migrating started ones (may, open-coroutine: undefined behaviour), and a monitor
//! thread (a wake-up when idle).

use crate::clock;
use crate::config::Config;
use crate::foreign;
use crate::futex;
use crate::idle::{Idle, MAX_WORKERS};
use crate::inspect;
use crate::lock::Lock;
use crate::remote::{Remote, Unstarted};
use crate::stack::overflow;
use crate::worker::{Parts, Place, Worker};
use crossbeam_deque::Worker as Deque;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

/// How often the watcher looks.
const TICK: Duration = Duration::from_millis(10);

pub(crate) struct Scheduler {
    workers: Vec<&'static Remote>,
    /// Two workers can run at the same time.
    is_parallel: bool,
    idle: Idle,
    /// What the watcher last read of each worker's switches.
    seen: Vec<AtomicU64>,
    /// Turns the choice of two workers for spawns from outside, and where a search begins.
    turn: AtomicUsize,
}

/// Null, then for ever the one scheduler; set under `START`.
static CURRENT: AtomicPtr<Scheduler> = AtomicPtr::new(ptr::null_mut());
static START: Lock<()> = Lock::new(());

impl Scheduler {
    /// The scheduler, whose workers are started at the first call.
    pub(crate) fn get() -> io::Result<&'static Scheduler> {
        if foreign::is_forked() {
            let what = "a spawn in a forked child process, which has no workers: \
                        only exec or _exit may follow a fork";
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        match Self::running() {
            Some(scheduler) => Ok(scheduler),
            None => Self::start_if_needed(&Config::from_environment()?),
        }
    }

    pub(crate) fn running() -> Option<&'static Scheduler> {
        // SAFETY: made by `Box::leak`. Acquire pairs with the Release in `start`.
        unsafe { CURRENT.load(Ordering::Acquire).as_ref() }
    }

    pub(crate) fn start_if_needed(config: &Config) -> io::Result<&'static Scheduler> {
        let _start = START.lock();
        Self::running().map_or_else(|| Self::start(config), Ok)
    }

    pub(crate) fn start_first(config: &Config) -> io::Result<&'static Scheduler> {
        let _start = START.lock();
        if Self::running().is_some() {
            let what = "the runtime runs already: configure it before the first spawn";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        Self::start(config)
    }

    fn start(config: &Config) -> io::Result<&'static Scheduler> {
        let count = config.workers.min(MAX_WORKERS);
        config.apply();
        inspect::monitor_if_wanted()?;
        let parts: Vec<Parts> = (0..count)
            .map(|_| Parts::new())
            .collect::<io::Result<_>>()?;
        // References to them only when all workers have started: until then they may be freed.
        let remotes: Vec<*const Remote> =
            parts.iter().map(|it| ptr::from_ref(it.remote())).collect();
        let gate = Arc::new(Gate::default());
        for (position, parts) in parts.into_iter().enumerate() {
            let gate_of_worker = gate.clone();
            let started = std::thread::Builder::new()
                .name(format!("greenloop-{position}"))
                .spawn(move || work(parts, position, gate_of_worker.wait()));
            started.inspect_err(|_| gate.open(None))?;
        }
        let scheduler: &'static Scheduler = Box::leak(Box::new(Scheduler {
            // SAFETY: the parts of a worker that has started are never freed.
            workers: remotes
                .into_iter()
                .map(|remote| unsafe { &*remote })
                .collect(),
            is_parallel: count > 1 && available_parallelism().is_ok_and(|cpus| cpus.get() > 1),
            idle: Idle::new(),
            seen: (0..count).map(|_| AtomicU64::new(0)).collect(),
            turn: AtomicUsize::new(0),
        }));
        CURRENT.store(ptr::from_ref(scheduler).cast_mut(), Ordering::Release);
        gate.open(Some(scheduler));
        Ok(scheduler)
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn is_parallel(&self) -> bool {
        self.is_parallel
    }

    /// Places a closure that was spawned outside of any worker.
    pub(crate) fn inject(&self, unstarted: Unstarted) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.workers.len();
        // Each pair of different workers in turn.
        let step = 1 + turn / count % (count - 1).max(1);
        let (one, other) = (
            self.workers[turn % count],
            self.workers[(turn + step) % count],
        );
        self.hand_over(
            if other.load() < one.load() {
                other
            } else {
                one
            },
            unstarted,
        );
    }

    /// Places a closure that was spawned after an accept, where there is least to do. Also on its
    /// own worker it goes through the injector: from the deque others would take it.
    pub(crate) fn spread(&self, unstarted: Unstarted) {
        let least = self.workers.iter().min_by_key(|worker| worker.load());
        self.hand_over(least.expect("at least one"), unstarted);
    }

    fn hand_over(&self, worker: &Remote, unstarted: Unstarted) {
        worker.injector.push(unstarted);
        if !worker.wake() {
            self.pushed(worker.injector.len());
        }
    }

    /// Sees to it that somebody comes for the `waiting` unstarted ones of a worker that is awake.
    pub(crate) fn pushed(&self, waiting: usize) {
        if self.workers.len() == 1 {
            return;
        }
        let claimed = if waiting > 1 {
            self.idle.claim_searcher()
        } else {
            self.idle.claim_watcher()
        };
        if let Some(position) = claimed {
            self.workers[position].wake();
        }
    }

    /// Looks for unstarted ones of others; true if some are in `deque` now.
    pub(crate) fn steal(&self, position: usize, deque: &Deque<Unstarted>) -> bool {
        if self.workers.len() == 1 {
            return false;
        }
        self.idle.start_searching();
        self.search(position, deque)
    }

    /// As a searcher, which the caller is no more afterwards.
    fn search(&self, position: usize, deque: &Deque<Unstarted>) -> bool {
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let worth = |worker: &&Remote| self.is_worth_robbing(position, worker);
        let found = self.others(position, start).filter(worth).any(|worker| {
            take(|| worker.injector.steal_batch(deque))
                || take(|| worker.stealer.steal_batch(deque))
        });
        self.idle.stop_searching();
        found
    }

    /// A lone one is run next by its own worker; and what was placed is to stay where it is, such
    /// as connections that were spread, unless there is far more of it there.
    fn is_worth_robbing(&self, position: usize, other: &Remote) -> bool {
        let own = self.workers[position];
        let heap = || other.injector.len() > 1 && other.load() > 2 * own.load() + 1;
        other.stealer.len() > 1 || heap()
    }

    fn others(&self, position: usize, start: usize) -> impl Iterator<Item = &'static Remote> + '_ {
        let count = self.workers.len();
        let turned = (0..count).map(move |step| (start + step) % count);
        turned
            .filter(move |&other| other != position)
            .map(|other| self.workers[other])
    }

    pub(crate) fn has_work_of_others(&self, position: usize) -> bool {
        self.others(position, 0)
            .any(|worker| self.is_worth_robbing(position, worker))
    }

    /// Announces a sleep; says how long it may last if this worker is the one to watch.
    pub(crate) fn fall_asleep(&self, position: usize) -> Option<Duration> {
        self.idle.fall_asleep(position);
        // Looks again after giving the watch up: whoever woke meanwhile may have counted on it.
        let busy = self.is_one_busy() || self.idle.stop_watching(position) && self.is_one_busy();
        let watches = || self.idle.is_watcher(position) || self.start_watching(position);
        (busy && watches()).then_some(TICK)
    }

    fn start_watching(&self, position: usize) -> bool {
        let watches = self.idle.try_watch(position);
        if watches {
            (0..self.workers.len()).for_each(|worker| self.forget_seen(worker));
        }
        watches
    }

    /// Nobody is stuck who has not been seen awake twice with no switch in between.
    fn forget_seen(&self, worker: usize) {
        let switches = self.workers[worker].counts.switches.load(Ordering::Relaxed);
        self.seen[worker].store(switches.wrapping_sub(1), Ordering::Relaxed);
    }

    fn is_one_busy(&self) -> bool {
        (0..self.workers.len()).any(|worker| !self.idle.is_asleep(worker))
    }

    /// After the sleep was announced everywhere: is there a reason not to?
    pub(crate) fn has_news(&self, position: usize) -> bool {
        !self.idle.is_asleep(position)
            || !self.workers[position].injector.is_empty()
            || self.has_work_of_others(position)
    }

    /// Ends a sleep; true if unstarted ones of others are in `deque` now.
    pub(crate) fn wake_up(&self, position: usize, deque: &Deque<Unstarted>) -> bool {
        let claimed = self.idle.wake_up(position);
        let robbed = self.idle.is_watcher(position) && self.rob(position, deque);
        let found = claimed && self.search(position, deque);
        robbed || found
    }

    /// The watcher's round: takes all unstarted ones of whoever has not switched since the last
    /// round.
    fn rob(&self, position: usize, deque: &Deque<Unstarted>) -> bool {
        let mut robbed = false;
        for (other, worker) in self.workers.iter().enumerate() {
            if self.idle.is_asleep(other) {
                self.forget_seen(other);
                continue;
            }
            let switches = worker.counts.switches.load(Ordering::Relaxed);
            let stuck = self.seen[other].swap(switches, Ordering::Relaxed) == switches;
            if other != position && stuck {
                robbed |= take(|| worker.injector.steal_batch(deque));
                while take(|| worker.stealer.steal_batch(deque)) {
                    robbed = true;
                }
            }
        }
        robbed
    }

    /// A worker that has something to run watches and searches no more: another one is to look
    /// after what is left, which its pusher may have left to this one. `waiting_here` counts the
    /// unstarted ones here, without a lone one that runs next.
    pub(crate) fn stop_idling(&self, position: usize, waiting_here: usize) {
        if self.workers.len() == 1 {
            return;
        }
        self.idle.stop_watching(position);
        let mut others = self.others(position, 0);
        if waiting_here > 1 || self.has_work_of_others(position) {
            self.pushed(usize::MAX);
        } else if waiting_here > 0 || others.any(Remote::has_unstarted) {
            self.pushed(1);
        }
    }
}

/// Repeats `steal` while it collides with another thief; true if it brought something.
fn take(steal: impl Fn() -> crossbeam_deque::Steal<()>) -> bool {
    loop {
        match steal() {
            crossbeam_deque::Steal::Success(()) => return true,
            crossbeam_deque::Steal::Empty => return false,
            crossbeam_deque::Steal::Retry => std::hint::spin_loop(),
        }
    }
}

/// The life of a worker's OS thread.
fn work(parts: Parts, position: usize, scheduler: Option<&'static Scheduler>) {
    let Some(scheduler) = scheduler else { return };
    log::debug!(
        "greenloop: worker {position} of {} starts",
        scheduler.workers()
    );
    let _signals = overflow::ensure_alternate_stack();
    let _abort = crate::abort::OnUnwind("a worker's loop");
    Worker::enter(
        parts,
        Some(Place {
            scheduler,
            position,
        }),
        |worker| worker.run(|| false),
    );
}

/// Holds the first workers back until all are there, or it is known that they will not be.
#[derive(Default)]
struct Gate {
    /// 0 closed, 1 open; opened once.
    open: AtomicU32,
    scheduler: AtomicPtr<Scheduler>,
}

impl Gate {
    fn open(&self, scheduler: Option<&'static Scheduler>) {
        let scheduler = scheduler.map_or(ptr::null_mut(), |it| ptr::from_ref(it).cast_mut());
        self.scheduler.store(scheduler, Ordering::Relaxed);
        // Release pairs with the Acquire in `wait`.
        self.open.store(1, Ordering::Release);
        futex::wake_all(&self.open);
    }

    fn wait(&self) -> Option<&'static Scheduler> {
        while self.open.load(Ordering::Acquire) == 0 {
            futex::wait(&self.open, 0, clock::NEVER);
        }
        // SAFETY: null or a leaked scheduler.
        unsafe { self.scheduler.load(Ordering::Relaxed).as_ref() }
    }
}
