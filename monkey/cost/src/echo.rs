//! An echo server: a thread of some kind, and a 4 KiB buffer on the heap, for each connection.

use crate::place::Place;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

const BUFFER: usize = 4096;

/// Serves on 127.0.0.1 until the process is ended, or for an error before that. With `own`, by
/// greenloop's sockets, else by std's.
///
/// # Errors
///
/// The system's, for a port that is taken.
pub fn serve(port: u16, workers: usize, place: Place, own: bool) -> io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    place.drive(workers, move || match own {
        true => serve_own(address, place),
        false => serve_std(address, place),
    })
}

fn serve_std(address: SocketAddr, place: Place) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(address)?;
    for stream in listener.incoming().flatten() {
        stream.set_nodelay(true)?;
        place.spawn(move || echo(stream));
    }
    Ok(())
}

fn serve_own(address: SocketAddr, place: Place) -> io::Result<()> {
    let listener = greenloop_net::TcpListener::bind(address)?;
    for stream in listener.incoming().flatten() {
        stream.set_nodelay(true)?;
        place.spawn(move || echo(stream));
    }
    Ok(())
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
