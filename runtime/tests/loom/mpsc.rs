//! `bounded.rs` and `unbounded.rs`, the channels of one receiver: every message is received,
//! returned or dropped, once.

#[path = "../../src/sync/mpsc/bounded.rs"]
mod bounded;
#[allow(dead_code, reason = "a closed one is not modelled")]
#[path = "../../src/sync/mpsc/unbounded.rs"]
mod unbounded;

pub(crate) use std::sync::mpsc::{RecvTimeoutError, TrySendError};

use self::bounded::Bounded;
use self::unbounded::{Inbox, Unbounded};
use crate::clock::{NEVER, NOW, SOON};
use crate::explore;
use crate::park::{Unparker, unless_killed};
use crate::stand_in::Published;
use loom::thread;
use std::sync::Arc;

fn bounded<T>(capacity: usize) -> Arc<Bounded<T>> {
    Arc::new(Bounded::new(capacity))
}

#[test]
fn a_rendezvous_hands_each_message_over() {
    explore(Some(3), || {
        let channel = bounded(0);
        let sender = channel.clone();
        let sending = thread::spawn(move || {
            sender.send(1).unwrap();
            sender.send(2).unwrap();
            sender.remove_sender();
        });
        assert_eq!(channel.recv(NEVER), Ok(1));
        assert_eq!(channel.recv(NEVER), Ok(2));
        assert_eq!(channel.recv(NEVER), Err(RecvTimeoutError::Disconnected));
        sending.join().unwrap();
    });
}

#[test]
fn two_senders_share_room_for_one() {
    explore(Some(2), || {
        let channel = bounded(1);
        channel.try_send(0).unwrap();
        channel.add_sender();
        let senders = [1, 2].map(|message| {
            let channel = channel.clone();
            thread::spawn(move || {
                channel.send(message).unwrap();
                channel.remove_sender();
            })
        });
        let received: Vec<_> = (0..3).map(|_| channel.recv(NEVER).unwrap()).collect();
        assert!(received == [0, 1, 2] || received == [0, 2, 1]);
        assert_eq!(channel.recv(NEVER), Err(RecvTimeoutError::Disconnected));
        senders.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn the_message_of_a_killed_sender_is_received_or_dropped() {
    explore(None, || {
        let (channel, message) = (bounded(0), Arc::new(()));
        let (sender, sent) = (channel.clone(), message.clone());
        let sending = thread::spawn(move || {
            let sent = unless_killed(|| sender.send(sent));
            sender.remove_sender();
            sent.is_some()
        });
        Unparker::of(sending.thread()).kill();
        let received = channel.recv(SOON).is_ok();
        let sent = sending.join().unwrap();
        let is_left = channel.recv(NOW).is_ok();
        assert_eq!(is_left, sent && !received);
        assert_eq!(Arc::strong_count(&message), 1);
    });
}

#[test]
fn a_receiver_that_gives_up_takes_the_message_or_leaves_it() {
    explore(None, || {
        let channel = bounded(0);
        let sender = channel.clone();
        let sending = thread::spawn(move || sender.send(1).unwrap());
        if channel.recv(SOON).is_err() {
            assert!(channel.try_send(2).is_err(), "nobody waits for it");
            assert_eq!(channel.recv(NEVER), Ok(1));
        }
        sending.join().unwrap();
        assert!(channel.recv(NOW).is_err());
    });
}

#[test]
fn a_killed_receiver_leaves_the_message() {
    explore(Some(3), || {
        let channel = bounded(0);
        let sender = channel.clone();
        let sending = thread::spawn(move || sender.send(1).unwrap());
        Unparker::current().kill();
        if unless_killed(|| channel.recv(NEVER)).is_none() {
            assert!(channel.try_send(2).is_err(), "nobody waits for it");
            assert_eq!(channel.recv(NEVER), Ok(1));
        }
        sending.join().unwrap();
        assert!(channel.recv(NOW).is_err());
    });
}

#[test]
fn a_closed_channel_returns_what_was_not_accepted() {
    explore(Some(2), || {
        let channel = bounded(0);
        let senders = [1, 2].map(|message| {
            let channel = channel.clone();
            thread::spawn(move || channel.send(message))
        });
        let received = channel.recv(NOW);
        channel.close();
        let results = senders.map(|it| it.join().unwrap());
        let sent = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(sent, usize::from(received.is_ok()));
    });
}

/// One with its receiver's inbox.
fn unbounded<T>() -> (Arc<Unbounded<T>>, Inbox<T>) {
    (Arc::new(Unbounded::new()), Inbox::new())
}

#[test]
fn what_is_laid_into_the_receivers_hand_comes_in_order() {
    explore(Some(3), || {
        let (channel, inbox) = unbounded();
        let sender = channel.clone();
        let sending = thread::spawn(move || {
            (1..4).for_each(|message| sender.send(message).unwrap());
            sender.remove_sender();
        });
        let received: Vec<_> = std::iter::from_fn(|| channel.recv(&inbox, NEVER).ok()).collect();
        assert_eq!(received, [1, 2, 3]);
        sending.join().unwrap();
    });
}

#[test]
fn what_comes_at_the_receivers_deadline_is_received_or_stays() {
    explore(None, || {
        let (channel, inbox) = unbounded();
        let sender = channel.clone();
        let sending = thread::spawn(move || {
            let message = Arc::new(Published::default());
            message.write();
            sender.send(message).map_err(drop).unwrap();
        });
        let message = channel.recv(&inbox, SOON);
        let message = message.or_else(|_| channel.recv(&inbox, NEVER));
        message.unwrap().assert_written();
        sending.join().unwrap();
        assert!(channel.recv(&inbox, NOW).is_err());
    });
}

#[test]
fn what_a_killed_receiver_was_given_is_received_next() {
    explore(Some(2), || {
        let (channel, inbox) = unbounded();
        let senders = [1, 2].map(|message| {
            let channel = channel.clone();
            thread::spawn(move || channel.send(message).unwrap())
        });
        Unparker::current().kill();
        let mut received = Vec::new();
        while received.len() < 2 {
            received.extend(unless_killed(|| channel.recv(&inbox, NEVER).unwrap()));
        }
        assert!(received == [1, 2] || received == [2, 1]);
        senders.into_iter().for_each(|it| it.join().unwrap());
    });
}
