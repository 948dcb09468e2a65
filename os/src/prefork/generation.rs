//! `Generation`: the workers of one start or reload, each replaced when it dies.

use super::member::{Member, Program};
use greenloop_runtime::Timer;
use greenloop_runtime::pool::Group;
use greenloop_runtime::sync::Event;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long after the death of a worker the next one is started: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(5)];

/// A worker that has lived so long was in good health.
const HEALTHY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Generation {
    /// Gone, and its sockets with it, when no more workers are to be started.
    program: Weak<Program>,
    /// How long its workers may take to end when they have been told to.
    drain: Duration,
    /// Set when there is no time left for that.
    now: Arc<Event>,
    /// How many places have not had a worker yet that was ready. Only ever falls; the one that
    /// brings it to 0 sets `ready`.
    missing: AtomicUsize,
    pub(super) ready: Event,
    /// Set when a worker has ended before it was ready.
    pub(super) failed: Event,
    retired: Event,
    /// Whether one had to be killed. Set before its place ends, read when all have.
    killed: AtomicBool,
    places: Group,
}

impl Generation {
    pub(super) fn start(
        program: &Arc<Program>,
        workers: usize,
        drain: Duration,
        now: &Arc<Event>,
    ) -> Leash {
        let generation = Arc::new(Generation {
            program: Arc::downgrade(program),
            drain,
            now: now.clone(),
            missing: AtomicUsize::new(workers),
            ready: Event::new(),
            failed: Event::new(),
            retired: Event::new(),
            killed: AtomicBool::new(false),
            places: Group::new(),
        });
        for _ in 0..workers {
            let place = Arc::clone(&generation);
            generation.places.spawn(move || place.fill());
        }
        Leash(generation)
    }

    /// Tells all workers to stop; they are killed when their time is over.
    pub(super) fn retire(&self) {
        self.retired.set();
    }

    /// Waits until all workers of a retired generation have ended; whether they did by themselves.
    pub(super) fn join(&self) -> bool {
        self.places.join();
        !self.killed.load(Ordering::Relaxed)
    }

    /// Have all workers of a retired generation ended?
    pub(super) fn is_over(&self) -> bool {
        self.places.is_empty()
    }

    /// Keeps one worker running.
    fn fill(&self) {
        let (mut was_ready, mut pause) = (false, PAUSES[0]);
        while !self.retired.is_set() {
            let start = Instant::now();
            self.run_one(&mut was_ready);
            if !was_ready {
                self.failed.set();
            }
            if start.elapsed() >= HEALTHY {
                pause = PAUSES[0];
            }
            if self.retired.wait_timeout(pause) {
                return;
            }
            pause = PAUSES[1].min(pause * 2);
        }
    }

    /// Starts a worker, and returns when it has ended.
    fn run_one(&self, was_ready: &mut bool) {
        let Some(program) = self.program.upgrade() else {
            return;
        };
        let started = Member::start(&program);
        drop(program);
        let mut member = match started {
            Ok(member) => member,
            Err(error) => return log::warn!("greenloop: cannot start a worker: {error}"),
        };
        let id = member.id();
        log::debug!("greenloop: worker {id} has started");
        let ended = member.wait_or(&[&self.retired], || {
            if !std::mem::replace(was_ready, true) {
                self.count_ready();
            }
        });
        match ended {
            None => self.end(member),
            Some(_) if self.retired.is_set() => {}
            Some(Ok(status)) => log::warn!("greenloop: worker {id} has ended: {status}"),
            Some(Err(error)) => log::warn!("greenloop: worker {id} is lost: {error}"),
        }
    }

    fn count_ready(&self) {
        if self.missing.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.ready.set();
        }
    }

    fn end(&self, mut member: Member) {
        member.ask_to_stop();
        let over = Alarm::after(self.drain);
        if member.wait_or(&[&over.0, &*self.now], || ()).is_none() {
            self.killed.store(true, Ordering::Relaxed);
            let id = member.id();
            log::warn!("greenloop: worker {id} has not ended in time, and is killed");
            if let Err(error) = member.kill() {
                log::warn!("greenloop: worker {id} is lost: {error}");
            }
        }
    }
}

/// Who has it, has the generation, which is retired when it is dropped.
#[derive(Debug)]
pub(super) struct Leash(Arc<Generation>);

impl Deref for Leash {
    type Target = Generation;

    fn deref(&self) -> &Generation {
        &self.0
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.retire();
    }
}

/// A timer that is cancelled when nobody waits for it any more.
pub(super) struct Alarm(pub(super) Timer<()>);

impl Alarm {
    pub(super) fn after(delay: Duration) -> Alarm {
        Alarm(Timer::after(delay, || ()))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
