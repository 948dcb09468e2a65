//! Select: one of several queues, channels and timers; fair, and nothing is lost that is not chosen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use greenloop::queue::{
    Channel, GetError, LifoQueue, PriorityQueue, PutError, Queue, TryGetError, TryPutError,
};
use greenloop::{Select, run, scope, spawn, timeout, yield_now};

use crate::counted::Drops;
use crate::within::{LONG, within};

const SHORT: Duration = Duration::from_millis(10);
const FAR: Duration = Duration::from_secs(60);

#[test]
fn it_takes_what_is_ready_without_yielding() {
    run(|| {
        let (empty, filled) = (Queue::<u32>::new(), Queue::from_iter([1, 2]));
        let sibling = spawn(|| ());
        let got = Select::new()
            .get(&empty, |item| item.unwrap() + 100)
            .get(&filled, |item| item.unwrap())
            .after(FAR, || 0)
            .wait();
        assert_eq!((got, filled.len()), (1, 1));
        assert!(!sibling.is_finished());
    });
}

#[test]
fn every_kind_of_source_wakes_it() {
    run(|| {
        for kind in 0..4 {
            let fifo = Queue::new();
            let lifo = LifoQueue::new();
            let priority = PriorityQueue::new();
            let channel = Channel::new();
            scope(|s| {
                let waiting = s.spawn(|| {
                    Select::new()
                        .get(&fifo, |item| (0, item.unwrap()))
                        .get(&lifo, |item| (1, item.unwrap()))
                        .get(&priority, |item| (2, item.unwrap()))
                        .get(&channel, |item| (3, item.unwrap()))
                        .wait()
                });
                yield_now();
                match kind {
                    0 => fifo.put(7).unwrap(),
                    1 => lifo.put(7).unwrap(),
                    2 => priority.put(7).unwrap(),
                    _ => channel.put(7).unwrap(),
                }
                assert_eq!(waiting.join().unwrap(), (kind, 7));
            });
            assert!(fifo.is_empty() && lifo.is_empty() && priority.is_empty());
        }
    });
}

#[test]
fn a_select_that_has_been_served_leaves_the_other_sources_alone() {
    run(|| {
        let (first, second) = (Queue::new(), Queue::new());
        let channel = Channel::new();
        scope(|s| {
            let waiting = s.spawn(|| {
                Select::new()
                    .get(&first, |item| item.unwrap())
                    .get(&second, |item| item.unwrap())
                    .get(&channel, |item| item.unwrap())
                    .wait()
            });
            yield_now();
            first.put(1).unwrap();
            // It has not run yet, but is served: these must not go to it.
            second.put(2).unwrap();
            assert_eq!(channel.try_put(3), Err(TryPutError::Full(3)));
            assert_eq!(waiting.join().unwrap(), 1);
        });
        assert_eq!(
            (second.get(), first.try_get()),
            (Ok(2), Err(TryGetError::Empty))
        );
    });
}

#[test]
fn the_next_getter_is_served_in_place_of_a_select_that_was_chosen_elsewhere() {
    run(|| {
        let (first, second) = (Queue::new(), Queue::new());
        scope(|s| {
            let waiting = s.spawn(|| {
                Select::new()
                    .get(&first, |item| item.unwrap())
                    .get(&second, |item| item.unwrap())
                    .wait()
            });
            let getter = s.spawn(|| second.get().unwrap());
            yield_now();
            first.put(1).unwrap();
            second.put(2).unwrap();
            assert_eq!((waiting.join().unwrap(), getter.join().unwrap()), (1, 2));
        });
    });
}

#[test]
fn it_may_wait_on_another_green_thread_than_it_was_made_on() {
    run(|| {
        let queue = Arc::new(Queue::new());
        let source: &'static Arc<Queue<u32>> = Box::leak(Box::new(queue.clone()));
        let select = Select::new().get(source, Result::unwrap).after(FAR, || 0);
        let waiting = greenloop::spawn_local(move || select.wait());
        yield_now();
        queue.put(1).unwrap();
        assert_eq!(waiting.join().unwrap(), 1);
    });
}

