//! The C library's own locks on full green threads: each call has the result that it has on an OS
//! thread of an unpatched program.
//!
//! Long because it has every call of several families, with each of its errors.

use greenloop::monkey::patch_all;
use libc::{
    CLOCK_MONOTONIC, CLOCK_REALTIME, c_int, c_void, pthread_cond_t, pthread_mutex_t,
    pthread_rwlock_t, pthread_t, sem_t, timespec,
};
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

unsafe extern "C" {
    fn pthread_mutex_clocklock(m: *mut pthread_mutex_t, c: c_int, t: *const timespec) -> c_int;
    fn pthread_cond_clockwait(
        c: *mut pthread_cond_t,
        m: *mut pthread_mutex_t,
        clock: c_int,
        t: *const timespec,
    ) -> c_int;
    fn pthread_rwlock_timedrdlock(l: *mut pthread_rwlock_t, t: *const timespec) -> c_int;
    fn pthread_rwlock_timedwrlock(l: *mut pthread_rwlock_t, t: *const timespec) -> c_int;
    fn pthread_rwlock_clockrdlock(l: *mut pthread_rwlock_t, c: c_int, t: *const timespec) -> c_int;
    fn pthread_rwlock_clockwrlock(l: *mut pthread_rwlock_t, c: c_int, t: *const timespec) -> c_int;
    fn sem_clockwait(s: *mut sem_t, clock: c_int, t: *const timespec) -> c_int;
    fn pthread_clockjoin_np(
        thread: pthread_t,
        value: *mut *mut c_void,
        clock: c_int,
        t: *const timespec,
    ) -> c_int;
    fn mtx_init(m: *mut pthread_mutex_t, kind: c_int) -> c_int;
    fn mtx_lock(m: *mut pthread_mutex_t) -> c_int;
    fn mtx_timedlock(m: *mut pthread_mutex_t, t: *const timespec) -> c_int;
    fn mtx_unlock(m: *mut pthread_mutex_t) -> c_int;
    fn cnd_init(c: *mut pthread_cond_t) -> c_int;
    fn cnd_wait(c: *mut pthread_cond_t, m: *mut pthread_mutex_t) -> c_int;
    fn cnd_timedwait(c: *mut pthread_cond_t, m: *mut pthread_mutex_t, t: *const timespec) -> c_int;
    fn cnd_signal(c: *mut pthread_cond_t) -> c_int;
    fn cnd_broadcast(c: *mut pthread_cond_t) -> c_int;
    fn thrd_create(
        t: *mut pthread_t,
        f: extern "C" fn(*mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn thrd_join(t: pthread_t, value: *mut c_int) -> c_int;
    fn thrd_yield();
    fn call_once(control: *mut c_int, f: extern "C" fn());
}

/// An object of the C library's that several threads use; never freed.
struct Object<T: 'static>(&'static UnsafeCell<T>);

impl<T> Clone for Object<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Object<T> {}
// SAFETY: made to be shared, by calls of the C library alone.
unsafe impl<T> Send for Object<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Object<T> {}

impl<T> Object<T> {
    /// Zeros, but for what `init` does.
    fn new(init: impl FnOnce(*mut T)) -> Self {
        // SAFETY: C's types, for which zeros are valid.
        let object = Object(Box::leak(Box::new(UnsafeCell::new(unsafe {
            MaybeUninit::zeroed().assume_init()
        }))));
        init(object.at());
        object
    }

    fn at(self) -> *mut T {
        self.0.get()
    }
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    of: c_int,
    robust: bool,
    shared: bool,
    protocol: c_int,
}

const NORMAL: Kind = Kind {
    of: libc::PTHREAD_MUTEX_NORMAL,
    robust: false,
    shared: false,
    protocol: libc::PTHREAD_PRIO_NONE,
};
const RECURSIVE: Kind = Kind {
    of: libc::PTHREAD_MUTEX_RECURSIVE,
    ..NORMAL
};
const ERRORCHECK: Kind = Kind {
    of: libc::PTHREAD_MUTEX_ERRORCHECK,
    ..NORMAL
};
const ADAPTIVE: Kind = Kind {
    of: libc::PTHREAD_MUTEX_ADAPTIVE_NP,
    ..NORMAL
};

fn mutex(kind: Kind) -> Object<pthread_mutex_t> {
    Object::new(|mutex| {
        let mut attributes = MaybeUninit::uninit();
        let at = attributes.as_mut_ptr();
        // SAFETY: initialised attributes; room for the mutex.
        unsafe {
            libc::pthread_mutexattr_init(at);
            assert_eq!(libc::pthread_mutexattr_settype(at, kind.of), 0);
            assert_eq!(libc::pthread_mutexattr_setrobust(at, kind.robust.into()), 0);
            assert_eq!(
                libc::pthread_mutexattr_setpshared(at, kind.shared.into()),
                0
            );
            assert_eq!(libc::pthread_mutexattr_setprotocol(at, kind.protocol), 0);
            assert_eq!(libc::pthread_mutex_init(mutex, at), 0);
        }
    })
}

fn condition(clock: c_int, shared: bool) -> Object<pthread_cond_t> {
    Object::new(|cond| {
        let mut attributes = MaybeUninit::uninit();
        let at = attributes.as_mut_ptr();
        // SAFETY: initialised attributes; room for the condition variable.
        unsafe {
            libc::pthread_condattr_init(at);
            assert_eq!(libc::pthread_condattr_setclock(at, clock), 0);
            assert_eq!(libc::pthread_condattr_setpshared(at, shared.into()), 0);
            assert_eq!(libc::pthread_cond_init(cond, at), 0);
        }
    })
}

fn semaphore(value: u32) -> Object<sem_t> {
    // SAFETY: room for it.
    Object::new(|sem| assert_eq!(unsafe { libc::sem_init(sem, 0, value) }, 0))
}

/// The moment by `clock` that lies so many milliseconds from now.
fn moment(clock: c_int, millis: i64) -> timespec {
    let mut time = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: room for the time.
    assert_eq!(unsafe { libc::clock_gettime(clock, &mut time) }, 0);
    let nanos = time.tv_nsec + millis * 1_000_000;
    time.tv_sec += nanos.div_euclid(1_000_000_000);
    time.tv_nsec = nanos.rem_euclid(1_000_000_000);
    time
}

const INVALID: timespec = timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000_000,
};
const NEGATIVE: timespec = timespec {
    tv_sec: -1,
    tv_nsec: 0,
};
/// One that exists, but locks do not wait by it.
const WRONG_CLOCK: c_int = libc::CLOCK_PROCESS_CPUTIME_ID;
const SHORT: i64 = 5;

