//! Unwinding: panics that wait in destructors beside siblings who see nothing of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use greenloop::{joinall, run, sleep, spawn, spawn_blocking, spawn_local, thread, yield_now};

use crate::counted::Drops;
use crate::within::{LONG, until, within};

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
        until("the destructor may go on", || {
            self.go_on.load(Ordering::SeqCst)
        });
        assert!(thread::panicking(), "its own panic is still in progress");
    }
}

fn siblings_of_an_unwinding_one_see_nothing() {
    let (begun, go_on) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
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
        spawn(siblings_of_an_unwinding_one_see_nothing)
            .join()
            .unwrap()
    });
}

#[test]
fn many_unwind_at_once_and_wait_in_their_destructors() {
    struct Sleeps(
        Duration,
        #[expect(dead_code, reason = "counts")] crate::counted::Counted,
    );
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