#[test]
fn timers_end_it_and_the_first_one_wins() {
    let queue = Queue::<u32>::new();
    let start = Instant::now();
    let ended = Select::new()
        .after(FAR, || "far")
        .get(&queue, |_| "item")
        .after(SHORT, || "short")
        .wait();
    assert_eq!(ended, "short");
    assert!(start.elapsed() >= SHORT && start.elapsed() < FAR);
    queue.put(1).unwrap();
    assert_eq!(queue.len(), 1, "its place is gone");
}

#[test]
fn try_wait_never_waits() {
    let queue = Queue::new();
    let attempt = || {
        Select::new()
            .get(&queue, Result::unwrap)
            .after(FAR, || 0)
            .try_wait()
    };
    assert_eq!(attempt(), None);
    queue.put(1).unwrap();
    assert_eq!((attempt(), attempt()), (Some(1), None));
    let empty = Select::<()>::new();
    assert_eq!(empty.try_wait(), None);
}

#[test]
#[should_panic(expected = "nothing to wait for")]
fn a_select_of_nothing_panics() {
    Select::<()>::new().wait();
}

#[test]
fn a_source_that_is_shut_down_is_ready() {
    run(|| {
        let queue = Arc::new(Queue::<u32>::new());
        let channel = Channel::<u32>::new();
        let waiting = spawn({
            let queue = queue.clone();
            move || {
                Select::new()
                    .get(&queue, |item| item)
                    .get(&channel, |item| item)
                    .wait()
            }
        });
        yield_now();
        queue.shutdown(false);
        assert_eq!(waiting.join().unwrap(), Err(GetError));
        assert_eq!(Select::new().get(&queue, |item| item).wait(), Err(GetError));
        let mut item = Some(1);
        let result = Select::new().put(&queue, &mut item, |put| put).wait();
        assert_eq!((result, item), (Err(PutError(1)), None));
    });
}

#[test]
fn it_puts_where_there_is_room() {
    run(|| {
        let (full, free) = (Queue::bounded(1), Queue::bounded(1));
        full.put(0).unwrap();
        let (mut first, mut second) = (Some(1), Some(2));
        Select::new()
            .put(&full, &mut first, |put| put.unwrap())
            .put(&free, &mut second, |put| put.unwrap())
            .wait();
        assert_eq!((first, second), (Some(1), None));
        assert_eq!((free.get(), full.len()), (Ok(2), 1));
    });
}

#[test]
fn it_waits_to_put_and_keeps_what_it_did_not_put() {
    run(|| {
        let (first, second) = (Queue::bounded(1), Queue::bounded(1));
        first.put(0).unwrap();
        second.put(0).unwrap();
        scope(|s| {
            let waiting = s.spawn(|| {
                let (mut one, mut two) = (Some(1), Some(2));
                let put = Select::new()
                    .put(&first, &mut one, |put| put.map(|()| 1))
                    .put(&second, &mut two, |put| put.map(|()| 2))
                    .wait();
                (put, one, two)
            });
            yield_now();
            assert_eq!(second.get(), Ok(0));
            assert_eq!(first.get(), Ok(0));
            assert_eq!(waiting.join().unwrap(), (Ok(2), Some(1), None));
        });
        assert_eq!((first.len(), second.get()), (0, Ok(2)));
        let mut late = Some(9);
        second.put(0).unwrap();
        Select::new()
            .put(&second, &mut late, |_| ())
            .after(SHORT, || ())
            .wait();
        assert_eq!(late, Some(9));
        // One without an item is never chosen.
        let mut none = None;
        Select::new()
            .put(&first, &mut none, |_| panic!())
            .after(SHORT, || ())
            .wait();
    });
}

#[test]
fn shutdown_gives_the_item_of_a_waiting_select_back() {
    run(|| {
        let queue = Arc::new(Queue::bounded(1));
        queue.put(0).unwrap();
        let waiting = spawn({
            let queue = queue.clone();
            move || {
                let mut item = Some(1);
                Select::new().put(&queue, &mut item, |put| put).wait()
            }
        });
        yield_now();
        queue.shutdown(false);
        assert_eq!(waiting.join().unwrap(), Err(PutError(1)));
    });
}