/// What calls have returned.
#[derive(Default, PartialEq, Debug)]
struct Results(Vec<(String, c_int)>);

impl Results {
    fn note(&mut self, what: impl ToString, result: c_int) {
        self.0.push((what.to_string(), result));
    }

    /// Of a call that returns -1 and an `errno`.
    fn note_errno(&mut self, what: impl ToString, result: impl Into<i64>) {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap();
        let result = result.into();
        self.note(what, if result == -1 { errno } else { result as c_int });
    }

    /// And the wait took at least `SHORT`, if it timed out.
    fn note_timed(&mut self, what: impl ToString, call: impl FnOnce() -> c_int) {
        let start = Instant::now();
        let result = call();
        let what = what.to_string();
        if result == libc::ETIMEDOUT {
            let least = Duration::from_millis(SHORT as u64 - 1);
            assert!(start.elapsed() >= least, "{what} ended too early");
        }
        self.note(what, result);
    }
}

/// Runs `f` while another OS thread is between `take` and `give`, and joins that thread.
fn while_other(take: impl FnOnce() + Send, give: impl FnOnce() + Send, f: impl FnOnce()) {
    thread::scope(|scope| {
        let (taken, is_taken) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel::<()>();
        // The takers: what they capture belongs to that thread.
        let (take, give) = (Box::new(take), Box::new(give));
        scope.spawn(move || {
            take();
            taken.send(()).unwrap();
            let _ = has_ended.recv();
            give();
        });
        is_taken.recv().unwrap();
        f();
        drop(ended);
    });
}

fn mutex_results(results: &mut Results, kind: Kind) {
    let lock = mutex(kind);
    let name = |what: &str| format!("{kind:?}: {what}");
    // SAFETY: an initialised mutex. What would be undefined (a normal one unlocked by another) or
    // would never end is left out.
    unsafe {
        results.note(name("lock"), libc::pthread_mutex_lock(lock.at()));
        results.note(name("trylock own"), libc::pthread_mutex_trylock(lock.at()));
        if kind.of != libc::PTHREAD_MUTEX_RECURSIVE {
            timed_results(results, &name("own"), lock);
        }
        if [
            libc::PTHREAD_MUTEX_RECURSIVE,
            libc::PTHREAD_MUTEX_ERRORCHECK,
        ]
        .contains(&kind.of)
        {
            results.note(name("lock own"), libc::pthread_mutex_lock(lock.at()));
            for _ in 0..4 {
                results.note(name("unlock"), libc::pthread_mutex_unlock(lock.at()));
            }
        } else {
            results.note(name("unlock"), libc::pthread_mutex_unlock(lock.at()));
        }
        let take = || assert_eq!(libc::pthread_mutex_lock(lock.at()), 0);
        let give = || assert_eq!(libc::pthread_mutex_unlock(lock.at()), 0);
        while_other(take, give, || {
            let result = libc::pthread_mutex_trylock(lock.at());
            results.note(name("trylock other's"), result);
            timed_results(results, &name("other's"), lock);
            if kind.of == libc::PTHREAD_MUTEX_ERRORCHECK || kind.robust {
                let result = libc::pthread_mutex_unlock(lock.at());
                results.note(name("unlock other's"), result);
            }
        });
        let later = moment(CLOCK_REALTIME, 60_000);
        let result = libc::pthread_mutex_timedlock(lock.at(), &later);
        results.note(name("timedlock free"), result);
        libc::pthread_mutex_unlock(lock.at());
        let result = libc::pthread_mutex_timedlock(lock.at(), &INVALID);
        results.note(name("timedlock free, invalid"), result);
        libc::pthread_mutex_unlock(lock.at());
        let result = pthread_mutex_clocklock(lock.at(), WRONG_CLOCK, &later);
        results.note(name("clocklock free, wrong clock"), result);
        results.note(name("destroy"), libc::pthread_mutex_destroy(lock.at()));
    }
}

/// Attempts at a mutex that can't be had.
///
/// # Safety
///
/// It is initialised.
unsafe fn timed_results(results: &mut Results, name: &str, lock: Object<pthread_mutex_t>) {
    // SAFETY: the caller's word.
    unsafe {
        for clock in [CLOCK_REALTIME, CLOCK_MONOTONIC] {
            let soon = moment(clock, SHORT);
            let lock = || pthread_mutex_clocklock(lock.at(), clock, &soon);
            results.note_timed(format!("{name}: clocklock {clock}"), lock);
        }
        let soon = moment(CLOCK_REALTIME, SHORT);
        let timed = || libc::pthread_mutex_timedlock(lock.at(), &soon);
        results.note_timed(format!("{name}: timedlock"), timed);
        for time in [INVALID, NEGATIVE, moment(CLOCK_REALTIME, -1000)] {
            let result = libc::pthread_mutex_timedlock(lock.at(), &time);
            results.note(
                format!("{name}: timedlock {}", time.tv_nsec == INVALID.tv_nsec),
                result,
            );
        }
        let result = pthread_mutex_clocklock(lock.at(), WRONG_CLOCK, &soon);
        results.note(format!("{name}: wrong clock"), result);
    }
}

fn robust_results(results: &mut Results) {
    for recovers in [true, false] {
        let lock = mutex(Kind {
            robust: true,
            ..ERRORCHECK
        });
        // SAFETY: an initialised mutex.
        unsafe {
            thread::spawn(move || assert_eq!(libc::pthread_mutex_lock(lock.at()), 0))
                .join()
                .unwrap();
            results.note("lock, owner dead", libc::pthread_mutex_lock(lock.at()));
            if recovers {
                results.note("consistent", libc::pthread_mutex_consistent(lock.at()));
            }
            results.note("unlock", libc::pthread_mutex_unlock(lock.at()));
            results.note("lock again", libc::pthread_mutex_lock(lock.at()));
            results.note("unlock again", libc::pthread_mutex_unlock(lock.at()));
        }
    }
}

