//! All kinds of locks at once, for some seconds: full green threads on four workers, and OS
//! threads.

use greenloop::monkey::patch_all;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, RwLock, mpsc};
use std::thread;
use std::time::Duration;

const GREENS: usize = 40;
const THREADS: usize = 8;
const ALL: usize = GREENS + THREADS;
const ROUNDS: usize = 4000;
const LONG: Duration = Duration::from_secs(300);

struct C<T>(UnsafeCell<T>);
// SAFETY: objects of the C library's that are made to be shared, by its own calls alone.
unsafe impl<T> Sync for C<T> {}
// SAFETY: as above; none is ever held while it is moved.
unsafe impl<T> Send for C<T> {}

struct Locks {
    plain: Mutex<usize>,
    shared: RwLock<usize>,
    lot: parking_lot::Mutex<usize>,
    tokens: Mutex<usize>,
    has_tokens: Condvar,
    mutex: C<libc::pthread_mutex_t>,
    cond: C<libc::pthread_cond_t>,
    /// Under `mutex`.
    c_tokens: C<usize>,
    rwlock: C<libc::pthread_rwlock_t>,
    /// Under `rwlock`.
    c_shared: C<usize>,
    sem: C<libc::sem_t>,
    in_sem: AtomicUsize,
    sender: mpsc::SyncSender<usize>,
}

impl Locks {
    fn new(sender: mpsc::SyncSender<usize>) -> Locks {
        // SAFETY: zeros are valid for it; `sem_init` makes it one.
        let sem = C(UnsafeCell::new(unsafe { std::mem::zeroed() }));
        // SAFETY: room for it.
        assert_eq!(unsafe { libc::sem_init(sem.0.get(), 0, 3) }, 0);
        Locks {
            plain: Mutex::new(0),
            shared: RwLock::new(0),
            lot: parking_lot::Mutex::new(0),
            tokens: Mutex::new(0),
            has_tokens: Condvar::new(),
            mutex: C(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER)),
            cond: C(UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER)),
            c_tokens: C(UnsafeCell::new(0)),
            rwlock: C(UnsafeCell::new(libc::PTHREAD_RWLOCK_INITIALIZER)),
            c_shared: C(UnsafeCell::new(0)),
            sem,
            in_sem: AtomicUsize::new(0),
            sender,
        }
    }

    /// A round of `who`: half of the crew gives tokens, the others take them.
    fn round(&self, who: usize, round: usize) {
        let gives = who.is_multiple_of(2);
        match (who / 2 + round) % 8 {
            0 => hold(round, &mut self.plain.lock().unwrap()),
            1 if round.is_multiple_of(3) => hold(round, &mut self.shared.write().unwrap()),
            1 => drop(self.shared.read().unwrap()),
            2 => hold(round, &mut self.lot.lock()),
            3 => self.pass_token(gives),
            4 => self.pass_token_in_c(gives),
            5 => self.share_in_c(round),
            6 => self.count_in_c(),
            _ => {
                self.sender.send(who).unwrap();
                // One in a while has a thread of its own, and is woken by it.
                if round.is_multiple_of(16) {
                    let me = thread::current();
                    let helper = thread::spawn(move || me.unpark());
                    thread::park_timeout(LONG);
                    helper.join().unwrap();
                }
            }
        }
    }

    fn pass_token(&self, gives: bool) {
        let mut tokens = self.tokens.lock().unwrap();
        if gives {
            *tokens += 1;
            self.has_tokens.notify_one();
        } else {
            let is_none = |tokens: &mut usize| *tokens == 0;
            tokens = self.has_tokens.wait_while(tokens, is_none).unwrap();
            *tokens -= 1;
        }
    }

    fn pass_token_in_c(&self, gives: bool) {
        let (mutex, cond, tokens) = (self.mutex.0.get(), self.cond.0.get(), self.c_tokens.0.get());
        // SAFETY: initialised objects; the tokens are touched under the mutex.
        unsafe {
            assert_eq!(libc::pthread_mutex_lock(mutex), 0);
            if gives {
                *tokens += 1;
                assert_eq!(libc::pthread_cond_signal(cond), 0);
            } else {
                while tokens.read_volatile() == 0 {
                    assert_eq!(libc::pthread_cond_wait(cond, mutex), 0);
                }
                *tokens -= 1;
            }
            assert_eq!(libc::pthread_mutex_unlock(mutex), 0);
        }
    }

    fn share_in_c(&self, round: usize) {
        let (lock, value) = (self.rwlock.0.get(), self.c_shared.0.get());
        // SAFETY: an initialised lock; the value is written under the lock to write.
        unsafe {
            if round.is_multiple_of(3) {
                assert_eq!(libc::pthread_rwlock_wrlock(lock), 0);
                hold(round, &mut *value);
            } else {
                assert_eq!(libc::pthread_rwlock_rdlock(lock), 0);
                let before = value.read_volatile();
                thread::yield_now();
                assert_eq!(before, value.read_volatile());
            }
            assert_eq!(libc::pthread_rwlock_unlock(lock), 0);
        }
    }

    fn count_in_c(&self) {
        // SAFETY: an initialised semaphore.
        assert_eq!(unsafe { libc::sem_wait(self.sem.0.get()) }, 0);
        assert!(self.in_sem.fetch_add(1, SeqCst) < 3);
        thread::yield_now();
        self.in_sem.fetch_sub(1, SeqCst);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::sem_post(self.sem.0.get()) }, 0);
    }
}

