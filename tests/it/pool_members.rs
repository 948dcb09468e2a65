//! Members of groups and pools: gevent 1.3, what `join` and `kill` of a `Group` promise, a `Pool`
//! that is used by its own members, and what `apply_async` and `map_async` are here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use greenloop::pool::{Full, Group, Pool};
use greenloop::sync::{AsyncResult, Event};
use greenloop::{Killed, joinall, sleep, spawn, spawn_local, thread, wait, yield_now};

use crate::everywhere::{everywhere, in_hub};

const MS: Duration = Duration::from_millis(1);
const FAR: Duration = Duration::from_secs(60);

// `Group.join`: "waits until empty at least once".
#[test]
fn join_ends_though_another_member_comes_at_once() {
    in_hub(|| {
        let group = Arc::new(Group::new());
        let last = group.spawn(thread::park);
        let ours = group.clone();
        let joiner = spawn(move || ours.join());
        yield_now();
        last.thread().unpark();
        let ours = group.clone();
        spawn_local(move || ours.spawn(thread::park));
        joiner.join_timeout(FAR).unwrap().unwrap();
        assert!(last.is_finished());
        assert_eq!(group.len(), 1, "it came before the joiner could look");
        assert!(!group.join_timeout(MS));
        group.kill();
    });
}

// `Group.killone`: a member's own kill.
#[test]
fn one_that_is_killed_leaves_and_the_others_stay() {
    everywhere(|| {
        let group = Group::new();
        let [first, second, third] = [(); 3].map(|()| group.spawn(thread::park));
        second.kill();
        wait([&second], None, None);
        assert!(second.join().unwrap_err().is::<Killed>());
        while group.len() > 2 {
            yield_now(); // a member leaves just after its end
        }
        assert!(!first.is_finished() && !third.is_finished());
        group.kill();
        assert!(joinall([first, third]).iter().all(Result::is_err));
    });
}

// `Group.kill`: "each is thrown at once only".
#[test]
fn kill_is_told_each_member_once() {
    everywhere(|| {
        let (group, begun) = (Group::new(), Arc::new(Event::new()));
        let told = begun.clone();
        let survivor = group.spawn(move || {
            let wait = || {
                told.set();
                sleep(FAR);
            };
            let killed = catch_unwind(AssertUnwindSafe(wait)).unwrap_err();
            // Long enough for a kill that looks again and again.
            (0..10).for_each(|_| sleep(MS));
            killed.is::<Killed>()
        });
        begun.wait();
        group.kill();
        assert!(survivor.join().unwrap());
    });
}

#[test]
fn a_dropped_group_leaves_its_members_alone() {
    everywhere(|| {
        let group = Group::new();
        let members = [1, 2].map(|number| group.spawn(move || (thread::park(), number).1));
        drop(group);
        members.iter().for_each(|member| member.thread().unpark());
        let numbers = joinall(members).into_iter().map(Result::unwrap);
        assert_eq!(numbers.collect::<Vec<_>>(), [1, 2]);
    });
}

// `Pool`: "spawning into the same full pool from its own members and waiting deadlocks"; not so with
// a time, nor with `apply`.
#[test]
fn a_member_meets_its_own_full_pool() {
    everywhere(|| {
        let pool = Arc::new(Pool::new(1));
        let ours = pool.clone();
        let member = pool.spawn(move || {
            let Err(Full(f)) = ours.spawn_timeout(|| 1, MS) else {
                panic!("the caller itself fills it")
            };
            let Err(Full(f)) = ours.try_spawn(f) else {
                panic!("the caller itself fills it")
            };
            ours.apply(f).unwrap()
        });
        assert_eq!(member.join().unwrap(), 1);
        pool.join();
        assert_eq!(pool.free_count(), 1);
    });
}

// `apply_async`: "never blocks"; its callback "only on success, asynchronously".
#[test]
fn an_apply_of_another_green_thread_waits_for_room_in_the_caller_s_place() {
    in_hub(|| {
        let (pool, told) = (Arc::new(Pool::new(1)), Arc::new(AsyncResult::new()));
        let member = pool.spawn(thread::park);
        let (ours, callback) = (pool.clone(), told.clone());
        let applied = spawn(move || callback.set(ours.apply(|| 7).unwrap()).unwrap());
        yield_now();
        assert_eq!((pool.len(), told.is_ready()), (1, false));
        member.thread().unpark();
        assert_eq!(told.get(), 7);
        applied.join().unwrap();
    });
}

// `map_async`: a map that somebody else waits for.
#[test]
fn a_map_of_another_green_thread_waits_for_its_results() {
    in_hub(|| {
        let (pool, go_on) = (Pool::new(2), Arc::new(Event::new()));
        let theirs = go_on.clone();
        let mapped = spawn(move || {
            pool.map(0..5, move |n| {
                theirs.wait();
                n * n
            })
        });
        let mapped = mapped.join_timeout(MS).unwrap_err();
        go_on.set();
        let squares = mapped.join().unwrap().into_iter().map(Result::unwrap);
        assert_eq!(squares.collect::<Vec<_>>(), [0, 1, 4, 9, 16]);
    });
}
