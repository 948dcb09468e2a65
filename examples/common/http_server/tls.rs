//! `Tls`: what `--tls` is with the feature of that name.

use std::io;
use std::path::Path;
use std::time::Duration;

use greenloop::net::tls::{Identity, TlsAcceptor, TlsStream};

use super::HttpServer;
use super::connection::Connection;
use super::transport::{Socket, Transport};
use super::watch::Watched;

pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// With a certificate and its key; a handshake may take `limit`.
    pub(crate) fn open(chain: &Path, key: &Path, limit: Duration) -> io::Result<Tls> {
        let identity = Identity::from_files(chain, key)?;
        let acceptor = TlsAcceptor::builder(identity).alpn(["http/1.1"]);
        Ok(Tls(acceptor.handshake_timeout(limit).build()?))
    }

    /// A failed handshake is the client's affair, who has been told.
    pub(super) fn converse(&self, server: &HttpServer, watched: &Watched) {
        if let Ok(stream) = self.0.accept(Socket(watched)) {
            Connection::new(stream, server, watched).run();
        }
    }
}

impl Transport for TlsStream<Socket<'_>> {
    fn say_end(&mut self) -> io::Result<()> {
        self.shutdown_mut()
    }
}
