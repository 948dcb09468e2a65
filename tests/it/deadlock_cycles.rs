//! Deadlocks: dumps say who holds a lock, cycles are reported once and never wrongly, and a hub that
//! can never run again says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex as OsMutex, PoisonError};
use std::time::{Duration, Instant};

use greenloop::inspect::{self, Deadlock, Thing, Wait};
use greenloop::sync::{Arc, Mutex, ReentrantMutex, RwLock};
use greenloop::{JoinHandle, run, spawn, thread, timeout, yield_now};

use crate::child::{Child, this_test};
use crate::inspect::{dump_when_waiting, find, named, parks_for_ever};
use crate::within::{LONG, until, within};

/// Longer than any search that would find something.
const QUIET: Duration = Duration::from_secs(1);

fn found() -> Receiver<Deadlock> {
    let (sender, receiver) = mpsc::channel();
    inspect::on_deadlock(move |it| drop(sender.send(it.clone())));
    receiver
}

/// A green thread that does this with a lock.
fn holds<L: Send + Sync + 'static>(
    name: &str,
    lock: &Arc<L>,
    hold: impl FnOnce(&L) + Send + 'static,
) -> JoinHandle<()> {
    let lock = lock.clone();
    named(name, move || hold(&lock))
}

#[test]
fn a_dump_says_who_holds_a_lock() {
    let mutex = Arc::new(Mutex::new(()));
    let holder = holds("holds the mutex", &mutex, |it: &Mutex<()>| {
        let _guard = it.lock().unwrap();
        parks_for_ever();
    });
    drop(dump_when_waiting("holds the mutex"));
    let same = mutex.clone();
    let waiter = named("wants the mutex", move || drop(same.lock().unwrap()));
    let dump = dump_when_waiting("wants the mutex");
    let owner = find(&dump, "holds the mutex").unwrap().id();
    let Some(Wait::On {
        thing,
        holder: Some(who),
        ..
    }) = find(&dump, "wants the mutex").unwrap().wait()
    else {
        panic!("it waits for a lock with a holder: {dump}");
    };
    assert_eq!(
        (*thing, who.id(), who.is_green()),
        (Thing::Mutex, owner, true)
    );
    assert_eq!(who.name(), Some("holds the mutex"));
    let text = dump.to_string();
    let end = format!("held by green thread {owner} 'holds the mutex', for");
    assert!(
        text.contains("locking the mutex at 0x") && text.contains(&end),
        "{text}"
    );
    holder.kill();
    waiter.join().unwrap();
}

/// The name of who holds what `waiter` waits for, as a dump says it.
fn holder_of(waiter: &str) -> Option<String> {
    let dump = dump_when_waiting(waiter);
    match find(&dump, waiter).unwrap().wait() {
        Some(Wait::On { holder, .. }) => holder.as_ref().map(|it| it.name().unwrap().to_owned()),
        other => panic!("it waits for a lock, not for {other:?}"),
    }
}

#[test]
fn every_kind_of_lock_knows_its_owner() {
    let rwlock = Arc::new(RwLock::new(()));
    let writer = holds("writes", &rwlock, |it: &RwLock<()>| {
        let _guard = it.write().unwrap();
        thread::park();
    });
    drop(dump_when_waiting("writes"));
    let same = rwlock.clone();
    let reads = named("wants to read", move || {
        let _guard = same.read().unwrap();
        thread::park();
    });
    let same = rwlock.clone();
    assert_eq!(holder_of("wants to read").as_deref(), Some("writes"));
    let writes = named("wants to write", move || drop(same.write().unwrap()));
    assert_eq!(holder_of("wants to write").as_deref(), Some("writes"));
    writer.thread().unpark();
    writer.join().unwrap();
    until("the reader has it", || {
        holder_of("wants to write").is_none()
    });
    reads.thread().unpark();
    for it in [reads, writes] {
        it.join().unwrap();
    }
    let reentrant = Arc::new(ReentrantMutex::new(()));
    let twice = holds("holds it twice", &reentrant, |it: &ReentrantMutex<()>| {
        let (_one, two) = (it.lock(), it.lock());
        drop(two);
        thread::park();
    });
    drop(dump_when_waiting("holds it twice"));
    let wants = named("wants it once", move || drop(reentrant.lock()));
    assert_eq!(
        holder_of("wants it once").as_deref(),
        Some("holds it twice")
    );
    twice.thread().unpark();
    for it in [twice, wants] {
        it.join().unwrap();
    }
}

