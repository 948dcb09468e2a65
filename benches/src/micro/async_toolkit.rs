//! The rows of what threads share, as tokio's tasks and tools.

use super::toolkit::Start;
use super::{
    CAPACITY, HANDOFFS, HOLD_ROUNDS, JOBS, LOCKERS, LOCKS, MESSAGES, MUTEX_ROUNDS, POOL, SELECTED,
    Tool,
};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet, spawn, yield_now};

/// Returns how many operations there were.
pub(super) async fn run(tool: Tool) -> usize {
    match tool {
        Tool::Lock => lock().await,
        Tool::Mutex { holds: false } => mutex(MUTEX_ROUNDS, false).await,
        Tool::Mutex { holds: true } => mutex(HOLD_ROUNDS, true).await,
        Tool::Mpsc(senders) => messages(senders, MESSAGES / senders).await,
        Tool::Pingpong => pingpong(false).await,
        Tool::Queue { apart } => pingpong(apart).await,
        Tool::Select(capacity) => select(capacity).await,
        Tool::PoolMap => pool_map().await,
    }
}

async fn join_all(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        handle.await.expect("nothing here panics");
    }
}

async fn lock() -> usize {
    let mutex = Mutex::new(0);
    for _ in 0..LOCKS {
        *black_box(&mutex).lock().await += 1;
    }
    assert_eq!(mutex.into_inner(), LOCKS);
    LOCKS
}

async fn mutex(rounds: usize, holds: bool) -> usize {
    let mutex = Arc::new(Mutex::new(0));
    let locker = move |mutex: Arc<Mutex<usize>>| async move {
        for _ in 0..rounds {
            let mut value = mutex.lock().await;
            *value += 1;
            if holds {
                yield_now().await;
                drop(value);
            } else {
                drop(value);
                yield_now().await;
            }
        }
    };
    let handles = (0..LOCKERS).map(|_| spawn(locker(mutex.clone())));
    join_all(handles.collect()).await;
    assert_eq!(*mutex.lock().await, LOCKERS * rounds);
    LOCKERS * rounds
}

async fn messages(senders: usize, each: usize) -> usize {
    let (sender, mut receiver) = mpsc::channel(CAPACITY);
    let mut handles: Vec<_> = (0..senders)
        .map(|_| spawn(send(sender.clone(), each)))
        .collect();
    handles.push(spawn(async move {
        for _ in 0..senders * each {
            black_box(receiver.recv().await);
        }
    }));
    join_all(handles).await;
    senders * each
}

async fn send(sender: mpsc::Sender<usize>, count: usize) {
    for n in 0..count {
        sender.send(n).await.expect("somebody receives");
    }
}

async fn pingpong(apart: bool) -> usize {
    let ((ping, mut pinged), (pong, mut ponged)) = (mpsc::channel(1), mpsc::channel(1));
    let start = Arc::new(Start(AtomicUsize::new(if apart { 0 } else { 2 })));
    let other = start.clone();
    let returns = spawn(async move {
        other.meet();
        while let Some(item) = pinged.recv().await {
            pong.send(item).await.expect("somebody receives");
        }
    });
    let serves = spawn(async move {
        start.meet();
        for n in 0..HANDOFFS {
            ping.send(n).await.expect("somebody receives");
            assert_eq!(ponged.recv().await, Some(n));
        }
    });
    join_all(vec![serves, returns]).await;
    HANDOFFS
}

async fn select(capacity: usize) -> usize {
    let (first, mut from_first) = mpsc::channel(capacity);
    let (second, mut from_second) = mpsc::channel(capacity);
    let both = [first, second].map(|sender| spawn(send(sender, SELECTED / 2)));
    let taker = spawn(async move {
        for _ in 0..SELECTED {
            let item = tokio::select! {
                Some(item) = from_first.recv() => item,
                Some(item) = from_second.recv() => item,
            };
            black_box(item);
        }
    });
    join_all(both.into_iter().chain([taker]).collect()).await;
    SELECTED
}

async fn pool_map() -> usize {
    let room = Arc::new(Semaphore::new(POOL));
    let (mut jobs, mut doubled) = (JoinSet::new(), vec![0; JOBS]);
    for n in 0..JOBS {
        let permit = room.clone().acquire_owned().await.expect("it stays open");
        jobs.spawn(async move {
            let _permit = permit;
            (n, 2 * black_box(n))
        });
    }
    while let Some(job) = jobs.join_next().await {
        let (n, result) = job.expect("nothing here panics");
        doubled[n] = result;
    }
    assert!(doubled.into_iter().eq((0..JOBS).map(|n| 2 * n)));
    JOBS
}
