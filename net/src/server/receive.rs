//! `Receive`: the sockets that a `DatagramServer` receives from.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net as std_unix;
use std::sync::Arc;

use super::Datagram;
use super::gate::Intake;
use super::sealed::Sealed;
use crate::UdpSocket;
use crate::backoff::Backoff;
use crate::unix::UnixDatagram;

/// No datagram is longer than 64 KiB but one of a Unix socket whose buffers were made longer.
const LONGEST: usize = 64 * 1024;

/// A socket that a [`DatagramServer`](super::DatagramServer) can receive from. Sealed: it may grow.
pub trait Receive: Sealed + Debug + Send + Sync + 'static {
    /// Where a datagram comes from, and where the socket is.
    type Addr: Clone + Debug + Send + Sync + 'static;

    #[doc(hidden)]
    fn address(&self) -> io::Result<Self::Addr>;
    #[doc(hidden)]
    fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, Self::Addr)>;
    /// Waits until there is one to receive.
    #[doc(hidden)]
    fn wait(&self) -> io::Result<()>;
    /// Has calls wait, whatever the user chose.
    #[doc(hidden)]
    fn make_blocking(&self) -> io::Result<()>;
}

macro_rules! impl_receive {
    ($socket:ident, $addr:ty) => {
        impl Receive for $socket {
            type Addr = $addr;

            fn address(&self) -> io::Result<$addr> {
                self.local_addr()
            }

            fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, $addr)> {
                self.recv_from(buffer)
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

impl_receive!(UdpSocket, SocketAddr);
impl_receive!(UnixDatagram, std_unix::SocketAddr);

/// A socket as what work comes from.
pub(super) struct Datagrams<S> {
    socket: Arc<S>,
    backoff: Backoff,
}

impl<S> Datagrams<S> {
    pub(super) fn new(socket: S) -> Self {
        Datagrams {
            socket: Arc::new(socket),
            backoff: Backoff::default(),
        }
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

    fn next(&self, Buffer(buffer): &mut Buffer) -> io::Result<(Datagram<S>, S::Addr)> {
        self.backoff.wait();
        let received = self.socket.receive_from(buffer);
        self.backoff.learn(&received);
        let (len, peer) = received?;
        let datagram = Datagram {
            data: buffer[..len].to_vec(),
            socket: Arc::clone(&self.socket),
        };
        Ok((datagram, peer))
    }

    /// Waits only if somebody else, with a clone of the socket, was quicker.
    fn try_next(&self, buffer: &mut Buffer) -> io::Result<(Datagram<S>, S::Addr)> {
        self.next(buffer)
    }

    fn wait(&self) -> io::Result<()> {
        self.socket.wait()
    }
}
