//! Waits that once were missed, spun, or read what was gone: what moves between green threads, what
//! is in progress while something unwinds, and what looks at workers that never came to be.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use greenloop::queue::Channel;
use greenloop::{
    Builder, JoinHandle, Killed, LocalJoinHandle, inspect, iwait, run, scope, shield, sleep, spawn,
    spawn_local, thread, timeout, yield_now,
};

use crate::child::{Child, this_test};
use crate::within::{LONG, within};

#[test]
fn who_takes_an_iwait_over_is_woken_by_it() {
    within(LONG, || {
        run(|| {
            let handles = [20, 40].map(|ms| spawn(move || sleep(Duration::from_millis(ms))));
            let mut ends = iwait(handles);
            assert!(ends.next().is_some());
            let other = spawn_local(move || ends.count());
            assert_eq!(other.join().unwrap(), 1);
        });
    });
}

/// Two that join each other: the second one wakes the first for nothing just before.
fn woken_for_nothing() {
    let slot: Rc<RefCell<Option<LocalJoinHandle<()>>>> = Rc::default();
    let theirs = slot.clone();
    let second = spawn_local(move || {
        sleep(Duration::from_millis(100));
        let first = theirs.take().unwrap();
        first.thread().unpark();
        drop(first.join());
    });
    *slot.borrow_mut() = Some(spawn_local(move || drop(second.join())));
}

#[test]
fn a_cycle_is_found_whose_member_was_woken_for_nothing() {
    Child::new(this_test!()).passes(|| {
        let (found, finds) = mpsc::channel();
        inspect::on_deadlock(move |it| {
            let _ = found.send(it.members().len());
        });
        spawn(woken_for_nothing).join().unwrap();
        assert_eq!(finds.recv_timeout(Duration::from_secs(30)), Ok(2));
    });
}

struct Waits;

impl Drop for Waits {
    fn drop(&mut self) {
        scope(|s| drop(s.spawn(|| sleep(Duration::from_millis(200)))));
    }
}

#[test]
fn a_scope_that_unwinds_behind_its_timeout_does_not_spin() {
    Child::new(this_test!()).passes(|| {
        let switches = || inspect::metrics().total().switches;
        let spent = run(|| {
            let before = switches();
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                timeout(Duration::from_millis(1), || {
                    let _waits = Waits;
                    panic!("on purpose");
                })
            }));
            assert!(unwound.is_err());
            switches() - before
        });
        assert!(spent < 1000, "{spent} switches");
    });
}

#[test]
fn the_monitor_leaves_alone_workers_that_never_came_to_be() {
    let child = Child::new(this_test!())
        .variable("GREENLOOP_WORKERS", 64)
        .setup("ulimit -n 64");
    let end = child.run(|| {
        inspect::monitor(Duration::from_nanos(1)).unwrap();
        for _ in 0..2000 {
            Builder::new().spawn(|| ()).unwrap_err();
        }
    });
    let calm = end.status.success() && !end.stderr.contains("panicked");
    assert!(calm, "{end}");
}

#[test]
fn a_link_that_waits_at_the_end_of_its_hub_holds_up_no_joiner() {
    within(LONG, || {
        let (give, given) = mpsc::channel::<JoinHandle<()>>();
        let (tell, told) = mpsc::channel();
        let joiner = std::thread::spawn(move || {
            let handle = given.recv().unwrap();
            told.recv().unwrap();
            handle.join().unwrap_err().is::<Killed>()
        });
        run(move || {
            let parked = spawn(thread::park);
            parked.link(move || {
                shield(|| sleep(Duration::from_millis(10)));
                tell.send(()).unwrap();
            });
            yield_now();
            give.send(parked).unwrap();
        });
        assert!(joiner.join().unwrap());
    });
}

#[test]
fn a_put_into_a_channel_without_time_lets_its_getter_run_first() {
    within(LONG, || {
        run(|| {
            let channel = Rc::new(Channel::new());
            let theirs = channel.clone();
            let getter = spawn_local(move || theirs.get().unwrap());
            yield_now();
            channel.put_timeout(7, Duration::ZERO).unwrap();
            assert!(getter.is_finished());
            assert_eq!(getter.join().unwrap(), 7);
        });
    });
}
