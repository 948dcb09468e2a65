//! Idle connections: one echo on each, and then nothing until standard input ends.

use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const MESSAGE: [u8; 64] = [b'x'; 64];

/// Opens `count` connections, of which each has had one answer; prints how many these are, and
/// holds them.
///
/// # Errors
///
/// When one cannot be opened, or has no answer for ten seconds.
pub fn hold(port: u16, count: usize) -> io::Result<()> {
    let open = |_| open(port);
    let held = (0..count).map(open).collect::<io::Result<Vec<_>>>()?;
    let figures: Value = json!({ "connections": held.len() });
    println!("{figures}");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn open(port: u16) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(&MESSAGE)?;
    let mut answer = [0; MESSAGE.len()];
    stream.read_exact(&mut answer)?;
    if answer != MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(stream)
}
