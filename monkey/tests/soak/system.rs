//! Pipes, `poll`, sleeps, child processes and look-ups.

use crate::kind::Kind;
use crate::tally::{COMMANDS, NAMES, PIPES, POLLED, SLEEPS, goes_on};
use std::io::{PipeReader, Read, Write};
use std::net::ToSocketAddrs;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const MILLISECOND: Duration = Duration::from_millis(1);

/// More than a pipe holds, in pieces of many sizes, to a reader of another kind.
pub(crate) fn pipe(kind: Kind) {
    while goes_on() {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let partner = kind.other().spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            let is_right = |(at, byte): (usize, &u8)| *byte == (at % 251) as u8;
            assert!(
                all.iter().enumerate().all(is_right),
                "the pipe's bytes are wrong"
            );
            PIPES.take(all.len());
        });
        let mut at = 0;
        for size in [1, 10, 5000, 70_000, 300, 150_000] {
            let piece: Vec<u8> = (at..at + size).map(|at| (at % 251) as u8).collect();
            writer.write_all(&piece).unwrap();
            at += size;
        }
        PIPES.give(at);
        drop(writer);
        partner.join();
    }
}

/// Two pipes, of which now one and now the other has something.
pub(crate) fn poll(kind: Kind) {
    const EACH: usize = 20;
    while goes_on() {
        let (pipes, mut writers): (Vec<_>, Vec<_>) =
            (0..2).map(|_| std::io::pipe().unwrap()).unzip();
        let partner = kind.other().spawn(move || {
            for round in 0..EACH {
                let writer = &mut writers[round * round % 3 % 2];
                writer.write_all(&[round as u8]).unwrap();
                POLLED.give(1);
                if round.is_multiple_of(4) {
                    thread::sleep(MILLISECOND);
                }
            }
        });
        let mut left = EACH;
        while left > 0 {
            left -= read_ready(&pipes);
        }
        partner.join();
    }
}

/// Reads a byte of each pipe that has one; waits for a while if none has. Their writers may have
/// ended already.
fn read_ready(pipes: &[PipeReader]) -> usize {
    let entry = |pipe: &PipeReader| libc::pollfd {
        fd: pipe.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut entries: Vec<_> = pipes.iter().map(entry).collect();
    // SAFETY: so many entries.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, 2) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
    let mut count = 0;
    for (mut pipe, entry) in pipes.iter().zip(&entries) {
        if entry.revents & libc::POLLIN != 0 {
            pipe.read_exact(&mut [0]).unwrap();
            POLLED.take(1);
            count += 1;
        }
    }
    count
}

pub(crate) fn sleep(_: Kind) {
    for round in 0.. {
        if !goes_on() {
            break;
        }
        let (start, time) = (Instant::now(), MILLISECOND * (round % 8));
        SLEEPS.give(1);
        thread::sleep(time);
        assert!(start.elapsed() >= time, "it slept too short");
        SLEEPS.take(1);
    }
}

pub(crate) fn command(_: Kind) {
    for round in 0.. {
        if !goes_on() {
            break;
        }
        COMMANDS.give(1);
        let output = Command::new("echo")
            .arg(round.to_string())
            .output()
            .unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, format!("{round}\n").into_bytes());
        COMMANDS.take(1);
        thread::sleep(20 * MILLISECOND);
    }
}

pub(crate) fn names(_: Kind) {
    while goes_on() {
        NAMES.give(1);
        let found = ("localhost", 80).to_socket_addrs().unwrap();
        assert!(found.into_iter().all(|address| address.ip().is_loopback()));
        NAMES.take(1);
        thread::sleep(2 * MILLISECOND);
    }
}
