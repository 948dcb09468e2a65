//! The core of queues and of the rendezvous: every item is got, given back or dropped, once, and
//! nobody waits for what is there.

#[path = "choosing.rs"]
mod choosing;

#[path = "../../src/queue/arm.rs"]
mod arm;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "parts of the face are not modelled"
)]
#[path = "../../src/queue/channel.rs"]
mod channel;
#[allow(dead_code, reason = "as for `channel.rs`")]
#[path = "../../src/queue/container.rs"]
mod container;
#[allow(dead_code, reason = "as for `channel.rs`")]
#[path = "../../src/queue/core.rs"]
mod core;
#[allow(dead_code, unreachable_pub, reason = "as for `channel.rs`")]
#[path = "../../src/queue/error.rs"]
mod error;
#[allow(dead_code, unreachable_pub, reason = "as for `channel.rs`")]
#[path = "../../src/queue/face.rs"]
mod face;
#[allow(unreachable_pub, reason = "as for `channel.rs`")]
#[path = "../../src/queue/iter.rs"]
mod iter;
#[allow(unreachable_pub, reason = "`Choice` is named by a sealed trait")]
#[path = "../../src/queue/place.rs"]
mod place;
#[path = "../../src/queue/waiting.rs"]
mod waiting;

pub(crate) use self::place::Choice;

use self::container::Fifo;
use self::core::Core;
use crate::clock::{NEVER, SOON};
use crate::explore;
use crate::park::{Unparker, unless_killed};
use crate::stand_in::Published;
use loom::thread;
use std::sync::Arc;

/// A queue with so much room; a channel if that is none.
fn queue<T>(capacity: usize) -> Arc<Core<Fifo<T>>> {
    Arc::new(Core::new(Fifo::new(), capacity))
}

#[test]
fn a_rendezvous_hands_each_item_over() {
    explore(None, || {
        let channel = queue(0);
        let putter = channel.clone();
        let putting = thread::spawn(move || {
            putter.put_until(1, NEVER).unwrap();
            putter.put_until(2, NEVER).unwrap();
        });
        assert_eq!(channel.get(), Ok(1));
        assert_eq!(channel.get(), Ok(2));
        putting.join().unwrap();
    });
}

#[test]
fn two_putters_share_room_for_one() {
    explore(Some(2), || {
        let queue = queue(1);
        queue.put_until(0, NEVER).unwrap();
        let putters = [1, 2].map(|item| {
            let queue = queue.clone();
            thread::spawn(move || queue.put_until(item, NEVER).unwrap())
        });
        let got: Vec<_> = (0..3).map(|_| queue.get().unwrap()).collect();
        assert!(got == [0, 1, 2] || got == [0, 2, 1]);
        putters.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(queue.len(), 0);
    });
}

/// Two get, the first of whom is killed, and one item comes for each who is not.
#[test]
fn what_a_killed_getter_was_given_goes_to_the_next() {
    explore(Some(2), || {
        let channel = queue(0);
        let getters = [channel.clone(), channel.clone()];
        let [one, other] =
            getters.map(|it| thread::spawn(move || unless_killed(|| it.get().unwrap())));
        Unparker::of(one.thread()).kill();
        channel.put_until(1, NEVER).unwrap();
        let got = one.join().unwrap();
        if got.is_some() {
            channel.put_until(2, NEVER).unwrap();
        }
        let rest = other.join().unwrap();
        assert_eq!(
            got.unwrap_or(0) + rest.unwrap(),
            if got.is_some() { 3 } else { 1 }
        );
        assert_eq!(channel.len(), 0);
    });
}

#[test]
fn a_lone_getter_that_is_killed_gives_the_item_back() {
    explore(None, || {
        let queue = queue(1);
        let getter = queue.clone();
        let getting = thread::spawn(move || unless_killed(|| getter.get().unwrap()));
        Unparker::of(getting.thread()).kill();
        queue.put_until(1, NEVER).unwrap();
        let got = getting.join().unwrap();
        assert_eq!(queue.len(), usize::from(got.is_none()));
    });
}

#[test]
fn the_item_of_a_killed_putter_is_got_or_dropped() {
    explore(None, || {
        let (channel, item) = (queue(0), Arc::new(()));
        let (putter, brought) = (channel.clone(), item.clone());
        let putting =
            thread::spawn(move || unless_killed(|| putter.put_until(brought, NEVER)).is_some());
        Unparker::of(putting.thread()).kill();
        let got = channel.get_until(SOON).is_ok();
        if !got {
            channel.shut_down(false);
        }
        let _ = putting.join().unwrap();
        assert_eq!(Arc::strong_count(&item), 1);
    });
}

#[test]
fn a_putter_and_a_getter_at_their_deadlines_agree() {
    explore(None, || {
        let (channel, item) = (queue(0), Arc::new(Published::default()));
        let putter = channel.clone();
        let putting = thread::spawn(move || {
            item.write();
            putter.put_until(item, SOON).is_ok()
        });
        let got = channel.get_until(SOON);
        got.iter().for_each(|item| item.assert_written());
        assert_eq!(putting.join().unwrap(), got.is_ok());
    });
}

#[test]
fn a_shutdown_ends_every_wait() {
    explore(Some(2), || {
        let channel = queue(0);
        let (getter, putter) = (channel.clone(), channel.clone());
        let getting = thread::spawn(move || getter.get().is_ok());
        let putting = thread::spawn(move || putter.put_until(1, NEVER).is_ok());
        channel.shut_down(false);
        assert_eq!(getting.join().unwrap(), putting.join().unwrap());
    });
}
