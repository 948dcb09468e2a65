//! Waiting for any descriptors: the waits themselves, and how they end.

use std::cell::Cell;
use std::io::{ErrorKind, PipeReader, Read, Write, pipe};
use std::net::{self as std_net, Shutdown, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenloop::net::{
    Events, PollFd, Selector, TcpStream, poll, select, wait_readable, wait_writable,
};
use greenloop::{run, shield, sleep, spawn, spawn_local, timeout, yield_now};
use rustix::event::PollFlags;
use socket2::SockRef;

use crate::alone::{alone, assert_back_to, census};
use crate::everywhere::{everywhere, in_hub};
use crate::poll::{SHORT, fill, our_poll, reset, tcp, wait_for};
use crate::within::{LONG, NOISE, until, within};

/// Polls `fd` in a hub, and lets `act` happen when the poll waits.
fn after(fd: impl Into<OwnedFd>, events: Events, act: impl FnOnce()) -> Events {
    let fd: OwnedFd = fd.into();
    let waiter = spawn_local(move || {
        let mut entries = [PollFd::new(&fd, events)];
        assert_eq!(poll(&mut entries, Some(LONG)).unwrap(), 1);
        entries[0].revents()
    });
    yield_now();
    assert!(!waiter.is_finished(), "it did not wait for {events:?}");
    act();
    waiter.join().unwrap()
}

#[test]
fn a_wait_ends_with_what_happens() {
    in_hub(|| {
        let (reader, mut writer) = pipe().unwrap();
        let found = after(reader, Events::READABLE, || writer.write_all(b"x").unwrap());
        assert_eq!(found, Events::READABLE);
        let (reader, writer) = pipe().unwrap();
        assert_eq!(
            after(reader, Events::empty(), || drop(writer)),
            Events::HUNG_UP
        );
        let (reader, writer) = pipe().unwrap();
        fill(writer.try_clone().unwrap());
        let found = after(writer, Events::WRITABLE, || {
            (&reader).read_exact(&mut [0; 60_000]).unwrap();
        });
        assert_eq!(found, Events::WRITABLE);
        let (one, mut other) = tcp();
        other.write_all(b"not urgent").unwrap();
        wait_for(&one, PollFlags::IN);
        let found = after(one, Events::URGENT, || {
            SockRef::from(&other)
                .send_out_of_band(b"!")
                .map(drop)
                .unwrap();
        });
        assert_eq!(found, Events::URGENT);
        let (one, mut other) = tcp();
        other.write_all(b"not the end").unwrap();
        wait_for(&one, PollFlags::IN);
        let found = after(one, Events::READ_CLOSED, || {
            other.shutdown(Shutdown::Write).unwrap()
        });
        assert_eq!(found, Events::READ_CLOSED);
        let (one, other) = tcp();
        let found = after(one, Events::READABLE, || reset(other));
        assert!(found.contains(Events::ERROR | Events::HUNG_UP), "{found:?}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = after(listener, Events::READABLE, || {
            drop(std_net::TcpStream::connect(address).unwrap());
        });
        assert_eq!(found, Events::READABLE);
    });
}

