//! Signals: waited for on every kind of thread, and the wish to end.

use std::io::ErrorKind;
use std::process::{Command, id};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use greenloop::net::{Datagram, DatagramServer, SocketAddr};
use greenloop::signal::{
    self, SIGCHLD, SIGINT, SIGKILL, SIGSEGV, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2, Shutdown, Signals,
};
use greenloop::{joinall, run, sleep, spawn, timeout, wait, wait_any};

use crate::child::{Child, this_test};
use crate::everywhere::everywhere;
use crate::within::{LONG, until};

/// Sends a signal to this process.
fn send(name: &str) {
    let me = id().to_string();
    let sent = Command::new("kill").args(["-s", name, &me]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_signal_reaches_everybody_who_waits_for_it() {
    Child::new(this_test!()).passes(|| {
        let signals = || Signals::new([SIGUSR1, SIGUSR2]).unwrap();
        let (mut first, mut second, mut third) = (signals(), signals(), signals());
        let other_thread = thread::spawn(move || [first.wait().unwrap(), first.wait().unwrap()]);
        let other_hub =
            thread::spawn(move || run(move || [second.wait().unwrap(), second.wait().unwrap()]));
        let green = spawn(move || [third.wait().unwrap(), third.wait().unwrap()]);
        let mut here = signals();
        send("USR1");
        assert_eq!(here.wait().unwrap(), SIGUSR1);
        send("USR2");
        assert_eq!(here.wait().unwrap(), SIGUSR2);
        let sorted = |mut signals: [i32; 2]| {
            signals.sort();
            signals
        };
        let both = sorted([SIGUSR1, SIGUSR2]);
        assert_eq!(sorted(other_thread.join().unwrap()), both);
        assert_eq!(sorted(other_hub.join().unwrap()), both);
        assert_eq!(sorted(green.join().unwrap()), both);
        assert_eq!(here.try_wait(), None);
    });
}

#[test]
fn a_cut_wait_loses_no_signal() {
    Child::new(this_test!()).passes(|| {
        fn cut_and_wait() {
            let mut signals = Signals::new([SIGUSR1]).unwrap();
            assert!(timeout(Duration::from_millis(5), || signals.wait()).is_err());
            send("USR1");
            assert_eq!(signals.next().unwrap().unwrap(), SIGUSR1);
        }
        cut_and_wait();
        spawn(cut_and_wait).join().unwrap();
        run(cut_and_wait);
    });
}

#[test]
fn siblings_run_while_a_signal_is_waited_for() {
    Child::new(this_test!()).passes(|| {
        run(|| {
            let mut signals = Signals::new([SIGUSR1]).unwrap();
            spawn(|| {
                sleep(Duration::from_millis(20));
                send("USR1");
            });
            assert_eq!(signals.wait().unwrap(), SIGUSR1);
        });
    });
}

#[test]
fn what_cannot_be_waited_for_is_refused_by_name() {
    everywhere(|| {
        for (signal, name) in [
            (SIGKILL, "SIGKILL"),
            (SIGSTOP, "SIGSTOP"),
            (SIGSEGV, "SIGSEGV"),
        ] {
            let error = Signals::new([signal]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(
                Shutdown::on([signal]).unwrap_err().kind(),
                ErrorKind::InvalidInput
            );
        }
        for signal in [0, -1, 65, i32::MAX] {
            let error = Signals::new([SIGCHLD, signal]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&signal.to_string()), "{error}");
        }
    });
}

#[test]
fn control_c_is_waited_for() {
    Child::new(this_test!()).passes(|| {
        let waiting = spawn(|| {
            spawn(|| {
                until("a handler of SIGINT", || {
                    let status = std::fs::read_to_string("/proc/self/status").unwrap();
                    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
                    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
                    caught & 1 << (SIGINT - 1) != 0
                });
                send("INT");
            });
            signal::ctrl_c()
        });
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn a_shutdown_wakes_all_and_ends_in_good_order() {
    let end = Child::new(this_test!()).run(|| {
        let shutdown = Shutdown::on([SIGTERM, SIGINT]).unwrap();
        assert!(!shutdown.is_requested() && shutdown.signal().is_none());
        let (ready, all_ready) = mpsc::channel();
        let waiter = || {
            let (shutdown, ready) = (shutdown.clone(), ready.clone());
            move || {
                ready.send(()).unwrap();
                shutdown.wait();
                assert_eq!(shutdown.signal(), Some(SIGTERM));
            }
        };
        let greens: Vec<_> = (0..20).map(|_| spawn(waiter())).collect();
        let os_thread = thread::spawn(waiter());
        let (in_hub, wait) = (waiter(), waiter());
        let hub = thread::spawn(move || {
            run(move || {
                let sibling = spawn(wait);
                in_hub();
                sibling.join().unwrap();
            })
        });
        for _ in 0..23 {
            all_ready.recv().unwrap();
        }
        send("TERM");
        shutdown.wait();
        for green in joinall(greens) {
            green.unwrap();
        }
        os_thread.join().unwrap();
        hub.join().unwrap();
        println!("in good order");
    });
    assert!(
        end.status.success() && end.stdout.contains("in good order"),
        "{end}"
    );
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let end = Child::new(this_test!()).run(|| {
        let shutdown = Shutdown::on([SIGTERM, SIGINT]).unwrap();
        send("TERM");
        shutdown.wait();
        send("INT");
        sleep(Duration::from_secs(600));
    });
    assert_eq!(end.signal(), Some(SIGINT), "{end}");
}

#[test]
fn a_request_of_our_own_is_like_a_first_signal() {
    let end = Child::new(this_test!()).run(|| {
        let shutdown = Shutdown::on([SIGTERM]).unwrap();
        let waiting = shutdown.clone();
        let waiting = spawn(move || waiting.wait());
        shutdown.request();
        waiting.join().unwrap();
        assert!(shutdown.is_requested() && shutdown.signal().is_none());
        send("TERM");
        sleep(Duration::from_secs(600));
    });
    assert_eq!(end.signal(), Some(SIGTERM), "{end}");
}

#[test]
fn a_second_signal_ends_the_process_also_when_nobody_has_the_shutdown_any_more() {
    let end = Child::new(this_test!()).run(|| {
        let shutdown = Shutdown::on([SIGTERM, SIGINT]).unwrap();
        send("TERM");
        shutdown.wait();
        drop(shutdown);
        send("INT");
        sleep(Duration::from_secs(600));
    });
    assert_eq!(end.signal(), Some(SIGINT), "{end}");
}

#[test]
fn a_shutdown_that_is_gone_is_none_of_the_next_ones_business() {
    Child::new(this_test!()).passes(|| {
        drop(Shutdown::on([SIGUSR1]).unwrap());
        let shutdown = Shutdown::on([SIGUSR1]).unwrap();
        send("USR1");
        shutdown.wait();
        assert!(!Shutdown::on([SIGUSR1]).unwrap().is_requested());
    });
}

#[test]
fn a_shutdown_is_waited_for_with_other_things() {
    Child::new(this_test!()).passes(|| {
        fn among_others() {
            let shutdown = Shutdown::on([SIGUSR1]).unwrap();
            let (parked, done) = (spawn(greenloop::thread::park), spawn(|| ()));
            assert_eq!(wait_any(&[&parked, shutdown.event(), &done]), 2);
            let ready = wait([shutdown.event()], Some(Duration::from_millis(5)), None);
            assert!(ready.is_empty());
            shutdown.request();
            assert_eq!(wait_any(&[&parked, shutdown.event()]), 1);
            parked.kill();
        }
        among_others();
        spawn(among_others).join().unwrap();
        run(among_others);
        let shutdown = Shutdown::on([SIGUSR2]).unwrap();
        let parked = spawn(greenloop::thread::park);
        send("USR2");
        assert_eq!(wait_any(&[&parked, shutdown.event()]), 1);
        assert_eq!(shutdown.signal(), Some(SIGUSR2));
    });
}

#[test]
fn a_server_serves_until_a_shutdown() {
    Child::new(this_test!()).passes(|| {
        let shutdown = Shutdown::on([SIGTERM]).unwrap();
        let server = DatagramServer::bind("127.0.0.1:0", |_: Datagram, _: SocketAddr| ());
        let (server, waiting) = (server.unwrap(), shutdown.clone());
        let handle = server.handle();
        spawn(move || {
            until("it serves", || handle.is_accepting());
            send("TERM");
        });
        assert!(server.serve_until(waiting.event(), LONG).unwrap());
        assert!(server.is_closed() && shutdown.is_requested());
    });
}

/// Each of ten has a thread and three descriptors; others may come and go.
#[test]
fn a_shutdown_that_is_dropped_leaves_no_thread_and_no_descriptor() {
    Child::new(this_test!()).passes(|| {
        let count = |place| std::fs::read_dir(place).unwrap().count();
        let own = || (count("/proc/self/task"), count("/proc/self/fd"));
        drop(Shutdown::on([SIGTERM, SIGINT]).unwrap());
        let before = own();
        let many: Vec<_> = (0..10)
            .map(|_| Shutdown::on([SIGTERM, SIGINT]).unwrap())
            .collect();
        let (threads, descriptors) = own();
        assert!(threads >= before.0 + 9 && descriptors >= before.1 + 20);
        drop(many);
        until("all are gone", || {
            let (threads, descriptors) = own();
            threads <= before.0 + 3 && descriptors <= before.1 + 3
        });
    });
}