/// Adds one, with a wait in between now and then.
fn hold(round: usize, value: &mut usize) {
    let before = *value;
    if round.is_multiple_of(64) {
        thread::sleep(Duration::from_micros(100));
    } else {
        thread::yield_now();
    }
    *value = before + 1;
}

/// How often all of the crew together have a round for which `is_one` says so.
fn count(is_one: impl Fn(usize, usize) -> bool) -> usize {
    let of = |who| (0..ROUNDS).filter(|round| is_one(who, *round)).count();
    (0..ALL).map(of).sum()
}

fn stress() {
    let (sender, receiver) = mpsc::sync_channel(5);
    let locks = Arc::new(Locks::new(sender));
    let receiver = greenloop::spawn(move || receiver.iter().count());
    let body = |who: usize| {
        let locks = locks.clone();
        move || (0..ROUNDS).for_each(|round| locks.round(who, round))
    };
    let greens: Vec<_> = (0..GREENS).map(|who| greenloop::spawn(body(who))).collect();
    let threads: Vec<_> = (GREENS..ALL).map(|who| thread::spawn(body(who))).collect();
    greens.into_iter().for_each(|green| green.join().unwrap());
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let Ok(locks) = Arc::try_unwrap(locks) else {
        panic!("all of the crew have ended");
    };
    let kind = |who: usize, round: usize| (who / 2 + round) % 8;
    assert_eq!(
        locks.plain.into_inner().unwrap(),
        count(|who, round| kind(who, round) == 0)
    );
    let writes = |of| count(move |who, round| kind(who, round) == of && round.is_multiple_of(3));
    assert_eq!(locks.shared.into_inner().unwrap(), writes(1));
    assert_eq!(locks.c_shared.0.into_inner(), writes(5));
    assert_eq!(
        locks.lot.into_inner(),
        count(|who, round| kind(who, round) == 2)
    );
    assert_eq!(locks.tokens.into_inner().unwrap(), 0);
    assert_eq!(locks.c_tokens.0.into_inner(), 0);
    drop(locks.sender);
    assert_eq!(
        receiver.join().unwrap(),
        count(|who, round| kind(who, round) == 7)
    );
}

#[test]
fn nothing_is_lost_under_stress() {
    greenloop::Runtime::builder().workers(4).start().unwrap();
    patch_all().unwrap();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        for _ in 0..10 {
            stress();
        }
        sender.send(()).unwrap();
    });
    match ended.recv_timeout(LONG) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Timeout) => {
            eprintln!("the stress hangs");
            std::process::abort();
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the stress has failed"),
    }
}
