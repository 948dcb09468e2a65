//! `Worker`: an OS thread that runs green threads, and its loop.
//!
//! A hub is a worker on its caller's thread, without a place among the others: nobody steals from
//! it.

mod end;
mod execute;
mod pace;
mod parts;
mod patience;
mod turn;

pub(crate) use self::parts::Parts;

use self::pace::Pace;
use self::patience::Patience;
use self::turn::Budget;
use crate::clock;
use crate::context::{self, Context};
use crate::fifo::Fifo;
use crate::header::{Header, HeaderCache};
use crate::latency::{self, Sampler};
use crate::park::Unparker;
use crate::reactor::Reactor;
use crate::remote::{Remote, Role, Unstarted};
use crate::scheduler::Scheduler;
use crate::stack::{StackCache, overflow};
use crate::timer::Timers;
use crossbeam_deque::Steal;
use std::cell::{Cell, RefCell, RefMut};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Switches between two polls of the reactor. Prime, as Go's and tokio's, so that no pattern of a
/// program beats with it.
const POLL_INTERVAL: u64 = 61;
/// Nanoseconds after which a poll is due in any case.
const POLL_PERIOD: u64 = 1_000_000;
/// How often a strict hub looks whether the last job that it waits for has ended: nobody else may
/// tell it.
const STRICT_TICK: Duration = Duration::from_millis(10);
/// The bits of a wait's time that tell it from others: 4 ms, or 4 million switches.
const STAMP: u64 = (1 << 22) - 1;
/// Idle time after which surplus stacks are given back to the kernel.
const TRIM_DELAY: Duration = Duration::from_millis(100);

/// Everything that a worker's OS thread alone uses. Green threads reach it through
/// `context::worker`.
pub(crate) struct Worker {
    remote: &'static Remote,
    /// That of `remote`, close at hand for each wake-up.
    index: usize,
    /// None for a hub.
    place: Option<Place>,
    context: Context,
    fifo: Fifo,
    timers: RefCell<Timers<Unparker>>,
    /// Knows the clock as it was last seen: timers whose deadline is not after it are due.
    pace: Pace,
    reactor: Reactor,
    stacks: RefCell<StackCache>,
    headers: RefCell<HeaderCache>,
    ids: RefCell<Range<u64>>,
    /// Green threads that have started here and not ended.
    live: Cell<usize>,
    /// Those of them that wait for the end of another one of them, or for a lock.
    joining: Cell<usize>,
    polled_at_switch: Cell<u64>,
    sampler: Sampler,
    polled_at: Cell<u64>,
    budget: Cell<Budget>,
    patience: Patience,
    /// When it may answer again those who ask.
    answers_next: Cell<u64>,
    /// Nothing came during the last wait: surplus stacks are being given back.
    trimming: Cell<bool>,
    /// A hub by gevent's rule: what other threads may do does not count.
    strict: Cell<bool>,
    /// A hub's end: nothing new is accepted, every wait unwinds.
    closing: Cell<bool>,
}

/// A worker's place among the others.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) scheduler: &'static Scheduler,
    pub(crate) position: usize,
}

impl Worker {
    /// Makes this OS thread a worker (or, without a scheduler, a hub) while `f` runs.
    pub(crate) fn enter<R>(
        mut parts: Parts,
        place: Option<Place>,
        f: impl FnOnce(&Worker) -> R,
    ) -> R {
        overflow::install();
        let (remote, reactor, deque) = parts.these.take().expect("taken only here");
        parts.used = true;
        // Those of whoever had these parts before are counted on.
        let switches = remote.counts.switches.load(Ordering::Relaxed);
        let worker = Worker {
            remote,
            index: remote.index,
            place,
            context: Context::default(),
            fifo: Fifo::new(deque),
            timers: RefCell::new(Timers::new()),
            pace: Pace::new(clock::now(), switches),
            reactor,
            stacks: RefCell::new(StackCache::new()),
            headers: RefCell::new(HeaderCache::new()),
            ids: RefCell::new(0..0),
            live: Cell::new(0),
            joining: Cell::new(0),
            polled_at_switch: Cell::new(switches),
            sampler: Sampler::default(),
            polled_at: Cell::new(clock::now()),
            budget: Cell::default(),
            patience: Patience::new(place.is_some_and(|it| it.scheduler.is_parallel())),
            answers_next: Cell::new(0),
            trimming: Cell::new(false),
            strict: Cell::new(false),
            closing: Cell::new(false),
        };
        remote.counts.set_timers_due(false);
        let role = place.map_or(Role::Hub, |_| Role::Worker);
        let entered = context::enter(&worker.context, &worker);
        remote.counts.set_role(role);
        let result = f(&worker);
        remote.counts.set_role(Role::Nobody);
        drop(entered);
        let Worker {
            remote,
            reactor,
            fifo,
            ..
        } = worker;
        let deque = fifo.into_deque();
        assert!(
            deque.is_empty(),
            "a worker ends when it has nothing left to start"
        );
        parts.these = Some((remote, reactor, deque));
        result
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn remote(&self) -> &'static Remote {
        self.remote
    }

