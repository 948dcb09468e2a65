//! Condition variables: `pthread_cond_wait` and its family.
//!
//! The C library's own wait releases the mutex inside, where no green thread that waits for it
//! would be woken. So from the patch on everybody waits in the lot, OS threads too, and releases
//! the mutex by our unlock. The condition variable itself is left alone: a signal goes to the lot
//! first, and if nobody waits there, to those in the C library, who came before the patch.
//!
//! *No signal is lost.* The waiter is in the lot before it releases the mutex; who changes what is
//! waited for holds the mutex, so it either comes before the waiter has looked, or finds it there.
//! A wake-up that comes together with the deadline counts as a wake-up.
//!
//! *Cancellation.* The C library's wait is a cancellation point, so an OS thread's in the lot is
//! one, too: `pthread_cancel` wakes it. It is acted upon with the mutex locked and no frame between
//! that has a destructor, and never by who took a signal.
//!
//! *Those who wait since before the patch* have released their mutex inside, or are about to: they
//! are counted, and as long as there are any, green threads look at a contended mutex again and
//! again.
//!
//! Process-shared ones stay the C library's for OS threads. A green thread in one returns for no
//! reason every few milliseconds, as any wait for a condition may.

use super::acquire::{PERIOD, bounded, give_way, wake_all, wake_one};
use super::mutex::{pthread_mutex_lock, pthread_mutex_unlock};
use super::until::Until;
use crate::lot::{self, ANY, Key, Outcome, Place};
use crate::patch::is_any;
use crate::real::hook;
use greenloop_runtime::foreign;
use libc::{
    c_int, clockid_t, pthread_cond_t, pthread_condattr_t, pthread_mutex_t, pthread_t, timespec,
};
use std::mem::{MaybeUninit, zeroed};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};

/// A flag within a condition variable. Where it lies differs between versions of the C library, so
/// it is found by making one that has it.
struct Flag {
    /// 1 more than the number of the bit; 0: not found yet.
    bit: AtomicU32,
    set: fn(*mut pthread_condattr_t),
}

static MONOTONIC: Flag = Flag::new(|attributes| {
    // SAFETY: initialised attributes, of `Flag::find`.
    unsafe { libc::pthread_condattr_setclock(attributes, libc::CLOCK_MONOTONIC) };
});
static SHARED: Flag = Flag::new(|attributes| {
    // SAFETY: as above.
    unsafe { libc::pthread_condattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) };
});

impl Flag {
    const fn new(set: fn(*mut pthread_condattr_t)) -> Self {
        Flag {
            bit: AtomicU32::new(0),
            set,
        }
    }

    /// # Safety
    ///
    /// `cond` is initialised.
    unsafe fn is_set(&self, cond: *mut pthread_cond_t) -> bool {
        let known = self.bit.load(Ordering::Relaxed);
        let bit = if known == 0 { self.find() } else { known } - 1;
        // SAFETY: by the caller's word; the bit lies within. Others may write to the same word, but
        // never this bit.
        let word = unsafe { cond.cast::<u32>().add(bit as usize / 32).read_volatile() };
        word & (1 << (bit % 32)) != 0
    }

    #[cold]
    fn find(&self) -> u32 {
        let (plain, flagged) = (condition(|_| {}), condition(self.set));
        let mut found = (0..)
            .zip(plain.iter().zip(flagged))
            .filter_map(|(at, (a, b))| {
                let differ = a ^ b;
                (differ != 0).then_some((at, differ))
            });
        let (Some((at, differ)), None) = (found.next(), found.next()) else {
            crate::abort(format_args!(
                "this C library's condition variables are of an unknown kind"
            ));
        };
        if !differ.is_power_of_two() {
            crate::abort(format_args!(
                "this C library's condition variables are of an unknown kind"
            ));
        }
        let bit = at * 32 + differ.trailing_zeros() + 1;
        self.bit.store(bit, Ordering::Relaxed);
        bit
    }
}

