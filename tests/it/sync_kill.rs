//! Kills and timeouts at each primitive of `greenloop::sync`: the victim's place is given up, what it
//! was given goes to the next, and nothing is poisoned.
//!
//! Long because the table of cases is used by all its tests.

use greenloop::sync::mpsc::{self, Receiver, SyncSender};
use greenloop::sync::{
    Arc, AsyncResult, Barrier, BoundedSemaphore, Condvar, Event, LazyLock, Mutex, Once, OnceLock,
    ReentrantMutex, RwLock, Semaphore,
};
use greenloop::{JoinHandle, Killed, run, sleep, spawn, timeout, yield_now};
use std::panic::catch_unwind;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(60);

/// One of everything; leaked, so that cases are plain functions.
struct World {
    mutex: Mutex<u32>,
    rwlock: RwLock<u32>,
    ready: Mutex<u32>,
    changed: Condvar,
    barrier: Barrier,
    once: Once,
    cell: OnceLock<u32>,
    lazy: LazyLock<u32, Box<dyn FnOnce() -> u32 + Send>>,
    reentrant: ReentrantMutex<()>,
    semaphore: Semaphore,
    bounded: BoundedSemaphore,
    event: Event,
    gate: &'static Event,
    result: AsyncResult<u32>,
    full: SyncSender<u32>,
    full_end: Mutex<Receiver<u32>>,
    hand: SyncSender<u32>,
    hand_end: Mutex<Receiver<u32>>,
    mail: mpsc::Sender<u32>,
    mail_end: Mutex<Receiver<u32>>,
}

impl World {
    fn new() -> &'static World {
        let gate: &'static Event = Box::leak(Box::default());
        let (full, full_end) = mpsc::sync_channel(1);
        full.send(0).unwrap();
        let (hand, hand_end) = mpsc::sync_channel(0);
        let (mail, mail_end) = mpsc::channel();
        Box::leak(Box::new(World {
            mutex: Mutex::new(0),
            rwlock: RwLock::new(0),
            ready: Mutex::new(0),
            changed: Condvar::new(),
            barrier: Barrier::new(3),
            once: Once::new(),
            cell: OnceLock::new(),
            lazy: LazyLock::new(Box::new(|| {
                gate.wait();
                1
            })),
            reentrant: ReentrantMutex::new(()),
            semaphore: Semaphore::new(0),
            bounded: BoundedSemaphore::new(1),
            event: Event::new(),
            gate,
            result: AsyncResult::new(),
            full,
            full_end: Mutex::new(full_end),
            hand,
            hand_end: Mutex::new(hand_end),
            mail,
            mail_end: Mutex::new(mail_end),
        }))
    }
}

