//! `bounded.rs`, the channel whose senders wait: every message is received, returned or dropped,
//! once.

#[path = "../../src/sync/mpsc/bounded.rs"]
mod bounded;

pub(crate) use std::sync::mpsc::{RecvTimeoutError, TrySendError};

use self::bounded::Bounded;
use crate::clock::{NEVER, NOW, SOON};
use crate::explore;
use crate::park::{Unparker, unless_killed};
use loom::thread;
use std::sync::Arc;

#[test]
fn a_rendezvous_hands_each_message_over() {
    explore(Some(3), || {
        let channel = Arc::new(Bounded::new(0));
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
        let channel = Arc::new(Bounded::new(1));
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
    explore(Some(3), || {
        let (channel, message) = (Arc::new(Bounded::new(0)), Arc::new(()));
        let (sender, sent) = (channel.clone(), message.clone());
        let sending = thread::spawn(move || {
            let sent = unless_killed(|| sender.send(sent));
            sender.remove_sender();
            sent.is_some()
        });
        Unparker::of(sending.thread()).kill();
        let received = channel.recv(NEVER).is_ok();
        let sent = sending.join().unwrap();
        assert!(received || !sent, "sent, and not received");
        assert_eq!(Arc::strong_count(&message), 1);
    });
}

#[test]
fn a_receiver_that_gives_up_takes_the_message_or_leaves_it() {
    explore(Some(3), || {
        let channel = Arc::new(Bounded::new(0));
        let sender = channel.clone();
        let sending = thread::spawn(move || sender.send(1).unwrap());
        if channel.recv(SOON).is_err() {
            assert_eq!(channel.recv(NEVER), Ok(1));
        }
        sending.join().unwrap();
        assert!(channel.recv(NOW).is_err());
    });
}

#[test]
fn a_killed_receiver_leaves_the_message() {
    explore(Some(3), || {
        let channel = Arc::new(Bounded::new(0));
        let sender = channel.clone();
        let sending = thread::spawn(move || sender.send(1).unwrap());
        Unparker::current().kill();
        if unless_killed(|| channel.recv(NEVER)).is_none() {
            assert_eq!(channel.recv(NEVER), Ok(1));
        }
        sending.join().unwrap();
        assert!(channel.recv(NOW).is_err());
    });
}

#[test]
fn a_closed_channel_returns_what_was_not_accepted() {
    explore(Some(2), || {
        let channel = Arc::new(Bounded::new(0));
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
