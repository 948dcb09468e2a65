//! `race`: connects to several addresses at once, as RFC 8305 says, and keeps the first connection.
//!
//! A green thread an address, so that each attempt is the plain `connect` of one address; those
//! that have lost are killed, which closes their sockets. Rejected: one thread that polls all
//! sockets. It would be a second way to wait.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::panic::Location;
use std::time::Duration;

use greenloop_runtime::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use greenloop_runtime::{Builder, JoinHandle};

use crate::TcpStreamBuilder;
use crate::deadline::Deadline;
use crate::failures::Failures;

/// The "Connection Attempt Delay" of the RFC.
const STAGGER: Duration = Duration::from_millis(250);

/// Returns the first connection to any of `addrs`.
#[track_caller]
pub(crate) fn race(
    builder: &TcpStreamBuilder,
    addrs: impl Iterator<Item = SocketAddr>,
    deadline: Deadline,
) -> io::Result<TcpStream> {
    let (report, reports) = mpsc::channel();
    let mut race = Race {
        builder,
        deadline,
        place: Location::caller(),
        waiting: interleave(addrs),
        running: Vec::new(),
        report: Some(report),
        reports,
        failures: Failures::default(),
    };
    while race.start_next()? || !race.running.is_empty() {
        match race.next_outcome() {
            Some((_, Ok(stream))) => return Ok(stream),
            Some((addr, Err(error))) => race.fail(addr, error),
            None if deadline.left().is_err() => race.fail_all(),
            None => {}
        }
    }
    Err(race.failures.into_error())
}

type Outcome = (SocketAddr, io::Result<TcpStream>);

struct Race<'a> {
    builder: &'a TcpStreamBuilder,
    deadline: Deadline,
    /// Who wants the connection.
    place: &'static Location<'static>,
    waiting: VecDeque<SocketAddr>,
    running: Vec<Runner>,
    /// Given up with the last start, so that the end of all runners is noticed.
    report: Option<Sender<Outcome>>,
    reports: Receiver<Outcome>,
    failures: Failures,
}

/// The attempt to connect to one address; killed when it is dropped.
struct Runner {
    addr: SocketAddr,
    handle: JoinHandle<()>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.handle.kill_nowait();
    }
}

impl Race<'_> {
    /// Begins with the next address; says whether there was one.
    fn start_next(&mut self) -> io::Result<bool> {
        let Some(addr) = self.waiting.pop_front() else {
            self.report = None;
            return Ok(false);
        };
        let (builder, deadline) = (self.builder.clone(), self.deadline);
        let report = self.report.clone();
        let name = format!("connect to {addr}");
        let thread = Builder::new().name(name).at(self.place);
        let handle = thread.spawn(move || {
            let outcome = builder.connect_to(&addr, deadline);
            // Nobody listens any more if another one has won.
            let _ = report.map(|report| report.send((addr, outcome)));
        })?;
        self.running.push(Runner { addr, handle });
        Ok(true)
    }

    /// Waits for the end of an attempt; for a while only if there is another address to try.
    fn next_outcome(&mut self) -> Option<Outcome> {
        let left = self.deadline.left().ok()?.unwrap_or(Duration::MAX);
        let patience = if self.waiting.is_empty() {
            left
        } else {
            left.min(STAGGER)
        };
        let outcome = self.reports.recv_timeout(patience);
        if matches!(outcome, Err(RecvTimeoutError::Disconnected)) {
            self.running.clear(); // killed, all of them
        }
        outcome.ok()
    }

    fn fail(&mut self, addr: SocketAddr, error: io::Error) {
        self.running.retain(|runner| runner.addr != addr);
        self.failures.push(addr, error);
    }

    /// The time is over for all that have not ended.
    fn fail_all(&mut self) {
        let running = self.running.drain(..).map(|runner| runner.addr);
        for addr in running.chain(self.waiting.drain(..)) {
            self.failures.push(addr, Deadline::error());
        }
    }
}

/// Makes the families take turns, beginning with that of the first address, and drops duplicates.
fn interleave(addrs: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let (mut turns, mut same, mut other) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
    for addr in addrs {
        let first = same.front().unwrap_or(&addr);
        let family = if first.is_ipv4() == addr.is_ipv4() {
            &mut same
        } else {
            &mut other
        };
        if !family.contains(&addr) {
            family.push_back(addr);
        }
    }
    while !(same.is_empty() && other.is_empty()) {
        turns.extend(same.pop_front());
        turns.extend(other.pop_front());
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::interleave;
    use std::net::SocketAddr;

    fn turns(addrs: &[&str]) -> Vec<String> {
        let addrs = addrs.iter().map(|addr| addr.parse::<SocketAddr>().unwrap());
        interleave(addrs)
            .iter()
            .map(|addr| addr.to_string())
            .collect()
    }

    #[test]
    fn families_take_turns_from_the_first_on() {
        let addrs = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"];
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"];
        assert_eq!(turns(&addrs), expected);
        let expected = ["1.1.1.1:1", "[::1]:1", "1.1.1.2:1"];
        assert_eq!(turns(&["1.1.1.1:1", "1.1.1.2:1", "[::1]:1"]), expected);
        assert_eq!(turns(&[]), [""; 0]);
    }

    #[test]
    fn an_address_runs_once() {
        assert_eq!(
            turns(&["1.1.1.1:1", "[::1]:1", "1.1.1.1:1"]),
            ["1.1.1.1:1", "[::1]:1"]
        );
    }
}