fn condition_results(results: &mut Results) {
    for shared in [false, true] {
        let lock = mutex(Kind {
            shared,
            ..ERRORCHECK
        });
        for clock in [CLOCK_REALTIME, CLOCK_MONOTONIC] {
            let cond = condition(clock, shared);
            let name = |what: &str| format!("condition {clock} {shared}: {what}");
            // SAFETY: initialised objects.
            unsafe {
                let wait = libc::pthread_cond_wait(cond.at(), lock.at());
                results.note(name("wait, not locked"), wait);
                libc::pthread_mutex_lock(lock.at());
                for time in [INVALID, NEGATIVE, moment(clock, -1000)] {
                    let wait = libc::pthread_cond_timedwait(cond.at(), lock.at(), &time);
                    results.note(name("timedwait"), wait);
                }
                let soon = moment(clock, SHORT);
                let wait =
                    || timed_out(|| libc::pthread_cond_timedwait(cond.at(), lock.at(), &soon));
                results.note_timed(name("timedwait"), wait);
                for by in [CLOCK_REALTIME, CLOCK_MONOTONIC] {
                    let soon = moment(by, SHORT);
                    let wait =
                        || timed_out(|| pthread_cond_clockwait(cond.at(), lock.at(), by, &soon));
                    results.note_timed(name("clockwait"), wait);
                }
                let wait = pthread_cond_clockwait(cond.at(), lock.at(), WRONG_CLOCK, &soon);
                results.note(name("wrong clock"), wait);
                results.note(name("unlock"), libc::pthread_mutex_unlock(lock.at()));
                results.note(name("signal"), libc::pthread_cond_signal(cond.at()));
                results.note(name("broadcast"), libc::pthread_cond_broadcast(cond.at()));
                results.note(name("destroy"), libc::pthread_cond_destroy(cond.at()));
            }
        }
    }
}

/// Waits as long as it is woken for no reason.
fn timed_out(mut wait: impl FnMut() -> c_int) -> c_int {
    loop {
        match wait() {
            0 => {}
            result => return result,
        }
    }
}

fn rwlock_results(results: &mut Results) {
    let lock = Object::<pthread_rwlock_t>::new(|_| {});
    // SAFETY: an initialised lock.
    unsafe {
        results.note("rdlock", libc::pthread_rwlock_rdlock(lock.at()));
        results.note("tryrdlock again", libc::pthread_rwlock_tryrdlock(lock.at()));
        results.note(
            "trywrlock reading",
            libc::pthread_rwlock_trywrlock(lock.at()),
        );
        let soon = moment(CLOCK_REALTIME, SHORT);
        let write = || pthread_rwlock_timedwrlock(lock.at(), &soon);
        results.note_timed("timedwrlock reading", write);
        for _ in 0..2 {
            results.note("unlock", libc::pthread_rwlock_unlock(lock.at()));
        }
        results.note("wrlock", libc::pthread_rwlock_wrlock(lock.at()));
        results.note("rdlock writing", libc::pthread_rwlock_rdlock(lock.at()));
        results.note("wrlock writing", libc::pthread_rwlock_wrlock(lock.at()));
        results.note(
            "tryrdlock writing",
            libc::pthread_rwlock_tryrdlock(lock.at()),
        );
        results.note("unlock", libc::pthread_rwlock_unlock(lock.at()));
        let take = || assert_eq!(libc::pthread_rwlock_wrlock(lock.at()), 0);
        let give = || assert_eq!(libc::pthread_rwlock_unlock(lock.at()), 0);
        while_other(take, give, || {
            for clock in [CLOCK_REALTIME, CLOCK_MONOTONIC] {
                let soon = moment(clock, SHORT);
                let read = || pthread_rwlock_clockrdlock(lock.at(), clock, &soon);
                results.note_timed("clockrdlock other's", read);
                let write = || pthread_rwlock_clockwrlock(lock.at(), clock, &soon);
                results.note("clockwrlock other's", write());
            }
            let soon = moment(CLOCK_REALTIME, SHORT);
            let read = || pthread_rwlock_timedrdlock(lock.at(), &soon);
            results.note_timed("timedrdlock other's", read);
            for time in [INVALID, NEGATIVE] {
                results.note("timedrdlock", pthread_rwlock_timedrdlock(lock.at(), &time));
                results.note("timedwrlock", pthread_rwlock_timedwrlock(lock.at(), &time));
            }
            let read = pthread_rwlock_clockrdlock(lock.at(), WRONG_CLOCK, &soon);
            results.note("clockrdlock, wrong clock", read);
        });
        results.note(
            "timedrdlock free",
            pthread_rwlock_timedrdlock(lock.at(), &INVALID),
        );
    }
}

fn semaphore_results(results: &mut Results) {
    for value in [0, 2] {
        let sem = semaphore(value);
        // SAFETY: an initialised semaphore.
        unsafe {
            for time in [INVALID, NEGATIVE, moment(CLOCK_REALTIME, SHORT)] {
                results.note_errno("timedwait", libc::sem_timedwait(sem.at(), &time));
            }
            let soon = moment(CLOCK_MONOTONIC, SHORT);
            results.note_errno("clockwait", sem_clockwait(sem.at(), CLOCK_MONOTONIC, &soon));
            results.note_errno("clockwait", sem_clockwait(sem.at(), WRONG_CLOCK, &soon));
            results.note_errno("post", libc::sem_post(sem.at()));
            results.note_errno("wait", libc::sem_wait(sem.at()));
            results.note_errno("trywait", libc::sem_trywait(sem.at()));
        }
    }
    let full = semaphore(i32::MAX as u32);
    // SAFETY: an initialised semaphore.
    results.note_errno("post to a full one", unsafe { libc::sem_post(full.at()) });
}

/// What a thread of `start` returns.
const VALUE: *mut c_void = ptr::without_provenance_mut(7);

/// Ends once the flag is set.
extern "C" fn wait_for_flag(flag: *mut c_void) -> *mut c_void {
    // SAFETY: `start` passes one that is leaked.
    let flag = unsafe { &*flag.cast::<AtomicU32>() };
    while flag.load(SeqCst) == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    VALUE
}

/// A thread that ends once the flag is set.
fn start(attributes: *const libc::pthread_attr_t) -> (pthread_t, &'static AtomicU32) {
    let (mut thread, flag) = (0, &*Box::leak(Box::new(AtomicU32::new(0))));
    let data = ptr::from_ref(flag).cast_mut().cast();
    // SAFETY: room for the thread; the flag lives for ever.
    let result = unsafe { libc::pthread_create(&mut thread, attributes, wait_for_flag, data) };
    assert_eq!(result, 0);
    (thread, flag)
}

/// Sets `flag` a little later.
fn set_later(flag: &'static AtomicU32) -> thread::JoinHandle<()> {
    thread::spawn(|| {
        thread::sleep(Duration::from_millis(SHORT as u64));
        flag.store(1, SeqCst);
    })
}

