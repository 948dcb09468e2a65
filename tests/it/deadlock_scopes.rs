//! Cycles that lead through the ends of scopes.

use std::collections::HashSet;
use std::sync::Mutex as OsMutex;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use greenloop::inspect::{self, Deadlock, Thing, Wait};
use greenloop::sync::{Arc, Mutex};
use greenloop::{JoinHandle, green_local, scope, spawn, thread, timeout, yield_now};

use crate::child::{Child, this_test};
use crate::inspect::{dump_when_waiting, find, named};
use crate::within::LONG;

/// Longer than any search that would find something.
pub(crate) const QUIET: Duration = Duration::from_secs(1);

pub(crate) fn found() -> Receiver<Deadlock> {
    let (sender, receiver) = mpsc::channel();
    inspect::on_deadlock(move |it| drop(sender.send(it.clone())));
    receiver
}

/// Of its members, in the alphabet's order.
pub(crate) fn names(deadlock: &Deadlock) -> Vec<&str> {
    let members = deadlock.members().iter();
    let mut names: Vec<_> = members.map(|it| it.name().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_scope_whose_owner_holds_what_its_child_wants() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let owner = named("owner", || {
            let mutex = Mutex::new(());
            let _held = mutex.lock();
            scope(|s| drop(child("child".into(), s, || drop(mutex.lock()))));
        });
        let deadlock = found.recv_timeout(LONG).unwrap();
        assert_eq!(names(&deadlock), ["child", "owner"]);
        for (it, next) in deadlock.members().iter().zip([1, 0]) {
            let next = &deadlock.members()[next];
            match it.wait() {
                Wait::Scope { left } => assert_eq!(left, &[next.id()]),
                Wait::On {
                    thing: Thing::Mutex,
                    holder: Some(holder),
                    ..
                } => assert_eq!(holder.id(), next.id()),
                other => panic!("not in this cycle: {other}"),
            }
        }
        assert!(found.recv_timeout(QUIET).is_err(), "it is reported once");
        owner.kill();
    });
}

/// In a scope.
fn child<'scope>(
    name: String,
    s: &'scope thread::Scope<'scope, '_>,
    f: impl FnOnce() + Send + 'scope,
) -> thread::ScopedJoinHandle<'scope, ()> {
    thread::Builder::new()
        .name(name)
        .spawn_scoped(s, f)
        .unwrap()
}

#[test]
fn cycles_that_share_a_member_are_named_one_at_a_time() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let (kill, victims) = greenloop::sync::mpsc::channel::<String>();
        let owner = named("owner", || {
            let mutex = Mutex::new(());
            let _held = mutex.lock();
            scope(|s| {
                let stuck = |number| child(format!("child {number}"), s, || drop(mutex.lock()));
                let stuck: Vec<_> = (0..3).map(stuck).collect();
                s.spawn(move || {
                    for name in victims {
                        let named = |it: &&thread::ScopedJoinHandle<'_, _>| {
                            it.thread().name() == Some(&*name)
                        };
                        stuck.iter().find(named).unwrap().kill();
                    }
                });
            });
        });
        let mut victims = HashSet::new();
        for _ in 0..3 {
            let deadlock = found.recv_timeout(LONG).unwrap();
            let names = names(&deadlock);
            assert_eq!((names.len(), names[1]), (2, "owner"));
            assert!(found.recv_timeout(QUIET).is_err(), "one at a time");
            assert!(victims.insert(names[0].to_owned()), "{names:?} again");
            kill.send(names[0].to_owned()).unwrap();
        }
        assert!(found.recv_timeout(QUIET).is_err(), "none is left");
        owner.kill();
    });
}

