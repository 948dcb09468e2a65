//! Dumps are complete and right: ten thousand green threads that wait in every way there is.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use greenloop::inspect::{self, Backtrace, Dump, GreenThread, State, Thing, Wait};
use greenloop::net::unix::UnixStream;
use greenloop::net::{TcpListener, TcpStream, UdpSocket};
use greenloop::{JoinHandle, spawn, sync, thread};

use crate::child::{Child, this_test};
use crate::inspect::{named, parks_for_ever, patient};
use crate::within::until;

const HOUR: Duration = Duration::from_secs(3600);

type Body = Arc<dyn Fn() + Send + Sync>;

/// A kind of wait: its name, what waits so, and how a dump has to say it.
struct Waiting(&'static str, Body, fn(&Wait) -> bool);

macro_rules! on {
    ($thing:ident) => {
        |wait| {
            matches!(
                wait,
                Wait::On {
                    thing: Thing::$thing,
                    ..
                }
            )
        }
    };
}

fn waiting(
    name: &'static str,
    body: impl Fn() + Send + Sync + 'static,
    check: fn(&Wait) -> bool,
) -> Waiting {
    Waiting(name, Arc::new(body), check)
}

fn waits_for_time_and_ends() -> Vec<Waiting> {
    let join = || {
        let _ = spawn(thread::park).join();
    };
    let scope = || {
        thread::scope(|s| {
            s.spawn(thread::park);
        });
    };
    let future = || greenloop::block_on(std::future::pending::<()>());
    let any = || {
        let event = sync::Event::new();
        greenloop::wait_any(&[&event]);
    };
    vec![
        waiting("park", parks_for_ever, |it| *it == Wait::Unpark),
        waiting(
            "sleep",
            || greenloop::sleep(HOUR),
            |it| matches!(it, Wait::Sleep(left) if *left <= HOUR && *left > HOUR / 2),
        ),
        waiting("join", join, |it| matches!(it, Wait::Join(_))),
        waiting(
            "scope",
            scope,
            |it| matches!(it, Wait::Scope { left } if left.len() == 1),
        ),
        waiting("any", any, |it| *it == Wait::Any),
        waiting("future", future, on!(Future)),
    ]
}

fn waits_for_sockets() -> Vec<Waiting> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = Arc::new(TcpStream::connect(address).unwrap());
    let server = Arc::new(listener.accept().unwrap().0);
    let (reader, writer) = (client.clone(), client);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (unix, other) = UnixStream::pair().unwrap();
    let read = move || drop((&*reader).read(&mut [0; 8]));
    let write = move || {
        let _open = &server;
        let _ = (0..).try_for_each(|_| (&*writer).write_all(&[0; 1 << 16]));
    };
    let unix_read = move || {
        let _open = &other;
        drop((&unix).read(&mut [0; 8]));
    };
    vec![
        waiting("tcp read", read, |it| {
            text(it, "reading from TCP 127.0.0.1:", " <- 127.0.0.1:")
        }),
        waiting("tcp write", write, |it| {
            text(it, "writing to TCP 127.0.0.1:", " -> 127.0.0.1:")
        }),
        waiting(
            "accept",
            move || drop(listener.accept()),
            |it| text(it, "accepting at TCP 127.0.0.1:", " (descriptor "),
        ),
        waiting(
            "udp",
            move || drop(udp.recv(&mut [0; 8])),
            |it| text(it, "reading from UDP 127.0.0.1:", " (descriptor "),
        ),
        waiting("unix", unix_read, |it| {
            text(it, "reading from Unix stream unnamed", "unnamed (")
        }),
    ]
}

fn text(wait: &Wait, start: &str, part: &str) -> bool {
    let text = wait.to_string();
    text.starts_with(start) && text.contains(part)
}

/// Those that wait for locks, of which this leaks the guards.
fn waits_for_locks() -> Vec<Waiting> {
    let mutex = Arc::new(sync::Mutex::new(()));
    std::mem::forget(mutex.lock().unwrap());
    let reentrant = Arc::new(sync::ReentrantMutex::new(()));
    std::mem::forget(reentrant.lock());
    let rwlock = Arc::new(sync::RwLock::new(()));
    std::mem::forget(rwlock.write().unwrap());
    let written = rwlock.clone();
    let semaphore = sync::Semaphore::new(0);
    let event = sync::Event::new();
    let once = sync::OnceLock::<()>::new();
    let barrier = sync::Barrier::new(1_000_000);
    let pair = (sync::Mutex::new(()), sync::Condvar::new());
    vec![
        waiting("mutex", move || drop(mutex.lock()), on!(Mutex)),
        waiting(
            "reentrant",
            move || drop(reentrant.lock()),
            on!(ReentrantMutex),
        ),
        waiting("read", move || drop(rwlock.read()), on!(RwLockRead)),
        waiting("write", move || drop(written.write()), on!(RwLockWrite)),
        waiting("semaphore", move || semaphore.acquire(), on!(Semaphore)),
        waiting("event", move || event.wait(), on!(Event)),
        waiting(
            "once",
            move || {
                once.wait();
            },
            on!(Once),
        ),
        waiting(
            "barrier",
            move || {
                barrier.wait();
            },
            on!(Barrier),
        ),
        waiting(
            "condvar",
            move || drop(pair.1.wait(pair.0.lock().unwrap())),
            on!(Condvar),
        ),
    ]
}

