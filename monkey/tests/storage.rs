//! Full green threads: thread-locals of their own, from their first values to their destructors.

use greenloop::{Builder, monkey, run, spawn, spawn_local, yield_now};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

fn patch() {
    monkey::patch_all().expect("this system can be patched");
}

/// Notes at its end which thread it ran on.
struct Note {
    ends: Arc<Mutex<Vec<ThreadId>>>,
}

impl Drop for Note {
    fn drop(&mut self) {
        // A destructor may wait: siblings run meanwhile.
        yield_now();
        self.ends.lock().unwrap().push(thread::current().id());
    }
}

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(7) };
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
    static SHARED: RefCell<Option<Rc<Cell<u32>>>> = const { RefCell::new(None) };
    static LAZY: RefCell<String> = RefCell::new("first".to_owned());
}

#[test]
fn a_full_green_thread_has_its_own_values() {
    patch();
    run(|| {
        COUNT.set(1);
        let others = [2, 3].map(|value| {
            spawn_local(move || {
                let before = COUNT.replace(value);
                yield_now();
                (before, COUNT.get())
            })
        });
        let seen = others.map(|other| other.join().unwrap());
        assert_eq!((seen, COUNT.get()), ([(7, 2), (7, 3)], 1));
    });
}

#[test]
fn a_borrow_may_last_across_a_wait() {
    patch();
    run(|| {
        let others = ["a", "b"].map(|name| {
            spawn_local(move || {
                LAZY.with_borrow_mut(|text| {
                    text.push_str(name);
                    yield_now();
                    text.clone()
                })
            })
        });
        assert_eq!(
            others.map(|other| other.join().unwrap()),
            ["firsta", "firstb"]
        );
    });
}

#[test]
fn storage_that_is_used_again_shows_nothing_of_its_last_user() {
    patch();
    run(|| {
        for round in 0..50 {
            let fresh = spawn_local(move || {
                let lazy = LAZY.with_borrow_mut(|text| std::mem::replace(text, round.to_string()));
                let shared = SHARED.replace(Some(Rc::default()));
                (COUNT.replace(round), lazy, shared.is_none())
            });
            assert_eq!(fresh.join().unwrap(), (7, "first".to_owned(), true));
        }
    });
}

#[test]
fn destructors_run_on_the_green_thread_before_its_end() {
    patch();
    let ends = Arc::new(Mutex::new(Vec::new()));
    let notes = ends.clone();
    run(move || {
        let other = spawn_local(move || {
            NOTES.with_borrow_mut(|all| {
                all.extend([
                    Note {
                        ends: notes.clone(),
                    },
                    Note { ends: notes },
                ])
            });
            thread::current().id()
        });
        let id = other.join().unwrap();
        assert_eq!(*ends.lock().unwrap(), [id, id]);
    });
}

#[test]
fn destructors_run_after_a_panic_and_after_a_kill() {
    patch();
    run(|| {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let (of_panic, of_kill) = (ends.clone(), ends.clone());
        let panics = spawn_local(move || {
            NOTES.with_borrow_mut(|all| all.push(Note { ends: of_panic }));
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        let killed = spawn_local(move || {
            NOTES.with_borrow_mut(|all| all.push(Note { ends: of_kill }));
            greenloop::thread::park();
        });
        yield_now();
        killed.kill();
        assert!(panics.join().is_err() && killed.join().is_err());
        assert_eq!(ends.lock().unwrap().len(), 2);
    });
}

#[test]
fn keys_of_c_libraries_are_cleared_after_their_destructors() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn count(value: *mut libc::c_void) {
        CALLS.fetch_add(value.addr(), Ordering::Relaxed);
    }
    patch();
    let mut key = 0;
    // SAFETY: room for the key; the destructor takes any value.
    let result = unsafe { libc::pthread_key_create(&mut key, Some(count)) };
    assert_eq!(result, 0);
    run(move || {
        for round in 1..=3 {
            let one = spawn_local(move || {
                // SAFETY: the key exists.
                let before = unsafe { libc::pthread_getspecific(key) };
                let value = std::ptr::without_provenance(round);
                // SAFETY: as above; the value is never dereferenced.
                unsafe { libc::pthread_setspecific(key, value) };
                before.is_null()
            });
            assert!(one.join().unwrap(), "the value of the last user is gone");
        }
    });
    assert_eq!(CALLS.load(Ordering::Relaxed), 1 + 2 + 3);
}

#[test]
fn each_is_a_thread_to_std_and_to_c() {
    patch();
    run(|| {
        let others = [(); 20].map(|()| {
            spawn_local(|| {
                yield_now();
                // SAFETY: without arguments.
                (thread::current().id(), unsafe { libc::pthread_self() })
            })
        });
        let ids: Vec<_> = others
            .into_iter()
            .map(|other| other.join().unwrap())
            .collect();
        assert_eq!(ids.iter().map(|id| id.0).collect::<HashSet<_>>().len(), 20);
    });
}

#[test]
fn a_panic_in_progress_is_its_own() {
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            for _ in 0..3 {
                yield_now();
            }
            assert!(thread::panicking());
        }
    }
    patch();
    run(|| {
        let panics = spawn_local(|| {
            let _waits = Waits;
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        let sibling = spawn_local(|| {
            yield_now();
            let mutex = Mutex::new(());
            drop(mutex.lock().unwrap());
            (thread::panicking(), mutex.is_poisoned())
        });
        assert_eq!(sibling.join().unwrap(), (false, false));
        assert!(panics.join().is_err());
    });
}

#[test]
fn a_builder_chooses_one_by_one() {
    patch();
    run(|| {
        COUNT.set(1);
        let worker = Builder::new()
            .own_tls(false)
            .spawn_local(|| COUNT.replace(2));
        let worker = worker.unwrap().join().unwrap();
        let again = Builder::new().own_tls(false).spawn_local(|| COUNT.get());
        assert_eq!((again.unwrap().join().unwrap(), COUNT.get()), (2, 1));
        assert_ne!(
            worker, 1,
            "a light one shares its worker's, not its spawner's"
        );
        let full = Builder::new()
            .own_tls(true)
            .spawn_local(|| COUNT.get())
            .unwrap();
        assert_eq!(full.join().unwrap(), 7);
    });
}

#[test]
fn those_that_never_start_give_their_storage_back() {
    patch();
    run(|| {
        for _ in 0..3000 {
            let never = spawn_local(|| unreachable!("it was killed before its start"));
            never.kill();
            assert!(never.join().is_err());
        }
    });
}

#[test]
fn two_thousand_at_once_over_all_workers() {
    patch();
    let all: Vec<_> = (0..2000u32)
        .map(|value| {
            spawn(move || {
                COUNT.set(value);
                greenloop::sleep(std::time::Duration::from_millis(20));
                COUNT.get() == value
            })
        })
        .collect();
    assert!(all.into_iter().all(|one| one.join().unwrap()));
}

#[test]
fn scoped_ones_borrow_and_are_full() {
    patch();
    let total = AtomicUsize::new(0);
    run(|| {
        greenloop::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| total.fetch_add(COUNT.replace(0) as usize, Ordering::Relaxed));
            }
        });
    });
    assert_eq!(total.load(Ordering::Relaxed), 70);
}
