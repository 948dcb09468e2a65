//! Generators: the course's consumer that is sent 1 to 5 and answers "200 OK", and what may go wrong.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenloop::{Generator, Yielder, run, sleep, spawn, thread, timeout, yield_now};

use crate::counted::Drops;
use crate::everywhere::everywhere;
use crate::within::{LONG, until, within};

const MS: Duration = Duration::from_millis(1);

fn numbers() -> Generator<(), u32> {
    Generator::new(|yielder: &Yielder<(), u32>, ()| {
        for n in 0.. {
            yielder.yield_(n);
        }
    })
}

#[test]
fn the_consumer_of_the_course() {
    everywhere(|| {
        let consumed = Arc::new(Mutex::new(Vec::new()));
        let theirs = consumed.clone();
        let mut consumer = Generator::new(move |yielder, first: u32| {
            let mut next = first;
            loop {
                theirs.lock().unwrap().push(next);
                next = yielder.yield_("200 OK");
            }
        });
        for n in 1..=5 {
            assert_eq!(consumer.send(n), Some("200 OK"));
        }
        consumer.close();
        assert_eq!(*consumed.lock().unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(Arc::strong_count(&consumed), 1);
    });
}

#[test]
fn it_iterates_and_ends() {
    everywhere(|| {
        let squares = Generator::new(|yielder, ()| (1..=4).for_each(|n| yielder.yield_(n * n)));
        assert_eq!(squares.collect::<Vec<i32>>(), [1, 4, 9, 16]);
        let mut one = Generator::new(|yielder, first: u8| {
            yielder.yield_(first);
        });
        assert_eq!(
            [one.send(1), one.send(2), one.send(3)],
            [Some(1), None, None]
        );
        let empty = Generator::<(), u8>::new(|_, ()| ());
        assert_eq!(empty.count(), 0);
    });
}

#[test]
fn bodies_may_wait_and_use_generators() {
    everywhere(|| {
        let doubled = Generator::new(|yielder, ()| {
            for n in numbers().take(3) {
                sleep(MS);
                let doubled = spawn(move || 2 * n).join().unwrap();
                yielder.yield_(doubled);
            }
        });
        assert_eq!(doubled.collect::<Vec<u32>>(), [0, 2, 4]);
    });
}

#[test]
fn the_body_starts_at_the_first_send() {
    let drops = Drops::new();
    let counted = drops.counted();
    let unused = Generator::<(), ()>::new(move |_, ()| {
        let _counted = counted;
        unreachable!("never sent to")
    });
    yield_now();
    drop(unused);
    assert_eq!(drops.count(), 1);
    Generator::<(), ()>::new(|_, ()| ()).close();
}

#[test]
fn a_drop_unwinds_the_body_on_its_own_stack() {
    everywhere(|| {
        struct Noted(Drops, thread::ThreadId);
        impl Drop for Noted {
            fn drop(&mut self) {
                assert_eq!(thread::current().id(), self.1);
                sleep(MS);
                drop(self.0.counted());
            }
        }
        let drops = Drops::new();
        for close in [true, false] {
            let theirs = drops.clone();
            let mut generator = Generator::new(move |yielder, ()| {
                let _noted = Noted(theirs, thread::current().id());
                loop {
                    yielder.yield_(1);
                }
            });
            assert_eq!(generator.next(), Some(1));
            if close {
                generator.close();
                assert_eq!(drops.count(), 1);
            } else {
                drop(generator);
                until("the body ends", || (sleep(MS), drops.count()).1 == 2);
            }
        }
    });
}

#[test]
fn a_panic_goes_to_the_sender_once() {
    everywhere(|| {
        let mut generator = Generator::new(|yielder, ()| {
            yielder.yield_(1);
            resume_unwind(Box::new("two"));
        });
        assert_eq!(generator.next(), Some(1));
        let payload = catch_unwind(AssertUnwindSafe(|| generator.next())).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"two"));
        assert_eq!(generator.next(), None);
    });
}

