//! `Timer`: `threading.Timer`, and gevent's `spawn_later` that is killed before it fires (1.1).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use greenloop::{Killed, Timer, joinall, sleep, wait};

use crate::counted::Drops;
use crate::everywhere::everywhere;
use crate::within::{LONG, until, within};

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn it_runs_after_the_delay() {
    everywhere(|| {
        let start = Instant::now();
        let timer = Timer::after(10 * MS, Instant::now);
        assert!(timer.join().unwrap() - start >= 10 * MS);
    });
}

#[test]
fn one_that_is_cancelled_never_runs_and_drops_its_closure() {
    everywhere(|| {
        for wait in [Duration::ZERO, 5 * MS] {
            let drops = Drops::new();
            let counted = drops.counted();
            let timer = Timer::after(MINUTE, move || {
                let _counted = counted;
                unreachable!("cancelled")
            });
            sleep(wait);
            assert!(timer.cancel());
            assert!(timer.cancel(), "it still will never run");
            let result: Result<(), _> = timer.join();
            assert!(result.unwrap_err().is::<Killed>());
            assert_eq!(drops.count(), 1);
        }
    });
}

#[test]
fn one_that_has_begun_is_not_cancelled() {
    everywhere(|| {
        let (sender, begun) = std::sync::mpsc::channel();
        let timer = Timer::after(Duration::ZERO, move || {
            sender.send(()).unwrap();
            sleep(5 * MS);
            3
        });
        until("it begins", || {
            sleep(MS);
            begun.try_recv().is_ok()
        });
        assert!(!timer.cancel());
        assert_eq!(timer.join().unwrap(), 3);
    });
}

#[test]
fn a_dropped_one_runs_all_the_same() {
    everywhere(|| {
        let drops = Drops::new();
        let counted = drops.counted();
        drop(Timer::after(MS, move || drop(counted)));
        until("it runs", || {
            sleep(MS);
            drops.count() == 1
        });
    });
}

#[test]
fn cancel_and_start_may_race() {
    within(LONG, || {
        let ran = Arc::new(AtomicUsize::new(0));
        let mut cancelled = 0;
        for n in 0..500 {
            let ours = ran.clone();
            let delay = Duration::from_micros(n);
            let timer = Timer::after(delay, move || {
                ours.fetch_add(1, Ordering::SeqCst);
            });
            sleep(delay);
            cancelled += usize::from(timer.cancel());
            let _ = timer.join();
        }
        assert_eq!(ran.load(Ordering::SeqCst) + cancelled, 500);
    });
}

#[test]
fn timers_are_joined_and_waited_for_with_others() {
    everywhere(|| {
        let timers = [100, 1].map(|n| Timer::after(n * MS, move || n));
        let first = wait(&timers, None, Some(1));
        assert!(std::ptr::eq(first[0], &timers[1]));
        let results = joinall(timers);
        assert_eq!(
            results.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            [100, 1]
        );
        let late = Timer::after(MINUTE, || ());
        let late = late.join_timeout(MS).unwrap_err();
        greenloop::killall([&late], None).unwrap();
        assert!(late.cancel() && late.is_finished());
    });
}
