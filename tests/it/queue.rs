//! Queues: order, `task_done` and `join`, shutdown, iteration, items whose code waits or panics.

use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use greenloop::queue::{
    Channel, GetError, GetTimeoutError, LifoQueue, PriorityQueue, PutError, PutTimeoutError, Queue,
    TaskDoneError, TryGetError, TryPutError,
};
use greenloop::{JoinHandle, joinall, run, scope, spawn, yield_now};

use crate::counted::Drops;
use crate::within::{LONG, within};

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn items_come_in_the_order_of_their_queue() {
    // gevent 1.4, rows `SimpleQueue` and `LifoQueue`, `PriorityQueue` (lowest first).
    let items = [3, 1, 2];
    assert_eq!(drain(Queue::from_iter(items).iter().take(3)), [3, 1, 2]);
    assert_eq!(drain(LifoQueue::from_iter(items).iter().take(3)), [2, 1, 3]);
    assert_eq!(
        drain(PriorityQueue::from_iter(items).iter().take(3)),
        [1, 2, 3]
    );
}

fn drain(items: impl Iterator<Item = u32>) -> Vec<u32> {
    items.collect()
}

#[test]
fn what_is_left_inside_is_dropped_with_the_queue() {
    let drops = Drops::new();
    let queue = Queue::bounded(3);
    (0..3).for_each(|_| queue.put(drops.counted()).unwrap());
    drop(queue.get());
    assert_eq!(drops.count(), 1);
    drop(queue);
    assert_eq!(drops.count(), 3);
    let queue = LifoQueue::from_iter([drops.counted()]);
    queue.shutdown(true);
    assert_eq!(drops.count(), 4);
}

#[test]
fn items_of_blocked_putters_keep_their_order() {
    // gevent section 2, row 16.
    run(|| {
        let queue = Arc::new(Queue::bounded(2));
        let putters: Vec<_> = (0..6).map(|item| spawn_put(&queue, item)).collect();
        yield_now();
        assert_eq!(queue.len(), 2);
        assert_eq!(drain(queue.iter().take(6)), [0, 1, 2, 3, 4, 5]);
        joinall(putters);
    });
}

fn spawn_put(queue: &Arc<Queue<u32>>, item: u32) -> JoinHandle<Result<(), PutError<u32>>> {
    let queue = queue.clone();
    spawn(move || queue.put(item))
}

#[test]
fn nobody_overtakes_a_putter_that_waits() {
    run(|| {
        let queue = Arc::new(Queue::bounded(1));
        queue.put(1).unwrap();
        let putter = spawn_put(&queue, 2);
        yield_now();
        assert_eq!(queue.get(), Ok(1));
        // Room is for the one who waits, though it has not run yet.
        assert_eq!(queue.try_put(3), Err(TryPutError::Full(3)));
        assert_eq!(queue.get(), Ok(2));
        putter.join().unwrap().unwrap();
    });
}

#[test]
fn a_put_wakes_and_does_not_switch() {
    run(|| {
        let queue = Arc::new(Queue::new());
        let getter = spawn({
            let queue = queue.clone();
            move || queue.get()
        });
        yield_now();
        queue.put(1).unwrap();
        assert!(!getter.is_finished());
        assert_eq!(
            queue.try_get(),
            Err(TryGetError::Empty),
            "it is the waiter's"
        );
        assert_eq!(getter.join().unwrap(), Ok(1));
    });
}

#[test]
fn a_getter_that_was_served_before_its_kill_has_the_item() {
    // gevent section 2, row 16: who was woken acquires first, the kill lands at its next wait.
    run(|| {
        let queue = Arc::new(Queue::new());
        let getter = spawn({
            let queue = queue.clone();
            move || queue.get().unwrap()
        });
        yield_now();
        queue.put(1).unwrap();
        getter.kill();
        assert_eq!(getter.join().unwrap(), 1);
    });
}

#[test]
fn a_putter_that_was_relieved_before_its_kill_has_delivered() {
    run(|| {
        let queue = Arc::new(Queue::bounded(1));
        queue.put(1).unwrap();
        let putter = spawn_put(&queue, 2);
        yield_now();
        queue.get().unwrap();
        putter.kill();
        assert_eq!(putter.join().unwrap(), Ok(()));
        assert_eq!(queue.get(), Ok(2));
    });
}

