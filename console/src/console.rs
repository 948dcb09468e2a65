//! `Console`: how the page is to be served, and to whom.

use std::io;
use std::net::ToSocketAddrs;

use greenloop_net::{SocketAddr, StreamServer, TcpStream, lookup_host};

use crate::connection;
use crate::gate::{Gate, Token};
use crate::guests::Guests;
use crate::routes::Routes;
use crate::serving::Serving;

/// Connections that may stay; a browser opens six.
const CONNECTIONS: usize = 64;
/// More that are let in: they find somebody who goes, or wait while all are being answered.
const FURTHER: usize = 8;

/// Serves the page at a loopback address, on green threads, until the program ends.
///
/// Returns once it listens; the same as [`console()`]`.`[`serve`](Console::serve)`(addr)`.
///
/// # Errors
///
/// Those of [`Console::serve`]; `InvalidInput` for an address that is not a loopback one.
///
/// # Examples
///
/// ```
/// use greenloop::inspect;
/// use std::io::ErrorKind;
///
/// let console = inspect::serve("127.0.0.1:0")?;
/// println!("look at http://{}/", console.local_addr());
///
/// let error = inspect::serve("0.0.0.0:0").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// # std::io::Result::Ok(())
/// ```
pub fn serve(addr: impl ToSocketAddrs) -> io::Result<Serving> {
    console().serve(addr)
}

/// Prepares a page that is not served in the usual way: see [`Console`].
///
/// # Examples
///
/// ```
/// let token = "an unguessable one, from a file";
/// let console = greenloop::inspect::console().token(token).serve("0.0.0.0:0")?;
/// assert!(console.local_addr().ip().is_unspecified());
/// # std::io::Result::Ok(())
/// ```
pub fn console() -> Console {
    Console::default()
}

/// How the page is to be served; made by [`console()`].
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is served until `serve` is called"]
pub struct Console {
    token: Option<Token>,
    hosts: Vec<String>,
}

impl Console {
    /// Demands this token of everybody who asks; 16 to 256 visible ASCII characters, or
    /// [`serve`](Self::serve) fails. With it the page may listen at any address.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::inspect;
    ///
    /// let error = inspect::console().token("short").serve("127.0.0.1:0").unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// ```
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token.into()));
        self
    }

    /// Allows questions that name the host so, without a port. Addresses and `localhost` are always
    /// allowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::inspect;
    ///
    /// let console = inspect::console().host("build.example").serve("127.0.0.1:0")?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into().to_ascii_lowercase());
        self
    }

    /// Listens at `addr`, and serves on green threads until the program ends, or the [`run`] in
    /// which it was called, or until it is [stopped](Serving::stop). A host name is looked up on
    /// the blocking pool, for which it waits.
    ///
    /// [`run`]: greenloop_runtime::run
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a token that is too short, too long or has other characters, and for an
    /// address that is not a loopback one if there is no token, also one of several that a host
    /// name has; else what `lookup_host` and `bind` say, and
    /// [`Builder::spawn`](greenloop_runtime::Builder::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::inspect;
    ///
    /// let console = inspect::console().serve("localhost:0")?;
    /// assert!(console.local_addr().ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn serve(self, addr: impl ToSocketAddrs) -> io::Result<Serving> {
        let addrs: Vec<SocketAddr> = lookup_host(addr)?.collect();
        match &self.token {
            Some(token) => token.check()?,
            None => addrs.iter().try_for_each(check_loopback)?,
        }
        let routes = Routes::new(Gate::new(self.token, self.hosts));
        let guests = Guests::new(CONNECTIONS);
        let handler = move |stream: TcpStream, _: SocketAddr| {
            connection::serve(&guests.welcome(stream), &routes)
        };
        let builder = StreamServer::builder().limit(CONNECTIONS + FURTHER);
        Serving::start(builder.bind(&addrs[..], handler)?)
    }
}

fn check_loopback(addr: &SocketAddr) -> io::Result<()> {
    if addr.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let why = format!(
        "{addr} is reached from other machines, and the page tells all: a token is needed \
         (`inspect::console().token(…)`), or a loopback address such as 127.0.0.1:6060"
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}