fn join_results(results: &mut Results) {
    let mut value = ptr::null_mut();
    // SAFETY: threads that are joined once, and a detached one that is asked for only while it
    // runs.
    unsafe {
        results.note(
            "join oneself",
            libc::pthread_join(libc::pthread_self(), &mut value),
        );
        let (thread, flag) = start(ptr::null());
        results.note("tryjoin", libc::pthread_tryjoin_np(thread, &mut value));
        let soon = moment(CLOCK_REALTIME, SHORT);
        let join = || libc::pthread_timedjoin_np(thread, ptr::null_mut(), &soon);
        results.note_timed("timedjoin", join);
        let soon = moment(CLOCK_MONOTONIC, 0);
        let join = pthread_clockjoin_np(thread, &mut value, CLOCK_MONOTONIC, &soon);
        results.note("clockjoin", join);
        // An invalid time makes the C library wait for the end without one.
        results.note("value before", value.addr() as c_int);
        let setter = set_later(flag);
        results.note("join", libc::pthread_join(thread, &mut value));
        results.note("value", value.addr() as c_int);
        setter.join().unwrap();
        let (ended, flag) = start(ptr::null());
        flag.store(1, SeqCst);
        let join = loop {
            match libc::pthread_tryjoin_np(ended, ptr::null_mut()) {
                libc::EBUSY => thread::yield_now(),
                result => break result,
            }
        };
        results.note("join an ended one", join);
        let mut attributes = MaybeUninit::uninit();
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        let (detached, flag) = start(attributes.as_ptr());
        results.note(
            "join a detached one",
            libc::pthread_join(detached, &mut value),
        );
        flag.store(1, SeqCst);
    }
}

thread_local! {
    /// How often the thread has run `run_once`: other tests do so at the same time.
    static ONCE_RUNS: Cell<c_int> = const { Cell::new(0) };
}

extern "C" fn run_once() {
    thread::sleep(Duration::from_millis(5));
    ONCE_RUNS.set(ONCE_RUNS.get() + 1);
}

fn other_results(results: &mut Results) {
    let (once, flag) = (Object::<c_int>::new(|_| {}), Object::<c_int>::new(|_| {}));
    let spin = Object::<c_int>::new(|_| {});
    let barrier = Object::<libc::pthread_barrier_t>::new(|_| {});
    let before = ONCE_RUNS.get();
    // SAFETY: initialised objects.
    unsafe {
        for _ in 0..2 {
            results.note("once", libc::pthread_once(once.at(), run_once));
            call_once(flag.at(), run_once);
        }
        results.note("once ran", ONCE_RUNS.get() - before);
        results.note("spin", libc::pthread_spin_init(spin.at(), 0));
        results.note("spin", libc::pthread_spin_lock(spin.at()));
        results.note("spin", libc::pthread_spin_trylock(spin.at()));
        results.note("spin", libc::pthread_spin_unlock(spin.at()));
        libc::pthread_barrier_init(barrier.at(), ptr::null(), 1);
        for _ in 0..2 {
            results.note("barrier", libc::pthread_barrier_wait(barrier.at()));
        }
        results.note("barrier", libc::pthread_barrier_destroy(barrier.at()));
        results.note("yield", libc::sched_yield());
        thrd_yield();
    }
}

extern "C" fn seven(_: *mut c_void) -> c_int {
    7
}

fn c11_results(results: &mut Results) {
    const TIMED_RECURSIVE: c_int = 3;
    let lock = Object::<pthread_mutex_t>::new(|_| {});
    let cond = Object::<pthread_cond_t>::new(|_| {});
    // SAFETY: initialised objects.
    unsafe {
        results.note("mtx_init", mtx_init(lock.at(), TIMED_RECURSIVE));
        results.note("cnd_init", cnd_init(cond.at()));
        for _ in 0..2 {
            results.note("mtx_lock", mtx_lock(lock.at()));
        }
        results.note("mtx_unlock", mtx_unlock(lock.at()));
        let soon = moment(CLOCK_REALTIME, SHORT);
        let wait = timed_out(|| cnd_timedwait(cond.at(), lock.at(), &soon));
        results.note("cnd_timedwait", wait);
        results.note(
            "cnd_timedwait",
            cnd_timedwait(cond.at(), lock.at(), &INVALID),
        );
        results.note("cnd_signal", cnd_signal(cond.at()));
        results.note("cnd_broadcast", cnd_broadcast(cond.at()));
        results.note("mtx_unlock", mtx_unlock(lock.at()));
        let take = || assert_eq!(mtx_lock(lock.at()), 0);
        let give = || assert_eq!(mtx_unlock(lock.at()), 0);
        while_other(take, give, || {
            let soon = moment(CLOCK_REALTIME, SHORT);
            results.note("mtx_timedlock", mtx_timedlock(lock.at(), &soon));
            results.note("mtx_timedlock", mtx_timedlock(lock.at(), &INVALID));
        });
        let (mut thread, mut value) = (0, 0);
        results.note(
            "thrd_create",
            thrd_create(&mut thread, seven, ptr::null_mut()),
        );
        results.note("thrd_join", thrd_join(thread, &mut value));
        results.note("its value", value);
    }
}

/// The futex call through the C library.
unsafe fn futex(
    word: *const AtomicU32,
    operation: c_int,
    value: u32,
    time: *const timespec,
    second: *const AtomicU32,
    third: u32,
) -> i64 {
    // SAFETY: the caller's word.
    unsafe { libc::syscall(libc::SYS_futex, word, operation, value, time, second, third) }
}

