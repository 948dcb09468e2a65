//! Five kinds of queue × (put, get, peek) × (try, timeout, killed waiter): gevent 1.4, row
//! `SimpleQueue` (the errors of try and timeout, waiters that leave), section 2 rows 5 and 16.
//! A channel has nothing that a peek could show, in gevent as here; its puts are in `channel.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use greenloop::queue::{
    Channel, GetTimeoutError, LifoQueue, PriorityQueue, PutTimeoutError, Queue, TryGetError,
    TryPutError,
};
use greenloop::{Elapsed, joinall, run, sleep, spawn, timeout, yield_now};

const SHORT: Duration = Duration::from_millis(10);
const FAR: Duration = Duration::from_secs(60);

/// The tests of all that has room; `$new` makes one for a single item.
macro_rules! with_room {
    ($kind:ident, $new:expr, $is_bounded:expr) => {
        #[test]
        fn try_put_fails_when_full_and_gives_the_item_back() {
            let queue = $new;
            assert!(queue.is_empty() && !queue.is_full());
            queue.put(1).unwrap();
            assert_eq!((queue.len(), queue.is_full()), (1, $is_bounded));
            if $is_bounded {
                assert_eq!(queue.try_put(2), Err(TryPutError::Full(2)));
                assert_eq!(queue.capacity(), Some(1));
            } else {
                queue.try_put(2).unwrap();
                assert_eq!(queue.capacity(), None);
            }
        }

        #[test]
        fn put_timeout_gives_the_item_back_unless_there_is_room() {
            run(|| {
                let queue = $new;
                queue.put(1).unwrap();
                if !$is_bounded {
                    let sibling = spawn(|| ());
                    (2..50).for_each(|item| queue.put_timeout(item, Duration::ZERO).unwrap());
                    assert!(queue.len() == 49 && !sibling.is_finished());
                    return;
                }
                let start = Instant::now();
                let result = queue.put_timeout(2, SHORT);
                assert_eq!(result, Err(PutTimeoutError::Timeout(2)));
                assert!(start.elapsed() >= SHORT);
                // It has left its place: room is for the next one.
                assert_eq!((queue.get(), queue.len()), (Ok(1), 0));
                queue.put_timeout(3, SHORT).unwrap();
                assert_eq!(
                    queue.put_timeout(4, Duration::ZERO),
                    Err(PutTimeoutError::Timeout(4))
                );
            });
        }

        #[test]
        fn put_with_room_and_get_with_items_do_not_yield() {
            run(|| {
                let queue = $new;
                let sibling = spawn(|| ());
                queue.put(1).unwrap();
                queue.peek().unwrap();
                queue.get().unwrap();
                assert!(!sibling.is_finished());
            });
        }

        #[test]
        fn a_putter_killed_while_it_waits_puts_nothing() {
            run(|| {
                let queue = Arc::new($new);
                queue.put(1).unwrap();
                let [victim, next] = [2, 3].map(|item| {
                    let queue = queue.clone();
                    spawn(move || queue.put(item).unwrap())
                });
                yield_now();
                victim.kill();
                assert_eq!(queue.get(), Ok(1));
                // Without bound it never waits: it has put its item.
                if !$is_bounded {
                    assert_eq!(queue.get(), Ok(2));
                }
                assert_eq!(queue.get(), Ok(3));
                assert_eq!(victim.join().is_err(), $is_bounded);
                assert!(next.join().is_ok());
                assert_eq!(queue.try_get(), Err(TryGetError::Empty));
            });
        }

        #[test]
        fn peek_shows_the_next_item_and_leaves_it() {
            let queue = $new;
            assert_eq!(queue.try_peek(), Err(TryGetError::Empty));
            queue.put(1).unwrap();
            assert_eq!((queue.try_peek(), queue.peek()), (Ok(1), Ok(1)));
            assert_eq!(queue.peek_timeout(SHORT), Ok(1));
            assert_eq!((queue.len(), queue.get()), (1, Ok(1)));
        }

        #[test]
        fn peek_timeout_ends() {
            run(|| {
                let queue = $new;
                let start = Instant::now();
                assert_eq!(queue.peek_timeout(SHORT), Err(GetTimeoutError::Timeout));
                assert!(start.elapsed() >= SHORT);
                assert_eq!(
                    queue.peek_timeout(Duration::ZERO),
                    Err(GetTimeoutError::Timeout)
                );
                queue.put(1).unwrap();
                assert_eq!(queue.get(), Ok(1));
            });
        }

        #[test]
        fn all_peekers_see_what_comes_and_a_killed_one_harms_none() {
            run(|| {
                let queue = Arc::new($new);
                let peekers = [(); 3].map(|()| {
                    let queue = queue.clone();
                    spawn(move || queue.peek().unwrap())
                });
                yield_now();
                peekers[0].kill();
                queue.put(7).unwrap();
                let [killed, second, third] = peekers.map(|peeker| peeker.join().ok());
                assert_eq!([killed, second, third], [None, Some(7), Some(7)]);
                assert_eq!(queue.get(), Ok(7));
            });
        }

        #[test]
        fn a_peeker_waits_on_if_a_getter_was_served() {
            run(|| {
                let queue = Arc::new($new);
                let peeker = spawn({
                    let queue = queue.clone();
                    move || queue.peek().unwrap()
                });
                let getter = spawn({
                    let queue = queue.clone();
                    move || queue.get().unwrap()
                });
                yield_now();
                queue.put(1).unwrap();
                assert_eq!(getter.join().unwrap(), 1);
                queue.put(2).unwrap();
                assert_eq!(peeker.join().unwrap(), 2);
            });
        }

        #[test]
        fn an_outer_timeout_passes_through_a_peek() {
            let queue = $new;
            let result = timeout(SHORT, || queue.peek_timeout(FAR).is_ok());
            assert_eq!(result.map_err(|Elapsed { .. }| ()), Err(()));
        }
    };
}