#[test]
fn scopes_in_scopes_joins_and_locks() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let outer = named("outer", || {
            let mutex = Mutex::new(());
            let _held = mutex.lock();
            scope(|s| {
                let inner = child("inner".into(), s, || {
                    scope(|s| drop(child("innermost".into(), s, || drop(mutex.lock()))));
                });
                child("joiner".into(), s, || inner.join().unwrap());
                s.spawn(thread::park);
            });
        });
        let deadlock = found.recv_timeout(LONG).unwrap();
        let members = names(&deadlock);
        let direct = ["inner", "innermost", "outer"];
        let by_the_joiner = ["inner", "innermost", "joiner", "outer"];
        assert!(members == direct || members == by_the_joiner, "{deadlock}");
        outer.kill();
    });
}

#[test]
fn scopes_that_go_on_are_no_deadlocks() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let mutex = Arc::new(Mutex::new(()));
        let same = mutex.clone();
        let sleeps = named("owner of a sleeper", move || {
            let _held = same.lock();
            scope(|s| drop(s.spawn(|| greenloop::sleep(QUIET))));
        });
        let wants = named("wants the lock", move || drop(mutex.lock()));
        let guarded = named("in a timeout", || {
            let mutex = Mutex::new(());
            let _held = mutex.lock();
            let stuck = || scope(|s| drop(s.spawn(|| drop(mutex.lock()))));
            assert!(timeout(QUIET, stuck).is_err());
        });
        for it in [sleeps, wants, guarded] {
            it.join().unwrap();
        }
        assert!(found.try_recv().is_err());
    });
}

static HELD: Mutex<()> = Mutex::new(());

/// A local that locks at its end.
struct Locks;

impl Drop for Locks {
    fn drop(&mut self) {
        drop(HELD.lock());
    }
}

green_local! {
    static AT_THE_END: Locks = Locks;
}

// Its scope no longer waits for it.
#[test]
fn a_child_whose_locals_end_is_in_no_cycle() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let owner = named("owner", || {
            let held = HELD.lock();
            scope(|s| {
                child("ends".into(), s, || AT_THE_END.with(|_| ()));
                child("sleeps".into(), s, || greenloop::sleep(QUIET));
            });
            drop(held);
        });
        drop(dump_when_waiting("ends"));
        let dump = dump_when_waiting("owner");
        let wait = find(&dump, "owner").unwrap().wait().unwrap();
        let sleeper = find(&dump, "sleeps").unwrap().id();
        let left = vec![sleeper];
        assert_eq!(*wait, Wait::Scope { left });
        owner.join().unwrap();
        assert!(found.try_recv().is_err());
    });
}

#[test]
fn a_dump_says_who_is_left_of_a_scope() {
    let owner = named("owner of two", || {
        scope(|s| {
            drop(s.spawn(|| ()));
            let two = ["first of two", "second of two"];
            for name in two {
                child(name.into(), s, thread::park);
            }
        });
    });
    for name in ["first of two", "second of two", "owner of two"] {
        drop(dump_when_waiting(name));
    }
    let dump = dump_when_waiting("owner of two");
    let id = |name| find(&dump, name).unwrap().id();
    let (first, second) = (id("first of two"), id("second of two"));
    let wait = find(&dump, "owner of two").unwrap().wait().unwrap();
    let Wait::Scope { left } = wait else {
        panic!("it waits for its scope, not for {wait}");
    };
    assert_eq!(left, &[first, second]);
    let text = format!("waiting for the end of its scope: of green threads {first}, {second}");
    assert_eq!(wait.to_string(), text);
    owner.kill();
}

/// Families at one table: the owner of a scope takes a fork, and each of its children two.
struct Table {
    forks: [Mutex<()>; 6],
    guests: OsMutex<HashSet<u64>>,
    ended: OsMutex<HashSet<u64>>,
}

impl Table {
    fn enter(&self) -> u64 {
        let id = number(&thread::current());
        self.guests.lock().unwrap().insert(id);
        id
    }

    fn end(&self, id: u64) {
        self.ended.lock().unwrap().insert(id);
    }