#[test]
fn locks_are_not_poisoned_by_a_close() {
    let lock = Arc::new(Mutex::new(0));
    let theirs = lock.clone();
    let mut generator = Generator::new(move |yielder, ()| {
        struct Touch(Arc<Mutex<u32>>);
        impl Drop for Touch {
            fn drop(&mut self) {
                // Taken and released while unwinding.
                spawn({
                    let lock = self.0.clone();
                    move || *lock.lock().unwrap() += 1
                })
                .join()
                .unwrap();
            }
        }
        let _touch = Touch(theirs);
        yielder.yield_(());
    });
    generator.next();
    generator.close();
    assert_eq!(*lock.lock().unwrap(), 1);
}

#[test]
fn a_body_that_catches_the_end_may_return() {
    everywhere(|| {
        let drops = Drops::new();
        let counted = drops.counted();
        let mut generator = Generator::new(move |yielder, ()| {
            let _ = catch_unwind(AssertUnwindSafe(|| yielder.yield_(1)));
            sleep(MS);
            drop(counted);
        });
        generator.next();
        generator.close();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_body_that_yields_after_the_end_is_given_up() {
    everywhere(|| {
        let mut stubborn = Generator::new(|yielder, ()| {
            // Given up at the second one; the end of its hub, if it has one, ends the others.
            for _ in 0..4 {
                let _ = catch_unwind(AssertUnwindSafe(|| yielder.yield_(1)));
            }
        });
        assert_eq!(stubborn.next(), Some(1));
        stubborn.close();
    });
}

#[test]
fn a_destructor_that_yields_after_the_end_is_given_up() {
    within(LONG, || {
        struct Yields<'a>(&'a Yielder<(), u32>);
        impl Drop for Yields<'_> {
            fn drop(&mut self) {
                self.0.yield_(2);
            }
        }
        let mut generator = Generator::new(|yielder, ()| {
            let _yields = Yields(yielder);
            yielder.yield_(1);
        });
        assert_eq!(generator.next(), Some(1));
        generator.close();
    });
}

#[test]
fn a_timeout_of_the_sender_loses_no_item() {
    everywhere(|| {
        let slow = || {
            Generator::new(|yielder, ()| {
                for n in 0..4 {
                    sleep(20 * MS);
                    yielder.yield_(n);
                }
            })
        };
        let (mut generator, mut read, mut late) = (slow(), Vec::new(), 0);
        loop {
            match timeout(3 * MS, || generator.next()) {
                Ok(Some(n)) => read.push(n),
                Ok(None) => break,
                Err(_) => late += 1,
            }
        }
        assert_eq!(read, [0, 1, 2, 3]);
        assert!(late > 0);
    });
}

#[test]
fn the_answer_to_a_send_that_was_cut_is_dropped() {
    everywhere(|| {
        let open = Arc::new(AtomicBool::new(false));
        let theirs = open.clone();
        let mut echo = Generator::new(move |yielder, first: u32| {
            let mut next = first;
            loop {
                until("it may answer", || {
                    sleep(MS);
                    theirs.load(Ordering::SeqCst)
                });
                next = yielder.yield_(next);
            }
        });
        assert!(timeout(3 * MS, || echo.send(1)).is_err());
        open.store(true, Ordering::SeqCst);
        assert_eq!(echo.send(2), Some(2));
    });
}

#[test]
fn it_may_be_sent_to_other_threads() {
    within(LONG, || {
        let mut generator = run(|| {
            let mut generator = numbers();
            assert_eq!(generator.next(), Some(0));
            generator
        });
        assert_eq!(generator.next(), None, "its hub has ended");
        let mut generator = numbers();
        for n in 0..30 {
            let mut ours = generator;
            let step = move || (ours.next(), ours);
            let (next, back) = match n % 3 {
                0 => step(),
                1 => spawn(step).join().unwrap(),
                _ => run(step),
            };
            assert_eq!(next, Some(n));
            generator = back;
        }
    });
}

#[test]
fn many_generators_hand_over_many_times() {
    within(LONG, || {
        run(|| {
            let mut generators: Vec<_> = (0..100).map(|_| numbers()).collect();
            for n in 0..100 {
                assert!(
                    generators
                        .iter_mut()
                        .all(|generator| generator.next() == Some(n))
                );
            }
        });
    });
}