fn futex_results(results: &mut Results) {
    let word = AtomicU32::new(5);
    let short = timespec {
        tv_sec: 0,
        tv_nsec: SHORT * 1_000_000,
    };
    let none = ptr::null::<AtomicU32>();
    for private in [libc::FUTEX_PRIVATE_FLAG, 0] {
        let wait = libc::FUTEX_WAIT | private;
        let bitset = libc::FUTEX_WAIT_BITSET | private;
        // SAFETY: a word and times of this frame.
        let mut note = |what: &str, operation, value, time: *const timespec, third| unsafe {
            let result = loop {
                let result = futex(&word, operation, value, time, none, third);
                // For no reason, as a futex may.
                let begins = operation == wait || operation & 15 == libc::FUTEX_WAIT_BITSET;
                if !begins || result != 0 {
                    break result;
                }
            };
            results.note_errno(format!("{what} {private}"), result);
        };
        note("wait, changed", wait, 4, &short, 0);
        note("wait", wait, 5, &short, 0);
        note("wait, invalid", wait, 5, &INVALID, 0);
        note("wait, negative", wait, 5, &NEGATIVE, 0);
        note("wait, no bits", bitset, 5, &short, 0);
        note("wait, past", bitset, 5, &moment(CLOCK_MONOTONIC, -1), 1);
        note("wait", bitset, 5, &moment(CLOCK_MONOTONIC, SHORT), 1);
        let realtime = bitset | libc::FUTEX_CLOCK_REALTIME;
        note("wait", realtime, 5, &moment(CLOCK_REALTIME, SHORT), 1);
        note("wait, changed", bitset, 4, none.cast(), 1);
        note("wake", libc::FUTEX_WAKE | private, 1, none.cast(), 0);
        note(
            "wake, no bits",
            libc::FUTEX_WAKE_BITSET | private,
            1,
            none.cast(),
            0,
        );
        note(
            "requeue, changed",
            libc::FUTEX_CMP_REQUEUE | private,
            1,
            none.cast(),
            4,
        );
    }
    let odd = ptr::from_ref(&word).wrapping_byte_add(1);
    // SAFETY: the kernel checks the address.
    results.note_errno("wait, odd address", unsafe {
        futex(
            odd,
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            5,
            &short,
            none,
            0,
        )
    });
}

/// Every call that ends by itself, with its result.
fn all_results() -> Results {
    let mut results = Results::default();
    for kind in [NORMAL, RECURSIVE, ERRORCHECK, ADAPTIVE] {
        for (robust, shared) in [(false, false), (false, true), (true, false), (true, true)] {
            let kind = Kind {
                robust,
                shared,
                ..kind
            };
            mutex_results(&mut results, kind);
        }
    }
    robust_results(&mut results);
    condition_results(&mut results);
    rwlock_results(&mut results);
    semaphore_results(&mut results);
    join_results(&mut results);
    other_results(&mut results);
    c11_results(&mut results);
    futex_results(&mut results);
    results
}

/// The results before anything is patched, on an OS thread; then everything is.
static PLAIN: LazyLock<Results> = LazyLock::new(|| {
    let plain = thread::spawn(all_results).join().unwrap();
    patch_all().unwrap();
    plain
});

/// Runs `f` on an OS thread; ends the process if it hangs, as there is no other way.
#[track_caller]
fn within<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    assert!(!PLAIN.0.is_empty());
    let (sender, receiver) = mpsc::channel();
    let runner = thread::spawn(move || {
        let _ = sender.send(f());
    });
    match receiver.recv_timeout(Duration::from_secs(120)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            eprintln!("it hangs: {}", std::panic::Location::caller());
            std::process::abort();
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(runner.join().unwrap_err())
        }
    }
}

fn assert_plain(results: &Results) {
    for (ours, plain) in results.0.iter().zip(&PLAIN.0) {
        assert_eq!(ours, plain);
    }
    assert_eq!(results.0.len(), PLAIN.0.len());
}

#[test]
fn a_green_thread_gets_the_results_of_a_plain_one() {
    assert_plain(&within(|| greenloop::spawn(all_results).join().unwrap()));
    assert_plain(&within(|| {
        greenloop::run(|| greenloop::spawn(all_results).join().unwrap())
    }));
}

#[test]
fn an_os_thread_keeps_its_results() {
    assert_plain(&within(all_results));
}

#[test]
fn a_light_green_thread_keeps_its_results() {
    // In a hub on a thread that can be joined; workers can't, so there `join oneself` is EINVAL.
    let light = || greenloop::Builder::new().own_tls(false).spawn(all_results);
    assert_plain(&within(move || {
        greenloop::run(move || light().unwrap().join().unwrap())
    }));
}

/// Runs `greens` green threads in a hub or on workers, and as many OS threads as `threads`, at
/// once.
fn crew(hub: bool, greens: usize, threads: usize, f: impl Fn(usize) + Send + Sync + 'static) {
    let f = Arc::new(f);
    let all = move || {
        let spawn = |index| {
            let f = f.clone();
            greenloop::spawn(move || f(index))
        };
        let greens: Vec<_> = (0..greens).map(spawn).collect();
        let others: Vec<_> = (greens.len()..greens.len() + threads)
            .map(|index| {
                let f = f.clone();
                thread::spawn(move || f(index))
            })
            .collect();
        greens.into_iter().for_each(|green| green.join().unwrap());
        // Joined by an OS thread or a green one.
        others.into_iter().for_each(|other| other.join().unwrap());
    };
    within(move || if hub { greenloop::run(all) } else { all() });
}

/// [`crew`], in each of the ways.
fn everywhere(f: impl Fn() -> Box<dyn Fn(usize) + Send + Sync>) {
    for hub in [true, false] {
        for threads in [0, 4] {
            crew(hub, 20, threads, f());
        }
    }
}

#[test]
fn mutexes_of_every_kind_exclude() {
    for kind in [NORMAL, RECURSIVE, ERRORCHECK, ADAPTIVE] {
        for (robust, shared) in [(false, false), (true, false), (false, true)] {
            let kind = Kind {
                robust,
                shared,
                ..kind
            };
            everywhere(|| {
                let lock = mutex(kind);
                let inside = AtomicUsize::new(0);
                Box::new(move |index| {
                    for round in 0..5 {
                        // SAFETY: an initialised mutex, unlocked by its owner.
                        unsafe {
                            assert_eq!(libc::pthread_mutex_lock(lock.at()), 0);
                            if kind.of == libc::PTHREAD_MUTEX_RECURSIVE {
                                assert_eq!(libc::pthread_mutex_lock(lock.at()), 0);
                            }
                        }
                        assert_eq!(inside.fetch_add(1, SeqCst), 0);
                        if (index + round) % 4 == 0 {
                            thread::sleep(Duration::from_micros(200));
                        } else {
                            thread::yield_now();
                        }
                        inside.fetch_sub(1, SeqCst);
                        // SAFETY: as above.
                        unsafe {
                            if kind.of == libc::PTHREAD_MUTEX_RECURSIVE {
                                assert_eq!(libc::pthread_mutex_unlock(lock.at()), 0);
                            }
                            assert_eq!(libc::pthread_mutex_unlock(lock.at()), 0);
                        }
                    }
                })
            });
        }
    }
}