// Ready once more as long as something is left: an edge would come only once.
#[test]
fn readiness_is_a_level() {
    everywhere(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        let mut selector = Selector::new();
        selector
            .register(reader.try_clone().unwrap(), Events::READABLE, ())
            .unwrap();
        assert_eq!(selector.select(SHORT).unwrap(), []);
        writer.write_all(b"abc").unwrap();
        for _ in 0..3 {
            assert_eq!(selector.select(None).unwrap().len(), 1);
            wait_readable(&reader, None).unwrap();
            reader.read_exact(&mut [0]).unwrap();
        }
        assert_eq!(selector.select(SHORT).unwrap(), []);
        let error = wait_readable(&reader, SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_timeout_is_kept() {
    everywhere(|| {
        let (reader, writer) = pipe().unwrap();
        fill(writer.try_clone().unwrap());
        let idle = tcp();
        for timeout in [Duration::ZERO, Duration::from_millis(20)] {
            let start = Instant::now();
            let error = wait_writable(&writer, Some(timeout)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            let error = wait_readable(&idle.0, Some(timeout)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert!(
                select(&[], &[writer.as_fd()], &[], Some(timeout))
                    .unwrap()
                    .is_empty()
            );
            assert_eq!(poll(&mut [], Some(timeout)).unwrap(), 0);
            assert!(select(&[], &[], &[], Some(timeout)).unwrap().is_empty());
            let nothing = Selector::<OwnedFd>::new();
            assert!(nothing.select(Some(timeout)).unwrap().is_empty());
            let took = start.elapsed();
            assert!(
                took >= 6 * timeout && took < 6 * timeout + NOISE,
                "{took:?}"
            );
        }
        wait_readable(&reader, Some(Duration::MAX)).unwrap();
        wait_readable(&reader, Some(Duration::ZERO)).unwrap();
    });
}

/// One waiter of each kind for `fd`.
fn waiters(fd: &Arc<PipeReader>) -> Vec<Box<dyn FnOnce() + Send>> {
    let [one, two, three, four] = [(); 4].map(|()| fd.clone());
    vec![
        Box::new(move || wait_readable(&*one, None).unwrap()),
        Box::new(move || {
            let found = our_poll(&[two.as_fd()], Events::READABLE, None);
            assert_eq!(found, [PollFlags::IN]);
        }),
        Box::new(move || {
            let found = select(&[three.as_fd()], &[], &[], None).unwrap();
            assert_eq!(found.readable, [three.as_raw_fd()]);
        }),
        Box::new(move || {
            let mut selector = Selector::new();
            let fd = selector.register(four, Events::READABLE, ()).unwrap();
            assert_eq!(selector.select(None).unwrap(), [(fd, Events::READABLE)]);
        }),
    ]
}

#[test]
fn all_who_wait_for_one_descriptor_are_woken() {
    within(LONG, || {
        let (reader, mut writer) = pipe().unwrap();
        let reader = Arc::new(reader);
        let handles: Vec<_> = (0..50).flat_map(|_| waiters(&reader)).map(spawn).collect();
        let threads: Vec<_> = waiters(&reader)
            .into_iter()
            .map(std::thread::spawn)
            .collect();
        sleep(Duration::from_millis(10));
        writer.write_all(b"x").unwrap();
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_kill_or_timeout_ends_a_wait_and_leaves_nothing() {
    alone(
        concat!(
            module_path!(),
            "::a_kill_or_timeout_ends_a_wait_and_leaves_nothing"
        ),
        "",
        || {
            let before = {
                spawn(|| ()).join().unwrap();
                census()
            };
            let (reader, mut writer) = pipe().unwrap();
            let reader = Arc::new(reader);
            let open = census();
            for _ in 0..20 {
                for waiter in waiters(&reader) {
                    let handle = spawn(waiter);
                    until("it waits", || census().registrations > open.registrations);
                    handle.kill();
                    assert!(handle.join().is_err());
                    assert_back_to(open);
                }
                for waiter in waiters(&reader) {
                    let bounded = move || timeout(Duration::from_millis(3), waiter).is_err();
                    assert!(spawn(bounded).join().unwrap());
                }
                for waiter in waiters(&reader) {
                    assert!(
                        timeout(Duration::from_millis(3), waiter).is_err(),
                        "an OS thread"
                    );
                }
            }
            assert_back_to(open);
            let held = reader.clone();
            let shielded = spawn(move || shield(|| wait_readable(&*held, None)));
            until("it waits", || census().registrations > open.registrations);
            shielded.kill_nowait();
            writer.write_all(b"x").unwrap();
            shielded.join().unwrap().unwrap();
            drop((reader, writer));
            assert_back_to(before);
        },
    );
}

#[test]
fn what_is_always_ready_starves_nobody() {
    let spins: [fn(&PipeReader); 4] = [
        |fd| wait_readable(fd, None).unwrap(),
        |fd| {
            drop(our_poll(
                &[fd.as_fd()],
                Events::READABLE,
                Some(Duration::ZERO),
            ))
        },
        |fd| drop(select(&[], &[], &[fd.as_fd()], Some(Duration::ZERO)).unwrap()),
        |fd| {
            let mut selector = Selector::new();
            selector.register(fd.as_fd(), Events::READABLE, ()).unwrap();
            selector.select(None).map(drop).unwrap();
        },
    ];
    for spin in spins {
        in_hub(move || {
            let (reader, mut writer) = pipe().unwrap();
            writer.write_all(b"x").unwrap();
            let turns = Rc::new(Cell::new(0));
            let counted = turns.clone();
            let sibling = spawn_local(move || {
                for _ in 0..20 {
                    yield_now();
                    counted.set(counted.get() + 1);
                }
            });
            while turns.get() < 20 {
                spin(&reader);
            }
            sibling.join().unwrap();
        });
    }
}

// They share what the reactor knows of the descriptor.
#[test]
fn a_socket_of_ours_may_be_waited_for_while_it_is_read() {
    in_hub(|| {
        let (ours, mut theirs) = tcp();
        let ours = Rc::new(TcpStream::from(ours));
        let stream = ours.clone();
        let reader = spawn_local(move || {
            let mut all = Vec::new();
            (&*stream).read_to_end(&mut all).map(|_| all)
        });
        let rounds = 200;
        for round in 0..rounds {
            let waiting = ours.clone();
            let waiter = spawn_local(move || wait_readable(&*waiting, Some(LONG)));
            yield_now();
            theirs.write_all(&[round as u8]).unwrap();
            if round % 2 == 0 {
                waiter.kill();
            }
            // The reader may take the byte first: then the waiter looks in vain, and waits on.
            sleep(Duration::from_micros(200));
            waiter.kill();
            let _ = waiter.join();
        }
        drop(theirs);
        wait_readable(&*ours, Some(LONG)).unwrap();
        let all = reader.join().unwrap().unwrap();
        assert_eq!(
            all,
            (0..rounds).map(|round| round as u8).collect::<Vec<_>>()
        );
    });
}

#[test]
fn a_duplicate_that_stays_open_is_waited_for_as_well() {
    alone(
        concat!(
            module_path!(),
            "::a_duplicate_that_stays_open_is_waited_for_as_well"
        ),
        "",
        || {
            run(|| {
                let (reader, mut writer) = pipe().unwrap();
                for _ in 0..100 {
                    let duplicate = reader.try_clone().unwrap();
                    let waits = duplicate.try_clone().unwrap();
                    assert!(wait_readable(duplicate, Some(Duration::from_micros(10))).is_err());
                    let waiter = spawn_local(move || wait_readable(waits, Some(LONG)));
                    yield_now();
                    writer.write_all(b"x").unwrap();
                    waiter.join().unwrap().unwrap();
                    (&reader).read_exact(&mut [0]).unwrap();
                }
                let known = census().registrations;
                assert!(
                    known <= 2 * 64,
                    "the reactors still know {known} descriptors"
                );
            });
        },
    );
}

#[test]
fn a_thousand_descriptors_are_served_by_one_thread() {
    let name = concat!(
        module_path!(),
        "::a_thousand_descriptors_are_served_by_one_thread"
    );
    alone(name, "ulimit -n 4096; export GREENLOOP_WORKERS=1", || {
        let pairs: Vec<_> = (0..500).map(|_| UnixStream::pair().unwrap()).collect();
        let ends = || pairs.iter().flat_map(|(one, other)| [one, other]);
        greenloop::scope(|scope| {
            scope.spawn(|| by_selector(ends()));
            scope.spawn(|| ()).join().unwrap();
            for end in ends() {
                (&*end).write_all(b"x").unwrap();
                yield_now();
            }
        });
        let fds: Vec<_> = ends().map(AsFd::as_fd).collect();
        for chosen in [0, 499, 999] {
            let waiting = || select(&fds, &[], &[], Some(LONG)).unwrap();
            greenloop::scope(|scope| {
                let selected = scope.spawn(waiting);
                sleep(Duration::from_millis(5));
                // What is written to one end is read at the other.
                let peer = chosen ^ 1;
                ends()
                    .nth(peer)
                    .map(|mut end| end.write_all(b"x"))
                    .unwrap()
                    .unwrap();
                let selected = selected.join().unwrap();
                assert_eq!(selected.readable, [fds[chosen].as_raw_fd()]);
            });
            ends()
                .nth(chosen)
                .map(|mut end| end.read_exact(&mut [0]))
                .unwrap()
                .unwrap();
        }
        let waiters: Vec<_> = ends()
            .map(|end| end.try_clone().unwrap())
            .map(|end| spawn(move || wait_readable(end, Some(LONG))))
            .collect();
        ends().for_each(|mut end| end.write_all(b"x").unwrap());
        waiters
            .into_iter()
            .for_each(|waiter| waiter.join().unwrap().unwrap());
    });
}

/// Reads one byte of each.
fn by_selector<'a>(ends: impl Iterator<Item = &'a UnixStream>) {
    let mut selector = Selector::new();
    for end in ends {
        selector.register(end, Events::READABLE, ()).unwrap();
    }
    while !selector.is_empty() {
        for (fd, events) in selector.select(Some(LONG)).unwrap() {
            assert_eq!(events, Events::READABLE);
            let (mut end, ()) = selector.unregister(fd).unwrap();
            end.read_exact(&mut [0]).unwrap();
        }
    }
}