#[test]
fn join_waits_for_task_done() {
    // gevent 1.4, row `Queue`/`JoinableQueue`.
    run(|| {
        let queue = Arc::new(Queue::new());
        assert!(queue.join_timeout(Duration::ZERO), "nothing was ever put");
        queue.join();
        assert_eq!(queue.task_done(), Err(TaskDoneError));
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        let joiners = [(); 2].map(|()| {
            let queue = queue.clone();
            spawn(move || queue.join())
        });
        assert!(!queue.join_timeout(SHORT));
        assert_eq!((queue.get(), queue.get()), (Ok(1), Ok(2)));
        assert!(!queue.join_timeout(SHORT), "got, but not done");
        queue.task_done().unwrap();
        assert_eq!(queue.unfinished(), 1);
        yield_now();
        assert!(!joiners[0].is_finished());
        queue.task_done().unwrap();
        joinall(joiners);
        assert!(queue.join_timeout(SHORT));
        assert_eq!(queue.task_done(), Err(TaskDoneError));
    });
}

#[test]
fn tasks_count_however_an_item_comes_in() {
    run(|| {
        let queue = Arc::new(Queue::bounded(1));
        let getter = spawn({
            let queue = queue.clone();
            move || queue.get()
        });
        yield_now();
        queue.put(1).unwrap(); // handed over
        queue.put(2).unwrap(); // left inside
        let putter = spawn_put(&queue, 3);
        yield_now();
        assert_eq!(queue.unfinished(), 2, "one that waits has not been put");
        queue.get().unwrap(); // lets the putter in
        assert_eq!(queue.unfinished(), 3);
        assert_eq!(Queue::from_iter([1, 2]).unfinished(), 2);
        joinall(
            [getter.join().is_ok(), putter.join().is_ok()].map(|ok| spawn(move || assert!(ok))),
        );
    });
}

#[test]
fn a_killed_joiner_harms_none() {
    run(|| {
        let queue = Arc::new(PriorityQueue::from_iter([1]));
        let joiners = [(); 2].map(|()| {
            let queue = queue.clone();
            spawn(move || queue.join())
        });
        yield_now();
        joiners[0].kill();
        queue.task_done().unwrap();
        let [killed, other] = joiners.map(|joiner| joiner.join().is_ok());
        assert_eq!((killed, other), (false, true));
    });
}

#[test]
fn shutdown_lets_the_rest_be_got() {
    // gevent 1.4, row `shutdown`.
    let queue = Queue::from_iter([1, 2]);
    queue.shutdown(false);
    assert_eq!(queue.put(3), Err(PutError(3)));
    assert_eq!(queue.try_put(3), Err(TryPutError::ShutDown(3)));
    assert_eq!(
        queue.put_timeout(3, SHORT),
        Err(PutTimeoutError::ShutDown(3))
    );
    assert_eq!(
        (queue.peek(), queue.get(), queue.get()),
        (Ok(1), Ok(1), Ok(2))
    );
    assert_eq!(queue.get(), Err(GetError));
    assert_eq!(queue.peek(), Err(GetError));
    assert_eq!(queue.try_get(), Err(TryGetError::ShutDown));
    assert_eq!(queue.get_timeout(SHORT), Err(GetTimeoutError::ShutDown));
    assert!(!queue.join_timeout(Duration::ZERO), "got, but not done");
}

// gevent 1.4, row `shutdown`: `immediate` drains, and counts as done.
#[test]
fn an_immediate_shutdown_leaves_nothing_and_ends_joins() {
    run(|| {
        let queue = Arc::new(LifoQueue::from_iter([1, 2, 3]));
        queue.get().unwrap();
        let joiner = spawn({
            let queue = queue.clone();
            move || queue.join()
        });
        yield_now();
        queue.shutdown(true);
        assert_eq!((queue.len(), queue.unfinished()), (0, 1));
        assert_eq!(queue.get(), Err(GetError));
        queue.task_done().unwrap();
        joiner.join().unwrap();
    });
}

#[test]
fn shutdown_may_become_immediate_but_not_the_other_way() {
    let queue = Queue::from_iter([1, 2]);
    queue.shutdown(false);
    queue.shutdown(true);
    queue.shutdown(false);
    assert_eq!((queue.len(), queue.get()), (0, Err(GetError)));
}