#[test]
fn a_mutex_with_priority_inheritance_is_refused() {
    let lock = mutex(Kind {
        protocol: libc::PTHREAD_PRIO_INHERIT,
        ..NORMAL
    });
    let attempts = move || {
        // SAFETY: an initialised mutex.
        unsafe {
            let result = libc::pthread_mutex_trylock(lock.at());
            if result == 0 {
                libc::pthread_mutex_unlock(lock.at());
            }
            [result, libc::pthread_mutex_lock(lock.at())]
        }
    };
    let green = within(move || greenloop::spawn(attempts).join().unwrap());
    assert_eq!(green, [libc::ENOTSUP; 2]);
    assert_eq!(within(attempts), [0; 2]);
}

#[test]
fn a_robust_mutex_tells_of_a_green_owner_that_ended() {
    within(|| {
        let lock = || {
            mutex(Kind {
                robust: true,
                ..ERRORCHECK
            })
        };
        let locks = [lock(), lock(), lock()];
        let take = move || {
            for lock in locks {
                // SAFETY: an initialised mutex.
                assert_eq!(unsafe { libc::pthread_mutex_lock(lock.at()) }, 0);
            }
        };
        let [waited_for, by_green, by_os_thread] = locks;
        let take_over = |lock: Object<pthread_mutex_t>| {
            // SAFETY: as above.
            unsafe {
                assert_eq!(libc::pthread_mutex_lock(lock.at()), libc::EOWNERDEAD);
                assert_eq!(libc::pthread_mutex_consistent(lock.at()), 0);
                assert_eq!(libc::pthread_mutex_unlock(lock.at()), 0);
            }
        };
        let (sender, receiver) = mpsc::channel::<()>();
        let owner = greenloop::spawn(move || {
            take();
            receiver.recv().unwrap();
        });
        until_taken(waited_for);
        let waiter = thread::spawn(move || take_over(waited_for));
        thread::sleep(Duration::from_millis(20));
        sender.send(()).unwrap();
        owner.join().unwrap();
        waiter.join().unwrap();
        greenloop::spawn(move || take_over(by_green))
            .join()
            .unwrap();
        take_over(by_os_thread);
    });
}

/// Waits until somebody else has the lock.
fn until_taken(lock: Object<pthread_mutex_t>) {
    // SAFETY: an initialised mutex, which is given back if it was free.
    unsafe {
        while libc::pthread_mutex_trylock(lock.at()) == 0 {
            libc::pthread_mutex_unlock(lock.at());
            thread::yield_now();
        }
    }
}

#[test]
fn conditions_hand_tokens_over() {
    for (clock, shared) in [
        (CLOCK_REALTIME, false),
        (CLOCK_MONOTONIC, false),
        (CLOCK_REALTIME, true),
    ] {
        everywhere(|| {
            let lock = mutex(Kind { shared, ..NORMAL });
            let cond = condition(clock, shared);
            let tokens = AtomicUsize::new(0);
            Box::new(move |index| {
                for round in 0..10 {
                    // SAFETY: initialised objects; the mutex is held around each wait.
                    unsafe {
                        assert_eq!(libc::pthread_mutex_lock(lock.at()), 0);
                        if index % 2 == 0 {
                            tokens.fetch_add(1, SeqCst);
                            assert_eq!(libc::pthread_cond_signal(cond.at()), 0);
                        } else {
                            while tokens.load(SeqCst) == 0 {
                                let later = moment(clock, 100_000);
                                let result = if round % 2 == 0 {
                                    libc::pthread_cond_wait(cond.at(), lock.at())
                                } else {
                                    libc::pthread_cond_timedwait(cond.at(), lock.at(), &later)
                                };
                                assert_eq!(result, 0);
                            }
                            tokens.fetch_sub(1, SeqCst);
                        }
                        assert_eq!(libc::pthread_mutex_unlock(lock.at()), 0);
                    }
                }
            })
        });
    }
}

#[test]
fn a_broadcast_wakes_all() {
    for hub in [true, false] {
        for c11 in [true, false] {
            let (greens, threads) = (20, 4);
            let (lock, cond) = (mutex(RECURSIVE), condition(CLOCK_REALTIME, false));
            let arrived = AtomicUsize::new(0);
            crew(hub, greens, threads, move |_| {
                // SAFETY: initialised objects; the mutex is held around each wait.
                unsafe {
                    assert_eq!(libc::pthread_mutex_lock(lock.at()), 0);
                    if arrived.fetch_add(1, SeqCst) + 1 == greens + threads {
                        assert_eq!(libc::pthread_cond_broadcast(cond.at()), 0);
                    }
                    while arrived.load(SeqCst) < greens + threads {
                        let result = if c11 {
                            cnd_wait(cond.at(), lock.at())
                        } else {
                            libc::pthread_cond_wait(cond.at(), lock.at())
                        };
                        assert_eq!(result, 0);
                    }
                    assert_eq!(libc::pthread_mutex_unlock(lock.at()), 0);
                }
            });
        }
    }
}

