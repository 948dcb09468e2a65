//! std's locks and channels, and those of other crates, on full green threads: unmodified, in one
//! hub, on several workers, and with OS threads on the other side.
//!
//! Long because std has many kinds of locks, and each is tried in the same ways.

use greenloop::monkey::patch_all;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How many green threads a test has at once.
const TWENTY: usize = 20;
/// How many OS threads it has beside them.
const OTHERS: usize = 4;
/// Long enough for every test that does not hang, on a slow and busy machine.
const LONG: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_millis(1);

/// Runs `f` on an OS thread; ends the process if it hangs, as there is no other way.
#[track_caller]
fn within<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let runner = thread::spawn(move || {
        let _ = sender.send(f());
    });
    match receiver.recv_timeout(LONG) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            eprintln!("it hangs: {}", std::panic::Location::caller());
            std::process::abort();
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(runner.join().unwrap_err())
        }
    }
}

/// Who takes part in a test.
#[derive(Clone, Copy, Debug)]
struct Crew {
    greens: usize,
    threads: usize,
}

impl Crew {
    fn all(self) -> usize {
        self.greens + self.threads
    }

    /// Runs `f(0)`, `f(1)`, … on all of them at once, and returns the results.
    fn run<T: Send + 'static>(self, f: impl Fn(usize) -> T + Send + Sync + 'static) -> Vec<T> {
        let f = Arc::new(f);
        let greens: Vec<_> = (0..self.greens)
            .map(|index| {
                let f = f.clone();
                greenloop::spawn(move || f(index))
            })
            .collect();
        let threads: Vec<_> = (self.greens..self.all())
            .map(|index| {
                let f = f.clone();
                thread::spawn(move || f(index))
            })
            .collect();
        let greens = greens.into_iter().map(|handle| handle.join().unwrap());
        let mut results: Vec<_> = greens.collect();
        results.extend(threads.into_iter().map(|handle| handle.join().unwrap()));
        results
    }
}

/// Runs `test` with greens of one hub, greens of several workers, and OS threads beside both.
#[track_caller]
fn everywhere(test: fn(Crew)) {
    patch_all().unwrap();
    for threads in [0, OTHERS] {
        let crew = Crew {
            greens: TWENTY,
            threads,
        };
        within(move || {
            greenloop::run(move || greenloop::spawn(move || test(crew)).join().unwrap())
        });
        within(move || greenloop::spawn(move || test(crew)).join().unwrap());
        within(move || test(crew));
    }
}

#[test]
fn a_mutex_is_held_across_waits() {
    everywhere(|crew| {
        let total = Arc::new(Mutex::new(0));
        let (counted, times) = (total.clone(), 10);
        crew.run(move |_| {
            for _ in 0..times {
                let mut total = counted.lock().unwrap();
                let before = *total;
                thread::yield_now();
                if before % 16 == 0 {
                    thread::sleep(SHORT);
                }
                *total = before + 1;
            }
        });
        assert_eq!(*total.lock().unwrap(), crew.all() * times);
    });
}

#[test]
fn nobody_starves_at_a_mutex() {
    everywhere(|crew| {
        // Each waits inside of the lock only, so that a sibling never finds it free by itself.
        let turns = Arc::new(
            (0..crew.all())
                .map(|_| AtomicUsize::new(0))
                .collect::<Vec<_>>(),
        );
        let lock = Mutex::new(());
        crew.run(move |index| {
            while turns.iter().any(|turns| turns.load(SeqCst) == 0) {
                let guard = lock.lock().unwrap();
                thread::sleep(SHORT);
                turns[index].fetch_add(1, SeqCst);
                drop(guard);
            }
        });
    });
}