const WORDS: usize = size_of::<pthread_cond_t>() / size_of::<u32>();

/// A new condition variable, with the attributes that `set` sets.
fn condition(set: impl FnOnce(*mut pthread_condattr_t)) -> [u32; WORDS] {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: initialised before use, destroyed after it. Zeros are a valid condition variable, and
    // so are its words, as plain numbers.
    unsafe {
        let mut cond: pthread_cond_t = zeroed();
        libc::pthread_condattr_init(attributes.as_mut_ptr());
        set(attributes.as_mut_ptr());
        libc::pthread_cond_init(&mut cond, attributes.as_ptr());
        libc::pthread_condattr_destroy(attributes.as_mut_ptr());
        std::mem::transmute::<pthread_cond_t, [u32; WORDS]>(cond)
    }
}

/// Does the caller wait for `cond` in the lot?
///
/// # Safety
///
/// `cond` is initialised.
#[inline]
unsafe fn waits_in_lot(cond: *mut pthread_cond_t) -> bool {
    // SAFETY: the caller's word.
    is_any() && (foreign::may_wait() || !unsafe { SHARED.is_set(cond) })
}

/// How many wait in the C library, or are about to.
static WITHIN: AtomicUsize = AtomicUsize::new(0);

/// May a mutex be released without our unlock, by who waits in the C library?
pub(super) fn may_release() -> bool {
    // Pairs with the fence in `waits_within`.
    fence(Ordering::SeqCst);
    WITHIN.load(Ordering::Relaxed) != 0
}

/// Does the caller wait for `cond` in the C library? Then it is counted.
///
/// # Safety
///
/// `cond` is initialised.
unsafe fn waits_within(cond: *mut pthread_cond_t) -> bool {
    // SAFETY: the caller's word.
    if unsafe { waits_in_lot(cond) } {
        return false;
    }
    WITHIN.fetch_add(1, Ordering::Relaxed);
    // Either the caller sees that there is a patch, or green threads, which are made later, see it.
    fence(Ordering::SeqCst);
    // SAFETY: the caller's word.
    let within = !unsafe { waits_in_lot(cond) };
    if !within {
        leave();
    }
    within
}

/// Who was counted has waited. One that was cancelled counts for ever.
fn leave() {
    WITHIN.fetch_sub(1, Ordering::Relaxed);
}

/// Counts the threads that were cancelled.
static CANCELLED: AtomicU32 = AtomicU32::new(0);

unsafe extern "C-unwind" {
    fn pthread_testcancel();
}

/// By this key a thread waits to be cancelled. There is no object of the program at that address.
fn key_of(thread: pthread_t) -> Key {
    Key::Object(thread as usize)
}

/// Lets a thread that was cancelled come out of its wait.
pub(super) fn wake_cancelled(thread: pthread_t) {
    // Release pairs with the Acquire in `wait_in_lot`: who has seen this count is known to be
    // cancelled. And `wake_all` fences: a waiter sees the new count, or is found.
    CANCELLED.fetch_add(1, Ordering::Release);
    lot::wake_all(key_of(thread));
}

/// What [`wait`] says of a wait that has ended for no reason.
const NOTHING: c_int = -1;

/// Waits for `cond` in the lot. An OS thread may be cancelled: nothing here has a destructor, as
/// the C library unwinds by force.
///
/// # Safety
///
/// That of `pthread_cond_wait`.
unsafe fn wait_in_lot(
    cond: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    until: Until,
) -> c_int {
    let is_os_thread = !foreign::is_green();
    let cancelled = CANCELLED.load(Ordering::Acquire);
    // SAFETY: the caller's word; a cancellation point may unwind, and the mutex is locked.
    unsafe {
        if is_os_thread {
            pthread_testcancel();
        }
        let result = wait(cond, mutex, until, is_os_thread.then_some(cancelled));
        if result != NOTHING {
            return result;
        }
        if is_os_thread {
            pthread_testcancel();
        }
    }
    0
}

