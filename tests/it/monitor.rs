//! The monitor: who holds a worker for too long is named, once, with where it is; `assert_yields`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use greenloop::inspect::{self, Blocked};
use greenloop::{Builder, JoinHandle, run, sleep, spawn, yield_now};

use crate::child::{Child, this_test};
use crate::inspect::named;
use crate::within::{LONG, NOISE, until};

const BOUND: Duration = Duration::from_millis(50);
/// So long that it is seen on a busy machine.
const HELD: Duration = Duration::from_secs(1);

fn found() -> Receiver<Blocked> {
    let (sender, receiver) = mpsc::channel();
    inspect::on_blocked(move |it| drop(sender.send(it.clone())));
    receiver
}

#[inline(never)]
fn sleeps_in_here(time: Duration) {
    std::thread::sleep(time);
    std::hint::black_box(());
}

/// Those of it; a worker that got no CPU for so long is named as well.
fn of<'a>(found: &'a Receiver<Blocked>, name: &'a str) -> impl Iterator<Item = Blocked> + 'a {
    found.try_iter().filter(move |it| it.name() == Some(name))
}

fn first(found: &Receiver<Blocked>, name: &str) -> Blocked {
    loop {
        let blocked = found.recv_timeout(LONG).unwrap();
        if blocked.name() == Some(name) {
            return blocked;
        }
    }
}

#[test]
fn who_holds_a_worker_is_named_once_each_time_with_the_place() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        inspect::monitor(BOUND).unwrap();
        let hog = named("hog", || {
            sleeps_in_here(HELD);
            yield_now();
            sleeps_in_here(HELD);
        });
        let blocked = first(&found, "hog");
        assert!(blocked.held_for() >= BOUND && blocked.held_for() < HELD + NOISE);
        assert!(blocked.spawned_at().file().ends_with("inspect.rs"));
        let place = blocked.place().unwrap().to_string();
        assert!(place.contains("sleeps_in_here"), "{place}");
        hog.join().unwrap();
        assert_eq!(of(&found, "hog").count(), 1, "the second time");
        assert!(inspect::offences() >= 2);
        inspect::monitor(Duration::ZERO).unwrap();
        let seen = inspect::offences();
        named("unseen", || sleeps_in_here(HELD)).join().unwrap();
        assert_eq!(inspect::offences(), seen);
    });
}

#[test]
fn a_computation_and_a_hub_are_seen_and_waits_are_not() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        inspect::monitor(BOUND).unwrap();
        let waits = named("waits", || sleep(HELD));
        let start = std::time::Instant::now();
        run(|| {
            let computes = Builder::new().name("computes".into()).spawn(move || {
                while start.elapsed() < HELD {
                    std::hint::spin_loop();
                }
            });
            computes.unwrap().join().unwrap();
        });
        waits.join().unwrap();
        until("it is told", || of(&found, "computes").count() > 0);
        assert_eq!(of(&found, "waits").count(), 0);
    });
}

#[test]
fn the_environment_turns_it_on() {
    let child = Child::new(this_test!()).variable("GREENLOOP_MONITOR", 1);
    child.passes(|| {
        let found = found();
        named("hog", || sleeps_in_here(HELD)).join().unwrap();
        first(&found, "hog");
    });
}

#[test]
fn a_bad_variable_is_refused() {
    let child = Child::new(this_test!()).variable("GREENLOOP_MONITOR", 7);
    child.passes(|| {
        let error = Builder::new().spawn(|| ()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(
            error.to_string(),
            "GREENLOOP_MONITOR is 7: expected 1 (on) or 0 (off)"
        );
    });
}

#[test]
fn assert_yields_tells_who_does_not() {
    let asserts = |bound, held| -> JoinHandle<i32> {
        spawn(move || {
            inspect::assert_yields(bound, || {
                sleeps_in_here(held);
                7
            })
        })
    };
    let payload = asserts(BOUND, HELD).join().unwrap_err();
    let text = payload.downcast::<String>().unwrap();
    assert!(
        text.starts_with("it does not yield: green thread"),
        "{text}"
    );
    assert!(text.contains("sleeps_in_here"), "{text}");
    assert_eq!(asserts(LONG, BOUND).join().unwrap(), 7);
    let on_os_thread = catch_unwind(AssertUnwindSafe(|| inspect::assert_yields(LONG, || ())));
    assert!(on_os_thread.is_err());
}
