//! `green_local!`: gevent's `local`, row 1.7 of the specification (and 1.8's contexts): a value a
//! green thread, made on first use, freed at the end, inherited only where that is said.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use greenloop::locals::AccessError;
use greenloop::{Killed, green_local, joinall, run, sleep, spawn, spawn_local, thread, yield_now};

use crate::counted::{Counted, Drops};
use crate::everywhere::everywhere;
use crate::within::{LONG, within};

// 1.7: "init re-run per greenlet on first use".
#[test]
fn each_thread_makes_its_own_on_first_use() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    green_local! {
        static NUMBER: Cell<usize> = Cell::new(MADE.fetch_add(1, Ordering::SeqCst));
    }
    within(LONG, || {
        run(|| {
            assert_eq!(MADE.load(Ordering::SeqCst), 0);
            let numbers = joinall((0..3).map(|_| {
                spawn(|| {
                    let first = NUMBER.get();
                    yield_now();
                    assert_eq!(NUMBER.get(), first);
                    first
                })
            }));
            let numbers: Vec<usize> = numbers.into_iter().map(Result::unwrap).collect();
            assert_eq!(numbers, [0, 1, 2]);
        });
        assert_eq!(std::thread::spawn(|| NUMBER.get()).join().unwrap(), 3);
        assert_eq!(spawn(|| NUMBER.get()).join().unwrap(), 4);
    });
}

#[test]
fn green_threads_of_one_worker_do_not_meet() {
    green_local! {
        static LIST: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }
    run(|| {
        let lists = joinall((0..10).map(|n| {
            spawn(move || {
                LIST.with_borrow_mut(|list| {
                    list.push(n);
                    yield_now(); // nobody else borrows this one
                    list.push(n);
                });
                LIST.take()
            })
        }));
        for (n, list) in (0..).zip(lists) {
            assert_eq!(list.unwrap(), [n, n]);
        }
    });
}

#[test]
fn cells_have_std_s_methods() {
    green_local! {
        static CELL: Cell<u8> = panic!("set comes first");
        static LIST: RefCell<Vec<u8>> = panic!("set comes first");
    }
    everywhere(|| {
        spawn(|| {
            CELL.set(1);
            CELL.set(2);
            assert_eq!(CELL.replace(3), 2);
            assert_eq!((CELL.get(), CELL.take(), CELL.get()), (3, 3, 0));
            LIST.set(vec![1]);
            LIST.set(vec![2]);
            assert_eq!(LIST.replace(vec![3]), [2]);
            assert_eq!(LIST.with_borrow(Vec::len), 1);
            assert_eq!(LIST.take(), [3]);
        })
        .join()
        .unwrap();
    });
}

// 1.7: "freed at greenlet death".
#[test]
fn values_are_dropped_before_the_join_returns() {
    green_local! {
        static HELD: RefCell<Option<Counted>> = const { RefCell::new(None) };
    }
    within(LONG, || {
        let drops = Drops::new();
        let ends: [fn(); 3] = [
            || (),
            || std::panic::resume_unwind(Box::new("lost")),
            thread::park,
        ];
        for (count, end) in (1..).zip(ends) {
            let counted = drops.counted();
            let handle = spawn(move || {
                HELD.set(Some(counted));
                end();
            });
            if count == 3 {
                sleep(Duration::from_millis(5));
                handle.kill();
            }
            let _ = handle.join();
            assert_eq!(drops.count(), count);
        }
        let counted = drops.counted();
        std::thread::spawn(move || HELD.set(Some(counted)))
            .join()
            .unwrap();
        assert_eq!(drops.count(), 4);
        let counted = drops.counted();
        run(move || {
            spawn(move || {
                HELD.set(Some(counted));
                thread::park();
            });
            yield_now();
        });
        assert_eq!(drops.count(), 5, "the end of a hub ends them, too");
    });
}

#[test]
fn destructors_run_on_their_own_green_thread_and_may_wait() {
    struct Noted(thread::ThreadId, Rc<Cell<bool>>);
    impl Drop for Noted {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.0);
            sleep(Duration::from_millis(2));
            spawn(|| ()).join().unwrap();
            self.1.set(true);
        }
    }
    green_local! {
        static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
    }
    run(|| {
        let dropped = Rc::new(Cell::new(false));
        let ours = dropped.clone();
        let handle = spawn_local(move || NOTED.set(Some(Noted(thread::current().id(), ours))));
        handle.join().unwrap();
        assert!(dropped.get());
    });
}

