//! The inbox: nothing is lost, each pusher's order is kept, and each sleep is ended by one.

use crate::explore;
use crate::inbox::{Inbox, Linked};
use crate::stand_in::Bell;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed};
use loom::thread;
use std::ptr::NonNull;
use std::sync::Arc;

/// A node with contents that only the inbox publishes.
struct Node {
    link: AtomicPtr<Node>,
    contents: UnsafeCell<usize>,
}

// SAFETY: that accesses to the contents are ordered is what the models check.
unsafe impl Sync for Node {}
// SAFETY: as above.
unsafe impl Send for Node {}

impl Linked for Node {
    fn link(&self) -> &AtomicPtr<Node> {
        &self.link
    }
}

impl Node {
    fn new() -> Self {
        Node {
            link: AtomicPtr::default(),
            contents: UnsafeCell::new(0),
        }
    }

    fn read(&self) -> usize {
        // SAFETY: loom panics if the write is not ordered before.
        self.contents.with(|contents| unsafe { *contents })
    }

    fn write(&self, value: usize) {
        // SAFETY: as in `read`.
        self.contents
            .with_mut(|contents| unsafe { *contents = value });
    }
}

/// A worker's inbox with its waker.
struct Post {
    inbox: Inbox<Node>,
    bell: Bell,
    nodes: [Node; 3],
    news: [AtomicBool; 2],
}

impl Post {
    fn new() -> Arc<Self> {
        Arc::new(Post {
            inbox: Inbox::new(),
            bell: Bell::default(),
            nodes: std::array::from_fn(|_| Node::new()),
            news: std::array::from_fn(|_| AtomicBool::new(false)),
        })
    }

    fn push(&self, index: usize) {
        let node = &self.nodes[index];
        node.write(index);
        // SAFETY: each is pushed once, and lives as long as the model.
        if unsafe { self.inbox.push(NonNull::from(node)) } {
            self.bell.ring();
        }
    }

    /// News outside of the inbox, as in an injector.
    fn announce(&self, index: usize) {
        self.news[index].store(true, Relaxed);
        if self.inbox.nudge() {
            self.bell.ring();
        }
    }

    fn has_news(&self, index: usize) -> bool {
        self.news[index].load(Relaxed)
    }

    fn take(&self, taken: &mut Vec<usize>) {
        // SAFETY: nodes live as long as the model.
        taken.extend(
            self.inbox
                .take_all()
                .map(|node| unsafe { node.as_ref() }.read()),
        );
    }

    /// The owner's sleep; `has_news` is its last look.
    fn sleep(&self, has_news: impl Fn() -> bool) {
        if self.inbox.fall_asleep() && !has_news() {
            assert_eq!(self.bell.wait(), 1, "one ends a sleep");
        }
        self.inbox.wake_up();
    }
}

#[test]
fn what_two_push_is_taken_in_order_by_an_owner_that_sleeps() {
    explore(Some(2), || {
        let post = Post::new();
        let (one, other) = (post.clone(), post.clone());
        let pushing = thread::spawn(move || {
            one.push(0);
            one.push(1);
        });
        let pushing_too = thread::spawn(move || other.push(2));
        let mut taken = Vec::new();
        loop {
            post.take(&mut taken);
            if taken.len() == 3 {
                break;
            }
            post.sleep(|| false);
        }
        pushing.join().unwrap();
        pushing_too.join().unwrap();
        let place = |index| taken.iter().position(|&it| it == index).unwrap();
        assert!(place(0) < place(1), "first in, first out: {taken:?}");
        assert!(place(2) < 3);
    });
}

#[test]
fn of_two_pushers_one_wakes_a_sleeper() {
    explore(None, || {
        let post = Post::new();
        assert!(post.inbox.fall_asleep());
        let other = post.clone();
        let pushing = thread::spawn(move || other.push(0));
        post.push(1);
        pushing.join().unwrap();
        assert_eq!(post.bell.wait(), 1);
    });
}

#[test]
fn a_pusher_and_a_nudger_do_not_both_wake_a_sleeper() {
    explore(None, || {
        let post = Post::new();
        assert!(post.inbox.fall_asleep());
        let other = post.clone();
        let pushing = thread::spawn(move || other.push(0));
        post.announce(0);
        pushing.join().unwrap();
        assert_eq!(post.bell.wait(), 1);
    });
}

#[test]
fn news_elsewhere_are_seen_before_the_sleep_or_end_it() {
    explore(None, || {
        let post = Post::new();
        let other = post.clone();
        let announcing = thread::spawn(move || other.announce(0));
        while !post.has_news(0) {
            // A bell that rings although the news were seen is heard at the next sleep, of which
            // there is none.
            if post.inbox.fall_asleep() && !post.has_news(0) {
                post.bell.wait();
            }
            post.inbox.wake_up();
        }
        announcing.join().unwrap();
    });
}

/// The second of two nudges finds the sleep ended by the first, and must be seen by the look that
/// follows.
#[test]
fn of_two_news_elsewhere_none_is_slept_through() {
    explore(Some(2), || {
        let post = Post::new();
        let announcing = [0, 1].map(|index| {
            let other = post.clone();
            thread::spawn(move || other.announce(index))
        });
        let all = || post.has_news(0) && post.has_news(1);
        while !all() {
            if post.inbox.fall_asleep() && !all() {
                post.bell.wait();
            }
            post.inbox.wake_up();
        }
        announcing.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn a_push_and_news_elsewhere_are_both_found() {
    explore(Some(2), || {
        let post = Post::new();
        let (one, other) = (post.clone(), post.clone());
        let pushing = thread::spawn(move || one.push(0));
        let announcing = thread::spawn(move || other.announce(0));
        let mut taken = Vec::new();
        while taken.is_empty() || !post.has_news(0) {
            let seen = !taken.is_empty();
            if post.inbox.fall_asleep() && !(seen && post.has_news(0)) {
                post.bell.wait();
            }
            post.inbox.wake_up();
            post.take(&mut taken);
        }
        pushing.join().unwrap();
        announcing.join().unwrap();
        assert_eq!(taken, [0]);
    });
}
