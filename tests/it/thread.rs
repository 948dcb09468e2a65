//! `greenloop::thread`: std's names, ids and signatures, on green threads and OS threads.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::mpsc;
use std::time::Duration;

use greenloop::{
    Builder, joinall, run, sleep, spawn, spawn_blocking, spawn_local, thread, yield_now,
};

use crate::within::{LONG, within};

// gevent 1.1 `getcurrent`, 1.2 `name`.
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
    assert_eq!(
        run(|| thread::current().name().map(str::to_owned)).as_deref(),
        Some("main")
    );
}

#[test]
fn an_os_thread_has_its_own_name() {
    let builder = std::thread::Builder::new().name("os".into());
    let name = builder.spawn(|| thread::current().name().map(str::to_owned));
    assert_eq!(name.unwrap().join().unwrap().as_deref(), Some("os"));
    let name = std::thread::spawn(|| thread::current().name().map(str::to_owned));
    assert_eq!(name.join().unwrap(), None);
}

// gevent 1.2 `minimal_ident`; but never a second time.
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
        assert!(seen.insert(spawn_blocking(|| ()).thread().id()));
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
    assert!(
        text.contains("shown") && text.contains("ThreadId"),
        "{text}"
    );
    handle.join().unwrap();
}

#[test]
#[expect(unused_qualifications, reason = "the module is what is shown")]
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
    let handle = builder.spawn(thread::panicking).unwrap();
    assert!(!handle.join().unwrap());
}

#[test]
fn an_os_thread_s_last_destructors_may_wait() {
    struct Last(mpsc::Sender<u32>);
    impl Drop for Last {
        fn drop(&mut self) {
            sleep(Duration::from_micros(10));
            thread::current().unpark();
            thread::park();
            let answer = spawn(|| 6).join().unwrap() + run(|| spawn(|| 1).join().unwrap());
            self.0.send(answer).unwrap();
        }
    }
    std::thread_local!(static LAST: std::cell::OnceCell<Last> = const { std::cell::OnceCell::new() });
    within(LONG, || {
        for waits_before in [true, false] {
            let (sender, receiver) = mpsc::channel();
            let thread = std::thread::spawn(move || {
                LAST.with(|last| assert!(last.set(Last(sender)).is_ok()));
                if waits_before {
                    sleep(Duration::from_micros(10));
                }
            });
            thread.join().unwrap();
            assert_eq!(receiver.recv().unwrap(), 7);
        }
    });
}