#[test]
fn a_rwlock_has_many_readers_or_one_writer() {
    everywhere(|crew| {
        let lock = Arc::new(RwLock::new(0));
        let (shared, inside) = (lock.clone(), AtomicUsize::new(0));
        crew.run(move |index| {
            for round in 0..20 {
                if (index + round) % 4 == 0 {
                    let mut value = shared.write().unwrap();
                    assert_eq!(inside.fetch_add(1, SeqCst), 0);
                    thread::yield_now();
                    *value += 1;
                    inside.fetch_sub(1, SeqCst);
                } else {
                    let value = shared.read().unwrap();
                    let before = *value;
                    thread::sleep(SHORT / 4);
                    assert_eq!(before, *value);
                }
            }
        });
        assert_eq!(*lock.read().unwrap(), crew.all() * 20 / 4);
    });
}

#[test]
fn a_condvar_hands_tokens_over() {
    everywhere(|crew| {
        let state = Arc::new((Mutex::new(0), Condvar::new()));
        let each = 20;
        let taken: usize = crew
            .run(move |index| {
                let (tokens, changed) = &*state;
                for _ in 0..each {
                    if index % 2 == 0 {
                        *tokens.lock().unwrap() += 1;
                        changed.notify_one();
                    } else {
                        let tokens = tokens.lock().unwrap();
                        let mut tokens = changed.wait_while(tokens, |tokens| *tokens == 0).unwrap();
                        *tokens -= 1;
                    }
                }
                usize::from(index % 2 == 1) * each
            })
            .into_iter()
            .sum();
        assert_eq!(taken, crew.all() / 2 * each);
    });
}

#[test]
fn a_condvar_wakes_all() {
    everywhere(|crew| {
        let state = Arc::new((Mutex::new(0), Condvar::new()));
        let waiters = crew.all();
        crew.run(move |_| {
            let (arrived, changed) = &*state;
            let mut arrived = arrived.lock().unwrap();
            *arrived += 1;
            if *arrived == waiters {
                changed.notify_all();
            }
            drop(
                changed
                    .wait_while(arrived, |arrived| *arrived < waiters)
                    .unwrap(),
            );
        });
    });
}

#[test]
fn a_condvars_wait_times_out() {
    everywhere(|crew| {
        crew.run(|_| {
            let (lock, never) = (Mutex::new(()), Condvar::new());
            let start = Instant::now();
            let wait = Duration::from_millis(30);
            let guard = lock.lock().unwrap();
            let result = never.wait_timeout_while(guard, wait, |()| true).unwrap().1;
            assert!(result.timed_out() && start.elapsed() >= wait);
        });
    });
}

#[test]
fn initialisers_run_once() {
    everywhere(|crew| {
        struct Shared {
            once: Once,
            cell: OnceLock<usize>,
            lazy: LazyLock<usize>,
            runs: AtomicUsize,
        }
        let shared = Arc::new(Shared {
            once: Once::new(),
            cell: OnceLock::new(),
            lazy: LazyLock::new(|| {
                thread::sleep(5 * SHORT);
                7
            }),
            runs: AtomicUsize::new(0),
        });
        let ours = shared.clone();
        crew.run(move |index| {
            let slow = || {
                thread::sleep(5 * SHORT);
                ours.runs.fetch_add(1, SeqCst);
            };
            ours.once.call_once(slow);
            let first = *ours.cell.get_or_init(|| {
                slow();
                index
            });
            assert_eq!(ours.cell.get(), Some(&first));
            assert_eq!(*ours.lazy, 7);
        });
        assert_eq!(shared.runs.load(SeqCst), 2);
    });
}

#[test]
fn a_barrier_has_one_leader_a_round() {
    everywhere(|crew| {
        let barrier = Arc::new(Barrier::new(crew.all()));
        let leads = crew.run(move |_| (0..10).filter(|_| barrier.wait().is_leader()).count());
        assert_eq!(leads.iter().sum::<usize>(), 10);
    });
}

const EACH: usize = 50;

/// All of the crew send numbers to one receiver, which says their `sum`.
fn send_all<S>(
    crew: Crew,
    sender: S,
    send: fn(&S, usize),
    sum: impl FnOnce() -> usize + Send + 'static,
) where
    S: Clone + Send + Sync + 'static,
{
    let receiver = greenloop::spawn(sum);
    let shared = sender.clone();
    drop(sender);
    let shared = Mutex::new(Some(vec![shared; crew.all()]));
    crew.run(move |index| {
        let mine = shared.lock().unwrap().as_mut().unwrap().pop().unwrap();
        for number in 0..EACH {
            send(&mine, index * EACH + number);
        }
    });
    let all = crew.all() * EACH;
    assert_eq!(receiver.join().unwrap(), all * (all - 1) / 2);
}