#[test]
fn a_waiter_from_before_the_patch_is_signalled() {
    // In a process of its own: this one may be patched already.
    if std::env::var_os("WAITS_BEFORE").is_none() {
        let name = "a_waiter_from_before_the_patch_is_signalled";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--test-threads=1"])
            .env("WAITS_BEFORE", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let (lock, cond) = (mutex(NORMAL), condition(CLOCK_REALTIME, false));
    let (ready, woken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (waits, ends) = (ready.clone(), woken.clone());
    let waiter = thread::spawn(move || {
        // SAFETY: initialised objects; the mutex is held around each wait.
        unsafe {
            libc::pthread_mutex_lock(lock.at());
            waits.store(1, SeqCst);
            while ends.load(SeqCst) == 0 {
                libc::pthread_cond_wait(cond.at(), lock.at());
            }
            libc::pthread_mutex_unlock(lock.at());
        }
    });
    let signal = move || {
        // SAFETY: as above.
        unsafe {
            libc::pthread_mutex_lock(lock.at());
            woken.store(1, SeqCst);
            libc::pthread_cond_signal(cond.at());
            libc::pthread_mutex_unlock(lock.at());
        }
    };
    while ready.load(SeqCst) == 0 {
        thread::yield_now();
    }
    // It holds the mutex until it waits.
    // SAFETY: as above.
    unsafe {
        libc::pthread_mutex_lock(lock.at());
        libc::pthread_mutex_unlock(lock.at());
    }
    patch_all().unwrap();
    greenloop::spawn(signal).join().unwrap();
    waiter.join().unwrap();
}

#[test]
fn readers_share_and_writers_do_not() {
    everywhere(|| {
        let lock = Object::<pthread_rwlock_t>::new(|_| {});
        let inside = AtomicI32::new(0);
        Box::new(move |index| {
            for round in 0..20 {
                let writes = (index + round) % 5 == 0;
                let later = moment(CLOCK_REALTIME, 100_000);
                // SAFETY: an initialised lock.
                let result = unsafe {
                    match (writes, round % 2) {
                        (true, 0) => libc::pthread_rwlock_wrlock(lock.at()),
                        (true, _) => pthread_rwlock_timedwrlock(lock.at(), &later),
                        (false, 0) => libc::pthread_rwlock_rdlock(lock.at()),
                        (false, _) => pthread_rwlock_timedrdlock(lock.at(), &later),
                    }
                };
                assert_eq!(result, 0);
                let before = inside.fetch_add(if writes { 1000 } else { 1 }, SeqCst);
                assert!(if writes { before == 0 } else { before < 1000 });
                thread::sleep(Duration::from_micros(100));
                inside.fetch_sub(if writes { 1000 } else { 1 }, SeqCst);
                // SAFETY: it is held.
                assert_eq!(unsafe { libc::pthread_rwlock_unlock(lock.at()) }, 0);
            }
        })
    });
}

#[test]
fn semaphores_count() {
    for shared in [0, 1] {
        everywhere(|| {
            // SAFETY: room for it.
            let sem = Object::new(|sem| assert_eq!(unsafe { libc::sem_init(sem, shared, 3) }, 0));
            let inside = AtomicUsize::new(0);
            Box::new(move |_| {
                for _ in 0..10 {
                    // SAFETY: an initialised semaphore.
                    assert_eq!(unsafe { libc::sem_wait(sem.at()) }, 0);
                    assert!(inside.fetch_add(1, SeqCst) < 3);
                    thread::sleep(Duration::from_micros(50));
                    inside.fetch_sub(1, SeqCst);
                    // SAFETY: as above.
                    assert_eq!(unsafe { libc::sem_post(sem.at()) }, 0);
                }
            })
        });
    }
}

#[test]
fn an_initialiser_may_wait() {
    everywhere(|| {
        let (once, flag) = (Object::<c_int>::new(|_| {}), Object::<c_int>::new(|_| {}));
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn slow() {
            thread::sleep(Duration::from_millis(5));
            RUNS.fetch_add(1, SeqCst);
        }
        RUNS.store(0, SeqCst);
        Box::new(move |_| {
            // SAFETY: initialised controls.
            unsafe {
                libc::pthread_once(once.at(), slow);
                assert!(RUNS.load(SeqCst) >= 1);
                call_once(flag.at(), slow);
            }
            assert_eq!(RUNS.load(SeqCst), 2);
        })
    });
}

#[test]
fn a_barrier_lets_all_go_at_once() {
    for shared in [0, 1] {
        for threads in [0, 4] {
            for hub in [true, false] {
                let count = 20 + threads;
                let barrier = Object::<libc::pthread_barrier_t>::new(|barrier| {
                    let mut attributes = MaybeUninit::uninit();
                    // SAFETY: initialised attributes; room for the barrier.
                    unsafe {
                        libc::pthread_barrierattr_init(attributes.as_mut_ptr());
                        libc::pthread_barrierattr_setpshared(attributes.as_mut_ptr(), shared);
                        let at = attributes.as_ptr();
                        assert_eq!(libc::pthread_barrier_init(barrier, at, count as u32), 0);
                    }
                });
                let (arrived, leads) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
                let led = leads.clone();
                crew(hub, 20, threads, move |_| {
                    for round in 1..=10 {
                        arrived.fetch_add(1, SeqCst);
                        // SAFETY: an initialised barrier.
                        match unsafe { libc::pthread_barrier_wait(barrier.at()) } {
                            libc::PTHREAD_BARRIER_SERIAL_THREAD => {
                                led.fetch_add(1, SeqCst);
                            }
                            result => assert_eq!(result, 0),
                        }
                        assert!(arrived.load(SeqCst) >= round * count);
                    }
                });
                assert_eq!(leads.load(SeqCst), 10);
            }
        }
    }
}

#[test]
fn a_spin_lock_is_held_across_waits() {
    everywhere(|| {
        let spin = Object::<c_int>::new(|spin| {
            // SAFETY: room for it.
            assert_eq!(unsafe { libc::pthread_spin_init(spin, 0) }, 0);
        });
        let inside = AtomicUsize::new(0);
        Box::new(move |_| {
            for _ in 0..5 {
                // SAFETY: an initialised lock.
                assert_eq!(unsafe { libc::pthread_spin_lock(spin.at()) }, 0);
                assert_eq!(inside.fetch_add(1, SeqCst), 0);
                thread::sleep(Duration::from_micros(50));
                inside.fetch_sub(1, SeqCst);
                // SAFETY: it is held.
                assert_eq!(unsafe { libc::pthread_spin_unlock(spin.at()) }, 0);
            }
        })
    });
}

#[test]
fn a_futex_wakes_by_number_and_bits() {
    for hub in [true, false] {
        let word = Arc::new(AtomicU32::new(0));
        let (waiting, woken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let private = libc::FUTEX_PRIVATE_FLAG;
        crew(hub, 11, 4, move |index| {
            let none = ptr::null::<AtomicU32>();
            if index > 0 {
                waiting.fetch_add(1, SeqCst);
                let bits = 1 << (index % 2);
                while word.load(SeqCst) == 0 {
                    let wait = libc::FUTEX_WAIT_BITSET | private;
                    // SAFETY: a word that outlives the wait; no time.
                    unsafe { futex(&*word, wait, 0, none.cast(), none, bits) };
                }
                woken.fetch_add(1, SeqCst);
                return;
            }
            while waiting.load(SeqCst) < 14 {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(20));
            word.store(1, SeqCst);
            let wake = |count, bits| {
                let wake = libc::FUTEX_WAKE_BITSET | private;
                // SAFETY: a wake-up.
                unsafe { futex(&*word, wake, count, none.cast(), none, bits) }
            };
            assert!(wake(3, 1) <= 3);
            assert!(wake(u32::MAX >> 1, 2) <= 7);
            wake(u32::MAX >> 1, 1);
            while woken.load(SeqCst) < 14 {
                thread::yield_now();
            }
            assert_eq!(wake(1, u32::MAX), 0);
        });
    }
}

#[test]
fn requeued_waiters_are_not_lost() {
    for operation in [
        libc::FUTEX_REQUEUE,
        libc::FUTEX_CMP_REQUEUE,
        libc::FUTEX_WAKE_OP,
    ] {
        for hub in [true, false] {
            let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
            let (waiting, woken) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let private = libc::FUTEX_PRIVATE_FLAG;
            crew(hub, 11, 4, move |index| {
                let none = ptr::null::<AtomicU32>();
                if index > 0 {
                    waiting.fetch_add(1, SeqCst);
                    while words[0].load(SeqCst) == 0 {
                        let wait = libc::FUTEX_WAIT | private;
                        // SAFETY: a word that outlives the wait; no time.
                        unsafe { futex(&words[0], wait, 0, none.cast(), none, 0) };
                    }
                    woken.fetch_add(1, SeqCst);
                    return;
                }
                while waiting.load(SeqCst) < 14 {
                    thread::yield_now();
                }
                thread::sleep(Duration::from_millis(20));
                words[0].store(1, SeqCst);
                let all = ptr::without_provenance(i32::MAX as usize);
                // FUTEX_WAKE_OP: the second word is set to 1, and its waiters woken if it was 0.
                let third = if operation == libc::FUTEX_WAKE_OP {
                    1 << 12
                } else {
                    1
                };
                // SAFETY: words that outlive the call.
                let result =
                    unsafe { futex(&words[0], operation | private, 1, all, &words[1], third) };
                assert!(result >= 1);
                let wake = libc::FUTEX_WAKE | private;
                while woken.load(SeqCst) < 14 {
                    for word in &*words {
                        // SAFETY: a wake-up.
                        unsafe { futex(word, wake, i32::MAX as u32, none.cast(), none, 0) };
                    }
                    thread::yield_now();
                }
            });
        }
    }
}

/// What another process and this one share.
struct Page {
    word: AtomicU32,
    lock: pthread_mutex_t,
    sem: sem_t,
}

fn shared_page() -> &'static Page {
    let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: new memory, zeroed, which is never unmapped.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), size_of::<Page>(), access, shared, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        &*page.cast::<Page>()
    }
}

#[test]
fn another_process_wakes_a_green_thread() {
    assert!(!PLAIN.0.is_empty());
    let page = shared_page();
    let lock = ptr::from_ref(&page.lock).cast_mut();
    let sem = ptr::from_ref(&page.sem).cast_mut();
    // SAFETY: shared memory of the right types. The child calls what may be called after a fork.
    let child = unsafe {
        let mut attributes = MaybeUninit::uninit();
        libc::pthread_mutexattr_init(attributes.as_mut_ptr());
        libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), 1);
        libc::pthread_mutex_init(lock, attributes.as_ptr());
        libc::sem_init(sem, 1, 0);
        let child = libc::fork();
        if child == 0 {
            libc::pthread_mutex_lock(lock);
            page.word.store(1, SeqCst);
            libc::usleep(50_000);
            libc::pthread_mutex_unlock(lock);
            libc::sem_post(sem);
            page.word.store(2, SeqCst);
            futex(&page.word, libc::FUTEX_WAKE, 1, ptr::null(), ptr::null(), 0);
            libc::_exit(0);
        }
        child
    };
    assert!(child > 0);
    within(move || {
        let locks = greenloop::spawn(move || {
            while page.word.load(SeqCst) == 0 {
                greenloop::yield_now();
            }
            let lock = ptr::from_ref(&page.lock).cast_mut();
            // SAFETY: an initialised mutex.
            unsafe {
                assert_eq!(libc::pthread_mutex_lock(lock), 0);
                assert_eq!(libc::pthread_mutex_unlock(lock), 0);
            }
        });
        let waits = greenloop::spawn(move || {
            while page.word.load(SeqCst) != 2 {
                let word = page.word.load(SeqCst);
                // SAFETY: a word that lives for ever; no time.
                unsafe {
                    futex(
                        &page.word,
                        libc::FUTEX_WAIT,
                        word,
                        ptr::null(),
                        ptr::null(),
                        0,
                    )
                };
            }
        });
        let takes = greenloop::spawn(move || {
            // SAFETY: an initialised semaphore.
            unsafe { libc::sem_wait(ptr::from_ref(&page.sem).cast_mut()) }
        });
        locks.join().unwrap();
        waits.join().unwrap();
        assert_eq!(takes.join().unwrap(), 0);
    });
    let mut status = 0;
    // SAFETY: room for the status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
}

