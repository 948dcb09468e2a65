//! `Transport`: what a connection is read from and written to, in the clear or by TLS.

use std::io::{self, Read, Write};

use greenloop::net::TcpStream;

pub(crate) trait Transport: Read + Write {
    /// Says that nothing follows, if the protocol above TCP has a word for it.
    fn say_end(&mut self) -> io::Result<()>;
}

impl Transport for &TcpStream {
    fn say_end(&mut self) -> io::Result<()> {
        Ok(())
    }
}
