//! Barriers: `pthread_barrier_wait`.
//!
//! The C library counts who has arrived inside the barrier, in a way of its own, and blocks them
//! in the kernel. So from the patch on everybody is counted here, OS threads too, and waits in the
//! lot; of the barrier only its count is read. A process-shared one stays the C library's: a green
//! thread lets a helper wait there.

use crate::lot::{self, ANY, Key, Place};
use crate::offload::offload_wait;
use crate::patch::is_any;
use crate::real::hook;
use greenloop_runtime::foreign::{self, Lock, NEVER};
use libc::{c_int, pthread_barrier_t};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The layout of `pthread_barrier_t`, which a test checks.
#[repr(C)]
struct Layout {
    arrived: u32,
    round: u32,
    count: u32,
    shared: c_int,
}

/// Those who wait for a barrier together.
struct Round {
    barrier: usize,
    /// Touched under the lock of `ROUNDS` alone.
    arrived: Cell<u32>,
    over: AtomicBool,
    /// As `arrived`.
    next: Cell<Option<Arc<Round>>>,
}

// SAFETY: the cells are touched under one lock.
unsafe impl Send for Round {}
// SAFETY: as above.
unsafe impl Sync for Round {}

/// The rounds that are not complete, at most one of each barrier.
static ROUNDS: Lock<Option<Arc<Round>>> = Lock::new(None);

impl Round {
    fn new(barrier: usize) -> Arc<Round> {
        Arc::new(Round {
            barrier,
            arrived: Cell::new(0),
            over: AtomicBool::new(false),
            next: Cell::new(None),
        })
    }

    fn key(&self) -> Key {
        Key::Object(std::ptr::from_ref(self).addr())
    }
}

/// Waits at the barrier at `address` until `count` have arrived; says whether the caller was the
/// last.
fn arrive(address: usize, count: u32) -> bool {
    // Made beforehand: under the lock no memory is asked for, nor given back.
    let new = Round::new(address);
    let (round, last) = join_round(&new, count);
    if last {
        round.over.store(true, Ordering::Release);
        lot::wake_all(round.key());
        return true;
    }
    let waits = || !round.over.load(Ordering::Acquire);
    while waits() {
        let place = Place::new(round.key(), ANY);
        // SAFETY: it stays on this frame.
        if unsafe { place.enter(waits) } {
            place.wait(NEVER, || false);
        }
    }
    false
}

/// Counts the caller in the barrier's round, which is `new` if there is none; takes a complete one
/// out.
fn join_round(new: &Arc<Round>, count: u32) -> (Arc<Round>, bool) {
    let mut rounds = ROUNDS.lock();
    let round = find(&rounds, new.barrier).unwrap_or_else(|| {
        new.next.set(rounds.take());
        *rounds = Some(new.clone());
        new.clone()
    });
    round.arrived.set(round.arrived.get() + 1);
    let last = round.arrived.get() >= count;
    if last {
        remove(&mut rounds, &round);
    }
    (round, last)
}

fn find(rounds: &Option<Arc<Round>>, barrier: usize) -> Option<Arc<Round>> {
    let mut next = rounds.as_ref();
    while let Some(round) = next {
        if round.barrier == barrier {
            return Some(round.clone());
        }
        // SAFETY: under the lock, and nothing is changed while the reference lives.
        next = unsafe { (*round.next.as_ptr()).as_ref() };
    }
    None
}

fn remove(rounds: &mut Option<Arc<Round>>, gone: &Arc<Round>) {
    if rounds
        .as_ref()
        .is_some_and(|first| Arc::ptr_eq(first, gone))
    {
        *rounds = gone.next.take();
        return;
    }
    let mut next = rounds.as_ref();
    while let Some(round) = next {
        // SAFETY: under the lock.
        let after = unsafe { (*round.next.as_ptr()).as_ref() };
        if after.is_some_and(|after| Arc::ptr_eq(after, gone)) {
            round.next.set(gone.next.take());
            return;
        }
        next = after;
    }
}

hook! {
    /// Waits until enough have arrived at a barrier. Returns an `errno`, or
    /// `PTHREAD_BARRIER_SERIAL_THREAD` to one of them.
    pthread_barrier_wait(real; barrier: *mut pthread_barrier_t) -> c_int {
        if !is_any() {
            // SAFETY: the caller's contract.
            return unsafe { real()(barrier) };
        }
        // SAFETY: by the caller's contract it is initialised; these parts are written only then.
        let Layout { count, shared, .. } = unsafe { barrier.cast::<Layout>().read_volatile() };
        if shared == 0 {
            let last = arrive(barrier.expose_provenance(), count);
            return if last { libc::PTHREAD_BARRIER_SERIAL_THREAD } else { 0 };
        }
        // SAFETY: the caller's contract.
        let wait = || unsafe { real()(barrier) };
        if foreign::may_wait() {
            // SAFETY: the barrier belongs to no thread, and outlives the wait.
            unsafe { offload_wait(wait) }
        } else {
            wait()
        }
    }
}
