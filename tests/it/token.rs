//! The token of `park` and `unpark`, as std documents it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use greenloop::{Source, joinall, run, sleep, spawn, spawn_blocking, thread, yield_now};

use crate::everywhere::everywhere;
use crate::within::{LONG, within};

const FOREVER: Duration = Duration::from_secs(600);

const SOON: Duration = Duration::from_secs(60);

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
