//! `Server`: a running `http_server` of the examples, and raw sockets to talk to it.

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::process::ExitStatus;
use std::time::Duration;

use crate::served::Served;
use crate::within::until;

pub(crate) struct Server(Served);

impl Server {
    /// On a free port, with these flags.
    pub(crate) fn start(flags: &[&str]) -> Server {
        Server(Served::start("http_server", flags))
    }

    /// A client, whose reads end at last, and which sends at once.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = self.0.connect();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends it all and nothing more, and returns all that comes back until the server closes.
    pub(crate) fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        rest(&mut stream)
    }

    /// The statuses of the answers to these bytes, when the server closes by itself.
    pub(crate) fn statuses(&self, bytes: &[u8]) -> Vec<u16> {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes); // it may have heard enough
        statuses(&rest(&mut stream))
    }

    /// How it ends, and when.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        self.0.wait(limit)
    }

    /// How many sockets it has, its listener among them.
    pub(crate) fn sockets(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.0.child.id());
        let links = fs::read_dir(folder).unwrap().flatten();
        let targets = links.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets
            .filter(|target| target.display().to_string().starts_with("socket:"))
            .count()
    }

    /// Waits until it has closed all connections but these.
    pub(crate) fn until_sockets(&self, count: usize) {
        until("the server closes its connections", || {
            self.sockets() <= count
        });
    }
}

impl Deref for Server {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.0
    }
}

/// All that comes until the end.
pub(crate) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    bytes
}

/// One answer: its status, and its body.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Reads one answer, which may not be to HEAD.
pub(crate) fn read_answer(stream: &mut impl BufRead) -> Answer {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        assert_ne!(
            stream.read_until(b'\n', &mut bytes).unwrap(),
            0,
            "a whole head"
        );
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = value(&head, "Content-Length").map_or(0, |it| it.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3]
        .parse()
        .unwrap();
    Answer { status, head, body }
}

/// The answers in `bytes`, none of which may be to HEAD; fails unless they are complete.
pub(crate) fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = bytes
            .windows(4)
            .position(|it| it == b"\r\n\r\n")
            .expect("a whole head")
            + 4;
        let head = std::str::from_utf8(&bytes[..end]).unwrap().to_owned();
        let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3]
            .parse()
            .unwrap();
        let length = value(&head, "Content-Length").map_or(0, |it| it.parse().unwrap());
        let body = bytes[end..end + length].to_vec();
        bytes = &bytes[end + length..];
        answers.push(Answer { status, head, body });
    }
    answers
}

pub(crate) fn statuses(bytes: &[u8]) -> Vec<u16> {
    answers(bytes).iter().map(|answer| answer.status).collect()
}

/// The value of a header.
pub(crate) fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(key, value)| (key == name).then_some(value))
}
