//! Servers: what accepts connections, or receives datagrams, and has each handled on a green thread
//! of its own.
//!
//! | file | what it owns |
//! |---|---|
//! | `stream.rs`, `datagram.rs` | `StreamServer`, `DatagramServer`: what users make |
//! | `builder.rs` | `ServerBuilder`: limits, pools, several listeners |
//! | `handle.rs` | `ServerHandle`: starting, stopping, serving |
//! | `life.rs` | `Life`: who accepts, whose connections are open, and when it is over |
//! | `gate.rs` | `Gate`: the loop over one listener or socket |
//! | `listen.rs`, `receive.rs` | `Listen`, `Receive`: the listeners and sockets that servers know |
//! | `handler.rs`, `wrapped.rs` | `Handler`, `Wrapped`: what is done with a connection |

mod builder;
mod datagram;
mod gate;
mod handle;
mod handler;
mod life;
mod listen;
mod receive;
mod stream;
mod wrapped;

pub use builder::ServerBuilder;
pub use datagram::{Datagram, DatagramServer};
pub use handle::ServerHandle;
pub use handler::Handler;
pub use listen::Listen;
pub use receive::Receive;
pub use stream::StreamServer;
pub use wrapped::Wrapped;

mod sealed {
    /// Listeners and sockets of this crate: whose traits these are, may grow.
    pub trait Sealed {}

    impl Sealed for crate::TcpListener {}
    impl Sealed for crate::UdpSocket {}
    impl Sealed for crate::unix::UnixDatagram {}
    impl Sealed for crate::unix::UnixListener {}
}