// gevent 1.4, row `shutdown`: blocked getters and putters are woken.
#[test]
fn shutdown_wakes_all_that_wait() {
    run(|| {
        let empty = Arc::new(Queue::<u32>::new());
        let full = Arc::new(Queue::bounded(1));
        full.put(1).unwrap();
        let getters = [(); 2].map(|()| {
            let queue = empty.clone();
            spawn(move || queue.get())
        });
        let peeker = spawn({
            let queue = empty.clone();
            move || queue.peek()
        });
        let putters = [2, 3].map(|item| spawn_put(&full, item));
        yield_now();
        empty.shutdown(false);
        full.shutdown(false);
        for getter in getters.into_iter().chain([peeker]) {
            assert_eq!(getter.join().unwrap(), Err(GetError));
        }
        assert_eq!(
            putters.map(|putter| putter.join().unwrap().unwrap_err().0),
            [2, 3]
        );
        assert_eq!((full.get(), full.get()), (Ok(1), Err(GetError)));
    });
}

#[test]
fn shutdown_ends_a_channel() {
    run(|| {
        let channel = Arc::new(Channel::new());
        let putter = spawn({
            let channel = channel.clone();
            move || channel.put(1)
        });
        yield_now();
        channel.shutdown();
        assert_eq!(putter.join().unwrap(), Err(PutError(1)));
        assert_eq!(channel.get(), Err(GetError));
        assert_eq!(channel.iter().count(), 0);
    });
}

// gevent 1.4, row `SimpleQueue`: iteration, here until `shutdown`.
#[test]
fn iteration_ends_at_shutdown_and_empty() {
    let queue = Queue::bounded(3);
    let total: u32 = scope(|s| {
        let consumers = [(); 3].map(|()| s.spawn(|| queue.iter().sum::<u32>()));
        (0..1000).for_each(|n| queue.put(n).unwrap());
        queue.shutdown(false);
        consumers
            .map(|consumer| consumer.join().unwrap())
            .iter()
            .sum()
    });
    assert_eq!(total, 499_500);
}

/// Compares, and clones, by code that waits, or panics.
#[derive(Debug)]
struct Awkward(u32);

const PANICS: u32 = u32::MAX;

impl Ord for Awkward {
    fn cmp(&self, other: &Self) -> Ordering {
        yield_now();
        assert!(self.0 != PANICS && other.0 != PANICS, "no order");
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Awkward {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Awkward {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Awkward {}

impl Clone for Awkward {
    fn clone(&self) -> Self {
        yield_now();
        assert_ne!(self.0, PANICS);
        Awkward(self.0)
    }
}

#[test]
fn items_may_wait_while_they_are_compared() {
    within(LONG, || {
        run(|| {
            let queue = PriorityQueue::bounded(5);
            scope(|s| {
                for n in 0..20 {
                    let queue = &queue;
                    s.spawn(move || queue.put(Awkward(n * 7 % 20)).unwrap());
                }
                let mut sum = 0;
                for _ in 0..20 {
                    queue.try_peek().ok();
                    sum += queue.get().unwrap().0;
                }
                assert_eq!((sum, queue.len()), (190, 0));
            });
        });
    });
}

#[test]
fn one_killed_while_it_compares_leaves_the_queue_whole() {
    run(|| {
        let queue = Arc::new(PriorityQueue::new());
        (0..10).for_each(|n| queue.put(Awkward(n)).unwrap());
        let victim = spawn({
            let queue = queue.clone();
            move || queue.put(Awkward(0))
        });
        yield_now();
        victim.kill();
        // Whether it counts as put is not said, as with a panic.
        let len = queue.len();
        assert!((10..=11).contains(&len), "{len}");
        assert_eq!(queue.iter().take(len).count(), len);
        assert!(queue.is_empty());
    });
}

#[test]
fn items_that_panic_leave_the_queue_usable() {
    let queue = PriorityQueue::from_iter([Awkward(1), Awkward(2)]);
    let put = || queue.put(Awkward(PANICS));
    assert!(catch_unwind(AssertUnwindSafe(put)).is_err());
    assert!(queue.len() >= 2);
    queue.shutdown(true);
    let queue = Queue::from_iter([Awkward(PANICS)]);
    assert!(catch_unwind(AssertUnwindSafe(|| queue.peek())).is_err());
    assert_eq!((queue.len(), queue.get().unwrap().0), (1, PANICS));
}

#[test]
fn a_peek_that_clones_for_long_keeps_its_place_in_the_order() {
    run(|| {
        let queue = Arc::new(Queue::from_iter([Awkward(1), Awkward(2)]));
        let peeker = spawn({
            let queue = queue.clone();
            move || queue.peek().unwrap().0
        });
        yield_now();
        assert_eq!(queue.len(), 2, "also while it is lent");
        assert_eq!(queue.get().unwrap().0, 1);
        assert_eq!(peeker.join().unwrap(), 1);
    });
}