#[test]
fn an_os_thread_is_told_as_a_holder() {
    let mutex = Arc::new(Mutex::new(()));
    // It has asked who it is, so that it has a number.
    let _me = thread::current();
    let guard = mutex.lock().unwrap();
    let same = mutex.clone();
    let waiter = named("waits for main", move || drop(same.lock().unwrap()));
    let dump = dump_when_waiting("waits for main");
    let Some(Wait::On {
        holder: Some(who), ..
    }) = find(&dump, "waits for main").unwrap().wait()
    else {
        panic!("it waits for a lock with a holder: {dump}");
    };
    assert!(!who.is_green());
    assert!(dump.to_string().contains("which is no living green thread"));
    drop(guard);
    waiter.join().unwrap();
}

/// Two that lock in opposite order, both of which hold one by now.
fn two_locks() -> [JoinHandle<()>; 2] {
    let locks = Arc::new((Mutex::new(()), Mutex::new(())));
    let ready = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    [0, 1].map(|me| {
        let (locks, ready) = (locks.clone(), ready.clone());
        named(["left", "right"][me], move || {
            let (first, second) = match me {
                0 => (&locks.0, &locks.1),
                _ => (&locks.1, &locks.0),
            };
            let _first = first.lock().unwrap();
            ready[me].store(true, Ordering::SeqCst);
            while !ready[1 - me].load(Ordering::SeqCst) {
                yield_now();
            }
            let _second = second.lock().unwrap();
        })
    })
}

#[test]
fn the_two_lock_program_is_named_soon_and_once() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let mut delays = Vec::new();
        for _ in 0..5 {
            let start = Instant::now();
            let both = two_locks();
            let deadlock = found.recv_timeout(LONG).unwrap();
            delays.push(start.elapsed());
            let mut names: Vec<_> = deadlock.members().iter().map(|it| it.name()).collect();
            names.sort();
            assert_eq!(names, [Some("left"), Some("right")]);
            for it in deadlock.members() {
                assert!(it.spawned_at().file().ends_with("inspect.rs"));
                assert!(
                    it.wait().to_string().contains(", held by green thread"),
                    "{it}"
                );
            }
            assert!(found.recv_timeout(QUIET).is_err(), "it is reported once");
            both.iter().for_each(JoinHandle::kill);
        }
        delays.sort();
        assert!(delays[0] < Duration::from_millis(100), "{delays:?}");
    });
}

static SAID: OsMutex<String> = OsMutex::new(String::new());

struct Said;

impl log::Log for Said {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        *SAID.lock().unwrap() += &format!("{} {}\n", record.level(), record.args());
        panic!("a logger that fails");
    }

    fn flush(&self) {}
}

#[test]
fn it_is_a_warning_and_neither_loggers_nor_callbacks_end_the_search() {
    Child::new(this_test!()).passes(|| {
        log::set_logger(&Said).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
        inspect::on_deadlock(|_| panic!("a callback that fails"));
        let found = found();
        for _ in 0..2 {
            let both = two_locks();
            let deadlock = found.recv_timeout(LONG).unwrap();
            let said = std::mem::take(&mut *SAID.lock().unwrap_or_else(PoisonError::into_inner));
            SAID.clear_poison();
            assert_eq!(said, format!("WARN greenloop: {deadlock}\n"));
            both.iter().for_each(JoinHandle::kill);
        }
    });
}

#[test]
fn one_worker_one_lock_and_joins() {
    let child = Child::new(this_test!()).variable("GREENLOOP_WORKERS", 1);
    child.passes(|| {
        let found = found();
        let alone = named("alone", || {
            let mutex = Mutex::new(());
            let _first = mutex.lock();
            drop(mutex.lock());
        });
        let deadlock = found.recv_timeout(LONG).unwrap();
        assert_eq!(deadlock.members().len(), 1);
        assert!(
            deadlock
                .to_string()
                .starts_with("deadlock: a green thread waits for itself\n")
        );
        alone.kill();
        let others: Arc<[Mutex<Option<JoinHandle<()>>>; 2]> = Arc::default();
        let both = [0, 1].map(|me| {
            let others = others.clone();
            let take = move || others[me].lock().unwrap().take();
            spawn(move || {
                let other = loop {
                    match take() {
                        Some(other) => break other,
                        None => yield_now(),
                    }
                };
                let _ = other.join();
            })
        });
        for (it, place) in both.into_iter().zip([1, 0]) {
            *others[place].lock().unwrap() = Some(it);
        }
        let deadlock = found.recv_timeout(LONG).unwrap();
        assert_eq!(deadlock.members().len(), 2);
        let joins = |it: &inspect::Member| matches!(it.wait(), Wait::Join(_));
        assert!(deadlock.members().iter().all(joins), "{deadlock}");
    });
}

