//! `greenloop::prefork`: several processes of one program that serve the same sockets.
//!
//! The program is started by hand, or by systemd, and becomes the master: a [`Prefork`] that has
//! its sockets and starts the workers. Each worker is the same program with the same arguments,
//! started anew (never by a bare fork, which would copy green threads in the middle of what they
//! do); it learns by [`Worker::take`] that it is one, and takes the sockets as
//! `greenloop::net::Inherited`. All accept from one queue, so no client is refused while there is a
//! master.
//!
//! ```no_run
//! use greenloop::net::{Inherited, SocketAddr, StreamServer, TcpListener, TcpStream};
//! use greenloop::prefork::{Prefork, Worker};
//! use std::io::{self, Write};
//! use std::time::Duration;
//!
//! fn main() -> io::Result<()> {
//!     if let Some(worker) = Worker::take()? {
//!         return serve(&worker);
//!     }
//!     let listener = TcpListener::bind("127.0.0.1:8000")?;
//!     Prefork::new(4).socket(listener).run()?;
//!     Ok(())
//! }
//!
//! fn serve(worker: &Worker) -> io::Result<()> {
//!     let listener = Inherited::take()?.tcp_listener(0)?;
//!     let handler = |mut stream: TcpStream, _: SocketAddr| stream.write_all(b"hello");
//!     let server = StreamServer::new(listener, handler)?;
//!     worker.ready()?;
//!     server.serve_until(worker.stop(), Duration::from_secs(10))?;
//!     Ok(())
//! }
//! ```
//!
//! # What the master does
//!
//! * A worker ends: another one is started, after 10 ms at first, then after twice as long each
//!   time, up to 5 s; and after 10 ms again once one has lived for 10 s.
//! * `SIGHUP`: new workers are started, of the program as it stands on the disk by now. When all
//!   of them are [ready](Worker::ready), the old ones are told to stop. If a new one ends before,
//!   or a minute goes by, the old ones stay.
//! * `SIGTERM` and `SIGINT`: the workers are told to stop, those that have not ended after [a
//!   while](Prefork::drain) are killed, and [`run`](Prefork::run) returns. A second signal kills
//!   them at once.
//! * It dies: the workers notice, and stop by themselves.
//!
//! # How they talk
//!
//! A worker's standard input is a socket pair to its master. The worker writes a byte when it is
//! ready; its end tells the worker to stop, be it closed by the master or by the master's death.
//! Rejected: a `SIGTERM` to the workers, which systemd sends them as well, so that each would get
//! two; and `PR_SET_PDEATHSIG`, which is tied to a thread. A worker inherits the sockets, standard
//! output and error, and no other descriptor of its master.

mod generation;
mod master;
mod member;
mod worker;

pub use master::Prefork;
pub use worker::Worker;

use rustix::fs::fstat;
use std::io;
use std::os::fd::AsFd;

/// The variable by which a worker knows that it is one: its master's number, and which socket its
/// standard input is. Children of a worker inherit it, and are none.
const VARIABLE: &str = "GREENLOOP_PREFORK";

/// What the variable says for a worker whose standard input is `line`.
fn mark(master: u32, line: impl AsFd) -> io::Result<String> {
    let file = fstat(line)?;
    Ok(format!("{master}:{}:{}", file.st_dev, file.st_ino))
}
