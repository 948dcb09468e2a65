//! The last deadlocks that were reported can be asked for.

use std::sync::mpsc;

use greenloop::inspect;
use greenloop::sync::Mutex;

use crate::child::{Child, this_test};
use crate::inspect::named;
use crate::within::LONG;

fn waits_for_itself() {
    let mutex = Mutex::new(());
    let _held = mutex.lock();
    drop(mutex.lock());
}

#[test]
fn those_that_were_reported_are_kept_newest_first() {
    Child::new(this_test!()).passes(|| {
        assert!(inspect::deadlocks().is_empty());
        let (found, finds) = mpsc::channel();
        inspect::on_deadlock(move |it| {
            let last = inspect::deadlocks()[0].number();
            found.send((it.number(), last)).unwrap();
        });
        for (name, number) in [("first", 1), ("second", 2)] {
            let stuck = named(name, waits_for_itself);
            let told = finds.recv_timeout(LONG).unwrap();
            assert_eq!(told, (number, number), "kept before it is told");
            stuck.kill();
        }
        let kept = inspect::deadlocks();
        let names = kept.iter().map(|it| it.members()[0].name().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["second", "first"]);
        assert!(kept[0].reported_at() > kept[1].reported_at());
    });
}
