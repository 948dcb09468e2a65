//! The rows of what threads share: mutexes, channels, queues, pools.

use super::rows::Threads;
use super::{
    CAPACITY, HANDOFFS, HOLD_ROUNDS, JOBS, LOCKERS, LOCKS, MESSAGES, MUTEX_ROUNDS, SELECTED, Tool,
};
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a kind of threads shares.
pub(super) trait Toolkit {
    type Mutex: Send + Sync + 'static;
    type Channel: Channel;
    /// What hands single items over; a channel, where there is no queue beside it.
    type Queue: Channel;

    fn mutex() -> Self::Mutex;
    fn locked<R>(mutex: &Self::Mutex, f: impl FnOnce(&mut usize) -> R) -> R;

    /// Two that put `each` items into a queue of their own, and one that selects from both.
    fn select(_capacity: usize, _each: usize) -> Option<Result<usize, String>> {
        None
    }

    /// Doubles the numbers up to `count`, each in a thread of its own, `POOL` of them at once.
    fn pool_map(_count: usize) -> Option<Vec<usize>> {
        None
    }
}

/// A channel that stays open.
pub(super) trait Channel {
    type Sender: Clone + Send + 'static;
    type Receiver: Send + 'static;

    /// Bounded, where that exists.
    fn new(capacity: usize) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, item: usize);
    fn receive(receiver: &Self::Receiver) -> usize;
}

/// Returns how many operations there were; none if there is no such tool.
pub(super) fn run<K: Threads>(tool: Tool) -> Result<Option<usize>, String> {
    Ok(Some(match tool {
        Tool::Lock => lock::<K>(LOCKS / K::WEIGHT),
        Tool::Mutex { holds: false } => mutex::<K>(MUTEX_ROUNDS / K::WEIGHT, false)?,
        Tool::Mutex { holds: true } => mutex::<K>(HOLD_ROUNDS / K::WEIGHT, true)?,
        Tool::Mpsc(senders) => mpsc::<K>(senders, MESSAGES / K::WEIGHT / senders)?,
        Tool::Pingpong => pingpong::<K, K::Channel>(HANDOFFS / K::WEIGHT, false)?,
        Tool::Queue { apart } => pingpong::<K, K::Queue>(HANDOFFS / K::WEIGHT, apart)?,
        Tool::Select(capacity) => return K::select(capacity, SELECTED / 2).transpose(),
        Tool::PoolMap => return Ok(pool_map::<K>()),
    }))
}

fn lock<K: Threads>(count: usize) -> usize {
    let mutex = K::mutex();
    for _ in 0..count {
        K::locked(black_box(&mutex), |value| *value += 1);
    }
    assert_eq!(K::locked(&mutex, |value| *value), count);
    count
}

fn mutex<K: Threads>(rounds: usize, holds: bool) -> Result<usize, String> {
    let mutex = Arc::new(K::mutex());
    let locker = move |mutex: Arc<K::Mutex>| {
        for _ in 0..rounds {
            K::locked(&mutex, |value| {
                *value += 1;
                if holds {
                    K::yield_now();
                }
            });
            if !holds {
                K::yield_now();
            }
        }
    };
    let spawn = |_| {
        let mutex = mutex.clone();
        K::spawn(move || locker(mutex))
    };
    let handles: Vec<_> = (0..LOCKERS).map(spawn).collect::<Result<_, _>>()?;
    handles.into_iter().for_each(K::join);
    assert_eq!(K::locked(&mutex, |value| *value), LOCKERS * rounds);
    Ok(LOCKERS * rounds)
}

fn mpsc<K: Threads>(senders: usize, each: usize) -> Result<usize, String> {
    let (sender, receiver) = K::Channel::new(CAPACITY);
    let send = |_| {
        let sender = sender.clone();
        K::spawn(move || (0..each).for_each(|n| K::Channel::send(&sender, n)))
    };
    let mut handles: Vec<_> = (0..senders).map(send).collect::<Result<_, _>>()?;
    handles.push(K::spawn(move || {
        for _ in 0..senders * each {
            black_box(K::Channel::receive(&receiver));
        }
    })?);
    handles.into_iter().for_each(K::join);
    Ok(senders * each)
}

/// Round trips over two channels of capacity 1. `apart`: both sides start on two workers.
fn pingpong<K: Threads, C: Channel>(count: usize, apart: bool) -> Result<usize, String> {
    let ((ping, pinged), (pong, ponged)) = (C::new(1), C::new(1));
    let start = Arc::new(Start(AtomicUsize::new(if apart { 0 } else { 2 })));
    let other = start.clone();
    let returns = K::spawn(move || {
        other.meet();
        (0..count).for_each(|_| C::send(&pong, C::receive(&pinged)));
    })?;
    let serves = K::spawn(move || {
        start.meet();
        for n in 0..count {
            C::send(&ping, n);
            assert_eq!(C::receive(&ponged), n);
        }
    })?;
    K::join(serves);
    K::join(returns);
    Ok(count)
}

fn pool_map<K: Threads>() -> Option<usize> {
    let doubled = K::pool_map(JOBS)?;
    assert!(doubled.into_iter().eq((0..JOBS).map(|n| 2 * n)));
    Some(JOBS)
}

/// Where two wait for each other without a yield: they leave it only if two workers run them.
pub(super) struct Start(pub(super) AtomicUsize);

impl Start {
    pub(super) fn meet(&self) {
        let end = Instant::now() + Duration::from_secs(5);
        self.0.fetch_add(1, Ordering::Relaxed);
        while self.0.load(Ordering::Relaxed) < 2 {
            assert!(Instant::now() < end, "the two do not run at the same time");
            spin_loop();
        }
    }
}
