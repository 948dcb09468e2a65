//! `Select` over queues and channels: one source alone is used, and what the others held stays; a
//! select that dies or gives up takes nothing with it.

use super::channel::Channel;
use super::error::{GetError, PutError};
use super::face::{PriorityQueue, Queue};
use crate::clock::NEVER;
use crate::explore;
use crate::header::Wait;
use crate::park::{self, Unparker, unless_killed};
use crate::select::Select;
use crate::stand_in::Published;
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

/// A time that is over as soon as one waits.
const SOON: Duration = Duration::from_secs(1);

type Queues = Arc<[Queue<usize>; 2]>;

/// One item of either.
fn get(queues: &Queues) -> usize {
    let select = Select::new().get(&queues[0], Result::unwrap);
    select.get(&queues[1], Result::unwrap).wait()
}

fn left(queues: &Queues) -> Vec<usize> {
    let left = queues.iter().filter_map(|queue| queue.try_get().ok());
    left.collect()
}

/// A select of its own thread against who puts 1 into the first queue, and who puts 2 into the
/// other.
fn one_selects(preemptions: usize, act: fn(Unparker)) {
    explore(Some(preemptions), move || {
        let queues = Queues::default();
        let (select, put) = (queues.clone(), queues.clone());
        let selecting = thread::spawn(move || unless_killed(|| get(&select)));
        let putting = thread::spawn(move || put[1].put(2).unwrap());
        act(Unparker::of(selecting.thread()));
        queues[0].put(1).unwrap();
        putting.join().unwrap();
        let got = selecting.join().unwrap();
        let mut all: Vec<_> = left(&queues).into_iter().chain(got).collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

#[test]
fn of_two_items_a_select_takes_one() {
    one_selects(3, |_| {});
}

#[test]
fn a_killed_select_takes_one_item_or_none() {
    one_selects(2, Unparker::kill);
}

#[test]
fn two_selects_share_two_items() {
    explore(Some(2), || {
        let queues = Queues::default();
        let selecting = [queues.clone(), queues.clone()].map(|it| thread::spawn(move || get(&it)));
        queues[0].put(1).unwrap();
        queues[1].put(2).unwrap();
        let got = selecting.map(|it| it.join().unwrap());
        assert_eq!(got.iter().sum::<usize>(), 3);
        assert!(left(&queues).is_empty());
    });
}

/// A select and a plain getter wait for the item; the select may die, also after it was given it.
#[test]
fn what_a_dying_select_was_given_goes_to_the_next() {
    explore(Some(2), || {
        let queues = Queues::default();
        let (select, getter) = (queues.clone(), queues.clone());
        let selecting = thread::spawn(move || unless_killed(|| get(&select)));
        let getting = thread::spawn(move || getter[0].get().unwrap());
        queues[0].put(1).unwrap();
        Unparker::of(selecting.thread()).kill();
        let got = selecting.join().unwrap();
        if got.is_some() {
            queues[0].put(2).unwrap();
        }
        assert_eq!(
            getting.join().unwrap() + got.unwrap_or(0),
            if got.is_some() { 3 } else { 1 }
        );
        assert!(left(&queues).is_empty());
    });
}

/// The comparing of a heap's items runs without its lock, and a select that unwinds waits for that.
#[test]
fn a_killed_select_leaves_a_heap_whole() {
    explore(Some(2), || {
        let heap = Arc::new(PriorityQueue::new());
        let select = heap.clone();
        let selecting = thread::spawn(move || {
            unless_killed(|| Select::new().get(&select, Result::unwrap).wait())
        });
        Unparker::of(selecting.thread()).kill();
        heap.put(1).unwrap();
        heap.put(2).unwrap();
        let got = selecting.join().unwrap();
        let left: usize = std::iter::from_fn(|| heap.try_get().ok()).sum();
        assert_eq!(left + got.unwrap_or(0), 3);
    });
}

#[test]
fn a_select_at_its_deadline_takes_the_item_or_leaves_it() {
    explore(Some(3), || {
        let queue = Arc::new(Queue::new());
        let putter = queue.clone();
        let putting = thread::spawn(move || {
            let item = Published::default();
            item.write();
            putter.put(item).map_err(drop).unwrap();
        });
        let select = Select::new().get(&queue, Result::ok);
        let got = select.after(SOON, || None).wait();
        putting.join().unwrap();
        assert_eq!(queue.len(), usize::from(got.is_none()));
        got.or_else(|| queue.try_get().ok())
            .unwrap()
            .assert_written();
    });
}

#[test]
fn a_putting_select_at_its_deadline_agrees_with_the_getter() {
    explore(Some(3), || {
        let channel = Arc::new(Channel::new());
        let getter = channel.clone();
        let getting = thread::spawn(move || getter.get_timeout(SOON).ok());
        let mut item = Some(1);
        let select = Select::new().put(&channel, &mut item, |put| put.is_ok());
        let put = select.after(SOON, || false).wait();
        assert_eq!(getting.join().unwrap(), put.then_some(1));
        assert_eq!(item, (!put).then_some(1));
    });
}

#[test]
fn the_item_of_a_killed_putting_select_is_taken_or_stays() {
    explore(Some(3), || {
        let channel = Arc::new(Channel::new());
        let select = channel.clone();
        let putting = thread::spawn(move || {
            let mut item = Some(1);
            unless_killed(|| Select::new().put(&select, &mut item, Result::unwrap).wait());
            item
        });
        Unparker::of(putting.thread()).kill();
        let got = channel.get_timeout(SOON).ok();
        let kept = putting.join().unwrap();
        assert_eq!(got.or(kept), Some(1));
        assert!(got.is_none() || kept.is_none(), "both have it");
    });
}

type Channels = Arc<[Channel<usize>; 2]>;

/// What the one puts the other gets, by one of two channels, each of which either may use first.
#[test]
fn two_selects_meet_in_one_channel() {
    let meet = |channels: &Channels, me: usize| {
        let mut item = Some(me);
        let (mine, other) = (&channels[me], &channels[1 - me]);
        let select = Select::new().put(mine, &mut item, |put| put.map(|()| me));
        select
            .get(other, |got| got.map_err(|GetError| PutError(me)))
            .wait()
            .unwrap()
    };
    explore(Some(2), move || {
        let channels = Channels::default();
        let theirs = channels.clone();
        let other = thread::spawn(move || meet(&theirs, 1));
        let item = meet(&channels, 0);
        assert_eq!(other.join().unwrap(), item, "they met");
    });
}

#[test]
fn a_putting_select_meets_a_getter() {
    explore(Some(3), || {
        let channels = Channels::default();
        let getter = channels.clone();
        let getting = thread::spawn(move || getter[1].get().unwrap());
        let (mut first, mut second) = (Some(1), Some(2));
        let select = Select::new().put(&channels[0], &mut first, Result::unwrap);
        select.put(&channels[1], &mut second, Result::unwrap).wait();
        assert_eq!(getting.join().unwrap(), 2);
        assert_eq!((first, second), (Some(1), None));
    });
}

#[test]
fn a_select_does_not_meet_itself() {
    explore(Some(3), || {
        let channel = Arc::new(Channel::new());
        let getter = channel.clone();
        let getting = thread::spawn(move || getter.get_timeout(SOON).ok());
        let mut item = Some(1);
        let select = Select::new().put(&channel, &mut item, |put| put.is_ok());
        let select = select.get(&channel, |_| unreachable!("nobody else puts"));
        let put = select.after(SOON, || false).wait();
        assert_eq!(getting.join().unwrap(), put.then_some(1));
    });
}

/// Waits when it is dropped.
struct Lingering;

impl Drop for Lingering {
    fn drop(&mut self) {
        park::park(NEVER, Wait::ANY);
    }
}

/// The closure that is not chosen waits when it is dropped, and a kill comes there.
#[test]
fn a_select_that_dies_with_an_item_in_its_hands_gives_it_back() {
    explore(None, || {
        let queues = Queues::default();
        queues[0].put(1).unwrap();
        Unparker::current().kill();
        let lingering = Lingering;
        let select = Select::new().get(&queues[0], drop);
        let select = select.get(&queues[1], |_| drop(lingering));
        assert!(unless_killed(|| select.wait()).is_none());
        assert_eq!(left(&queues), [1]);
    });
}

#[test]
fn a_shutdown_ends_a_select_or_an_item_does() {
    explore(Some(3), || {
        let channels = Channels::default();
        let (select, other) = (channels.clone(), channels.clone());
        let selecting = thread::spawn(move || {
            let first = Select::new().get(&select[0], |got| got.ok());
            first.get(&select[1], |got| got.ok()).wait()
        });
        let ending = thread::spawn(move || other[0].shutdown());
        let put = channels[1].put_timeout(1, SOON).is_ok();
        ending.join().unwrap();
        assert_eq!(selecting.join().unwrap(), put.then_some(1));
    });
}
