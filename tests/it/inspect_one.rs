//! A dump of one green thread alone.

use std::sync::Arc;
use std::time::Duration;

use greenloop::inspect::{self, Backtrace, Options};
use greenloop::run;
use greenloop::sync::Mutex;

use crate::child::{Child, this_test};
use crate::inspect::{Hog, dump_when_waiting, find, named, parks_for_ever, patient};

#[test]
fn one_alone_is_looked_at() {
    let lock = Arc::new(Mutex::new(()));
    let held = lock.clone();
    let holder = named("holds it for the one", move || {
        let _guard = held.lock().unwrap();
        parks_for_ever();
    });
    drop(dump_when_waiting("holds it for the one"));
    let wanted = named("the one alone", move || drop(lock.lock().unwrap()));
    let dump = dump_when_waiting("the one alone");
    let id = find(&dump, "the one alone").unwrap().id();

    let options = patient().backtraces(true).only(id);
    let dump = inspect::dump_with(options);
    let [one] = Vec::from_iter(&dump)[..] else {
        panic!("one alone: {dump}");
    };
    assert!(matches!(one.backtrace(), Backtrace::Taken(_)), "{one}");
    assert!(one.stack_used().is_some(), "{one}");
    let wait = one.wait().unwrap().to_string();
    assert!(wait.ends_with("'holds it for the one'"), "{wait}");
    assert!(!dump.workers().is_empty());

    holder.kill();
    wanted.join().unwrap();
    assert!(inspect::dump_with(options).is_empty(), "it has ended");
}

#[test]
fn one_alone_is_seen_beside_a_worker_that_hangs() {
    let child = Child::new(this_test!()).variable("GREENLOOP_WORKERS", 2);
    child.passes(|| {
        let parked: Vec<_> = (0..20).map(|_| named("parked", parks_for_ever)).collect();
        drop(dump_when_waiting("parked"));
        let hog = Hog::start();
        // One that lives on a worker of its own: the other one is held for good.
        let free = run(|| {
            let parked = named("on a hub", parks_for_ever);
            greenloop::yield_now();
            let dump = inspect::dump();
            let id = find(&dump, "on a hub").unwrap().id();
            // With this patience the dump of all would not be done in time.
            let hour = Duration::from_secs(3600);
            let one = inspect::dump_with(Options::new().patience(hour).only(id));
            parked.kill();
            one.len()
        });
        assert_eq!(free, 1);
        hog.end();
        parked.iter().for_each(|it| it.kill());
    });
}