/// Waits for `cond` in the lot; an OS thread, until one more than `cancelled` was cancelled.
///
/// # Safety
///
/// That of `pthread_cond_wait`.
unsafe fn wait(
    cond: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    until: Until,
    cancelled: Option<u32>,
) -> c_int {
    let address = cond.expose_provenance();
    // SAFETY: the caller's word.
    let period = unsafe { SHARED.is_set(cond) }.then_some(PERIOD);
    let place = Place::new(Key::Object(address), ANY);
    // SAFETY: without arguments.
    let end = Place::new(key_of(unsafe { libc::pthread_self() }), ANY);
    let is_first = |known| CANCELLED.load(Ordering::Relaxed) == known;
    // SAFETY: both stay on this frame.
    let waits = unsafe {
        cancelled.is_none_or(|known| end.enter(|| is_first(known))) && place.enter(|| true)
    };
    if !waits {
        return NOTHING;
    }
    // SAFETY: the caller's word.
    let result = unsafe { pthread_mutex_unlock(mutex) };
    if result != 0 {
        if !place.leave() {
            wake_one(address); // a signal that was not for the caller
        }
        return result;
    }
    let is_over = || cancelled.is_some() && !end.is_queued();
    let outcome = place.wait(bounded(until, period), is_over);
    // SAFETY: the caller's word.
    let locked = unsafe { pthread_mutex_lock(mutex) };
    match outcome {
        _ if locked != 0 => locked,
        Outcome::TimedOut if until.is_over() => libc::ETIMEDOUT,
        Outcome::TimedOut => NOTHING,
        _ => 0,
    }
}

hook! {
    /// Waits for a condition variable. Returns an `errno`.
    pthread_cond_wait@c"GLIBC_2.3.2"(
        real; cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t
    ) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits_within(cond) {
                return wait_in_lot(cond, mutex, Until::NEVER);
            }
            let result = real()(cond, mutex);
            leave();
            result
        }
    }
}

hook! {
    /// Waits for a condition variable until a moment of its clock. Returns an `errno`.
    pthread_cond_timedwait@c"GLIBC_2.3.2"(
        real; cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, time: *const timespec
    ) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if waits_within(cond) {
                let result = real()(cond, mutex, time);
                leave();
                return result;
            }
            let clock = if MONOTONIC.is_set(cond) {
                libc::CLOCK_MONOTONIC
            } else {
                libc::CLOCK_REALTIME
            };
            match Until::new(clock, time) {
                Ok(until) => wait_in_lot(cond, mutex, until),
                Err(errno) => errno,
            }
        }
    }
}

hook! {
    /// Waits for a condition variable until a moment of a clock. Returns an `errno`.
    pthread_cond_clockwait(
        real; cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, clock: clockid_t,
        time: *const timespec
    ) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if waits_within(cond) {
                let result = real()(cond, mutex, clock, time);
                leave();
                return result;
            }
            match Until::new(clock, time) {
                Ok(until) => wait_in_lot(cond, mutex, until),
                Err(errno) => errno,
            }
        }
    }
}

hook! {
    /// Wakes one who waits for a condition variable. Returns an `errno`.
    pthread_cond_signal@c"GLIBC_2.3.2"(real; cond: *mut pthread_cond_t) -> c_int {
        let key = Key::Object(cond.expose_provenance());
        if is_any() && lot::wake(key, 1, ANY) > 0 {
            give_way();
            return 0;
        }
        // SAFETY: the caller's contract.
        unsafe { real()(cond) }
    }
}

hook! {
    /// Wakes all who wait for a condition variable. Returns an `errno`.
    pthread_cond_broadcast@c"GLIBC_2.3.2"(real; cond: *mut pthread_cond_t) -> c_int {
        // SAFETY: the caller's contract. Before the lot: afterwards the object may be gone.
        let result = unsafe { real()(cond) };
        if is_any() {
            wake_all(cond.expose_provenance());
        }
        result
    }
}
