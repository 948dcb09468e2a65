//! Selects under many threads and killers at once: every item is taken once, or stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use greenloop::queue::{Channel, Queue};
use greenloop::{Select, joinall, run, sleep, spawn, yield_now};

use crate::within::{LONG, within};

#[test]
fn selects_getters_and_killers_lose_nothing() {
    const EACH: usize = 3_000;
    within(LONG, || {
        let queues: [Arc<Queue<usize>>; 2] = [Arc::new(Queue::bounded(2)), Arc::new(Queue::new())];
        let channel = Arc::new(Channel::<usize>::new());
        let stop = Arc::new(Queue::<()>::new());
        let (count, sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let selecting = || {
            let ([first, second], channel) = (queues.clone(), channel.clone());
            let (stop, count, sum) = (stop.clone(), count.clone(), sum.clone());
            move || {
                loop {
                    let item = Select::new()
                        .get(&first, Result::ok)
                        .get(&second, Result::ok)
                        .get(&channel, Result::ok)
                        .get(&stop, |_| None)
                        .wait();
                    let Some(item) = item else { break };
                    count.fetch_add(1, SeqCst);
                    sum.fetch_add(item, SeqCst);
                }
            }
        };
        let victims: Vec<_> = (0..200).map(|_| spawn(selecting())).collect();
        let steady: Vec<_> = (0..3).map(|_| spawn(selecting())).collect();
        let os = std::thread::spawn(selecting());
        let hub = std::thread::spawn({
            let selecting = selecting();
            move || run(selecting)
        });
        let putters = [0, 1, 2].map(|which| {
            let (queues, channel) = (queues.clone(), channel.clone());
            spawn(move || {
                for item in 0..EACH {
                    match which {
                        2 => channel.put(item).unwrap(),
                        _ => queues[which].put(item).unwrap(),
                    }
                    if item % 8 == 0 {
                        yield_now();
                    }
                }
            })
        });
        for victim in &victims {
            victim.kill();
            sleep(Duration::from_micros(10));
        }
        joinall(victims);
        joinall(putters)
            .into_iter()
            .for_each(|ended| ended.unwrap());
        while !queues.iter().all(|queue| queue.is_empty()) {
            sleep(Duration::from_millis(1));
        }
        stop.shutdown(false);
        joinall(steady).into_iter().for_each(|ended| ended.unwrap());
        os.join().unwrap();
        hub.join().unwrap();
        assert_eq!(count.load(SeqCst), 3 * EACH);
        assert_eq!(sum.load(SeqCst), 3 * (EACH * (EACH - 1) / 2));
    });
}

#[test]
fn selects_that_put_lose_nothing_and_double_nothing() {
    const EACH: usize = 2_000;
    within(LONG, || {
        let queue = Arc::new(Queue::bounded(1));
        let channel = Arc::new(Channel::new());
        let putters: Vec<_> = (0..4)
            .map(|_| {
                let (queue, channel) = (queue.clone(), channel.clone());
                spawn(move || {
                    for item in 0..EACH {
                        let (mut one, mut two) = (Some(item), Some(item));
                        let done = Select::new()
                            .put(&queue, &mut one, |put| put.map(|()| 1).unwrap())
                            .put(&channel, &mut two, |put| put.map(|()| 2).unwrap())
                            .wait();
                        assert_eq!((one.is_none(), two.is_none()), (done == 1, done == 2));
                    }
                })
            })
            .collect();
        let getters: Vec<_> = (0..4)
            .map(|n| {
                let (queue, channel) = (queue.clone(), channel.clone());
                spawn(move || {
                    let each = (0..EACH).map(|_| match n {
                        0 => Select::new()
                            .get(&queue, Result::unwrap)
                            .get(&channel, Result::unwrap)
                            .wait(),
                        _ => Select::new()
                            .get(&channel, Result::unwrap)
                            .get(&queue, Result::unwrap)
                            .wait(),
                    });
                    each.sum::<usize>()
                })
            })
            .collect();
        joinall(putters)
            .into_iter()
            .for_each(|ended| ended.unwrap());
        let got: usize = joinall(getters)
            .into_iter()
            .map(|ended| ended.unwrap())
            .sum();
        assert_eq!(got, 4 * (EACH * (EACH - 1) / 2));
        assert!(queue.is_empty());
    });
}