#[test]
fn two_selects_meet_on_a_channel() {
    within(LONG, || {
        let meet = || {
            let (there, back) = (Channel::new(), Channel::new());
            scope(|s| {
                let putter = s.spawn(|| {
                    for n in 0..1_000 {
                        let mut item = Some(n);
                        Select::new()
                            .put(&there, &mut item, |put| put.unwrap())
                            .get(&back, |_: Result<u32, _>| panic!("nobody puts"))
                            .wait();
                    }
                });
                for n in 0..1_000 {
                    let mut nothing = None;
                    let got = Select::new()
                        .get(&there, |item| item.unwrap())
                        .put(&back, &mut nothing, |_| panic!("there was no item"))
                        .wait();
                    assert_eq!(got, n);
                }
                putter.join().unwrap();
            });
        };
        run(meet);
        spawn(meet).join().unwrap();
        meet();
    });
}

#[test]
fn a_select_does_not_meet_itself() {
    let channel = Channel::new();
    let mut item = Some(1);
    let met = Select::new()
        .put(&channel, &mut item, |_| true)
        .get(&channel, |_| true)
        .after(SHORT, || false)
        .wait();
    assert!(!met);
    assert_eq!(item, Some(1));
}

#[test]
fn one_of_several_that_are_ready_is_chosen_by_chance() {
    let queues = [(); 3].map(|()| Queue::new());
    let mut counts = [0; 3];
    for _ in 0..3_000 {
        for queue in &queues {
            queue.try_put(()).unwrap();
        }
        let mut select = Select::new();
        for (number, queue) in queues.iter().enumerate() {
            select = select.get(queue, move |_| number);
        }
        counts[select.wait()] += 1;
    }
    assert!(
        counts.iter().all(|count| (800..1_200).contains(count)),
        "{counts:?}"
    );
    assert_eq!(queues.iter().map(Queue::len).sum::<usize>(), 6_000);
}

#[test]
fn selects_that_take_turns_are_both_fair() {
    run(|| {
        let queues = [(); 2].map(|()| Queue::from_iter(0..4_000));
        scope(|s| {
            let selecting = [(); 2].map(|()| {
                s.spawn(|| {
                    let mut counts = [0; 2];
                    for _ in 0..1_000 {
                        let [first, second] = &queues;
                        let number = Select::new().get(first, |_| 0).get(second, |_| 1).wait();
                        counts[number] += 1;
                        yield_now();
                    }
                    counts
                })
            });
            for counts in selecting.map(|ended| ended.join().unwrap()) {
                assert!(counts.iter().all(|count| *count > 350), "{counts:?}");
            }
        });
    });
}

#[test]
fn a_select_and_a_getter_are_served_in_order() {
    run(|| {
        let queue = Queue::new();
        let other = Queue::<u32>::new();
        scope(|s| {
            let select = || {
                Select::new()
                    .get(&queue, |item| item.unwrap())
                    .get(&other, |item| item.unwrap())
                    .wait()
            };
            let first = s.spawn(select);
            let second = s.spawn(|| queue.get().unwrap());
            let third = s.spawn(select);
            yield_now();
            (1..=3).for_each(|n| queue.put(n).unwrap());
            let got = [first, second, third].map(|ended| ended.join().unwrap());
            assert_eq!(got, [1, 2, 3]);
        });
    });
}

#[test]
fn a_killed_select_takes_nothing_and_its_items_are_dropped_with_it() {
    run(|| {
        let (queue, full) = (Arc::new(Queue::new()), Arc::new(Queue::bounded(1)));
        let drops = Drops::new();
        full.put(drops.counted()).unwrap();
        let victim = spawn({
            let (queue, full, item) = (queue.clone(), full.clone(), drops.counted());
            move || {
                let mut item = Some(item);
                Select::new()
                    .get(&queue, |_: Result<u32, _>| ())
                    .put(&full, &mut item, |_| ())
                    .wait();
            }
        });
        yield_now();
        victim.kill();
        assert_eq!(drops.count(), 1);
        queue.put(1).unwrap();
        assert_eq!(queue.get(), Ok(1));
        drop(full.get());
        assert_eq!((drops.count(), full.len()), (2, 0));
    });
}

#[test]
fn outer_timeouts_pass_through() {
    let queue = Queue::<u32>::new();
    let result = timeout(SHORT, || {
        Select::new().get(&queue, |_| ()).after(FAR, || ()).wait()
    });
    assert!(result.is_err());
    queue.put(1).unwrap();
    assert_eq!(queue.get(), Ok(1));
}
