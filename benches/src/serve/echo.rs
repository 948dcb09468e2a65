//! An echo server on each runtime: a thread and a 4 KiB buffer on the heap for each connection.

use super::raw::{self, Protocol};
use super::{BACKLOG, BUFFER, listen, local};
use crate::Runtime;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

/// Serves on 127.0.0.1 until the process is ended, or for an error before that.
///
/// # Errors
///
/// The system's, for a port that is taken; `Unsupported` for a runtime without sockets.
pub fn serve(runtime: Runtime, port: u16, workers: usize) -> io::Result<()> {
    match runtime {
        Runtime::Epoll => raw::serve(port, workers, Same),
        Runtime::Greenloop => on_greenloop(port, workers),
        Runtime::May => on_may(port, workers),
        Runtime::Threads => on_threads(listen(port)?),
        Runtime::Tokio => on_tokio(
            Builder::new_multi_thread().worker_threads(workers),
            listen(port)?,
        ),
        Runtime::TokioCt => on_tokio(&mut Builder::new_current_thread(), listen(port)?),
        Runtime::Corosensei => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The raw loop's answer.
#[derive(Clone)]
struct Same;

impl Protocol for Same {
    type Memory = ();

    fn answer(&self, _: &mut (), _: &[u8], _: &mut Vec<u8>) -> bool {
        true
    }
}

/// Sends back what comes, until it ends.
fn echo(mut stream: impl Read + Write) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

fn on_greenloop(port: u16, workers: usize) -> io::Result<()> {
    greenloop::Runtime::builder().workers(workers).start()?;
    let listener = greenloop::net::TcpListener::builder().backlog(BACKLOG as u32);
    let listener = listener.bind(local(port))?;
    let acceptor = greenloop::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            greenloop::spawn(move || echo(stream));
        }
    });
    acceptor.join().expect("nothing there panics");
    Ok(())
}

fn on_may(port: u16, workers: usize) -> io::Result<()> {
    may::config().set_workers(workers);
    let listener = may::net::TcpListener::bind(local(port))?;
    let acceptor = may::go!(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            may::go!(move || echo(stream));
        }
    });
    acceptor.join().expect("nothing there panics");
    Ok(())
}

fn on_threads(listener: TcpListener) -> io::Result<()> {
    for stream in listener.incoming().flatten() {
        let _ = stream.set_nodelay(true);
        let builder = std::thread::Builder::new().stack_size(64 << 10);
        builder.spawn(move || echo(stream))?;
    }
    Ok(())
}

fn on_tokio(builder: &mut Builder, listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let acceptor = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            tokio::spawn(echo_async(stream));
        }
    };
    let runtime = builder.enable_io().build()?;
    // A task of its own, so that it runs on a worker.
    let ended = runtime.block_on(async move { tokio::spawn(acceptor).await });
    ended.expect("nothing there panics")
}

async fn echo_async(mut stream: tokio::net::TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}
