//! `greenloop::thread`: std's names, ids, tokens and panics, on green threads and OS threads.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use greenloop::{
    Builder, Source, joinall, run, sleep, spawn, spawn_blocking, spawn_local, thread, yield_now,
};

use crate::child::{Child, this_test};
use crate::counted::Drops;
use crate::within::{LONG, until, within};

const FOREVER: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_secs(60);

#[test]
fn names_are_std_s() {
    let named = Builder::new().name("näme".into());
    let handle = named
        .spawn(|| thread::current().name().map(str::to_owned))
        .unwrap();
    assert_eq!(handle.thread().name(), Some("näme"));
    assert_eq!(handle.join().unwrap().as_deref(), Some("näme"));
    let unnamed = spawn(|| thread::current().name().map(str::to_owned));
    assert_eq!(unnamed.thread().name(), None);
    assert_eq!(unnamed.join().unwrap(), None);
    assert_eq!(run(|| thread::current().name().map(str::to_owned)).as_deref(), Some("main"));
}

#[test]
fn an_os_thread_has_its_own_name() {
    let builder = std::thread::Builder::new().name("os".into());
    let name = builder.spawn(|| thread::current().name().map(str::to_owned));
    assert_eq!(name.unwrap().join().unwrap().as_deref(), Some("os"));
    let name = std::thread::spawn(|| thread::current().name().map(str::to_owned));
    assert_eq!(name.join().unwrap(), None);
}

#[test]
fn the_main_thread_is_main() {
    Child::new(this_test!()).passes(|| {
        // The one test of a process with one test thread runs on the main thread.
        assert_eq!(std::thread::current().name(), Some("main"));
        assert_eq!(thread::current().name(), Some("main"));
        let main = thread::current();
        let waker = spawn(move || main.unpark());
        thread::park();
        waker.join().unwrap();
    });
}

#[test]
fn ids_are_never_used_twice() {
    let mut seen = HashSet::from([thread::current().id()]);
    for _ in 0..100 {
        let ids = joinall((0..100).map(|_| spawn(|| thread::current().id())));
        for id in ids {
            assert!(seen.insert(id.unwrap()));
        }
    }
    let others = (0..10).map(|_| std::thread::spawn(|| thread::current().id()));
    for other in others {
        assert!(seen.insert(other.join().unwrap()));
    }
    for _ in 0..10 {
        assert!(seen.insert(run(|| thread::current().id())));
        assert!(seen.insert(spawn_blocking(|| thread::current().id()).join().unwrap()));
    }
}

#[test]
fn an_id_stays_the_same() {
    let handle = spawn(|| {
        let id = thread::current().id();
        yield_now();
        sleep(Duration::from_millis(1));
        assert_eq!(thread::current().id(), id);
        id
    });
    let id = handle.thread().id();
    assert_eq!(handle.join().unwrap(), id);
    assert_eq!(thread::current().id(), thread::current().id());
}

/// Runs `f` on an OS thread, on a worker, and in a hub.
fn everywhere(f: fn()) {
    within(LONG, f);
    within(LONG, move || spawn(f).join().unwrap());
    within(LONG, move || run(f));
}

#[test]
fn an_unpark_before_the_park_is_kept() {
    everywhere(|| {
        thread::current().unpark();
        thread::park();
    });
}

#[test]
fn unparks_do_not_add_up() {
    everywhere(|| {
        let start = Instant::now();
        thread::current().unpark();
        thread::current().unpark();
        thread::park_timeout(FOREVER);
        assert!(start.elapsed() < SOON);
        // A park may return for no reason, but not every time.
        let start = Instant::now();
        let tries = 100;
        let returned = (0..tries).filter(|_| {
            let before = Instant::now();
            thread::park_timeout(Duration::from_millis(2));
            before.elapsed() < Duration::from_millis(2)
        });
        assert!(returned.count() < tries / 2);
        assert!(start.elapsed() < SOON);
    });
}

#[test]
fn park_timeout_ends_by_itself() {
    everywhere(|| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(10) {
            thread::park_timeout(Duration::from_millis(10));
        }
        thread::park_timeout(Duration::ZERO);
        assert!(start.elapsed() < SOON);
    });
}

#[test]
fn park_timeout_of_for_ever_is_ended_by_an_unpark() {
    everywhere(|| {
        let (me, flag) = (thread::current(), Arc::new(AtomicBool::new(false)));
        let theirs = flag.clone();
        let waker = std::thread::spawn(move || {
            theirs.store(true, Ordering::SeqCst);
            me.unpark();
        });
        while !flag.load(Ordering::SeqCst) {
            thread::park_timeout(Duration::MAX);
        }
        waker.join().unwrap();
    });
}

#[test]
fn an_unpark_before_the_start_is_kept() {
    run(|| {
        let handle = spawn(thread::park);
        handle.thread().unpark();
        yield_now();
        assert!(handle.is_finished());
    });
}

