//! What threads of a kind do with each other: yields, parks, spawns; and what memory they take.

use crate::place::Place;
use crate::report::{self, Memory, Meter, Report, report};
use greenloop_runtime::{thread, yield_now};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const YIELDS: usize = 1_000_000;
const PARKS: usize = 300_000;
const STD_PARKS: usize = 20_000;
const SPAWNS: usize = 50_000;
/// How many are spawned at a time.
const MANY: usize = 1000;
const ROUNDS: usize = 50;
/// How many hold memory at once.
const HELD: usize = 2000;

/// Yields of two in turn.
pub fn yields(place: Place) -> Report {
    let meter = Meter::start();
    let other = place.green(|| (0..YIELDS).for_each(|_| yield_now()));
    (0..YIELDS).for_each(|_| yield_now());
    other.join().expect("nothing there panics");
    report("yield", 2 * YIELDS, meter.stop())
}

/// Two that wake each other and park, by greenloop's calls.
pub fn parks(place: Place) -> Report {
    let meter = Meter::start();
    let first = thread::current();
    let other = place.green(move || {
        for _ in 0..PARKS {
            thread::park();
            first.unpark();
        }
    });
    let second = other.thread().clone();
    for _ in 0..PARKS {
        second.unpark();
        thread::park();
    }
    other.join().expect("nothing there panics");
    report("park", 2 * PARKS, meter.stop())
}

/// The same by std's, which knows no green threads.
pub fn std_parks(place: Place) -> Report {
    let meter = Meter::start();
    let first = std::thread::current();
    let (sender, receiver) = std::sync::mpsc::channel();
    let other = place.spawn(move || {
        sender.send(std::thread::current()).expect("it is awaited");
        for _ in 0..STD_PARKS {
            std::thread::park();
            first.unpark();
        }
    });
    let second = receiver.recv().expect("it is sent");
    for _ in 0..STD_PARKS {
        second.unpark();
        std::thread::park();
    }
    other.join();
    report("std_park", 2 * STD_PARKS, meter.stop())
}

/// One by one.
pub fn spawns(place: Place) -> Report {
    many(place, 1); // for the stack and storage that are used again
    let meter = Meter::start();
    for _ in 0..SPAWNS {
        many(place, 1);
    }
    report("spawn_seq", SPAWNS, meter.stop())
}

/// The first ones of the process, each on a stack and storage that are new.
pub fn first_spawns(place: Place) -> Report {
    let meter = Meter::start();
    many(place, MANY);
    report("spawn_1k_new", MANY, meter.stop())
}

/// Many at a time, on stacks and storage that have been used before.
pub fn later_spawns(place: Place) -> Report {
    many(place, MANY);
    let meter = Meter::start();
    for _ in 0..ROUNDS {
        many(place, MANY);
    }
    report("spawn_1k", MANY * ROUNDS, meter.stop())
}

fn many(place: Place, count: usize) {
    let spawn = |n| place.green(move || black_box(n));
    let handles: Vec<_> = (0..count).map(spawn).collect();
    for handle in handles {
        handle.join().expect("nothing there panics");
    }
}

/// What each of 2,000 takes that are parked; they end with the process.
pub fn memory(place: Place) -> Report {
    static PARKED: AtomicUsize = AtomicUsize::new(0);
    let (memory, kernel) = (Memory::now(), Kernel::now());
    let meter = Meter::start();
    for _ in 0..HELD {
        let hold = move || {
            PARKED.fetch_add(1, Ordering::Relaxed);
            match place {
                Place::Os => std::thread::park(),
                _ => thread::park(),
            }
        };
        drop(place.spawn(hold));
    }
    while PARKED.load(Ordering::Relaxed) < HELD {
        thread::sleep(Duration::from_millis(1));
    }
    let mut report = report("memory", HELD, meter.stop());
    memory.add_growth(&mut report, HELD);
    kernel.add_growth(&mut report);
    report
}

/// What the kernel holds for threads.
struct Kernel {
    threads: f64,
    /// Bytes, of the whole machine.
    stacks: f64,
}

impl Kernel {
    fn now() -> Kernel {
        Kernel {
            threads: field("/proc/self/status", "Threads:"),
            stacks: field("/proc/meminfo", "KernelStack:") * 1024.0,
        }
    }

    fn add_growth(&self, report: &mut Report) {
        let now = Kernel::now();
        let each = |now: f64, before: f64| (now - before) / HELD as f64;
        let threads = each(now.threads, self.threads);
        report::add(report, "kernel_threads_per_task", threads);
        let stacks = each(now.stacks, self.stacks);
        report::add(report, "kernel_stack_bytes_per_task", stacks);
    }
}

fn field(path: &str, key: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
