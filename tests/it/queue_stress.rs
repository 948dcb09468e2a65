//! Queues under many threads and killers at once: every item is got once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use greenloop::queue::{Channel, PriorityQueue, Queue};
use greenloop::{joinall, run, sleep, spawn, spawn_blocking, yield_now};

use crate::counted::Drops;
use crate::within::{LONG, within};

/// Putters and getters on workers, OS threads and a hub, and killers: every item is got once, or was
/// dropped with a putter that was killed.
fn stress<Q: Send + Sync + 'static>(
    queue: Q,
    put: fn(&Q, usize),
    get: fn(&Q) -> Option<usize>,
    shutdown: fn(&Q),
) {
    const PUTTERS: usize = 8;
    const EACH: usize = 2_000;
    within(LONG, move || {
        let queue = Arc::new(queue);
        let (put_count, put_sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (got_count, got_sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let getter = || {
            let (queue, count, sum) = (queue.clone(), got_count.clone(), got_sum.clone());
            move || {
                while let Some(item) = get(&queue) {
                    count.fetch_add(1, SeqCst);
                    sum.fetch_add(item, SeqCst);
                }
            }
        };
        let putter = |start: usize| {
            let (queue, count, sum) = (queue.clone(), put_count.clone(), put_sum.clone());
            move || {
                for item in start..start + EACH {
                    put(&queue, item);
                    count.fetch_add(1, SeqCst);
                    sum.fetch_add(item, SeqCst);
                }
            }
        };
        let hub = std::thread::spawn({
            let getter = getter();
            move || run(getter)
        });
        let os = std::thread::spawn(getter());
        let getters: Vec<_> = (0..4).map(|_| spawn(getter())).collect();
        let victims: Vec<_> = (0..200).map(|_| spawn(getter())).collect();
        let putters: Vec<_> = (0..PUTTERS).map(|n| spawn(putter(n * EACH))).collect();
        let killer = std::thread::spawn(move || {
            for victim in &victims {
                victim.kill();
                std::thread::yield_now();
            }
            victims
        });
        joinall(putters)
            .into_iter()
            .for_each(|ended| ended.unwrap());
        joinall(killer.join().unwrap());
        shutdown(&queue);
        joinall(getters)
            .into_iter()
            .for_each(|ended| ended.unwrap());
        hub.join().unwrap();
        os.join().unwrap();
        assert_eq!(put_count.load(SeqCst), PUTTERS * EACH);
        assert_eq!(got_count.load(SeqCst), PUTTERS * EACH);
        assert_eq!(got_sum.load(SeqCst), put_sum.load(SeqCst));
    });
}

#[test]
fn killed_getters_lose_no_item_of_a_queue() {
    let put = |queue: &Queue<usize>, item| queue.put(item).unwrap();
    stress(
        Queue::bounded(3),
        put,
        |queue| queue.get().ok(),
        |queue| queue.shutdown(false),
    );
}

#[test]
fn killed_getters_lose_no_item_of_an_unbounded_queue() {
    let put = |queue: &Queue<usize>, item| {
        queue.put(item).unwrap();
        yield_now();
    };
    stress(
        Queue::new(),
        put,
        |queue| queue.get().ok(),
        |queue| queue.shutdown(false),
    );
}

#[test]
fn killed_getters_lose_no_item_of_a_priority_queue() {
    let put = |queue: &PriorityQueue<usize>, item| queue.put(item).unwrap();
    stress(
        PriorityQueue::bounded(3),
        put,
        |queue| queue.get().ok(),
        |queue| queue.shutdown(false),
    );
}

#[test]
fn killed_getters_lose_no_item_of_a_channel() {
    let put = |channel: &Channel<usize>, item| channel.put(item).unwrap();
    // What a getter gives back that was killed in the moment of its hand-off is still inside.
    let get = |channel: &Channel<usize>| channel.get().ok();
    stress(Channel::new(), put, get, |channel| channel.shutdown());
}

#[test]
fn a_kill_may_cross_with_a_put_on_another_thread() {
    within(LONG, || {
        let queue = Arc::new(Queue::new());
        let got = Arc::new(AtomicUsize::new(0));
        const ROUNDS: usize = 5_000;
        for round in 0..ROUNDS {
            let victim = spawn({
                let (queue, got) = (queue.clone(), got.clone());
                move || got.fetch_add(queue.get().map_or(0, |()| 1), SeqCst)
            });
            let putter = spawn_blocking({
                let queue = queue.clone();
                move || queue.put(()).unwrap()
            });
            (0..round % 50).for_each(|_| std::hint::spin_loop());
            victim.kill();
            putter.join().unwrap();
        }
        assert_eq!(got.load(SeqCst) + queue.len(), ROUNDS);
    });
}

#[test]
fn killed_and_timed_out_putters_deliver_whole_items_or_none() {
    const VICTIMS: usize = 300;
    within(LONG, || {
        let drops = Drops::new();
        let queue = Arc::new(Queue::bounded(2));
        let (made, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let putter = |n: usize| {
            let (queue, made, sent) = (queue.clone(), made.clone(), sent.clone());
            let drops = drops.clone();
            move || loop {
                made.fetch_add(1, SeqCst);
                let item = drops.counted();
                let is_sent = match n % 2 {
                    0 => queue.put(item).is_ok(),
                    _ => queue.put_timeout(item, Duration::from_micros(50)).is_ok(),
                };
                sent.fetch_add(usize::from(is_sent), SeqCst);
            }
        };
        let victims: Vec<_> = (0..VICTIMS).map(|n| spawn(putter(n))).collect();
        let getter = spawn({
            let queue = queue.clone();
            move || queue.iter().count()
        });
        for victim in &victims {
            victim.kill();
            sleep(Duration::from_micros(20));
        }
        joinall(victims);
        queue.shutdown(false);
        let (got, sent) = (getter.join().unwrap(), sent.load(SeqCst));
        // A kill may come after the item was taken, and before the put returned.
        assert!(
            sent <= got && got <= sent + VICTIMS,
            "{sent} sent, {got} got"
        );
        assert!(got > 0 && queue.is_empty());
        assert_eq!(drops.count(), made.load(SeqCst));
    });
}
