//! Configuration: the environment, the builder, and errors that name a bad value.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use greenloop::{Builder, Runtime, run, spawn, thread};

use crate::child::{Child, this_test};
use crate::overflow::{assert_overflow, overflow};
use crate::within::until;

/// Expects each way to spawn to fail, with an error that names the variable and its value.
fn assert_names(name: &str, value: &str) {
    let named = |text: &str| assert!(text.contains(name) && text.contains(value), "{text}");
    for _ in 0..2 {
        let error = Builder::new().spawn(|| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        named(&error.to_string());
    }
    let error = Runtime::builder().start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    named(&error.to_string());
    let panic = std::panic::catch_unwind(|| spawn(|| ())).unwrap_err();
    named(panic.downcast_ref::<String>().unwrap());
}

#[test]
fn a_bad_number_of_workers_is_an_error_that_names_it() {
    for value in ["abc", "0", "-1", "257", "1.5", "99999999999999999999", ""] {
        let child = Child::new(this_test!()).variable("GREENLOOP_WORKERS", value);
        child.passes(|| {
            let value = std::env::var("GREENLOOP_WORKERS").unwrap();
            assert_names("GREENLOOP_WORKERS", &value);
        });
    }
}

#[test]
fn a_bad_stack_size_is_an_error_that_names_it() {
    for value in ["64k", "0", "-1", "99999999999999", ""] {
        let child = Child::new(this_test!()).variable("GREENLOOP_STACK_SIZE", value);
        child.passes(|| {
            let value = std::env::var("GREENLOOP_STACK_SIZE").unwrap();
            let panic = std::panic::catch_unwind(|| run(|| ())).unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            let named = text.contains("GREENLOOP_STACK_SIZE") && text.contains(&value);
            assert!(named, "{text}");
            assert_names("GREENLOOP_STACK_SIZE", &value);
        });
    }
}

/// Waits until there are `count` workers: each names itself when it begins.
fn assert_workers(count: usize) {
    until("all workers have begun", || worker_threads() == count);
}

fn worker_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap());
    names.filter(|name| name.starts_with("greenloop-")).count()
}

// gevent 1.1 `config`, by the environment.
#[test]
fn the_environment_configures() {
    let at = (file!(), line!() + 7);
    let child = Child::new(this_test!())
        .variable("GREENLOOP_WORKERS", " 3 ")
        .variable("GREENLOOP_STACK_SIZE", 400 << 10);
    let end = child.run(|| {
        spawn(|| ()).join().unwrap();
        assert_workers(3);
        drop(spawn(|| overflow(0)).join());
    });
    assert_overflow(&end, "<unnamed>", at, 448);
}

#[test]
fn a_hub_alone_heeds_the_stack_size_and_starts_no_worker() {
    let at = (file!(), line!() + 5);
    let child = Child::new(this_test!()).variable("GREENLOOP_STACK_SIZE", 40 << 10);
    let end = child.run(|| {
        run(|| {
            drop(
                spawn(|| {
                    assert_eq!(worker_threads(), 0);
                    overflow(0)
                })
                .join(),
            );
        });
    });
    assert_overflow(&end, "<unnamed>", at, 48);
}

#[test]
fn workers_start_at_the_first_spawn() {
    Child::new(this_test!()).passes(|| {
        assert_eq!(worker_threads(), 0);
        greenloop::sleep(Duration::from_millis(1));
        thread::current().unpark();
        thread::park();
        run(|| spawn(|| ()).join().unwrap());
        assert_eq!(worker_threads(), 0);
        spawn(|| ()).join().unwrap();
        assert_workers(4);
    });
}

// gevent 1.1 `config`, by the program.
#[test]
fn a_builder_configures_and_outdoes_the_environment() {
    let at = (file!(), line!() + 6);
    let end = Child::new(this_test!()).run(|| {
        let builder = Runtime::builder().workers(2).stack_size(300 << 10);
        let runtime = builder.start().unwrap();
        assert_eq!(runtime.workers(), 2);
        assert_workers(2);
        drop(spawn(|| overflow(0)).join());
    });
    assert_overflow(&end, "<unnamed>", at, 448);
}

#[test]
fn a_builder_s_bad_values_are_errors_that_name_them() {
    Child::new(this_test!()).passes(|| {
        let bad = [
            (Runtime::builder().workers(0), "workers is 0"),
            (Runtime::builder().workers(257), "workers is 257"),
            (Runtime::builder().stack_size(usize::MAX), "stack_size"),
            (
                Runtime::builder().blocking_threads(0),
                "blocking_threads is 0",
            ),
        ];
        for (builder, name) in bad {
            let error = builder.start().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(name), "{name}: {error}");
        }
        assert_eq!(worker_threads(), 0);
        // A failure leaves nothing behind that a better one would meet.
        assert_eq!(Runtime::builder().workers(1).start().unwrap().workers(), 1);
        let error = Runtime::builder().workers(1).start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn a_stack_size_of_zero_is_the_smallest_or_an_error() {
    let at = (file!(), line!() + 5);
    let end = Child::new(this_test!()).run(|| {
        if Runtime::builder().stack_size(0).start().is_err() {
            return;
        }
        drop(spawn(|| overflow(0)).join());
    });
    if !end.status.success() {
        assert_overflow(&end, "<unnamed>", at, 48);
    }
}

#[test]
fn a_builder_after_the_first_spawn_is_too_late() {
    Child::new(this_test!()).passes(|| {
        spawn(|| ()).join().unwrap();
        let error = Runtime::builder().start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn first_spawns_of_many_threads_start_one_runtime() {
    Child::new(this_test!()).passes(|| {
        let gate = Arc::new(std::sync::Barrier::new(16));
        let spawners: Vec<_> = (0..16)
            .map(|n| {
                let gate = gate.clone();
                std::thread::spawn(move || {
                    gate.wait();
                    spawn(move || n).join().unwrap()
                })
            })
            .collect();
        for (n, spawner) in spawners.into_iter().enumerate() {
            assert_eq!(spawner.join().unwrap(), n);
        }
        assert_workers(4);
    });
}

// gevent 2 #9.
#[test]
fn a_process_ends_with_green_threads_of_every_kind_alive() {
    Child::new(this_test!()).passes(|| {
        drop(spawn(thread::park));
        drop(spawn(|| greenloop::sleep(Duration::MAX)));
        drop(spawn(|| {
            loop {
                greenloop::yield_now();
            }
        }));
        drop(greenloop::spawn_blocking(|| {
            std::thread::sleep(Duration::from_secs(600))
        }));
        spawn(|| ()).join().unwrap();
    });
}