#[test]
fn destructors_use_other_locals_but_not_dropped_ones() {
    struct First(Arc<AtomicUsize>);
    impl Drop for First {
        fn drop(&mut self) {
            assert!(
                SECOND.try_with(|_| ()).is_err(),
                "the younger one has gone before"
            );
            assert!(FIRST.try_with(|_| ()).is_err(), "and so does this one");
            LATE.set(5);
            assert_eq!(LATE.get(), 5);
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    struct Second(Arc<AtomicUsize>);
    impl Drop for Second {
        fn drop(&mut self) {
            let first = FIRST.try_with(|first| first.borrow().is_some());
            assert_eq!(first, Ok(true));
            self.0.fetch_add(10, Ordering::SeqCst);
        }
    }
    green_local! {
        static FIRST: RefCell<Option<First>> = const { RefCell::new(None) };
        static SECOND: RefCell<Option<Second>> = const { RefCell::new(None) };
        static LATE: Cell<u32> = const { Cell::new(0) };
    }
    fn body(dropped: Arc<AtomicUsize>) {
        FIRST.set(Some(First(dropped.clone())));
        SECOND.set(Some(Second(dropped)));
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let ours = dropped.clone();
    spawn(move || body(ours)).join().unwrap();
    assert_eq!(dropped.load(Ordering::SeqCst), 11);
    let ours = dropped.clone();
    std::thread::spawn(move || body(ours)).join().unwrap();
    assert_eq!(dropped.load(Ordering::SeqCst), 22);
}

#[test]
fn a_destructor_that_panics_or_is_killed_stops_no_other() {
    struct Bad(bool);
    impl Drop for Bad {
        fn drop(&mut self) {
            match self.0 {
                true => std::panic::resume_unwind(Box::new("bad")),
                false => sleep(Duration::from_secs(60)),
            }
        }
    }
    green_local! {
        static GOOD: RefCell<Option<Counted>> = const { RefCell::new(None) };
        static BAD: RefCell<Option<Bad>> = const { RefCell::new(None) };
    }
    run(|| {
        let drops = Drops::new();
        for panics in [true, false] {
            let counted = drops.counted();
            let handle = spawn(move || {
                GOOD.set(Some(counted));
                BAD.set(Some(Bad(panics)));
                7
            });
            yield_now();
            handle.kill();
            assert_eq!(handle.join().unwrap(), 7);
        }
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn the_drop_of_a_detached_result_may_use_locals() {
    struct Waits(#[expect(dead_code, reason = "counts its drop")] Rc<Counted>);
    impl Drop for Waits {
        fn drop(&mut self) {
            sleep(Duration::from_millis(2));
            spawn(|| ()).join().unwrap();
        }
    }
    struct Result(Drops);
    impl Drop for Result {
        fn drop(&mut self) {
            sleep(Duration::from_millis(2));
            LATE.set(Some(Waits(Rc::new(self.0.counted()))));
            assert!(OLD.try_with(|_| ()).is_err());
        }
    }
    green_local! {
        static LATE: RefCell<Option<Waits>> = const { RefCell::new(None) };
        static OLD: Cell<u32> = const { Cell::new(0) };
    }
    let drops = Drops::new();
    let ours = drops.clone();
    run(move || {
        drop(spawn(move || {
            OLD.set(1);
            Result(ours)
        }));
        sleep(Duration::from_millis(50));
    });
    assert_eq!(drops.count(), 1);
}

#[test]
fn an_init_may_use_its_own_local() {
    green_local! {
        static NESTED: RefCell<u32> = RefCell::new(nested());
    }
    fn nested() -> u32 {
        NESTED.set(1);
        NESTED.with_borrow(|number| number + 1)
    }
    everywhere(|| assert_eq!(spawn(|| NESTED.replace(9)).join().unwrap(), 2));
}

#[test]
fn an_init_that_panics_is_tried_again() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    green_local! {
        static FRAIL: Cell<usize> = match TRIES.fetch_add(1, Ordering::SeqCst) {
            0 => std::panic::resume_unwind(Box::new("once")),
            tries => Cell::new(tries),
        };
    }
    spawn(|| {
        assert!(std::panic::catch_unwind(|| FRAIL.get()).is_err());
        assert_eq!(FRAIL.get(), 1);
    })
    .join()
    .unwrap();
}

// 1.7: "children do not inherit"; 1.8: the inheritable ones are ours.
// gevent 1.2 `spawn_tree_locals`.
#[test]
fn only_inheritable_ones_go_to_children() {
    green_local! {
        static OWN: Cell<u32> = const { Cell::new(0) };
        inherit static CONTEXT: RefCell<Arc<Vec<u32>>> = RefCell::default();
    }
    everywhere(|| {
        OWN.set(1);
        CONTEXT.set(Arc::new(vec![1]));
        let child = spawn(|| {
            assert_eq!(OWN.get(), 0);
            assert_eq!(**CONTEXT.with_borrow(Arc::clone), [1]);
            CONTEXT.set(Arc::new(vec![2]));
            let grandchild = spawn(|| CONTEXT.take());
            assert_eq!(*grandchild.join().unwrap(), [2]);
        });
        CONTEXT.set(Arc::new(vec![3]));
        child.join().unwrap();
        let scoped = greenloop::scope(|s| s.spawn(|| CONTEXT.take()).join().unwrap());
        assert_eq!(*scoped, [3]);
        let later = greenloop::spawn_later(Duration::from_millis(1), || CONTEXT.take());
        assert_eq!(*later.join().unwrap(), [3]);
        assert!(CONTEXT.with_borrow(Arc::strong_count) <= 2);
    });
}

#[test]
fn what_a_killed_unstarted_one_inherited_is_dropped() {
    #[derive(Clone)]
    struct Shared(#[expect(dead_code, reason = "counts its owners")] Arc<()>);
    green_local! {
        inherit static CONTEXT: RefCell<Option<Shared>> = const { RefCell::new(None) };
    }
    run(|| {
        let shared = Arc::new(());
        CONTEXT.set(Some(Shared(shared.clone())));
        let child = spawn(|| unreachable!("killed before"));
        assert_eq!(Arc::strong_count(&shared), 3);
        child.kill();
        assert_eq!(Arc::strong_count(&shared), 2);
        assert!(child.join().map(|(): ()| ()).unwrap_err().is::<Killed>());
    });
}

#[test]
fn a_clone_that_panics_fails_the_spawn() {
    green_local! {
        inherit static CONTEXT: RefCell<u32> = const { RefCell::new(0) };
    }
    run(|| {
        let spawned = std::panic::catch_unwind(|| {
            CONTEXT.with_borrow_mut(|_| drop(spawn(|| ())));
        });
        assert!(spawned.is_err());
        spawn(|| ()).join().unwrap();
    });
}

#[test]
fn many_locals_and_many_threads() {
    macro_rules! many {
        ($($name:ident)*) => {
            green_local! {
                $(static $name: RefCell<Vec<usize>> = RefCell::new(Vec::new());)*
            }
            fn touch(n: usize) -> usize {
                $($name.with_borrow_mut(|list| list.push(n));)*
                yield_now();
                let mut sum = 0;
                $(sum += $name.take().iter().sum::<usize>();)*
                sum
            }
        };
    }
    many!(A B C D E F G H);
    within(LONG, || {
        let sums = joinall((0..2_000).map(|n| spawn(move || touch(n))));
        for (n, sum) in sums.into_iter().enumerate() {
            assert_eq!(sum.unwrap(), 8 * n);
        }
    });
}

#[test]
fn a_local_is_sync_and_its_error_an_error() {
    fn assert_sync<T: Sync>(_: &T) {}
    fn assert_error<E: std::error::Error + Send + Sync>() {}
    green_local! {
        static RC: Rc<u32> = Rc::new(1);
    }
    assert_sync(&RC);
    assert_error::<AccessError>();
    assert_eq!(RC.with(|rc| **rc), 1);
}
