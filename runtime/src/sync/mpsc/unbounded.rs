//! `Unbounded`: the channel whose senders never wait.
//!
//! Senders push to a deque under the lock, and unpark the receiver only if it waits. The receiver takes
//! all there is at once, by swapping the deque with its own empty one, and has no lock to take until
//! that is used up. While it waits there is no message; the next one is laid into its hand, a slot on its
//! stack, so that it need not take the lock when it wakes up.

use super::RecvTimeoutError;
use crate::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::lock::{Guard, Lock};
use crate::park::{self, Unparker};
use crate::reason::{Thing, Wait};
use crate::sync::is_over;
use std::cell::{RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::ptr::NonNull;

pub(super) struct Unbounded<T> {
    state: Lock<State<T>>,
    senders: AtomicUsize,
}

struct State<T> {
    messages: VecDeque<T>,
    /// The receiver, while it waits and has got nothing.
    receiver: Option<(Unparker, NonNull<Hand<T>>)>,
    no_receiver: bool,
    no_senders: bool,
}

// SAFETY: it owns the messages; the hand is written under the lock only, and while it is known here, its
// owner waits for it, or takes it out first.
unsafe impl<T: Send> Send for State<T> {}

/// Where a sender lays the message for which the receiver waits.
struct Hand<T> {
    message: UnsafeCell<Option<T>>,
    /// Set once, by the sender, which does not touch the hand after that.
    is_full: AtomicBool,
}

impl<T> Hand<T> {
    fn new() -> Self {
        Hand {
            message: UnsafeCell::new(None),
            is_full: AtomicBool::new(false),
        }
    }

    /// # Safety
    ///
    /// The caller is the only sender that knows the hand, and fills it once.
    unsafe fn fill(&self, message: T) {
        // SAFETY: the receiver looks inside only when it is full.
        unsafe { *self.message.get() = Some(message) };
        // Release pairs with the Acquire of `take`.
        self.is_full.store(true, Ordering::Release);
    }

    /// For its owner, the receiver.
    fn take(&self) -> Option<T> {
        if !self.is_full.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: it is full, so no sender touches it any more.
        unsafe { (*self.message.get()).take() }
    }
}

/// What the receiver has taken from the channel and not yet given out.
pub(super) struct Inbox<T>(RefCell<VecDeque<T>>);

impl<T> Inbox<T> {
    pub(super) fn new() -> Self {
        Inbox(RefCell::new(VecDeque::new()))
    }

    /// Puts a message back that was received, but not used.
    fn put_back(&self, message: T) {
        self.0.borrow_mut().push_front(message);
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.0.borrow_mut().pop_front()
    }

    /// Empty as it is, takes all of `messages`.
    fn fill(&self, messages: &mut VecDeque<T>) {
        std::mem::swap(&mut *self.0.borrow_mut(), messages);
    }

    /// Gives memory back that a burst has left behind: room for this many messages is kept.
    fn trim(&self) {
        const KEPT: usize = 1024;
        let mut messages = self.0.borrow_mut();
        if messages.capacity() > KEPT {
            messages.shrink_to(KEPT);
        }
    }
}

impl<T> Unbounded<T> {
    pub(super) fn new() -> Self {
        Unbounded {
            state: Lock::new(State {
                messages: VecDeque::new(),
                receiver: None,
                no_receiver: false,
                no_senders: false,
            }),
            senders: AtomicUsize::new(1),
        }
    }

    #[inline]
    pub(super) fn send(&self, message: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.no_receiver {
            return Err(message);
        }
        let Some((receiver, hand)) = state.receiver.take() else {
            state.messages.push_back(message);
            return Ok(());
        };
        // SAFETY: while it is registered, the hand stays where it is; it has just been taken out, with
        // the lock held, so nobody else fills it.
        unsafe { hand.as_ref().fill(message) };
        drop(state);
        receiver.unpark();
        Ok(())
    }

    #[inline]
    pub(super) fn recv(&self, inbox: &Inbox<T>, deadline: u64) -> Result<T, RecvTimeoutError> {
        match inbox.pop() {
            Some(message) => Ok(message),
            None => self.refill(inbox, deadline),
        }
    }

    fn refill(&self, inbox: &Inbox<T>, deadline: u64) -> Result<T, RecvTimeoutError> {
        let mut state = self.state.lock();
        if !state.messages.is_empty() {
            inbox.fill(&mut state.messages);
            drop(state);
            return Ok(inbox.pop().expect("there was one"));
        }
        if state.no_senders {
            return Err(RecvTimeoutError::Disconnected);
        }
        if is_over(deadline) {
            return Err(RecvTimeoutError::Timeout);
        }
        self.wait(state, inbox, deadline)
    }

    fn wait(
        &self,
        mut state: Guard<'_, State<T>>,
        inbox: &Inbox<T>,
        deadline: u64,
    ) -> Result<T, RecvTimeoutError> {
        let hand = Hand::new();
        state.receiver = Some((Unparker::current(), NonNull::from(&hand)));
        drop(state);
        let registered = Registered {
            channel: self,
            hand: &hand,
            inbox,
        };
        inbox.trim();
        loop {
            park::park(deadline, Wait::on(Thing::ChannelReceive, self));
            if let Some(message) = hand.take() {
                std::mem::forget(registered);
                return Ok(message);
            }
            if is_over(deadline) || self.state.lock().no_senders {
                // A last look: something may have come meanwhile.
                drop(registered);
                return self.recv(inbox, 0);
            }
        }
    }

    pub(super) fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_sender(&self) {
        // AcqRel: the last one comes after all that the others have sent.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut state = self.state.lock();
            state.no_senders = true;
            let receiver = state.receiver.take();
            drop(state);
            if let Some((receiver, _)) = receiver {
                receiver.unpark();
            }
        }
    }

    /// The receiver is gone, and what it has not taken is dropped.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.no_receiver = true;
        let messages = std::mem::take(&mut state.messages);
        drop(state);
        drop(messages);
    }
}

/// The receiver in the channel, while it waits; taken out when the time is over, or by a kill. What it was
/// given at the last moment it finds again in its inbox.
struct Registered<'a, T> {
    channel: &'a Unbounded<T>,
    hand: &'a Hand<T>,
    inbox: &'a Inbox<T>,
}

impl<T> Drop for Registered<'_, T> {
    fn drop(&mut self) {
        self.channel.state.lock().receiver = None;
        if let Some(message) = self.hand.take() {
            self.inbox.put_back(message);
        }
    }
}
