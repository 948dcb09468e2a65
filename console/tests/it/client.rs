//! `Client`: asks a page, byte for byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use greenloop::inspect::Serving;
use serde_json::Value;

use crate::within::{LONG, until};

/// Whoever asks the page at an address.
#[derive(Clone, Copy)]
pub(crate) struct Client(pub(crate) SocketAddr);

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn of(serving: &Serving) -> Client {
        Client(serving.local_addr())
    }

    /// Serves a page for one test.
    pub(crate) fn new() -> Client {
        Client::of(&greenloop::inspect::serve("127.0.0.1:0").unwrap())
    }

    /// Sends `bytes`, and says what comes back until the other side closes.
    pub(crate) fn say(self, bytes: &str) -> String {
        let mut stream = self.connect();
        // What is refused early is perhaps not read to its end.
        let _ = stream.write_all(bytes.as_bytes());
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    }

    pub(crate) fn connect(self) -> TcpStream {
        let stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// A question with these lines in its head, and no others.
    pub(crate) fn ask_with(self, path: &str, lines: &[&str]) -> Reply {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        Reply::parse(&self.say(&format!(
            "GET {path} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n"
        )))
    }

    pub(crate) fn ask(self, path: &str) -> Reply {
        self.ask_with(path, &["Host: localhost"])
    }

    /// An answer of 200, as JSON.
    #[track_caller]
    pub(crate) fn json(self, path: &str) -> Value {
        let reply = self.ask(path);
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    /// The rows of a list, once there are so many.
    #[track_caller]
    pub(crate) fn rows(self, query: &str, count: usize) -> Vec<Value> {
        let path = format!("/api/threads?{query}");
        until(query, || {
            std::thread::sleep(Duration::from_millis(5));
            self.json(&path)["matching"] == count
        });
        self.json(&path)["rows"].as_array().unwrap().clone()
    }
}

impl Reply {
    pub(crate) fn parse(text: &str) -> Reply {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no head: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let [head, body] = [head, body].map(str::to_owned);
        Reply { status, head, body }
    }

    /// The value of a line of the head.
    pub(crate) fn line(&self, name: &str) -> Option<&str> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}