    fn take(&self, count: usize, random: &mut fastrand::Rng, then: impl FnOnce()) {
        let mut order: Vec<_> = (0..self.forks.len()).collect();
        random.shuffle(&mut order);
        let mut guards = Vec::new();
        for fork in &order[..count] {
            guards.push(self.forks[*fork].lock().unwrap());
            for _ in 0..random.usize(0..3) {
                yield_now();
            }
        }
        then();
    }

    fn eat(&self, mut random: fastrand::Rng) {
        let me = self.enter();
        let mut others = random.fork();
        self.take(1, &mut random, || {
            scope(|s| {
                for _ in 0..2 {
                    let mut random = others.fork();
                    s.spawn(move || {
                        let me = self.enter();
                        self.take(2, &mut random, || ());
                        self.end(me);
                    });
                }
            });
        });
        self.end(me);
    }
}

fn number(thread: &thread::Thread) -> u64 {
    let text = format!("{:?}", thread.id());
    let number = text.strip_prefix("ThreadId(").unwrap();
    number.strip_suffix(')').unwrap().parse().unwrap()
}

#[test]
fn families_are_named_if_they_are_stuck_and_only_then() {
    let child = Child::new(this_test!()).limit(Duration::from_secs(300));
    child.passes(|| {
        let found = found();
        let all = if cfg!(debug_assertions) { 500 } else { 5_000 };
        let (mut stuck, mut past) = (0, HashSet::new());
        for first in (0..all).step_by(250) {
            let batch = (first..first + 250).map(meal).collect();
            stuck += meals(batch, &mut past, &found);
        }
        assert!(
            stuck > all as usize / 100,
            "only {stuck} of {all} were stuck"
        );
        eprintln!("{stuck} cycles in {all} meals");
    });
}

struct Meal {
    table: Arc<Table>,
    owners: Vec<JoinHandle<()>>,
}

fn meal(seed: u64) -> Meal {
    let table = Arc::new(Table {
        forks: [const { Mutex::new(()) }; 6],
        guests: OsMutex::default(),
        ended: OsMutex::default(),
    });
    let owners = (0..2).map(|family| {
        let table = table.clone();
        let random = fastrand::Rng::with_seed(2 * seed + family);
        spawn(move || table.eat(random))
    });
    let owners = owners.collect();
    Meal { table, owners }
}

/// Says how many were stuck. Each cycle that is named must be one for good, and each be named. Adds the
/// guests to those of the `past`.
fn meals(meals: Vec<Meal>, past: &mut HashSet<u64>, found: &Receiver<Deadlock>) -> usize {
    let mut stuck = 0;
    let start = Instant::now();
    let is_over = |it: &Meal| it.owners.iter().all(JoinHandle::is_finished);
    while !meals.iter().all(is_over) {
        assert!(start.elapsed() < LONG, "one is stuck, and not named");
        let Ok(deadlock) = found.recv_timeout(Duration::from_millis(1)) else {
            continue;
        };
        let ids: Vec<u64> = deadlock.members().iter().map(|it| it.id()).collect();
        let is_theirs = |it: &&Meal| it.table.guests.lock().unwrap().contains(&ids[0]);
        // A meal may have several cycles, and have been ended for another one.
        let Some(meal) = meals.iter().find(is_theirs) else {
            assert!(past.contains(&ids[0]), "no guests: {deadlock}");
            continue;
        };
        if is_over(meal) {
            continue;
        }
        // Whoever could go on would by now.
        for _ in 0..50 {
            yield_now();
        }
        let ended = meal.table.ended.lock().unwrap().clone();
        assert!(
            ids.iter().all(|id| !ended.contains(id)),
            "not stuck: {deadlock}"
        );
        meal.owners.iter().for_each(JoinHandle::kill);
        stuck += 1;
    }
    for it in meals {
        past.extend(it.table.guests.lock().unwrap().iter());
    }
    stuck
}
