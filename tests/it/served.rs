//! `Served`: a running example that listens on a free port, ended when it is dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use greenloop::signal::SIGTERM;

use crate::examples::command;
use crate::graceful::signal_to;
use crate::within::LONG;

pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Served {
    /// Runs `program 127.0.0.1:0 FLAGS…` and waits until it says where it listens.
    pub(crate) fn start(program: &str, flags: &[&str]) -> Served {
        Served::run(command(program, &[&["127.0.0.1:0"], flags].concat()))
    }

    /// Runs `program COMMAND 127.0.0.1:0 FLAGS…`, as [`Served::start`].
    pub(crate) fn start_as(program: &str, word: &str, flags: &[&str]) -> Served {
        Served::run(command(program, &[&[word, "127.0.0.1:0"], flags].concat()))
    }

    /// Runs the program, and waits until it says where it listens.
    pub(crate) fn run(mut command: Command) -> Served {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let output = BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line);
        output.unwrap();
        let address = line.strip_prefix("listening on ");
        let address = address.expect("its first line").trim().to_owned();
        Served { child, address }
    }

    /// A client, whose reads end at last.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    pub(crate) fn terminate(&self) {
        signal_to(self.child.id(), SIGTERM);
    }

    /// How it ends, which must be before `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < limit, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
