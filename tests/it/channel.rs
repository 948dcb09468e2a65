//! `Channel`: gevent 1.4 `Channel`, and the puts of its part of the matrix in `queue_matrix.rs`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenloop::queue::{Channel, PutTimeoutError, TryGetError, TryPutError};
use greenloop::{spawn, yield_now};

use crate::counted::Drops;
use crate::everywhere::in_hub;

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn it_is_empty_and_full_at_once() {
    // gevent: qsize 0, empty and full both true.
    let channel = Channel::<u32>::new();
    assert_eq!((channel.len(), channel.capacity()), (0, Some(0)));
    assert!(channel.is_empty() && channel.is_full());
}

#[test]
fn try_put_wants_a_getter_that_waits() {
    in_hub(|| {
        let channel = Arc::new(Channel::new());
        assert_eq!(channel.try_put(1), Err(TryPutError::Full(1)));
        let getter = spawn({
            let channel = channel.clone();
            move || channel.get()
        });
        yield_now();
        assert_eq!(channel.try_put(2), Ok(()));
        assert_eq!(channel.try_put(3), Err(TryPutError::Full(3)));
        assert_eq!(getter.join().unwrap(), Ok(2));
    });
}

#[test]
fn try_get_takes_from_a_putter_that_waits() {
    in_hub(|| {
        let channel = Arc::new(Channel::new());
        let putter = spawn({
            let channel = channel.clone();
            move || channel.put(1)
        });
        yield_now();
        assert_eq!(channel.try_get(), Ok(1));
        assert_eq!(channel.try_get(), Err(TryGetError::Empty));
        assert_eq!(putter.join().unwrap(), Ok(()));
    });
}

#[test]
fn put_timeout_gives_the_item_back() {
    let channel = Channel::new();
    assert_eq!(
        channel.put_timeout(1, SHORT),
        Err(PutTimeoutError::Timeout(1))
    );
    assert_eq!(
        channel.put_timeout(1, Duration::ZERO),
        Err(PutTimeoutError::Timeout(1))
    );
    assert_eq!(channel.try_get(), Err(TryGetError::Empty));
}

#[test]
fn a_killed_putters_item_is_dropped_with_it() {
    in_hub(|| {
        let drops = Drops::new();
        let channel = Arc::new(Channel::new());
        let putter = spawn({
            let (channel, item) = (channel.clone(), drops.counted());
            move || channel.put(item)
        });
        yield_now();
        assert_eq!(drops.count(), 0);
        putter.kill();
        assert_eq!(drops.count(), 1);
        assert!(channel.try_get().is_err());
    });
}

#[test]
fn the_getter_goes_on_before_the_putter() {
    // gevent: got1, p1, got2, p2.
    let order = in_hub(|| {
        let channel = Arc::new(Channel::new());
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |what: String| order.lock().unwrap().push(what);
        greenloop::scope(|s| {
            s.spawn(|| {
                for n in 1..=2 {
                    channel.put(n).unwrap();
                    note(format!("p{n}"));
                }
            });
            s.spawn(|| {
                for _ in 1..=2 {
                    note(format!("got{}", channel.get().unwrap()));
                }
            });
        });
        order.lock().unwrap().clone()
    });
    assert_eq!(order, ["got1", "p1", "got2", "p2"]);
}