#[test]
fn joins_of_siblings_overlap() {
    for hub in [true, false] {
        // No thread ends before all of them are being joined, or about to be.
        let joining = AtomicUsize::new(0);
        let flags = std::sync::Mutex::new(Vec::new());
        crew(hub, 20, 0, move |_| {
            let (thread, flag) = start(ptr::null());
            flags.lock().unwrap().push(flag);
            if joining.fetch_add(1, SeqCst) == 19 {
                flags
                    .lock()
                    .unwrap()
                    .iter()
                    .for_each(|flag| drop(set_later(flag)));
            }
            let mut value = ptr::null_mut();
            // SAFETY: it is joined once.
            assert_eq!(unsafe { libc::pthread_join(thread, &mut value) }, 0);
            assert_eq!(value, VALUE);
        });
    }
}

#[test]
fn the_futex_is_not_the_runtimes_alone() {
    // Other calls through `syscall` are what they are elsewhere.
    within(|| {
        greenloop::spawn(|| {
            let mut ends = [0; 2];
            // SAFETY: room for the descriptors, and for a byte.
            unsafe {
                assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
                let [reads, writes] = ends;
                let writer = greenloop::spawn(move || {
                    assert_eq!(
                        libc::syscall(libc::SYS_write, writes, c"x".as_ptr(), 1usize),
                        1
                    );
                });
                let mut byte = 0u8;
                assert_eq!(
                    libc::syscall(libc::SYS_read, reads, &raw mut byte, 1usize),
                    1
                );
                assert_eq!(byte, b'x');
                writer.join().unwrap();
                assert_eq!(libc::syscall(libc::SYS_getpid), i64::from(libc::getpid()));
                assert_eq!(libc::syscall(libc::SYS_close, reads), 0);
                assert_eq!(libc::syscall(libc::SYS_close, reads), -1);
                let error = std::io::Error::last_os_error();
                assert_eq!(error.raw_os_error(), Some(libc::EBADF));
                libc::close(writes);
            }
        })
        .join()
        .unwrap();
    });
}