#[test]
fn what_ends_by_itself_is_no_deadlock() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let mutex = Arc::new(Mutex::new(()));
        let guarded = named("in a timeout", || {
            let mutex = Mutex::new(());
            let _first = mutex.lock();
            assert!(timeout(QUIET, || drop(mutex.lock())).is_err());
        });
        // Held for long by one who sleeps: waiters, but no cycle.
        let same = mutex.clone();
        let sleeper = named("sleeper", move || {
            let _guard = same.lock();
            greenloop::sleep(QUIET);
        });
        let patient: Vec<_> = (0..10)
            .map(|_| {
                let same = mutex.clone();
                spawn(move || drop(same.lock()))
            })
            .collect();
        for it in patient.into_iter().chain([guarded, sleeper]) {
            it.join().unwrap();
        }
        assert!(found.try_recv().is_err());
    });
}

#[test]
fn a_hub_that_waits_for_its_own_locks_says_so() {
    let end = Child::new(this_test!()).run(|| {
        run(|| {
            let both = two_locks();
            for it in both {
                it.join().unwrap();
            }
        });
    });
    assert!(!end.status.success());
    assert!(
        end.stderr.contains("this `run` would wait forever"),
        "{end}"
    );
    let lines = end
        .stderr
        .lines()
        .filter(|it| it.contains(" locking the mutex at 0x"));
    assert_eq!(lines.clone().count(), 2, "{end}");
    assert!(
        lines
            .clone()
            .any(|it| it.contains("held by green thread 'left'")),
        "{end}"
    );
    assert!(end.stderr.contains("green thread 'main'"), "{end}");
}

#[test]
fn a_hub_waits_for_the_lock_of_an_os_thread() {
    within(LONG, || {
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.lock().unwrap();
        let same = mutex.clone();
        let hub = std::thread::spawn(move || {
            run(move || {
                let same = same.clone();
                named("in the hub", move || drop(same.lock().unwrap()))
                    .join()
                    .unwrap();
            });
        });
        drop(dump_when_waiting("in the hub"));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!hub.is_finished());
        drop(guard);
        hub.join().unwrap();
    });
}

/// Locks two or three of four in a random order, and lets others run in between.
fn dine(table: &[Mutex<()>], seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut order = [0, 1, 2, 3];
    random.shuffle(&mut order);
    let mut guards = Vec::new();
    for fork in &order[..random.usize(2..=3)] {
        guards.push(table[*fork].lock().unwrap());
        for _ in 0..random.usize(0..3) {
            yield_now();
        }
    }
}

/// A trial is over when all of its philosophers have ended; those of a cycle are killed.
struct Trial(Vec<JoinHandle<()>>);

fn trial(seed: u64) -> Trial {
    let table: Arc<[Mutex<()>; 4]> = Arc::new([const { Mutex::new(()) }; 4]);
    let guests = (0..4).map(|guest| {
        let table = table.clone();
        spawn(move || dine(&table[..], seed * 4 + guest))
    });
    Trial(guests.collect())
}

impl Trial {
    fn is_over(&self) -> bool {
        self.0.iter().all(JoinHandle::is_finished)
    }
}

fn number(handle: &JoinHandle<()>) -> String {
    format!("{:?}", handle.thread().id())
}

/// Says how many were stuck. Each that is named must be so for good, and each that is stuck named.
fn dinner(trials: Vec<Trial>, found: &Receiver<Deadlock>) -> usize {
    let mut stuck = 0;
    let start = Instant::now();
    while !trials.iter().all(Trial::is_over) {
        assert!(start.elapsed() < LONG, "one is stuck, and not named");
        let Ok(deadlock) = found.recv_timeout(Duration::from_millis(1)) else {
            continue;
        };
        let ids: Vec<_> = deadlock
            .members()
            .iter()
            .map(|it| format!("ThreadId({})", it.id()))
            .collect();
        let all = trials.iter().flat_map(|it| &it.0);
        let members: Vec<_> = all.filter(|it| ids.contains(&number(it))).collect();
        assert_eq!(members.len(), ids.len(), "all are guests, each named once");
        // Whoever could go on would by now.
        for _ in 0..50 {
            yield_now();
        }
        assert!(
            members.iter().all(|it| !it.is_finished()),
            "not stuck: {deadlock}"
        );
        members.into_iter().for_each(JoinHandle::kill);
        stuck += 1;
    }
    stuck
}

#[test]
fn philosophers_are_named_if_they_are_stuck_and_only_then() {
    let child = Child::new(this_test!()).limit(Duration::from_secs(300));
    child.passes(|| {
        let found = found();
        let all = if cfg!(debug_assertions) {
            1_000
        } else {
            10_000
        };
        let mut stuck = 0;
        for first in (0..all).step_by(500) {
            stuck += dinner((first..first + 500).map(trial).collect(), &found);
        }
        assert!(
            stuck > all as usize / 100,
            "only {stuck} of {all} were stuck"
        );
        eprintln!("{stuck} cycles in {all} trials");
    });
}
