//! A datagram echo server on each runtime: one socket, and one thread that answers.

use super::{BUFFER, listen, local};
use crate::Runtime;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use tokio::runtime::Builder;

/// Serves on 127.0.0.1 until the process is ended, or for an error before that. A TCP listener of the
/// same port says that it has begun.
///
/// # Errors
///
/// The system's, for a port that is taken; `Unsupported` for a runtime without sockets.
pub fn serve(runtime: Runtime, port: u16, workers: usize) -> io::Result<()> {
    let socket = UdpSocket::bind(local(port))?;
    let _begun = listen(port)?;
    match runtime {
        Runtime::Epoll => raw(socket),
        Runtime::Greenloop => on_greenloop(socket, workers),
        Runtime::May => on_may(socket, workers),
        Runtime::Threads => echo(
            |buffer| socket.recv_from(buffer),
            |bytes, to| socket.send_to(bytes, to),
        ),
        Runtime::Tokio => on_tokio(Builder::new_multi_thread().worker_threads(workers), socket),
        Runtime::TokioCt => on_tokio(&mut Builder::new_current_thread(), socket),
        Runtime::Corosensei => Err(ErrorKind::Unsupported.into()),
    }
}

/// Sends back what comes, for ever.
fn echo<A>(
    receive: impl Fn(&mut [u8]) -> io::Result<(usize, A)>,
    send: impl Fn(&[u8], A) -> io::Result<usize>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let (count, from) = receive(&mut buffer)?;
        send(&buffer[..count], from)?;
    }
}

fn raw(socket: UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let mut socket = mio::net::UdpSocket::from_std(socket);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
    poll.registry()
        .register(&mut socket, Token(0), Interest::READABLE)?;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let all = echo(
            |buffer| socket.recv_from(buffer),
            |bytes, to| socket.send_to(bytes, to),
        );
        all.or_else(|error| match error.kind() {
            ErrorKind::WouldBlock => Ok(()),
            _ => Err(error),
        })?;
    }
}

fn on_greenloop(socket: UdpSocket, workers: usize) -> io::Result<()> {
    greenloop::Runtime::builder().workers(workers).start()?;
    let socket = greenloop::net::UdpSocket::from(socket);
    let served = greenloop::spawn(move || {
        echo(
            |buffer| socket.recv_from(buffer),
            |bytes, to| socket.send_to(bytes, to),
        )
    });
    served.join().expect("nothing there panics")
}

fn on_may(socket: UdpSocket, workers: usize) -> io::Result<()> {
    may::config().set_workers(workers);
    let address = socket.local_addr()?;
    drop(socket); // may makes its own
    let socket = may::net::UdpSocket::bind(address)?;
    let served = may::go!(move || {
        echo(
            |buffer| socket.recv_from(buffer),
            |bytes, to| socket.send_to(bytes, to),
        )
    });
    served.join().expect("nothing there panics")
}

fn on_tokio(builder: &mut Builder, socket: UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let serve = async move {
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let (count, from) = socket.recv_from(&mut buffer).await?;
            socket.send_to(&buffer[..count], from).await?;
        }
    };
    let runtime = builder.enable_io().build()?;
    let ended = runtime.block_on(async move { tokio::spawn(serve).await });
    ended.expect("nothing there panics")
}