    pub(crate) fn place(&self) -> Option<Place> {
        self.place
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    pub(crate) fn timers(&self) -> RefMut<'_, Timers<Unparker>> {
        self.timers.borrow_mut()
    }

    pub(crate) fn stacks(&self) -> RefMut<'_, StackCache> {
        self.stacks.borrow_mut()
    }

    pub(crate) fn headers(&self) -> RefMut<'_, HeaderCache> {
        self.headers.borrow_mut()
    }

    pub(crate) fn ids(&self) -> RefMut<'_, Range<u64>> {
        self.ids.borrow_mut()
    }

    pub(crate) fn live(&self) -> usize {
        self.live.get()
    }

    /// How many of its green threads wait for the end of another one of them, or for a lock.
    pub(crate) fn joining(&self) -> &Cell<usize> {
        &self.joining
    }

    /// When it may answer again those who ask.
    pub(crate) fn answers_next(&self) -> &Cell<u64> {
        &self.answers_next
    }

    /// Switches so far.
    #[inline(always)]
    fn switches(&self) -> u64 {
        self.remote.counts.switches.load(Ordering::Relaxed)
    }

    /// How many are queued here.
    pub(crate) fn queued(&self) -> usize {
        self.fifo.len()
    }

    /// What time it was when this worker last looked.
    #[inline(always)]
    pub(crate) fn seen_at(&self) -> u64 {
        self.pace.seen_at()
    }

    /// About the time when this worker last looked, which no other wait here has noted: its low bits
    /// are the number of the switch, of which there are fewer in the time that the high ones tell.
    #[inline(always)]
    pub(crate) fn stamp(&self) -> u64 {
        self.seen_at() & !STAMP | self.switches() & STAMP
    }

    /// Is nothing queued here?
    pub(crate) fn is_quiet(&self) -> bool {
        self.fifo.is_empty() && self.remote.inbox.is_empty()
    }

    /// Puts a green thread that lives here at the end of the queue.
    pub(crate) fn push(&self, header: NonNull<Header>) {
        self.fifo.push(header);
    }

    /// Puts a new one at the end that may not leave.
    pub(crate) fn push_local(&self, header: NonNull<Header>) {
        self.fifo.make_room(self.live.get() + 1);
        self.fifo.push(header);
    }

    /// Puts an unstarted one at the end, for any worker to take, if there are others.
    pub(crate) fn push_stealable(&self, unstarted: Unstarted) {
        let Some(place) = self.place.filter(|it| it.scheduler.workers() > 1) else {
            return self.push_local(unstarted.0);
        };
        self.fifo.make_room(self.live.get() + 1);
        self.fifo.push_stealable(unstarted);
        place.scheduler.pushed(self.fifo.deque().len());
    }

    /// Runs green threads until `done` says so, which is asked between switches; a hub also returns
    /// when it can never run again.
    pub(crate) fn run(&self, done: impl Fn() -> bool) {
        while !done() {
            self.tick();
            if self.run_next() || self.find_work() {
                continue;
            }
            if self.is_deadlocked() {
                return;
            }
            if !self.linger() {
                self.sleep();
            }
        }
    }

    /// Looks at the world now and then, so that a busy queue does not starve timers, descriptors,
    /// and other threads.
    #[inline(always)]
    fn tick(&self) {
        if self.pace.is_due(self.switches()) {
            self.look_at_the_world();
        }
    }

    #[inline(never)]
    fn look_at_the_world(&self) {
        self.take_inbox();
        self.take_injected();
        let since_poll = self.switches().wrapping_sub(self.polled_at_switch.get());
        let mut due = since_poll >= POLL_INTERVAL;
        // Nobody else needs to know what time it is, but to say since when one waits.
        if self.reactor.has_waiters() || !self.timers.borrow().is_empty() {
            let now = clock::now();
            self.look_at_timers(now);
            due |= now - self.polled_at.get() >= POLL_PERIOD;
            if due {
                self.polled_at.set(now);
            }
        } else if due {
            self.pace.see(self.pace.rough_time(), self.switches());
        }
        self.pace.looked(self.switches());
        if due {
            self.polled_at_switch.set(self.switches());
            if self.reactor.has_waiters() {
                latency::add(&self.remote.counts.polls, 1);
                self.reactor.poll(Some(Duration::ZERO));
            }
            self.publish();
        }
        if self.sampler.is_due(self.switches()) {
            let latency = &self.remote.latency;
            self.sampler.turn(latency, self.switches(), self.fifo.len());
        }
    }

    /// Says how much there is to do, for metrics.
    fn publish(&self) {
        let counts = &self.remote.counts;
        counts.queued.store(self.fifo.len(), Ordering::Relaxed);
        let timers = self.timers.borrow().len();
        counts.timers.store(timers, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn take_inbox(&self) {
        if !self.remote.inbox.is_empty() {
            self.take_all_of_inbox();
        }
    }

    fn take_all_of_inbox(&self) {
        for header in self.remote.inbox.take_all() {
            // SAFETY: a delivered green thread lives here, parked: its slot is in use.
            unsafe { header.as_ref() }.word.resume();
            latency::add(&self.remote.counts.woken, 1);
            self.push(header);
        }
    }

    fn look_at_timers(&self, now: u64) {
        let earliest = self.timers.borrow().earliest();
        self.pace.see(now, self.switches());
        let due = earliest.is_some_and(|it| it <= now);
        self.remote.counts.set_timers_due(due);
    }

    /// Moves what other threads have spawned here into the queue, where it may still be stolen.
    fn take_injected(&self) {
        if self.remote.injector.is_empty() {
            return;
        }
        while !self.remote.injector.is_empty() {
            let _ = self.remote.injector.steal_batch(self.fifo.deque());
        }
        self.fifo.fill_in(self.live.get());
    }

    /// With an empty queue: takes one of them, to run at once. The others stay where they were
    /// placed: from the deque, thieves would take them to where there is more to do.
    fn take_one_injected(&self) -> bool {
        loop {
            match self.remote.injector.steal() {
                Steal::Success(unstarted) => {
                    self.push_local(unstarted.0);
                    return true;
                }
                Steal::Empty => return false,
                Steal::Retry => {}
            }
        }
    }

    /// With an empty queue: takes what was injected here, else what others have not started.
    fn find_work(&self) -> bool {
        self.take_inbox();
        if !self.take_one_injected()
            && let Some(place) = self.place
            && place.scheduler.steal(place.position, self.fifo.deque())
        {
            latency::add(&self.remote.counts.steals, 1);
            self.fifo.fill_in(self.live.get());
        }
        let found = !self.fifo.is_empty();
        if found {
            self.stop_idling();
        }
        found
    }

    fn stop_idling(&self) {
        if let Some(place) = self.place {
            let waiting = self.fifo.waiting() + self.remote.injector.len();
            place.scheduler.stop_idling(place.position, waiting);
        }
    }

    /// Waits in the reactor until there is something to do.
    fn sleep(&self) {
        self.look_at_timers(clock::now());
        if self.remote.counts.are_timers_due() {
            return self.stop_idling();
        }
        let tick = self
            .place
            .and_then(|place| place.scheduler.fall_asleep(place.position))
            .or_else(|| self.strict.get().then_some(STRICT_TICK));
        let surplus = self.stacks.borrow().has_surplus();
        self.publish();
        self.sampler.end(&self.remote.latency, self.seen_at());
        let counts = &self.remote.counts;
        counts.asleep_since.store(self.seen_at(), Ordering::Relaxed);
        if self.remote.inbox.fall_asleep() && !self.has_news() {
            let trim = surplus.then(|| self.trim_delay());
            self.wait(tick.into_iter().chain(trim).min());
        }
        self.remote.inbox.wake_up();
        let since = self.seen_at();
        let slept = self.polled_at.get().saturating_sub(since);
        counts.asleep_since.store(0, Ordering::Relaxed);
        latency::add(&counts.idle, slept);
        self.patience.slept(slept, self.is_handed_something());
        self.look_around();
        self.trimming
            .set(surplus && self.is_quiet() && !self.remote.counts.are_timers_due());
        if self.trimming.get() {
            self.stacks.borrow_mut().trim();
        }
    }

    fn has_news(&self) -> bool {
        let others = match self.place {
            Some(place) => place.scheduler.has_news(place.position),
            None => !self.remote.injector.is_empty(),
        };
        others || self.remote.counts.is_asked()
    }

    /// Once nothing has come for a while, trimming goes on until something comes.
    fn trim_delay(&self) -> Duration {
        if self.trimming.get() {
            Duration::ZERO
        } else {
            TRIM_DELAY
        }
    }

    fn wait(&self, timeout: Option<Duration>) {
        if let Some(deadline) = self.timers.borrow().earliest() {
            self.reactor.set_alarm(deadline);
        }
        latency::add(&self.remote.counts.polls, 1);
        self.reactor.poll(timeout);
        self.polled_at.set(clock::now());
    }

    /// After a sleep: what has come meanwhile?
    fn look_around(&self) {
        if self.remote.counts.is_asked() {
            self.answer();
        }
        self.take_inbox();
        self.look_at_timers(self.polled_at.get());
        if let Some(place) = self.place
            && place.scheduler.wake_up(place.position, self.fifo.deque())
        {
            self.fifo.fill_in(self.live.get());
        }
        if !self.is_quiet() || self.remote.counts.are_timers_due() {
            self.stop_idling();
        }
    }
}
