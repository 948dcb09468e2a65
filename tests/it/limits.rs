//! Limits: stacks, mappings and descriptors that run out, and memory that comes back; each in a process of its own.

use std::fs;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use greenloop::{Builder, JoinHandle, Runtime, joinall, run, spawn, thread};

use crate::child::{Child, this_test};
use crate::overflow::without_guard_markers;
use crate::within::{LONG, until};

#[test]
fn a_spawn_without_a_mapping_for_its_guard_is_an_error_that_names_the_limit() {
    Child::new(this_test!()).limit(LONG).passes(|| {
        let limit = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
        if limit.trim().parse::<usize>().unwrap() > 200_000 {
            return; // It would take too long to meet it.
        }
        without_guard_markers();
        for _ in 0..2 {
            let (handles, error) = spawn_until_refused(Builder::new);
            assert_eq!(error.kind(), ErrorKind::OutOfMemory);
            let named = format!("vm.max_map_count = {}", limit.trim());
            assert!(error.to_string().contains(&named), "{error}");
            assert!(handles.len() > 10_000, "{} fit", handles.len());
            wake_and_join(handles);
        }
    });
}

/// Spawns parked ones until that is refused; room is made first, as little memory may be left later.
fn spawn_until_refused(builder: impl Fn() -> Builder) -> (Vec<JoinHandle<usize>>, io::Error) {
    let mut handles = Vec::with_capacity(1 << 20);
    loop {
        let n = handles.len();
        let spawned = builder().spawn(move || {
            thread::park();
            n
        });
        match spawned {
            Ok(handle) => handles.push(handle),
            Err(error) => return (handles, error),
        }
    }
}

fn assert_refused_by_address_space(error: &io::Error, limit_kib: usize) {
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    let limit = format!("RLIMIT_AS = {} bytes", limit_kib << 10);
    assert!(error.to_string().contains(&limit), "{error}");
}

fn wake_and_join(handles: Vec<JoinHandle<usize>>) {
    handles.iter().for_each(|handle| handle.thread().unpark());
    for (n, result) in joinall(handles).into_iter().enumerate() {
        assert_eq!(result.unwrap(), n);
    }
}

const ADDRESS_SPACE: usize = 6 << 20;

#[test]
fn a_spawn_without_room_for_a_stack_is_an_error_that_names_the_limit() {
    let child = Child::new(this_test!()).setup(&format!("ulimit -v {ADDRESS_SPACE}"));
    child.passes(|| {
        let (handles, error) = spawn_until_refused(|| Builder::new().stack_size(16 << 20));
        assert_refused_by_address_space(&error, ADDRESS_SPACE);
        assert!(handles.len() > 20, "{} fit", handles.len());
        // The earlier ones work.
        wake_and_join(handles);
        spawn(|| ()).join().unwrap();
    });
}

#[test]
fn stacks_that_nobody_uses_serve_every_spawn() {
    let child = Child::new(this_test!()).setup(&format!("ulimit -v {ADDRESS_SPACE}"));
    child.passes(|| {
        let mut fits = Vec::new();
        for round in 0..10 {
            let (handles, _) = spawn_until_refused(|| Builder::new().stack_size(16 << 20));
            fits.push(handles.len());
            // There are some of this size from the first round on, all of them free.
            let small = Builder::new().spawn(|| ()).map(JoinHandle::join);
            assert!(small.is_ok(), "round {round}: {small:?}; {fits:?} fitted");
            wake_and_join(handles);
        }
    });
}

#[test]
fn spawns_of_default_size_until_nothing_is_left_end_in_an_error() {
    let child = Child::new(this_test!()).setup(&format!("ulimit -v {ADDRESS_SPACE}"));
    child.passes(|| {
        let (handles, error) = spawn_until_refused(Builder::new);
        assert_refused_by_address_space(&error, ADDRESS_SPACE);
        assert!(handles.len() > 1_000, "{} fit", handles.len());
        wake_and_join(handles);
        // What has been given back serves again.
        wake_and_join((0..1_000).map(|n| spawn(move || n)).collect());
    });
}

