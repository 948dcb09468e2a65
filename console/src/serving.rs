//! `Serving`: a page that is being served.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use greenloop_net::{ServerHandle, StreamServer};
use greenloop_runtime::Builder;

/// A page that is being served. It goes on when this is dropped.
#[derive(Clone, Debug)]
pub struct Serving {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Serving {
    pub(crate) fn start(server: StreamServer) -> io::Result<Serving> {
        server.start()?;
        let serving = Serving {
            address: server.local_addr(),
            handle: server.handle(),
        };
        let keeper = Builder::new().name("greenloop console".into());
        keeper.spawn(move || server.serve_forever())?;
        Ok(serving)
    }

    /// Returns the address at which it listens, with the port that the system chose for port 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let console = greenloop::inspect::serve("127.0.0.1:0")?;
    /// assert_ne!(console.local_addr().port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Listens no more, waits until `timeout` is over for questions that are being answered, then
    /// ends them. Returns whether all ended by themselves; a browser that keeps its connection open
    /// does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::TcpStream;
    /// use std::time::Duration;
    ///
    /// let console = greenloop::inspect::serve("127.0.0.1:0")?;
    /// assert!(console.stop(Duration::from_secs(1)));
    /// assert!(TcpStream::connect(console.local_addr()).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stop(&self, timeout: Duration) -> bool {
        self.handle.stop(timeout)
    }
}
