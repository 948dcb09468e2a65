//! A pool of workers that sleep and wake as `worker.rs` and `scheduler.rs` make them, with counts
//! in place of closures.
//!
//! A count is a relaxed atomic, so it orders nothing: what is found is found by the fences of
//! `idle.rs` and `inbox.rs`. The watcher's tick comes once at most: that some sleeper has one is
//! what the models look for in the end.

use crate::computer::Computer;
use crate::idle::Idle;
use crate::inbox::{Inbox, Linked};
use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};
use std::ptr::NonNull;
use std::sync::atomic::AtomicBool;

pub(crate) struct Pool {
    pub(crate) idle: Idle,
    workers: Vec<Remote>,
    pub(crate) computer: Computer,
    /// A closure, once run, never comes back.
    hogs: bool,
    /// A green thread, once woken, spawns a closure. It never comes back.
    spawns: bool,
    /// The watcher's next sleep is ended by its tick.
    ticks: AtomicBool,
}

/// The shared part of a worker.
struct Remote {
    inbox: Inbox<Node>,
    injector: Queue,
    deque: Queue,
    woken: Node,
}

/// How many unstarted ones lie somewhere.
#[derive(Default)]
struct Queue(AtomicUsize);

/// A green thread that waits, and runs on its home when it is woken.
#[derive(Default)]
struct Node(AtomicPtr<Node>);

impl Linked for Node {
    fn link(&self) -> &AtomicPtr<Node> {
        &self.0
    }
}

/// How a worker is found when nothing moves any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rest {
    /// It runs something that does not come back.
    Busy,
    /// It sleeps; with a tick if it watches.
    Asleep { ticks: bool },
}

impl Pool {
    /// With `threads` loom threads that act.
    pub(crate) fn new(workers: usize, threads: usize) -> Self {
        Pool {
            idle: Idle::new(),
            workers: (0..workers).map(|_| Remote::new()).collect(),
            computer: Computer::new(workers, threads),
            hogs: false,
            spawns: false,
            ticks: AtomicBool::new(false),
        }
    }

    pub(crate) fn hogging(self, hogs: bool) -> Self {
        Pool { hogs, ..self }
    }

    pub(crate) fn spawning(self) -> Self {
        let spawns = true;
        Pool { spawns, ..self }
    }

