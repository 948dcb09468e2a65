//! Futures: `block_on` on green and OS threads, and handles that are awaited.

use std::future::{self, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use greenloop::{Killed, block_on, run, sleep, spawn, spawn_blocking, thread, timeout, yield_now};

use crate::counted::Drops;
use crate::everywhere::everywhere;
use crate::within::{LONG, until, within};

const MS: Duration = Duration::from_millis(1);

/// A channel for one value, without an executor.
struct OneShot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> OneShot<T> {
    fn new() -> (Self, Self) {
        let shared = Arc::new(Mutex::new((None, None)));
        (OneShot(shared.clone()), OneShot(shared))
    }

    fn send(self, value: T) {
        let mut shared = self.0.lock().unwrap();
        shared.0 = Some(value);
        let waker = shared.1.take();
        drop(shared);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Future for OneShot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut shared = self.0.lock().unwrap();
        shared.1 = Some(context.waker().clone());
        shared.0.take().map_or(Poll::Pending, Poll::Ready)
    }
}

#[test]
fn a_ready_future_does_not_wait() {
    everywhere(|| assert_eq!(block_on(future::ready(3)), 3));
}

#[test]
fn it_waits_for_a_waker_from_anywhere() {
    everywhere(|| {
        let (sender, receiver) = OneShot::new();
        spawn(move || (sleep(2 * MS), sender.send(1)).1);
        assert_eq!(block_on(receiver), 1);
        let (sender, receiver) = OneShot::new();
        spawn_blocking(move || (std::thread::sleep(2 * MS), sender.send(2)).1);
        assert_eq!(block_on(async { receiver.await + 1 }), 3);
    });
}

#[test]
fn others_run_while_a_green_thread_blocks_on_a_future() {
    run(|| {
        let (sender, receiver) = OneShot::new();
        let waiter = spawn(move || block_on(receiver));
        yield_now();
        assert!(!waiter.is_finished());
        sender.send("hello");
        assert_eq!(waiter.join().unwrap(), "hello");
    });
}

#[test]
fn a_future_that_wakes_itself_is_polled_again() {
    everywhere(|| {
        let mut polls = 0;
        let future = future::poll_fn(|context| {
            polls += 1;
            context.waker().wake_by_ref();
            // A wait in a poll takes the unpark, and must not take the wake-up.
            sleep(MS);
            if polls < 5 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        block_on(future);
        assert_eq!(polls, 5);
    });
}

#[test]
fn spurious_unparks_do_not_end_it() {
    run(|| {
        let (sender, receiver) = OneShot::new();
        let waiter = spawn(move || block_on(receiver));
        for _ in 0..3 {
            yield_now();
            waiter.thread().unpark();
        }
        sender.send(1);
        assert_eq!(waiter.join().unwrap(), 1);
    });
}

#[test]
fn a_kill_or_timeout_drops_the_future() {
    everywhere(|| {
        let drops = Drops::new();
        let counted = drops.counted();
        let waiter = spawn(move || {
            block_on(async move {
                let _counted = counted;
                future::pending::<()>().await;
            });
        });
        sleep(2 * MS);
        waiter.kill();
        assert!(waiter.join().unwrap_err().is::<Killed>());
        assert_eq!(drops.count(), 1);
        let counted = drops.counted();
        let result = timeout(2 * MS, || {
            block_on(async move {
                let _counted = counted;
                future::pending::<()>().await;
            });
        });
        assert!(result.is_err());
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_waker_may_outlive_its_waiter() {
    let kept = Arc::new(Mutex::new(None));
    let ours = kept.clone();
    run(move || {
        block_on(future::poll_fn(|context| {
            *ours.lock().unwrap() = Some(context.waker().clone());
            Poll::Ready(())
        }));
    });
    let waker = kept.lock().unwrap().take().unwrap();
    waker.wake_by_ref();
    waker.wake();
}

#[test]
fn handles_are_awaited() {
    everywhere(|| {
        let sum = block_on(async {
            let early = spawn(|| 1);
            sleep(2 * MS);
            let late = spawn(|| (sleep(5 * MS), 2).1);
            let blocking = spawn_blocking(|| 3);
            early.await.unwrap() + late.await.unwrap() + blocking.await.unwrap()
        });
        assert_eq!(sum, 6);
        let panicked = spawn(|| -> () { std::panic::resume_unwind(Box::new(4)) });
        let payload = block_on(panicked).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&4));
        let killed = spawn(thread::park);
        killed.kill_nowait();
        assert!(block_on(killed).unwrap_err().is::<Killed>());
    });
}

#[test]
fn a_dropped_future_detaches() {
    everywhere(|| {
        let drops = Drops::new();
        let counted = drops.counted();
        let handle = spawn(move || (sleep(10 * MS), drop(counted)).1);
        let result = timeout(MS, || block_on(handle));
        assert!(result.is_err());
        until("it ends all the same", || (sleep(MS), drops.count()).1 == 1);
    });
}

#[test]
fn the_last_waker_is_woken_and_the_others_let_go() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let count = || Arc::new(Count(AtomicUsize::new(0)));
    let (first, last) = (count(), count());
    let handle = spawn(thread::park);
    let parked = handle.thread().clone();
    let mut future = pin!(handle.into_future());
    for counted in [&first, &last] {
        let waker = Waker::from(counted.clone());
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    assert_eq!(Arc::strong_count(&first), 1);
    parked.unpark();
    until("the last one is woken", || {
        last.0.load(Ordering::SeqCst) == 1
    });
    assert_eq!(first.0.load(Ordering::SeqCst), 0);
    let waker = Waker::from(last.clone());
    let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Ready(Ok(()))));
}

#[test]
fn channels_of_tokio_meet_green_threads() {
    use tokio::sync::{mpsc, oneshot};
    everywhere(|| {
        let (sender, mut receiver) = mpsc::channel(2);
        let producer = spawn(move || {
            for n in 0..100 {
                block_on(sender.send(n)).unwrap();
            }
        });
        let received = std::iter::from_fn(|| block_on(receiver.recv()));
        assert!(received.eq(0..100));
        producer.join().unwrap();
        let (sender, receiver) = oneshot::channel::<u32>();
        let waiter = spawn(move || block_on(receiver));
        drop(sender);
        assert!(waiter.join().unwrap().is_err());
    });
}

#[test]
fn many_futures_on_many_threads() {
    within(LONG, || {
        let handles: Vec<_> = (0..500_u64)
            .map(|n| {
                spawn(move || {
                    let (sender, receiver) = OneShot::new();
                    spawn(move || sender.send(n));
                    block_on(async { receiver.await + spawn(move || n).await.unwrap() })
                })
            })
            .collect();
        let sum: u64 = greenloop::joinall(handles)
            .into_iter()
            .map(Result::unwrap)
            .sum();
        assert_eq!(sum, 499 * 500);
    });
}
