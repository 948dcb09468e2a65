//! `pool/members.rs`: permits are neither lost nor given twice, members are counted to the last,
//! and whoever waits for their end, or kills them, comes back.

#[allow(dead_code, reason = "nobody asks whether it is a member")]
#[path = "../../src/pool/members.rs"]
mod members;

pub(crate) use self::members::Member;

use self::members::{Members, Permit};
use crate::clock::{NEVER, SOON};
use crate::explore;
use crate::lock::Lock;
use crate::park::{self, Unparker, unless_killed};
use loom::thread;
use std::sync::Arc;

/// Makes the caller a member, as `spawn_permitted` does its green thread.
fn enter(permit: Permit) -> Member {
    let kept = Lock::new(None);
    permit.enter(Unparker::current(), |member| *kept.lock() = Some(member));
    kept.lock().take().expect("it is kept at once")
}

fn enter_now(members: &Arc<Members>) -> Member {
    enter(members.try_permit().expect("there is room"))
}

/// Is a member for a moment; false if it could not become one before `deadline`, or was killed.
fn belong(members: &Arc<Members>, deadline: u64) -> bool {
    let permit = unless_killed(|| members.permit(deadline)).flatten();
    permit.map(enter).is_some()
}

/// A member until it is killed, as is one who enters while a kill is under way.
fn belong_until_killed(members: &Arc<Members>) {
    let permit = members.permit(NEVER).expect("no end of time");
    let _member = enter(permit);
    if members.is_killing() {
        Unparker::current().kill();
    }
    unless_killed(|| park::park(NEVER, crate::header::Wait::UNPARK));
}

fn assert_empty(members: &Members, limit: usize) {
    assert_eq!((members.count(), members.free_count()), (0, limit));
}

#[test]
fn whoever_ends_hands_its_permit_on() {
    explore(Some(3), || {
        let members = Members::new(1);
        let member = enter_now(&members);
        let ending = thread::spawn(move || drop(member));
        assert!(belong(&members, NEVER));
        ending.join().unwrap();
        assert_empty(&members, 1);
    });
}

#[test]
fn never_more_than_the_limit_are_members() {
    explore(Some(2), || {
        let members = Members::new(1);
        let others = [members.clone(), members.clone()].map(|it| {
            thread::spawn(move || {
                let _member = enter(it.permit(NEVER).expect("no end of time"));
                assert_eq!(it.count(), 1);
            })
        });
        assert!(belong(&members, NEVER));
        others.into_iter().for_each(|it| it.join().unwrap());
        assert_empty(&members, 1);
    });
}

/// Two wait for a permit that is taken at first, the first of them until `deadline`.
fn two_wait(deadline: u64, preemptions: usize, act: fn(Permit, Unparker)) {
    explore(Some(preemptions), move || {
        let members = Members::new(1);
        let permit = members.try_permit().expect("there is room");
        let (one, other) = (members.clone(), members.clone());
        let one = thread::spawn(move || belong(&one, deadline));
        let other = thread::spawn(move || belong(&other, NEVER));
        act(permit, Unparker::of(one.thread()));
        one.join().unwrap();
        assert!(other.join().unwrap());
        assert_empty(&members, 1);
    });
}

#[test]
fn a_kill_before_a_permit_comes_takes_none_away() {
    two_wait(NEVER, 2, |permit, one| {
        one.kill();
        drop(permit);
    });
}

#[test]
fn the_permit_of_one_that_dies_goes_to_the_next() {
    two_wait(NEVER, 2, |permit, one| {
        drop(permit);
        one.kill();
    });
}

#[test]
fn a_permit_that_comes_at_the_deadline_is_taken_or_goes_to_the_next() {
    two_wait(SOON, 2, |permit, _| drop(permit));
}

#[test]
fn who_joins_hears_of_the_last_end() {
    explore(Some(3), || {
        let members = Members::new(2);
        let ending = [(); 2].map(|()| {
            let member = enter_now(&members);
            thread::spawn(move || drop(member))
        });
        assert!(members.join(NEVER));
        assert_eq!(members.count(), 0);
        ending.into_iter().for_each(|it| it.join().unwrap());
        assert_empty(&members, 2);
    });
}

#[test]
fn two_who_join_both_hear_of_the_end() {
    explore(Some(2), || {
        let members = Members::new(1);
        let member = enter_now(&members);
        let other = members.clone();
        let joining = thread::spawn(move || other.join(NEVER));
        let ending = thread::spawn(move || drop(member));
        assert!(members.join(NEVER) && joining.join().unwrap());
        ending.join().unwrap();
        assert_empty(&members, 1);
    });
}

/// The next member comes at once, and stays until after a join that has begun before.
#[test]
fn a_moment_without_members_ends_a_join() {
    explore(Some(3), || {
        let members = Members::new(1);
        let member = enter_now(&members);
        let other = members.clone();
        let joining = thread::spawn(move || assert!(other.join(NEVER)));
        thread::yield_now();
        let has_begun = Unparker::of(joining.thread()).is_parked();
        drop(member);
        let member = enter_now(&members);
        if !has_begun {
            drop(member);
            joining.join().unwrap();
        } else {
            joining.join().unwrap();
            assert_eq!(members.count(), 1);
            drop(member);
        }
        assert_empty(&members, 1);
    });
}

#[test]
fn a_kill_ends_members_and_those_who_enter_meanwhile() {
    explore(Some(2), || {
        let members = Members::new(2);
        let others = [members.clone(), members.clone()]
            .map(|it| thread::spawn(move || belong_until_killed(&it)));
        members.kill(NEVER);
        // Those who have entered after it.
        let late = others.each_ref().map(|it| Unparker::of(it.thread()));
        late.into_iter().for_each(Unparker::kill);
        others.into_iter().for_each(|it| it.join().unwrap());
        assert_empty(&members, 2);
    });
}

#[test]
fn a_kill_that_gives_up_says_whether_some_are_left() {
    explore(Some(3), || {
        let members = Members::new(1);
        let other = members.clone();
        let belonging = thread::spawn(move || belong_until_killed(&other));
        let all = members.kill(SOON);
        Unparker::of(belonging.thread()).kill();
        belonging.join().unwrap();
        assert!(all || members.kill(SOON));
        assert!(!members.is_killing());
        assert_empty(&members, 1);
    });
}

/// Who waits for a permit takes it away from who waits until there is one, who hears of it later.
#[test]
fn who_waits_until_there_is_room_hears_of_it() {
    explore(Some(2), || {
        let members = Members::new(1);
        let member = enter_now(&members);
        let other = members.clone();
        let ending = thread::spawn(move || drop(member));
        let belonging = thread::spawn(move || belong(&other, NEVER));
        members.wait_available(NEVER);
        ending.join().unwrap();
        assert!(belonging.join().unwrap());
        assert_empty(&members, 1);
    });
}
