//! Calls with a time of their own: gevent 1.9 "every `timeout=` parameter", section 2 row 12. Each
//! tells the end of its own time in its own way, and none swallows a `timeout` around it.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use greenloop::net::{TcpListener, TcpStream};
use greenloop::pool::{Group, Pool, ThreadPool};
use greenloop::queue::{
    Channel, GetTimeoutError, LifoQueue, PriorityQueue, PutTimeoutError, Queue,
};
use greenloop::sync::mpsc::{RecvTimeoutError, channel, sync_channel};
use greenloop::sync::{
    AsyncResult, BoundedSemaphore, Condvar, Event, Mutex, ReentrantMutex, Semaphore,
};
use greenloop::{
    Select, Timer, joinall_timeout, killall, run, shield, sleep, spawn, spawn_local, thread,
    timeout, wait, yield_now,
};

use crate::within::{LONG as DONE, within};

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(60);

/// What waits for as long as it is given, and says whether it ended as it should then.
type Case = (&'static str, fn(Duration) -> bool);

/// Goes on for long, whoever kills it.
fn shielded() {
    shield(|| sleep(2 * LONG));
}

const THREADS: &[Case] = &[
    ("join_timeout", |time| {
        spawn(thread::park).join_timeout(time).is_err()
    }),
    ("a local one's", |time| {
        spawn_local(thread::park).join_timeout(time).is_err()
    }),
    ("a scoped one's", |time| {
        greenloop::scope(|s| {
            let parked = s.spawn(thread::park);
            let unparker = parked.thread().clone();
            let _end = OnDrop(|| unparker.unpark()); // else the scope waits for it
            parked.join_timeout(time).is_err()
        })
    }),
    ("joinall_timeout", |time| {
        joinall_timeout([spawn(thread::park)], time)[0].is_err()
    }),
    ("a Timer's", |time| {
        Timer::after(LONG, || ()).join_timeout(time).is_err()
    }),
    ("wait", |time| {
        wait([spawn(thread::park)], Some(time), None).is_empty()
    }),
    ("Select", |time| {
        let queue = Queue::<u8>::new();
        let select = Select::new().get(&queue, |item| item.is_err());
        select.after(time, || true).wait()
    }),
    ("park_timeout", |time| {
        thread::park_timeout(time);
        true
    }),
];

const SYNC: &[Case] = &[
    ("Event", |time| !Event::new().wait_timeout(time)),
    ("Semaphore", |time| !Semaphore::new(0).acquire_timeout(time)),
    ("BoundedSemaphore", |time| {
        !BoundedSemaphore::new(0).acquire_timeout(time)
    }),
    ("AsyncResult", |time| {
        AsyncResult::<u8>::new().get_timeout(time).is_err()
    }),
    ("AsyncResult::wait", |time| {
        AsyncResult::<u8>::new().wait_timeout(time).is_err()
    }),
    ("ReentrantMutex", |time| {
        let mutex = ReentrantMutex::new(());
        let (gate, locked) = (Event::new(), Event::new());
        greenloop::scope(|s| {
            s.spawn(|| {
                let _guard = mutex.lock();
                locked.set();
                shield(|| gate.wait());
            });
            locked.wait();
            let _open = OnDrop(|| gate.set());
            mutex.lock_timeout(time).is_none()
        })
    }),
    ("Condvar", |time| {
        let (mutex, changed) = (Mutex::new(()), Condvar::new());
        let waited = changed.wait_timeout_while(mutex.lock().unwrap(), time, |()| true);
        waited.unwrap().1.timed_out()
    }),
    ("Receiver", |time| {
        let (_sender, receiver) = channel::<u8>();
        receiver.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }),
    ("Receiver of a bound", |time| {
        let (_sender, receiver) = sync_channel::<u8>(0);
        receiver.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }),
];

const QUEUES: &[Case] = &[
    ("get", |time| {
        Queue::<u8>::new().get_timeout(time) == Err(GetTimeoutError::Timeout)
    }),
    ("peek", |time| {
        LifoQueue::<u8>::new().peek_timeout(time) == Err(GetTimeoutError::Timeout)
    }),
    ("put", |time| {
        let queue = PriorityQueue::bounded(1);
        queue.put(1).unwrap();
        queue.put_timeout(2, time) == Err(PutTimeoutError::Timeout(2))
    }),
    ("join", |time| {
        let queue = Queue::new();
        queue.put(1).unwrap();
        !queue.join_timeout(time)
    }),
    ("a channel's get", |time| {
        Channel::<u8>::new().get_timeout(time) == Err(GetTimeoutError::Timeout)
    }),
    ("a channel's put", |time| {
        Channel::new().put_timeout(1, time) == Err(PutTimeoutError::Timeout(1))
    }),
];

const POOLS: &[Case] = &[
    ("Group::join", |time| {
        let group = Group::new();
        group.spawn(thread::park);
        !group.join_timeout(time)
    }),
    ("Pool::spawn_timeout", |time| {
        let pool = Pool::new(1);
        pool.spawn(thread::park);
        pool.spawn_timeout(|| (), time).is_err()
    }),
    ("Pool::wait_available", |time| {
        let pool = Pool::new(1);
        pool.spawn(thread::park);
        pool.wait_available(Some(time)) == 0
    }),
    ("ThreadPool::join", |time| {
        let (pool, gate) = (ThreadPool::new(1), std::sync::mpsc::channel::<()>());
        pool.spawn(move || gate.1.recv());
        !pool.join_timeout(time)
    }),
];

const KILLS: &[Case] = &[
    ("kill_timeout", |time| {
        let goes_on = spawn(shielded);
        yield_now();
        !goes_on.kill_timeout(time)
    }),
    ("killall", |time| {
        let go_on = [spawn(shielded), spawn(shielded)];
        yield_now();
        killall(&go_on, Some(time)).is_err()
    }),
    ("Group::kill", |time| {
        let group = Group::new();
        group.spawn(shielded);
        yield_now();
        !group.kill_timeout(time)
    }),
];

const SOCKETS: &[Case] = &[("read", |time| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_read_timeout(Some(time)).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
})];

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The table but for the kills, whose victims would hold up the end of a hub.
fn cases() -> impl Iterator<Item = &'static Case> {
    [THREADS, SYNC, QUEUES, POOLS, SOCKETS]
        .into_iter()
        .flatten()
}

fn check_own((name, case): &Case) {
    let start = Instant::now();
    assert_eq!(timeout(LONG, || case(SHORT)), Ok(true), "{name}");
    assert!(start.elapsed() >= SHORT, "{name}: too early");
}

fn check_outer((name, case): &Case) {
    let start = Instant::now();
    assert!(
        timeout(SHORT, || case(LONG)).is_err(),
        "{name} has swallowed it"
    );
    let took = start.elapsed();
    assert!((SHORT..LONG).contains(&took), "{name}: {took:?}");
}

#[test]
fn each_tells_its_own_time_in_its_own_way() {
    within(DONE, || run(|| cases().for_each(check_own)));
}

#[test]
fn an_outer_one_passes_through_each() {
    within(DONE, || run(|| cases().for_each(check_outer)));
}

#[test]
fn kills_with_a_time_of_their_own_too() {
    let on_a_worker = spawn(|| {
        KILLS.iter().for_each(check_own);
        KILLS.iter().for_each(check_outer);
    });
    within(DONE, || on_a_worker.join().unwrap());
}
