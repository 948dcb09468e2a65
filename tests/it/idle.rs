//! Idleness: without work there are no wake-ups.

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use greenloop::{joinall, run, sleep, spawn, thread};

use crate::balance::delay_behind_a_computation;
use crate::child::{Child, this_test};
use crate::schedule::longest_wait_beside;
use crate::within::until;

/// The voluntary switches so far of each OS thread that is a worker or calls itself a hub: a thread that wakes and sleeps again makes one.
fn wake_ups() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
        };
        let name = field("Name:");
        if name.starts_with("greenloop") || name == "hub" {
            found.push((field("Pid:"), field("voluntary_ctxt_switches:")));
        }
    }
    found.sort();
    found
}

/// Fails unless all workers fall quiet within ten seconds, and stay so for a second.
pub(crate) fn assert_quiet() {
    let quiet_for = |millis| {
        let before = wake_ups();
        std::thread::sleep(Duration::from_millis(millis));
        before == wake_ups()
    };
    let start = Instant::now();
    while !quiet_for(300) {
        assert!(start.elapsed() < Duration::from_secs(10), "never quiet");
    }
    assert!(quiet_for(1_000), "quiet, and then not");
}

#[test]
fn an_idle_process_makes_no_wake_ups() {
    Child::new(this_test!()).passes(|| {
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
        // Each worker names itself when it begins.
        until("all workers have begun", || wake_ups().len() == 4);
        assert_quiet();
        // After stealing, timers, many stacks to trim, and descriptors.
        let handles = (0..20_000).map(|n| spawn(move || sleep(Duration::from_micros(n % 1000))));
        assert!(
            joinall(handles.collect::<Vec<_>>())
                .iter()
                .all(Result::is_ok)
        );
        spawn(|| delay_behind_a_computation(10)).join().unwrap();
        spawn(|| longest_wait_beside(1, 5)).join().unwrap();
        assert_quiet();
    });
}

#[test]
fn parked_green_threads_make_no_wake_ups() {
    Child::new(this_test!()).passes(|| {
        let (sender, receiver) = mpsc::channel();
        let parked: Vec<_> = (0..1_000)
            .map(|n| {
                let sender = sender.clone();
                spawn(move || {
                    sender.send(()).unwrap();
                    if n % 2 == 0 {
                        thread::park();
                    } else {
                        thread::park_timeout(Duration::from_secs(600));
                    }
                })
            })
            .collect();
        parked.iter().for_each(|_| receiver.recv().unwrap());
        assert_quiet();
        parked.iter().for_each(|handle| handle.thread().unpark());
        assert!(joinall(parked).iter().all(Result::is_ok));
    });
}

#[test]
fn a_hub_that_waits_makes_no_wake_ups() {
    Child::new(this_test!()).passes(|| {
        let (sender, receiver) = mpsc::channel();
        let named = std::thread::Builder::new().name("hub".into());
        let hub = named.spawn(move || {
            run(|| {
                joinall((0..1_000).map(|_| spawn(|| sleep(Duration::from_micros(50)))));
                drop(spawn(|| sleep(Duration::from_secs(600))));
                longest_wait_beside(1, 5);
                sender.send(thread::current()).unwrap();
                thread::park();
            });
        });
        let parked = receiver.recv().unwrap();
        assert_eq!(wake_ups().len(), 1);
        assert_quiet();
        parked.unpark();
        hub.unwrap().join().unwrap();
    });
}