#[test]
fn an_unbounded_channel_loses_nothing() {
    everywhere(|crew| {
        let (sender, receiver) = mpsc::channel();
        let send = |sender: &mpsc::Sender<_>, number| sender.send(number).unwrap();
        send_all(crew, sender, send, move || receiver.iter().sum());
    });
}

#[test]
fn a_bounded_channel_loses_nothing() {
    everywhere(|crew| {
        let (sender, receiver) = mpsc::sync_channel(3);
        let send = |sender: &mpsc::SyncSender<_>, number| sender.send(number).unwrap();
        send_all(crew, sender, send, move || receiver.iter().sum());
    });
}

#[test]
fn a_rendezvous_channel_loses_nothing() {
    everywhere(|crew| {
        let (sender, receiver) = mpsc::sync_channel(0);
        let send = |sender: &mpsc::SyncSender<_>, number| sender.send(number).unwrap();
        send_all(crew, sender, send, move || receiver.iter().sum());
    });
}

#[test]
fn many_receivers_wait_at_once() {
    everywhere(|crew| {
        let mut senders = Vec::new();
        let receivers = (0..crew.all()).map(|_| {
            let (sender, receiver) = mpsc::channel::<usize>();
            senders.push(sender);
            Mutex::new(receiver)
        });
        let receivers: Vec<_> = receivers.collect();
        let sending = greenloop::spawn(move || {
            thread::sleep(5 * SHORT);
            for (number, sender) in senders.iter().enumerate().rev() {
                sender.send(number).unwrap();
            }
        });
        let got = crew.run(move |index| receivers[index].lock().unwrap().recv().unwrap());
        assert_eq!(got, (0..crew.all()).collect::<Vec<_>>());
        sending.join().unwrap();
    });
}

#[test]
fn many_receivers_of_one_channel() {
    everywhere(|crew| {
        let (sender, receiver) = mpsc::channel();
        let receiver = Mutex::new(receiver);
        let sending = greenloop::spawn(move || {
            (1..=200usize).for_each(|number| sender.send(number).unwrap());
        });
        let got = crew.run(move |_| {
            let mut sum = 0;
            while let Ok(number) = { receiver.lock().unwrap().recv() } {
                sum += number;
            }
            sum
        });
        assert_eq!(got.iter().sum::<usize>(), 200 * 201 / 2);
        sending.join().unwrap();
    });
}

#[test]
fn a_receive_times_out() {
    everywhere(|crew| {
        crew.run(|_| {
            let (_sender, receiver) = mpsc::channel::<()>();
            let (start, wait) = (Instant::now(), Duration::from_millis(30));
            let result = receiver.recv_timeout(wait);
            assert_eq!(result, Err(mpsc::RecvTimeoutError::Timeout));
            assert!(start.elapsed() >= wait);
        });
    });
}

#[test]
fn threads_are_parked_each_for_itself() {
    everywhere(|crew| {
        let (sender, parked) = mpsc::channel::<thread::Thread>();
        let crew_size = crew.all();
        let unparker = thread::spawn(move || {
            // All of them are known before the first is woken.
            let all: Vec<_> = parked.iter().take(crew_size).collect();
            let mut ids: Vec<_> = all
                .iter()
                .map(|thread| format!("{:?}", thread.id()))
                .collect();
            ids.sort();
            ids.dedup();
            all.iter().rev().for_each(thread::Thread::unpark);
            ids.len()
        });
        crew.run(move |_| {
            sender.send(thread::current()).unwrap();
            thread::park();
            let (start, wait) = (Instant::now(), Duration::from_millis(10));
            while start.elapsed() < wait {
                thread::park_timeout(wait);
            }
        });
        assert_eq!(unparker.join().unwrap(), crew_size);
    });
}