    pub(crate) fn ticking(self) -> Self {
        let ticks = AtomicBool::new(true);
        Pool { ticks, ..self }
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    /// `Worker::run`, until nothing can happen any more.
    pub(crate) fn work(&self, me: usize) -> Rest {
        loop {
            if self.workers[me].deque.take(1) == 1 {
                if self.hogs {
                    return self.hog();
                }
            } else if self.take_inbox(me) {
                // It came before what is found elsewhere, and so runs first.
                let _ = self.take_injected(me) || self.steal(me);
                self.stop_idling(me, self.waiting(me));
                return self.run_woken(me);
            } else if self.take_injected(me) || self.steal(me) {
                self.stop_idling(me, self.waiting_behind_the_next(me));
            } else if let Some(rest) = self.sleep(me) {
                return rest;
            }
        }
    }

    fn run_woken(&self, me: usize) -> Rest {
        if self.spawns {
            self.spawn(me);
        }
        self.hog()
    }

    fn hog(&self) -> Rest {
        self.computer.leave();
        Rest::Busy
    }

    fn take_inbox(&self, me: usize) -> bool {
        let inbox = &self.workers[me].inbox;
        !inbox.is_empty() && inbox.take_all().count() > 0
    }

    fn take_injected(&self, me: usize) -> bool {
        let injected = self.workers[me].injector.take(usize::MAX);
        self.workers[me].deque.push(injected);
        injected > 0
    }

    /// `Worker::sleep`; where it rests if the wait never ends.
    fn sleep(&self, me: usize) -> Option<Rest> {
        let ticks = self.fall_asleep(me);
        let sleeps = self.workers[me].inbox.fall_asleep() && !self.has_news(me);
        let ticked = sleeps && ticks && self.ticks.swap(false, Relaxed);
        if sleeps && !ticked && !self.computer.wait(me) {
            return Some(Rest::Asleep { ticks });
        }
        self.workers[me].inbox.wake_up();
        self.look_around(me)
    }

    /// `Worker::look_around`; a green thread that was woken is a hog.
    fn look_around(&self, me: usize) -> Option<Rest> {
        let woken = self.take_inbox(me);
        let found = self.idle.wake_up(me) && self.search(me);
        if woken {
            self.stop_idling(me, self.waiting(me));
        } else if found {
            self.stop_idling(me, self.waiting_behind_the_next(me));
        }
        woken.then(|| self.run_woken(me))
    }

    /// How many unstarted ones lie here.
    fn waiting(&self, me: usize) -> usize {
        self.workers[me].injector.len() + self.workers[me].deque.len()
    }

    /// [`Pool::waiting`], without a lone one of the deque that runs next.
    fn waiting_behind_the_next(&self, me: usize) -> usize {
        let Remote {
            injector, deque, ..
        } = &self.workers[me];
        match deque.len() {
            1 => injector.len(),
            more => injector.len() + more,
        }
    }

    /// `Worker::push_stealable`.
    pub(crate) fn spawn(&self, me: usize) {
        self.workers[me].deque.push(1);
        self.pushed(self.workers[me].deque.len());
    }

    /// `Scheduler::hand_over`.
    pub(crate) fn inject(&self, to: usize) {
        self.workers[to].injector.push(1);
        if !self.wake(to) {
            self.pushed(self.workers[to].injector.len());
        }
    }

    /// `remote::deliver`.
    pub(crate) fn unpark(&self, at: usize) {
        let remote = &self.workers[at];
        // SAFETY: it is pushed once, and lives as long as the model.
        if unsafe { remote.inbox.push(NonNull::from(&remote.woken)) } {
            self.computer.ring(at);
        }
    }

    /// `Remote::wake`.
    fn wake(&self, worker: usize) -> bool {
        let slept = self.workers[worker].inbox.nudge();
        if slept {
            self.computer.ring(worker);
        }
        slept
    }

    /// `Scheduler::pushed`.
    fn pushed(&self, waiting: usize) {
        if self.workers.len() == 1 {
            return;
        }
        let claimed = if waiting > 1 {
            self.idle.claim_searcher()
        } else {
            self.idle.claim_watcher()
        };
        if let Some(worker) = claimed {
            self.wake(worker);
        }
    }

    /// `Scheduler::steal`.
    fn steal(&self, me: usize) -> bool {
        if self.workers.len() == 1 {
            return false;
        }
        self.idle.start_searching();
        self.search(me)
    }

    /// `Scheduler::search`.
    fn search(&self, me: usize) -> bool {
        let deque = &self.workers[me].deque;
        let found = self
            .others(me)
            .filter(|it| self.is_worth_robbing(me, it))
            .any(|it| deque.steal(&it.injector) || deque.steal(&it.deque));
        self.idle.stop_searching();
        found
    }

    /// `Scheduler::is_worth_robbing`.
    fn is_worth_robbing(&self, me: usize, other: &Remote) -> bool {
        let heap = || other.injector.len() > 1 && other.load() > 2 * self.workers[me].load() + 1;
        other.deque.len() > 1 || heap()
    }

    fn others(&self, me: usize) -> impl Iterator<Item = &Remote> {
        let all = self.workers.iter().enumerate();
        all.filter_map(move |(other, remote)| (other != me).then_some(remote))
    }

    fn has_work_of_others(&self, me: usize) -> bool {
        self.others(me).any(|it| self.is_worth_robbing(me, it))
    }

    /// `Scheduler::fall_asleep`; true if this one watches.
    fn fall_asleep(&self, me: usize) -> bool {
        self.idle.fall_asleep(me);
        let busy = self.is_one_busy() || self.idle.stop_watching(me) && self.is_one_busy();
        busy && (self.idle.is_watcher(me) || self.idle.try_watch(me))
    }

    fn is_one_busy(&self) -> bool {
        (0..self.workers.len()).any(|worker| !self.idle.is_asleep(worker))
    }

    /// `Worker::has_news` and `Scheduler::has_news`.
    fn has_news(&self, me: usize) -> bool {
        !self.idle.is_asleep(me)
            || self.workers[me].injector.len() > 0
            || self.has_work_of_others(me)
    }

    /// `Scheduler::stop_idling`.
    fn stop_idling(&self, me: usize, waiting_here: usize) {
        if self.workers.len() == 1 {
            return;
        }
        self.idle.stop_watching(me);
        if waiting_here > 1 || self.has_work_of_others(me) {
            self.pushed(usize::MAX);
        } else if waiting_here > 0 || self.others(me).any(Remote::has_unstarted) {
            self.pushed(1);
        }
    }

    /// Nothing moves: is all well? `rests` says how each worker is found.
    pub(crate) fn assert_well(&self, rests: &[Rest]) {
        let asleep = |&worker: &usize| rests[worker] != Rest::Busy;
        for worker in (0..rests.len()).filter(asleep) {
            assert!(
                self.idle.is_asleep(worker),
                "{worker} was claimed and sleeps on"
            );
        }
        self.idle.start_searching();
        assert!(self.idle.stop_searching(), "somebody searches for ever");
        let someone = (0..rests.len()).any(|worker| asleep(&worker));
        let robs = |worker: usize| asleep(&worker) && self.has_work_of_others(worker);
        let left = self.workers.iter().any(Remote::has_unstarted);
        let watched = rests.contains(&Rest::Asleep { ticks: true });
        assert!(
            !(someone && left && !watched),
            "nobody watches over what is left: {rests:?}"
        );
        assert!(
            !(0..rests.len()).any(robs),
            "left in a queue while somebody sleeps: {rests:?}"
        );
    }
}

impl Remote {
    fn new() -> Self {
        Remote {
            inbox: Inbox::new(),
            injector: Queue::default(),
            deque: Queue::default(),
            woken: Node::default(),
        }
    }

    /// `Remote::load`, without the started ones, which sleep.
    fn load(&self) -> usize {
        self.injector.len() + self.deque.len()
    }

    fn has_unstarted(&self) -> bool {
        self.injector.len() > 0 || self.deque.len() > 0
    }
}

impl Queue {
    fn push(&self, count: usize) {
        if count > 0 {
            self.0.fetch_add(count, Relaxed);
        }
    }

    fn len(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Takes up to `most`; says how many.
    fn take(&self, most: usize) -> usize {
        self.take_of(|len| len.min(most))
    }

    /// Steals half of `from`; true if that was something.
    fn steal(&self, from: &Queue) -> bool {
        let stolen = from.take_of(|len| len.div_ceil(2));
        self.push(stolen);
        stolen > 0
    }

    fn take_of(&self, share: impl Fn(usize) -> usize) -> usize {
        let mut len = self.len();
        while len > 0 {
            match self
                .0
                .compare_exchange(len, len - share(len), Relaxed, Relaxed)
            {
                Ok(_) => return share(len),
                Err(now) => len = now,
            }
        }
        0
    }
}