/// The tests of all five.
macro_rules! all {
    ($kind:ident, $new:expr) => {
        #[test]
        fn try_get_fails_when_empty() {
            assert_eq!($new.try_get(), Err(TryGetError::Empty));
        }

        #[test]
        fn get_timeout_ends() {
            let queue: $kind<u32> = $new;
            let start = Instant::now();
            assert_eq!(queue.get_timeout(SHORT), Err(GetTimeoutError::Timeout));
            assert!(start.elapsed() >= SHORT);
            assert_eq!(
                queue.get_timeout(Duration::ZERO),
                Err(GetTimeoutError::Timeout)
            );
        }

        #[test]
        fn a_getter_that_timed_out_eats_nothing() {
            run(|| {
                // gevent's test_two_bogus_waiters.
                let queue = Arc::new($new);
                let bogus = [(); 2].map(|()| {
                    let queue = queue.clone();
                    spawn(move || queue.get_timeout(SHORT))
                });
                let patient = spawn({
                    let queue = queue.clone();
                    move || queue.get()
                });
                sleep(SHORT * 3);
                queue.put(1).unwrap();
                assert_eq!(patient.join().unwrap(), Ok(1));
                for getter in bogus {
                    assert_eq!(getter.join().unwrap(), Err(GetTimeoutError::Timeout));
                }
            });
        }

        #[test]
        fn a_getter_killed_before_the_put_loses_nothing_and_the_next_one_gets_it() {
            run(|| {
                let queue = Arc::new($new);
                let [victim, next] = [(); 2].map(|()| {
                    let queue = queue.clone();
                    spawn(move || queue.get().unwrap())
                });
                yield_now();
                victim.kill_nowait();
                queue.put(1).unwrap();
                queue.try_put(2).ok();
                let next = next.join().unwrap();
                // The put came before the kill was delivered: the victim has the item, then.
                let victim = victim.join().ok();
                assert!(victim == Some(1) && next == 2 || victim.is_none() && next == 1);
            });
        }

        #[test]
        fn a_killed_getter_is_gone() {
            run(|| {
                let queue = Arc::new($new);
                let [victim, next] = [(); 2].map(|()| {
                    let queue = queue.clone();
                    spawn(move || queue.get().unwrap())
                });
                yield_now();
                victim.kill();
                queue.put(1).unwrap();
                assert_eq!(next.join().unwrap(), 1);
                assert!(victim.join().is_err());
            });
        }

        #[test]
        fn getters_are_served_in_order() {
            run(|| {
                let queue = Arc::new($new);
                let getters = [(); 3].map(|()| {
                    let queue = queue.clone();
                    spawn(move || queue.get().unwrap())
                });
                yield_now();
                (0..3).for_each(|item| queue.put(item).unwrap());
                assert_eq!(getters.map(|getter| getter.join().unwrap()), [0, 1, 2]);
            });
        }

        #[test]
        fn putters_are_served_in_order() {
            run(|| {
                let (queue, items) = (Arc::new($new), [2, 0, 3, 1]);
                let putters = items.map(|item| {
                    let queue = queue.clone();
                    spawn(move || queue.put(item).unwrap())
                });
                yield_now();
                assert_eq!(queue.iter().take(4).collect::<Vec<_>>(), items);
                assert!(joinall(putters).iter().all(Result::is_ok));
            });
        }

        #[test]
        fn outer_timeouts_pass_through() {
            let queue: $kind<u32> = $new;
            assert!(timeout(SHORT, || queue.get_timeout(FAR)).is_err());
            assert!(timeout(SHORT, || queue.get()).is_err());
            while queue.try_put(1).is_ok() && queue.len() < 10 {}
            if queue.is_full() {
                assert!(timeout(SHORT, || queue.put_timeout(2, FAR)).is_err());
                assert!(timeout(SHORT, || queue.put(2)).is_err());
            }
        }

        #[test]
        fn an_inner_timeout_is_its_own() {
            let queue: $kind<u32> = $new;
            let result = timeout(FAR, || queue.get_timeout(SHORT));
            assert_eq!(result, Ok(Err(GetTimeoutError::Timeout)));
        }

        #[test]
        fn it_crosses_threads_and_unwinding() {
            fn check<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
            check::<$kind<u32>>();
            assert!(format!("{:?}", $new).contains(stringify!($kind)));
        }

        #[test]
        fn items_cross_between_every_two_kinds_of_thread() {
            use std::thread::spawn as os;
            fn pair(
                queue: &Arc<$kind<u32>>,
            ) -> (impl Fn() + Send + use<>, impl Fn() + Send + use<>) {
                let (putter, getter) = (queue.clone(), queue.clone());
                let put = move || (0..100).for_each(|n| putter.put(n).unwrap());
                let get =
                    move || assert_eq!((0..100).map(|_| getter.get().unwrap()).sum::<u32>(), 4950);
                (put, get)
            }
            let queue: Arc<$kind<u32>> = Arc::new($new);
            let (put, get) = pair(&queue);
            let (put, get) = (spawn(put), spawn(get));
            (put.join().unwrap(), get.join().unwrap());
            let (put, get) = pair(&queue);
            let (put, get) = (os(put), spawn(get));
            (put.join().unwrap(), get.join().unwrap());
            let (put, get) = pair(&queue);
            let (put, get) = (spawn(put), os(get));
            (put.join().unwrap(), get.join().unwrap());
            let (put, get) = pair(&queue);
            let (put, get) = (os(put), os(get));
            (put.join().unwrap(), get.join().unwrap());
            let (put, get) = pair(&queue);
            let (put, get) = (spawn(put), os(move || run(get)));
            (put.join().unwrap(), get.join().unwrap());
            let (put, get) = pair(&queue);
            let (put, get) = (os(move || run(put)), spawn(get));
            (put.join().unwrap(), get.join().unwrap());
        }
    };
}

mod unbounded {
    use super::*;
    all!(Queue, Queue::<u32>::new());
    with_room!(Queue, Queue::<u32>::new(), false);
}

mod bounded {
    use super::*;
    all!(Queue, Queue::<u32>::bounded(1));
    with_room!(Queue, Queue::<u32>::bounded(1), true);
}

mod lifo {
    use super::*;
    all!(LifoQueue, LifoQueue::<u32>::bounded(1));
    with_room!(LifoQueue, LifoQueue::<u32>::bounded(1), true);
}

mod priority {
    use super::*;
    all!(PriorityQueue, PriorityQueue::<u32>::bounded(1));
    with_room!(PriorityQueue, PriorityQueue::<u32>::bounded(1), true);
}

mod channel {
    use super::*;
    all!(Channel, Channel::<u32>::new());
}

#[test]
fn a_bound_of_none_names_itself() {
    let payload = std::panic::catch_unwind(|| Queue::<u32>::bounded(0)).unwrap_err();
    let text = payload.downcast_ref::<&str>().unwrap();
    assert!(
        text.contains("bounded(0)") && text.contains("Channel"),
        "{text}"
    );
}
