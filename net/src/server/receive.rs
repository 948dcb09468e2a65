//! `Receive`: the sockets that a `DatagramServer` receives from.

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::net as std_unix;
use std::sync::Arc;

use rustix::net::SocketAddrAny;

use super::Datagram;
use super::gate::Intake;
use super::sealed::Sealed;
use crate::backoff::Backoff;
use crate::transfer::Received;
use crate::udp::{self, UdpSocket};
use crate::unix::{UnixDatagram, address};

/// No datagram is longer than 64 KiB but one of a Unix socket whose buffers were made longer.
const LONGEST: usize = 64 * 1024;

/// A socket that a [`DatagramServer`](super::DatagramServer) can receive from. Sealed: it may grow.
pub trait Receive: Sealed + Debug + Send + Sync + 'static {
    /// Where a datagram comes from, and where the socket is.
    type Addr: Clone + Debug + Send + Sync + 'static;

    #[doc(hidden)]
    fn address(&self) -> io::Result<Self::Addr>;
    /// None if the socket has been shut down, and has no more. Waits.
    #[doc(hidden)]
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, Self::Addr)>>;
    /// The same, but fails with `WouldBlock` instead of waiting.
    #[doc(hidden)]
    fn try_receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, Self::Addr)>>;
    /// Waits until there is one to receive.
    #[doc(hidden)]
    fn wait(&self) -> io::Result<()>;
    /// Has calls wait, whatever the user chose.
    #[doc(hidden)]
    fn make_blocking(&self) -> io::Result<()>;
}

macro_rules! impl_receive {
    ($socket:ident, $addr:ty, $to_std:path) => {
        impl Receive for $socket {
            type Addr = $addr;

            fn address(&self) -> io::Result<$addr> {
                self.local_addr()
            }

            fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, $addr)>> {
                named(self.inner.next_datagram(buffer)?, $to_std)
            }

            fn try_receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, $addr)>> {
                named(self.inner.try_next_datagram(buffer)?, $to_std)
            }

            fn wait(&self) -> io::Result<()> {
                self.inner.wait_readable()
            }

            fn make_blocking(&self) -> io::Result<()> {
                self.set_nonblocking(false)
            }
        }
    };
}

impl_receive!(UdpSocket, SocketAddr, udp::to_std);
impl_receive!(UnixDatagram, std_unix::SocketAddr, address::to_std);

/// With std's address of the sender.
fn named<A>(
    received: Option<Received>,
    to_std: impl FnOnce(Option<SocketAddrAny>) -> io::Result<A>,
) -> io::Result<Option<(usize, A)>> {
    let Some((len, from)) = received else {
        return Ok(None);
    };
    Ok(Some((len, to_std(from)?)))
}

/// A socket as what work comes from.
pub(super) struct Datagrams<S> {
    socket: Arc<S>,
    backoff: Backoff,
}

impl<S: Receive> Datagrams<S> {
    pub(super) fn new(socket: S) -> Self {
        Datagrams {
            socket: Arc::new(socket),
            backoff: Backoff::default(),
        }
    }

    fn wrap(
        &self,
        received: Option<(usize, S::Addr)>,
        Buffer(buffer): &Buffer,
    ) -> io::Result<(Datagram<S>, S::Addr)> {
        let Some((len, peer)) = received else {
            let what = "the socket has been shut down: no datagram can come any more";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, what));
        };
        let datagram = Datagram {
            data: buffer[..len].to_vec(),
            socket: Arc::clone(&self.socket),
        };
        Ok((datagram, peer))
    }
}

/// Where a datagram lies before its length is known.
pub(super) struct Buffer(Box<[u8]>);

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer(vec![0; LONGEST].into_boxed_slice())
    }
}

impl<S: Receive> Intake for Datagrams<S> {
    type Item = Datagram<S>;
    type Addr = S::Addr;
    type Scratch = Buffer;

    fn next(&self, buffer: &mut Buffer) -> io::Result<(Datagram<S>, S::Addr)> {
        self.backoff.wait();
        let received = self.socket.receive(&mut buffer.0);
        self.backoff.learn(&received);
        self.wrap(received?, buffer)
    }

    fn try_next(&self, buffer: &mut Buffer) -> io::Result<(Datagram<S>, S::Addr)> {
        let received = self.socket.try_receive(&mut buffer.0)?;
        self.wrap(received, buffer)
    }

    fn wait(&self) -> io::Result<()> {
        self.socket.wait()
    }
}