#[test]
fn scoped_threads_are_joined() {
    everywhere(|crew| {
        crew.run(|_| {
            let total = Mutex::new(0);
            thread::scope(|scope| {
                for number in 0..3 {
                    let total = &total;
                    scope.spawn(move || {
                        thread::sleep(SHORT);
                        *total.lock().unwrap() += number;
                    });
                }
            });
            assert_eq!(*total.lock().unwrap(), 3);
        });
    });
}

#[test]
fn a_threads_result_is_joined() {
    everywhere(|crew| {
        crew.run(|index| {
            let slow = thread::spawn(move || {
                thread::sleep(5 * SHORT);
                index
            });
            let quick = thread::spawn(|| {});
            while !quick.is_finished() {
                thread::yield_now();
            }
            quick.join().unwrap();
            assert_eq!(slow.join().unwrap(), index);
            let panics = thread::spawn(|| std::panic::resume_unwind(Box::new(7)));
            assert_eq!(*panics.join().unwrap_err().downcast::<i32>().unwrap(), 7);
        });
    });
}

#[test]
fn stdouts_lock_is_held_across_waits() {
    everywhere(|crew| {
        crew.run(|_| {
            let outer = std::io::stdout().lock();
            thread::sleep(SHORT / 4);
            drop((std::io::stdout().lock(), outer));
        });
    });
}

#[test]
fn waits_of_siblings_overlap() {
    patch_all().unwrap();
    let wait = Duration::from_millis(300);
    let elapsed = within(move || {
        greenloop::run(move || {
            let start = Instant::now();
            Crew {
                greens: TWENTY,
                threads: 0,
            }
            .run(move |index| match index % 4 {
                0 => thread::park_timeout(wait),
                1 => {
                    let (_sender, receiver) = mpsc::channel::<()>();
                    receiver.recv_timeout(wait).unwrap_err();
                }
                2 => thread::spawn(move || thread::sleep(wait)).join().unwrap(),
                _ => {
                    let (lock, never) = (Mutex::new(()), Condvar::new());
                    let guard = lock.lock().unwrap();
                    drop(never.wait_timeout(guard, wait).unwrap());
                }
            });
            start.elapsed()
        })
    });
    assert!(elapsed < 10 * wait, "one after another: {elapsed:?}");
}

#[test]
fn parking_lots_locks() {
    everywhere(|crew| {
        let state = Arc::new((
            parking_lot::Mutex::new(0),
            parking_lot::Condvar::new(),
            parking_lot::RwLock::new(0),
        ));
        let ours = state.clone();
        crew.run(move |index| {
            let (total, changed, shared) = &*ours;
            for round in 0..20 {
                let mut guard = total.lock();
                let before = *guard;
                if round % 8 == 0 {
                    thread::sleep(SHORT / 4);
                }
                *guard = before + 1;
                changed.notify_all();
                drop(guard);
                if (index + round) % 4 == 0 {
                    *shared.write() += 1;
                } else {
                    let value = shared.read();
                    thread::yield_now();
                    drop(value);
                }
            }
            let mut guard = total.lock();
            changed.wait_while(&mut guard, |total| *total % 20 != 0);
        });
        assert_eq!(*state.0.lock(), crew.all() * 20);
        assert_eq!(*state.2.read(), crew.all() * 20 / 4);
    });
}

#[test]
fn crossbeams_channels() {
    everywhere(|crew| {
        for bound in [0, 2, 1000] {
            let (sender, receiver) = crossbeam_channel::bounded(bound);
            let sums: usize = crew
                .run(move |index| {
                    let (sender, receiver) = (sender.clone(), receiver.clone());
                    let mut sum = 0;
                    for number in 0..20usize {
                        if index % 2 == 0 {
                            sender.send(number).unwrap();
                        } else {
                            crossbeam_channel::select! {
                                recv(receiver) -> number => sum += number.unwrap(),
                                default(LONG) => panic!("nothing came"),
                            }
                        }
                    }
                    sum
                })
                .into_iter()
                .sum();
            assert_eq!(sums, crew.all() / 2 * (20 * 19 / 2));
        }
    });
}
