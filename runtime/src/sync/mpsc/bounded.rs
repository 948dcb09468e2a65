//! `Bounded`: the channel whose senders wait for room, or, with a capacity of 0, for the receiver.
//!
//! One deque holds the accepted messages and, behind them, those of the senders that wait, in the same
//! order as these stand in their queue. Whenever a message is taken the first of those who wait is
//! accepted, on its behalf: so none has to try again, and none is overtaken. With a capacity of 0 a
//! message is accepted when it is taken, or when the receiver already waits for it.

use super::{RecvTimeoutError, TrySendError};
use crate::atomic::{AtomicUsize, Ordering};
use crate::clock::NEVER;
use crate::lock::{Guard, Lock};
use crate::park::{self, Unparker};
use crate::reason::{Thing, Wait};
use crate::sync::is_over;
use crate::wait_queue::{WaitQueue, Waiter};
use std::collections::VecDeque;
use std::ptr::NonNull;

pub(super) struct Bounded<T> {
    capacity: usize,
    state: Lock<State<T>>,
    senders: AtomicUsize,
}

struct State<T> {
    /// Each with its number, by which a sender finds its own again; they ascend.
    messages: VecDeque<(u64, T)>,
    next_number: u64,
    /// Those whose messages have not been accepted.
    senders: WaitQueue,
    /// How many they are.
    waiting: usize,
    /// The receiver, while it waits and no message has been accepted for it.
    receiver: Option<Unparker>,
    no_receiver: bool,
    no_senders: bool,
}

impl<T> State<T> {
    fn accepted(&self) -> usize {
        self.messages.len() - self.waiting
    }

    /// Would a message be accepted at once?
    fn has_room(&self, capacity: usize) -> bool {
        self.accepted() < capacity || self.receiver.is_some()
    }

    fn push(&mut self, message: T) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.messages.push_back((number, message));
        number
    }

    /// Takes the first message, and says which sender is to be told that its own has been accepted.
    fn pop(&mut self, capacity: usize) -> Option<(T, Option<Unparker>)> {
        let accepted = self.accepted();
        let (_, message) = self.messages.pop_front()?;
        // Without an accepted one it was of the first who waits; else there may be room for that one's.
        let is_next = accepted == 0 || accepted - 1 < capacity;
        let sender = is_next.then(|| self.accept()).flatten();
        Some((message, sender))
    }

    fn accept(&mut self) -> Option<Unparker> {
        let sender = self.senders.pop()?;
        self.waiting -= 1;
        Some(sender)
    }

    /// Takes out the message with this number, if it is still there.
    fn remove(&mut self, number: u64) -> Option<T> {
        let at = self
            .messages
            .binary_search_by_key(&number, |(number, _)| *number);
        self.messages.remove(at.ok()?).map(|(_, message)| message)
    }
}

impl<T> Bounded<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Bounded {
            capacity,
            state: Lock::new(State {
                messages: VecDeque::new(),
                next_number: 0,
                senders: WaitQueue::new(),
                waiting: 0,
                receiver: None,
                no_receiver: false,
                no_senders: false,
            }),
            senders: AtomicUsize::new(1),
        }
    }

    pub(super) fn send(&self, message: T) -> Result<(), T> {
        let state = self.state.lock();
        if state.no_receiver {
            return Err(message);
        }
        if state.has_room(self.capacity) {
            self.push(state, message);
            return Ok(());
        }
        self.wait_for_room(state, message)
    }

    pub(super) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let state = self.state.lock();
        if state.no_receiver {
            return Err(TrySendError::Disconnected(message));
        }
        if !state.has_room(self.capacity) {
            return Err(TrySendError::Full(message));
        }
        self.push(state, message);
        Ok(())
    }

    fn push(&self, mut state: Guard<'_, State<T>>, message: T) {
        state.push(message);
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
    }

    fn wait_for_room(&self, mut state: Guard<'_, State<T>>, message: T) -> Result<(), T> {
        let waiter = Waiter::new(Unparker::current());
        let number = state.push(message);
        state.waiting += 1;
        // SAFETY: the node is new, and stays on this frame until it has been taken out: by whoever
        // accepts the message or closes the channel, or by `Offer`.
        unsafe { state.senders.push(NonNull::from(&waiter)) };
        drop(state);
        let offer = Offer {
            channel: self,
            waiter: &waiter,
            number,
        };
        loop {
            park::park(NEVER, Wait::on(Thing::ChannelSend, self));
            let mut state = self.state.lock();
            if !waiter.is_queued() {
                std::mem::forget(offer);
                let refused = state.no_receiver.then(|| state.remove(number));
                return refused.flatten().map_or(Ok(()), Err);
            }
        }
    }

    pub(super) fn recv(&self, deadline: u64) -> Result<T, RecvTimeoutError> {
        let registered = Registered(self);
        let result = loop {
            let mut state = self.state.lock();
            if let Some((message, sender)) = state.pop(self.capacity) {
                state.receiver = None;
                drop(state);
                wake(sender);
                break Ok(message);
            }
            if state.no_senders {
                break Err(RecvTimeoutError::Disconnected);
            }
            if is_over(deadline) {
                state.receiver = None;
                break Err(RecvTimeoutError::Timeout);
            }
            state.receiver = Some(Unparker::current());
            drop(state);
            park::park(deadline, Wait::on(Thing::ChannelReceive, self));
        };
        std::mem::forget(registered);
        result
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
            wake(receiver);
        }
    }

    /// The receiver is gone: accepted messages are dropped, those of waiting senders returned to them.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.no_receiver = true;
        let accepted = state.accepted();
        let offered = state.messages.split_off(accepted);
        let accepted = std::mem::replace(&mut state.messages, offered);
        state.waiting = 0;
        state.senders.wake_all();
        drop(state);
        drop(accepted);
    }
}

fn wake(thread: Option<Unparker>) {
    if let Some(thread) = thread {
        thread.unpark();
    }
}

/// A sender in the queue, with its message; taken back if it is killed before that is accepted.
struct Offer<'a, T> {
    channel: &'a Bounded<T>,
    waiter: &'a Waiter,
    number: u64,
}

impl<T> Drop for Offer<'_, T> {
    fn drop(&mut self) {
        let mut state = self.channel.state.lock();
        // SAFETY: the node is valid for this guard's life, and was put into this queue.
        let was_queued = unsafe { state.senders.remove(NonNull::from(self.waiter)) };
        state.waiting -= usize::from(was_queued);
        let is_mine = was_queued || state.no_receiver;
        let message = is_mine.then(|| state.remove(self.number));
        drop(state);
        drop(message);
    }
}

/// The receiver in the channel, while it waits; taken out if it is killed meanwhile.
struct Registered<'a, T>(&'a Bounded<T>);

impl<T> Drop for Registered<'_, T> {
    fn drop(&mut self) {
        self.0.state.lock().receiver = None;
    }
}