#[test]
fn unparking_one_that_has_ended_does_nothing() {
    let handles: Vec<_> = (0..100).map(|_| spawn(thread::current)).collect();
    let ended: Vec<_> = joinall(handles).into_iter().map(Result::unwrap).collect();
    // Their slots serve others now, whom it must not wake.
    let woken = spawn(move || {
        let start = Instant::now();
        thread::park_timeout(Duration::from_millis(50));
        start.elapsed()
    });
    ended.iter().for_each(thread::Thread::unpark);
    assert!(woken.join().unwrap() >= Duration::from_millis(50));
}

#[test]
fn a_sleep_leaves_the_user_s_token() {
    everywhere(|| {
        thread::current().unpark();
        let start = Instant::now();
        sleep(Duration::from_millis(10));
        assert!(start.elapsed() >= Duration::from_millis(10));
        assert_kept();
    });
}

#[test]
fn a_join_leaves_the_user_s_token() {
    everywhere(|| {
        thread::current().unpark();
        let slow = spawn_blocking(|| std::thread::sleep(Duration::from_millis(10)));
        slow.join().unwrap();
        assert_kept();
    });
}

#[test]
fn a_scope_leaves_the_user_s_token() {
    everywhere(|| {
        thread::current().unpark();
        greenloop::scope(|s| {
            s.spawn(|| sleep(Duration::from_millis(10)));
        });
        assert_kept();
    });
}

#[test]
fn a_wait_for_a_descriptor_leaves_the_user_s_token() {
    everywhere(|| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        thread::current().unpark();
        let writer = spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(10));
            theirs.write_all(b"x").unwrap();
        });
        let mut byte = [0];
        Source::new(ours)
            .read(None, |mut io| io.read(&mut byte))
            .unwrap();
        assert_eq!(&byte, b"x");
        assert_kept();
        writer.join().unwrap();
    });
}

#[test]
fn an_unpark_during_a_sleep_is_kept_and_does_not_cut_it() {
    everywhere(|| {
        let me = thread::current();
        let start = Instant::now();
        let waker = std::thread::spawn(move || me.unpark());
        sleep(Duration::from_millis(30));
        assert!(start.elapsed() >= Duration::from_millis(30));
        waker.join().unwrap();
        assert_kept();
    });
}

/// Fails, after a minute, if the token of this thread is gone.
fn assert_kept() {
    let start = Instant::now();
    thread::park_timeout(2 * SOON);
    assert!(start.elapsed() < SOON, "the token was eaten");
}

/// Parks, with a timeout of `step` that may be long or short, until it has seen `rounds` rounds of a foreign thread.
fn meet_unparks(rounds: usize, step: impl Fn(usize) -> Duration) {
    let round = Arc::new(AtomicUsize::new(0));
    let (me, theirs) = (thread::current(), round.clone());
    let (answer, next) = mpsc::channel();
    let foreign = std::thread::spawn(move || {
        for _ in 0..rounds {
            theirs.fetch_add(1, Ordering::SeqCst);
            me.unpark();
            next.recv().unwrap();
        }
    });
    for seen in 1..=rounds {
        let start = Instant::now();
        while round.load(Ordering::SeqCst) < seen {
            thread::park_timeout(step(seen));
        }
        assert!(start.elapsed() < SOON, "an unpark was lost");
        answer.send(()).unwrap();
    }
    foreign.join().unwrap();
}

#[test]
fn foreign_unparks_race_park_timeout() {
    const ROUNDS: usize = 5_000;
    let step = |round: usize| match round % 3 {
        0 => 2 * SOON,
        1 => Duration::from_nanos(1),
        _ => Duration::from_micros(round as u64 % 60),
    };
    within(LONG, move || {
        let handles: Vec<_> = (0..4)
            .map(|_| spawn(move || meet_unparks(ROUNDS, step)))
            .collect();
        run(|| meet_unparks(ROUNDS, step));
        assert!(joinall(handles).iter().all(Result::is_ok));
    });
}

#[test]
fn panicking_is_told_on_the_own_stack_only() {
    struct Teller(Arc<AtomicBool>);
    impl Drop for Teller {
        fn drop(&mut self) {
            self.0.store(thread::panicking(), Ordering::SeqCst);
        }
    }
    let told = Arc::new(AtomicBool::new(false));
    let teller = Teller(told.clone());
    let result = spawn(move || {
        let _teller = teller;
        assert!(!thread::panicking());
        std::panic::resume_unwind(Box::new(()))
    });
    assert!(result.join().map(|(): ()| ()).is_err());
    assert!(told.load(Ordering::SeqCst));
    assert!(!thread::panicking());
}