/// How one waits for something of the world, and what first makes that wait and later ends one wait.
struct Case {
    name: &'static str,
    hold: fn(&'static World) -> Box<dyn FnOnce()>,
    wait: fn(&'static World),
}

fn locked(world: &'static World) -> Box<dyn FnOnce()> {
    let guard = world.mutex.lock().unwrap();
    Box::new(move || drop(guard))
}

fn read_locked(world: &'static World) -> Box<dyn FnOnce()> {
    let guard = world.rwlock.read().unwrap();
    Box::new(move || drop(guard))
}

fn write_locked(world: &'static World) -> Box<dyn FnOnce()> {
    let guard = world.rwlock.write().unwrap();
    Box::new(move || drop(guard))
}

fn notified(world: &'static World) -> Box<dyn FnOnce()> {
    Box::new(|| {
        *world.ready.lock().unwrap() += 1;
        world.changed.notify_one();
    })
}

fn gathered(world: &'static World) -> Box<dyn FnOnce()> {
    Box::new(|| {
        spawn(|| world.barrier.wait());
        world.barrier.wait();
    })
}

fn begun(world: &'static World) -> Box<dyn FnOnce()> {
    spawn(|| world.once.call_once(|| world.gate.wait()));
    spawn(|| {
        world.cell.get_or_init(|| {
            world.gate.wait();
            1
        })
    });
    spawn(|| LazyLock::force(&world.lazy));
    yield_now();
    Box::new(|| world.gate.set())
}

fn reentrant(world: &'static World) -> Box<dyn FnOnce()> {
    let guard = world.reentrant.lock();
    Box::new(move || drop(guard))
}

fn acquired(world: &'static World) -> Box<dyn FnOnce()> {
    world.bounded.acquire();
    Box::new(|| world.bounded.release().unwrap())
}

fn wait_changed(world: &'static World) {
    let ready = world.ready.lock().unwrap();
    *world
        .changed
        .wait_while(ready, |ready| *ready == 0)
        .unwrap() -= 1;
}

fn wait_changed_timeout(world: &'static World) {
    let ready = world.ready.lock().unwrap();
    let waited = world
        .changed
        .wait_timeout_while(ready, LONG, |ready| *ready == 0);
    *waited.unwrap().0 -= 1;
}

const CASES: &[Case] = &[
    Case {
        name: "Mutex",
        hold: locked,
        wait: |w| *w.mutex.lock().unwrap() += 1,
    },
    Case {
        name: "read",
        hold: write_locked,
        wait: |w| drop(w.rwlock.read().unwrap()),
    },
    Case {
        name: "write",
        hold: read_locked,
        wait: |w| *w.rwlock.write().unwrap() += 1,
    },
    Case {
        name: "write on write",
        hold: write_locked,
        wait: |w| *w.rwlock.write().unwrap() += 1,
    },
    Case {
        name: "Condvar",
        hold: notified,
        wait: wait_changed,
    },
    Case {
        name: "Condvar timed",
        hold: notified,
        wait: wait_changed_timeout,
    },
    Case {
        name: "Barrier",
        hold: gathered,
        wait: |w| {
            w.barrier.wait();
        },
    },
    Case {
        name: "Once",
        hold: begun,
        wait: |w| w.once.call_once(|| ()),
    },
    Case {
        name: "Once::wait",
        hold: begun,
        wait: |w| w.once.wait(),
    },
    Case {
        name: "OnceLock",
        hold: begun,
        wait: |w| assert_eq!(*w.cell.get_or_init(|| 2), 1),
    },
    Case {
        name: "OnceLock::wait",
        hold: begun,
        wait: |w| assert_eq!(*w.cell.wait(), 1),
    },
    Case {
        name: "LazyLock",
        hold: begun,
        wait: |w| assert_eq!(*w.lazy, 1),
    },
    Case {
        name: "ReentrantMutex",
        hold: reentrant,
        wait: |w| drop(w.reentrant.lock()),
    },
    Case {
        name: "ReentrantMutex timed",
        hold: reentrant,
        wait: |w| drop(w.reentrant.lock_timeout(LONG).unwrap()),
    },
    Case {
        name: "Semaphore",
        hold: |w| Box::new(|| w.semaphore.release()),
        wait: |w| w.semaphore.acquire(),
    },
    Case {
        name: "Semaphore timed",
        hold: |w| Box::new(|| w.semaphore.release()),
        wait: |w| assert!(w.semaphore.acquire_timeout(LONG)),
    },
    Case {
        name: "BoundedSemaphore",
        hold: acquired,
        wait: |w| drop(w.bounded.permit()),
    },
    Case {
        name: "Event",
        hold: |w| Box::new(|| w.event.set()),
        wait: |w| w.event.wait(),
    },
    Case {
        name: "Event timed",
        hold: |w| {
            Box::new(|| {
                w.event.set();
                w.event.clear();
            })
        },
        wait: |w| assert!(w.event.wait_timeout(LONG)),
    },
    Case {
        name: "AsyncResult",
        hold: |w| Box::new(|| w.result.set(1).unwrap()),
        wait: |w| assert_eq!(w.result.get_timeout(LONG), Ok(1)),
    },
    Case {
        name: "a full sync_channel",
        hold: |w| Box::new(|| assert_eq!(w.full_end.lock().unwrap().recv(), Ok(0))),
        wait: |w| w.full.send(1).unwrap(),
    },
    Case {
        name: "a rendezvous",
        hold: |w| Box::new(|| assert_eq!(w.hand_end.lock().unwrap().recv(), Ok(1))),
        wait: |w| w.hand.send(1).unwrap(),
    },
    Case {
        name: "a receiver of a rendezvous",
        hold: |w| Box::new(|| w.hand.send(1).unwrap()),
        wait: |w| assert_eq!(w.hand_end.lock().unwrap().recv_timeout(LONG), Ok(1)),
    },
    Case {
        name: "a receiver",
        hold: |w| Box::new(|| w.mail.send(1).unwrap()),
        wait: |w| assert_eq!(w.mail_end.lock().unwrap().recv(), Ok(1)),
    },
    Case {
        name: "a receiver timed",
        hold: |w| Box::new(|| w.mail.send(1).unwrap()),
        wait: |w| assert_eq!(w.mail_end.lock().unwrap().recv_timeout(LONG), Ok(1)),
    },
];

fn settle() {
    (0..5).for_each(|_| yield_now());
}

fn is_killed<T>(handle: JoinHandle<T>) -> bool {
    handle.join().is_err_and(|payload| payload.is::<Killed>())
}

/// Each case in a hub of its own, with a new world.
fn each_case(test: fn(&Case, &'static World)) {
    for case in CASES {
        run(|| test(case, World::new()));
    }
}

#[test]
fn a_killed_waiter_leaves_and_the_next_one_is_served() {
    each_case(|case, world| {
        let end = (case.hold)(world);
        let wait = case.wait;
        let (victim, next) = (spawn(move || wait(world)), spawn(move || wait(world)));
        settle();
        assert!(
            !victim.is_finished() && !next.is_finished(),
            "{}",
            case.name
        );
        victim.kill();
        assert!(is_killed(victim), "{}", case.name);
        settle();
        assert!(!next.is_finished(), "{}", case.name);
        end();
        next.join().unwrap();
    });
}

#[test]
fn a_kill_of_the_last_waiter_leaves_nothing_behind() {
    each_case(|case, world| {
        let end = (case.hold)(world);
        let wait = case.wait;
        let victim = spawn(move || wait(world));
        settle();
        victim.kill();
        assert!(is_killed(victim), "{}", case.name);
        let next = spawn(move || wait(world));
        settle();
        end();
        next.join().unwrap();
    });
}

#[test]
fn an_outer_timeout_passes_through() {
    each_case(|case, world| {
        let end = (case.hold)(world);
        let wait = case.wait;
        let timed_out = spawn(move || timeout(MOMENT, || wait(world)).is_err());
        assert!(timed_out.join().unwrap(), "{}", case.name);
        let next = spawn(move || wait(world));
        settle();
        assert!(!next.is_finished(), "{}", case.name);
        end();
        next.join().unwrap();
    });
}

// gevent 2 #16.
#[test]
fn who_was_woken_before_the_kill_is_served_first() {
    // gevent's order: what has come is taken, and the kill lands at the next wait.
    each_case(|case, world| {
        let end = (case.hold)(world);
        let wait = case.wait;
        let victim = spawn(move || {
            wait(world);
            sleep(LONG);
        });
        settle();
        end();
        victim.kill_nowait();
        assert!(is_killed(victim), "{}", case.name);
    });
}

#[test]
fn nothing_is_poisoned_by_a_kill_or_timeout() {
    run(|| {
        let world = World::new();
        let holders = [
            spawn(|| {
                let _guard = world.mutex.lock().unwrap();
                sleep(LONG);
            }),
            spawn(|| {
                let _guard = world.rwlock.write().unwrap();
                sleep(LONG);
            }),
            spawn(|| world.once.call_once(|| sleep(LONG))),
            spawn(|| {
                world.cell.get_or_init(|| {
                    sleep(LONG);
                    2
                });
            }),
        ];
        settle();
        assert!(world.mutex.try_lock().is_err() && world.rwlock.try_read().is_err());
        for holder in holders {
            holder.kill();
            assert!(is_killed(holder));
        }
        let timed_out = timeout(MOMENT, || {
            let _guard = world.mutex.lock().unwrap();
            sleep(LONG);
        });
        assert!(timed_out.is_err());
        assert!(!world.mutex.is_poisoned() && !world.rwlock.is_poisoned());
        assert_eq!(*world.mutex.lock().unwrap(), 0);
        assert_eq!(*world.rwlock.write().unwrap(), 0);
        world.once.call_once(|| ());
        assert_eq!(*world.cell.get_or_init(|| 3), 3);
    });
}

#[test]
fn a_panic_after_a_kill_that_was_caught_poisons() {
    run(|| {
        let world = World::new();
        let once = &world.once;
        let victim = spawn(|| {
            assert!(catch_unwind(|| sleep(LONG)).is_err_and(|payload| payload.is::<Killed>()));
            let _ = catch_unwind(|| once.call_once(|| panic!("on purpose")));
            let _guard = world.mutex.lock();
            panic!("on purpose");
        });
        settle();
        victim.kill();
        assert!(world.mutex.is_poisoned());
        assert!(catch_unwind(|| once.call_once(|| ())).is_err());
    });
}

#[test]
fn a_killed_initialiser_lets_the_next_one_run() {
    run(|| {
        let world = World::new();
        let victim = spawn(|| world.once.call_once(|| sleep(LONG)));
        settle();
        let (again, waits) = (
            spawn(|| world.once.call_once(yield_now)),
            spawn(|| world.once.wait()),
        );
        settle();
        assert!(!again.is_finished() && !waits.is_finished());
        victim.kill();
        again.join().unwrap();
        waits.join().unwrap();
    });
}

#[test]
fn a_kill_waits_for_a_lazy_lock() {
    run(|| {
        let world = World::new();
        let end = begun(world);
        let victim = spawn(|| {
            let made = *world.lazy;
            sleep(LONG);
            made
        });
        settle();
        let maker = spawn(|| {
            static LAZY: LazyLock<u32> = LazyLock::new(|| {
                sleep(MOMENT);
                5
            });
            assert_eq!(*LAZY, 5);
            sleep(LONG);
        });
        settle();
        maker.kill();
        victim.kill();
        assert!(is_killed(maker) && is_killed(victim));
        end();
        assert_eq!(*world.lazy, 1);
    });
}

#[test]
fn a_notification_of_a_killed_one_goes_to_the_next() {
    run(|| {
        let world = World::new();
        let waiters = [0; 2].map(|_| {
            spawn(|| {
                let guard = world.mutex.lock().unwrap();
                drop(world.changed.wait(guard).unwrap());
            })
        });
        settle();
        let guard = world.mutex.lock().unwrap();
        world.changed.notify_one();
        settle(); // the first one was notified, and waits for the mutex
        let [first, second] = waiters;
        first.kill();
        assert!(is_killed(first));
        drop(guard);
        second.join().unwrap();
    });
}

#[test]
fn a_killed_writer_lets_the_readers_behind_it_in() {
    run(|| {
        let world = World::new();
        let reader = world.rwlock.read().unwrap();
        let writer = spawn(|| drop(world.rwlock.write()));
        settle();
        let behind = spawn(|| drop(world.rwlock.read()));
        settle();
        assert!(!behind.is_finished() && world.rwlock.try_read().is_err());
        writer.kill();
        behind.join().unwrap();
        assert!(world.rwlock.try_read().is_ok());
        drop(reader);
        assert!(world.rwlock.try_write().is_ok());
    });
}

#[test]
fn a_message_of_a_killed_sender_is_dropped() {
    run(|| {
        let value = Arc::new(());
        let (sender, receiver) = mpsc::sync_channel(1);
        let senders: Vec<_> = (0..4)
            .map(|number| {
                let (sender, value) = (sender.clone(), value.clone());
                spawn(move || sender.send((number, value)).unwrap())
            })
            .collect();
        drop(sender);
        settle();
        senders[2].kill();
        assert_eq!(Arc::strong_count(&value), 4);
        let order: Vec<i32> = receiver.iter().map(|(number, _)| number).collect();
        assert_eq!(order, [0, 1, 3]);
        assert_eq!(Arc::strong_count(&value), 1);
    });
}