fn waits_for_queues() -> Vec<Waiting> {
    let empty = greenloop::queue::Queue::<u8>::new();
    let full = greenloop::queue::Queue::<u8>::bounded(1);
    full.put(0).unwrap();
    let unfinished = greenloop::queue::Queue::<u8>::new();
    unfinished.put(0).unwrap();
    let (sender, receiver) = sync::mpsc::sync_channel::<u8>(1);
    sender.send(0).unwrap();
    let receiver = std::sync::Mutex::new(receiver);
    let send = move || {
        let _open = &receiver;
        let _ = sender.send(1);
    };
    let receive = || {
        let (_sender, receiver) = sync::mpsc::channel::<u8>();
        let _ = receiver.recv();
    };
    let pool = greenloop::pool::Pool::new(1);
    pool.spawn(thread::park);
    vec![
        waiting("get", move || assert!(empty.get().is_err()), on!(QueueGet)),
        waiting("put", move || assert!(full.put(1).is_err()), on!(QueuePut)),
        waiting("queue join", move || unfinished.join(), on!(QueueJoin)),
        waiting("send", send, on!(ChannelSend)),
        waiting("receive", receive, on!(ChannelReceive)),
        waiting(
            "pool",
            move || {
                pool.spawn(|| ());
            },
            on!(Pool),
        ),
    ]
}

fn all_waits() -> Vec<Waiting> {
    let mut all = waits_for_time_and_ends();
    all.extend(waits_for_sockets());
    all.extend(waits_for_locks());
    all.extend(waits_for_queues());
    all
}

/// Asserts that each kind is there `count` times, and waits for what it should.
fn assert_complete(dump: &Dump, kinds: &[Waiting], count: usize) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for it in dump {
        let kind = kinds.iter().find(|kind| it.name() == Some(kind.0));
        let Some(Waiting(name, _, check)) = kind else {
            continue;
        };
        let wait = it.wait().unwrap_or_else(|| panic!("it waits: {it}"));
        assert!(check(wait), "{name}: {it}");
        assert!(it.since().is_some_and(|since| since < HOUR / 2), "{it}");
        assert!(it.spawned_at().file().ends_with("inspect.rs"), "{it}");
        *seen.entry(name).or_default() += 1;
    }
    let expected: BTreeMap<&str, usize> = kinds.iter().map(|it| (it.0, count)).collect();
    assert_eq!(seen, expected);
}

fn all_wait(dump: &Dump, kinds: &[Waiting]) -> bool {
    let ours = |it: &&GreenThread| kinds.iter().any(|kind| it.name() == Some(kind.0));
    dump.iter()
        .filter(ours)
        .all(|it| it.state() == State::Waiting)
}

/// Comes and goes until told to stop; says how many there were.
fn churn(stop: Arc<AtomicBool>) -> JoinHandle<usize> {
    spawn(move || {
        let mut rounds = 0;
        while !stop.load(Ordering::Relaxed) {
            let some: Vec<_> = (0..50).map(|_| spawn(thread::park)).collect();
            greenloop::yield_now();
            greenloop::killall(&some, None).unwrap();
            rounds += 1;
        }
        rounds
    })
}

#[test]
fn ten_thousand_of_many_kinds_are_told_as_they_are() {
    let child = Child::new(this_test!()).limit(Duration::from_secs(300));
    child.passes(|| {
        let kinds = all_waits();
        assert!(kinds.len() >= 20);
        let count = 10_000_usize.div_ceil(kinds.len());
        for Waiting(name, body, _) in &kinds {
            for _ in 0..count {
                let body = body.clone();
                drop(named(name, move || body()));
            }
        }
        until("all wait", || {
            all_wait(&inspect::dump_with(patient()), &kinds)
        });
        let stop = Arc::new(AtomicBool::new(false));
        let churns: Vec<_> = (0..2).map(|_| churn(stop.clone())).collect();
        let times = (0..100).map(|_| {
            let start = Instant::now();
            let dump = inspect::dump_with(patient());
            let time = start.elapsed();
            assert_complete(&dump, &kinds, count);
            time
        });
        let mut times: Vec<_> = times.collect();
        stop.store(true, Ordering::Relaxed);
        for it in churns {
            assert!(it.join().unwrap() > 0);
        }
        let start = Instant::now();
        let dump = inspect::dump_with(patient().backtraces(true));
        let with_backtraces = start.elapsed();
        let taken = |it: &&GreenThread| matches!(it.backtrace(), Backtrace::Taken(_));
        assert!(dump.iter().filter(taken).count() >= count * kinds.len());
        let text = dump.workers().iter().map(ToString::to_string);
        times.sort();
        println!("{:?} to {:?}; {with_backtraces:?}", times[0], times[99]);
        let slow = if cfg!(debug_assertions) { 20 } else { 1 };
        assert!(times[50] < slow * Duration::from_millis(50), "{times:?}");
        assert!(
            with_backtraces < slow * Duration::from_secs(2),
            "{with_backtraces:?}"
        );
        assert_eq!(text.count(), dump.workers().len());
    });
}