/// Waits in its destructor until it is told to go on.
struct Waits {
    begun: Arc<AtomicBool>,
    go_on: Arc<AtomicBool>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        assert!(thread::panicking());
        self.begun.store(true, Ordering::SeqCst);
        sleep(Duration::from_millis(1));
        spawn_blocking(|| ()).join().unwrap();
        until("the destructor may go on", || self.go_on.load(Ordering::SeqCst));
        assert!(thread::panicking(), "its own panic is still in progress");
    }
}

fn siblings_of_an_unwinding_one_see_nothing() {
    let (begun, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (free, held) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let waits = Waits {
        begun: begun.clone(),
        go_on: go_on.clone(),
    };
    let theirs = held.clone();
    let unwinding = spawn_local(move || {
        let _held: MutexGuard<'_, i32> = theirs.lock().unwrap();
        let _waits = waits;
        std::panic::resume_unwind(Box::new("unwinding"));
    });
    until("the destructor waits", || begun.load(Ordering::SeqCst));
    for _ in 0..10 {
        assert!(!thread::panicking());
        let guard = free.lock().unwrap();
        yield_now();
        drop(guard);
    }
    assert!(!free.is_poisoned());
    // A panic of our own beside that one, caught here.
    let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(1)));
    assert!(caught.map(|(): ()| ()).is_err());
    assert!(!thread::panicking());
    go_on.store(true, Ordering::SeqCst);
    let payload = unwinding.join().map(|(): ()| ()).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"unwinding"));
    assert!(held.is_poisoned(), "its own lock is poisoned as ever");
    assert!(!thread::panicking());
}

#[test]
fn a_destructor_that_waits_while_unwinding_disturbs_no_sibling() {
    within(LONG, || run(siblings_of_an_unwinding_one_see_nothing));
    within(LONG, || {
        spawn(siblings_of_an_unwinding_one_see_nothing).join().unwrap()
    });
}

#[test]
fn many_unwind_at_once_and_wait_in_their_destructors() {
    struct Sleeps(Duration, #[expect(dead_code, reason = "counts")] crate::counted::Counted);
    impl Drop for Sleeps {
        fn drop(&mut self) {
            for _ in 0..3 {
                assert!(thread::panicking());
                sleep(self.0);
            }
            // A panic inside, caught: the outer one goes on.
            let inner = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(())));
            assert!(inner.map(|(): ()| ()).is_err() && thread::panicking());
        }
    }
    let drops = Drops::new();
    let handles: Vec<_> = (0..200_u64)
        .map(|n| {
            let sleeps = Sleeps(Duration::from_micros(n * 7 % 500), drops.counted());
            spawn(move || {
                let _sleeps = sleeps;
                yield_now();
                std::panic::resume_unwind(Box::new(n));
            })
        })
        .collect();
    for (n, result) in (0..200_u64).zip(joinall(handles)) {
        let payload = result.map(|(): ()| ()).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&n));
    }
    assert_eq!(drops.count(), 200);
}

#[test]
fn a_std_mutex_is_poisoned_by_a_panic() {
    let mutex = Arc::new(Mutex::new(0));
    let theirs = mutex.clone();
    let handle = spawn(move || {
        let _guard = theirs.lock().unwrap();
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(handle.join().map(|(): ()| ()).is_err());
    assert!(mutex.is_poisoned());
}

#[test]
fn thread_locals_of_a_worker_are_shared_by_its_light_green_threads() {
    std::thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });
    run(|| {
        joinall([1, 2, 3].map(|n| spawn_local(move || COUNT.set(COUNT.get() + n))));
        assert_eq!(COUNT.get(), 6);
    });
}

#[test]
fn available_parallelism_is_std_s() {
    assert_eq!(
        thread::available_parallelism().unwrap(),
        std::thread::available_parallelism().unwrap()
    );
}

#[test]
fn a_thread_shows_its_name_and_id() {
    let handle = Builder::new().name("shown".into()).spawn(|| ()).unwrap();
    let text = format!("{:?}", handle.thread());
    assert!(text.contains("shown") && text.contains("ThreadId"), "{text}");
    handle.join().unwrap();
}

#[test]
fn everything_has_std_s_signature() {
    // Each line compiles with `std::thread` in the place of `thread` as well.
    let handle: thread::JoinHandle<u8> = thread::spawn(|| 1);
    let other: thread::Thread = handle.thread().clone();
    let _: (thread::ThreadId, Option<&str>) = (other.id(), other.name());
    let result: thread::Result<u8> = handle.join();
    assert_eq!(result.unwrap(), 1);
    let sum = thread::scope(|s: &thread::Scope<'_, '_>| {
        let child: thread::ScopedJoinHandle<'_, u8> = s.spawn(|| 2);
        child.join().unwrap()
    });
    assert_eq!(sum, 2);
    thread::yield_now();
    thread::sleep(Duration::from_millis(1));
    thread::park_timeout(Duration::from_millis(1));
    let builder = thread::Builder::new().name("n".into()).stack_size(65536);
    let handle = builder.spawn(|| thread::panicking()).unwrap();
    assert!(!handle.join().unwrap());
}