#[test]
fn a_green_thread_s_own_spawn_is_refused_as_well() {
    let child = Child::new(this_test!()).setup(&format!("ulimit -v {ADDRESS_SPACE}"));
    child.passes(|| {
        let spawner = spawn(|| {
            let (handles, error) = spawn_until_refused(|| Builder::new().stack_size(16 << 20));
            assert_refused_by_address_space(&error, ADDRESS_SPACE);
            wake_and_join(handles);
        });
        spawner.join().unwrap();
        run(|| {
            let (handles, error) = spawn_until_refused(|| Builder::new().stack_size(16 << 20));
            assert_refused_by_address_space(&error, ADDRESS_SPACE);
            wake_and_join(handles);
        });
    });
}

#[test]
fn a_hundred_thousand_are_parked_at_once() {
    Child::new(this_test!()).limit(LONG).passes(|| {
        let handles: Vec<_> = (0..100_000)
            .map(|n| {
                spawn(move || {
                    thread::park();
                    n
                })
            })
            .collect();
        wake_and_join(handles);
    });
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() << 12
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Parks `count` green threads at once, and ends them; says how many bytes were in use meanwhile.
fn crowd(count: usize) -> usize {
    let parked = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = (0..count)
        .map(|n| {
            let parked = parked.clone();
            spawn(move || {
                parked.fetch_add(1, Ordering::SeqCst);
                thread::park();
                n
            })
        })
        .collect();
    until("all have started", || {
        parked.load(Ordering::SeqCst) == count
    });
    let bytes = resident_bytes();
    wake_and_join(handles);
    bytes
}

#[test]
fn memory_and_descriptors_go_back_to_where_they_began() {
    const CROWD: usize = 100_000;
    Child::new(this_test!()).limit(LONG).passes(|| {
        crowd(100);
        let (files, bytes) = (descriptors(), resident_bytes());
        for _ in 0..2 {
            let most = crowd(CROWD);
            assert!(most - bytes > CROWD << 12, "each has a page of stack");
            // Headers are kept; they and the odd arena are a small part of that.
            let start = Instant::now();
            until("the stacks are given back", || {
                std::thread::sleep(Duration::from_millis(10));
                resident_bytes() < bytes + (most - bytes) / 4
            });
            assert!(start.elapsed() < Duration::from_secs(30));
            assert_eq!(descriptors(), files);
        }
    });
}

#[test]
fn a_runtime_that_cannot_start_is_an_error_and_leaves_nothing_behind() {
    let child = Child::new(this_test!())
        .variable("GREENLOOP_WORKERS", 64)
        .setup("ulimit -n 60");
    child.passes(|| {
        let before = descriptors();
        for _ in 0..3 {
            let error = Builder::new().spawn(|| ()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(24), "{error}");
            assert_eq!(descriptors(), before);
        }
        // A smaller one fits.
        Runtime::builder().workers(2).start().unwrap();
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn a_hub_without_descriptors_panics_and_leaves_nothing_behind() {
    let child = Child::new(this_test!()).setup("ulimit -n 32");
    child.passes(|| {
        let hog = || (0..).map_while(|_| fs::File::open("/dev/null").ok());
        let mut hogs: Vec<_> = hog().collect();
        for spare in 1..4 {
            hogs.pop();
            let panic = std::panic::catch_unwind(|| run(|| ())).unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.contains("failed to set up a hub"), "{text}");
            assert_eq!(hog().collect::<Vec<_>>().len(), spare);
        }
        drop(hogs);
        assert_eq!(run(|| spawn(|| 1).join().unwrap()), 1);
    });
}

#[test]
fn green_threads_one_after_another_use_the_same_memory() {
    Child::new(this_test!()).passes(|| {
        let many = || {
            for n in 0..1_000 {
                assert!(
                    joinall((0..n % 200).map(|_| spawn(|| ())))
                        .iter()
                        .all(Result::is_ok)
                );
                // Made here, ended there; and made there, ended here.
                let spawner = spawn(|| (0..100).map(|_| spawn(|| ())).collect::<Vec<_>>());
                drop(spawner.join().unwrap());
            }
        };
        many();
        let before = resident_bytes();
        (0..3).for_each(|_| many());
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 32 << 20, "by {} KiB", grown >> 10);
    });
}
