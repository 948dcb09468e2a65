//! `TlsAcceptorBuilder`: whom a server is, whom it asks for, and what it speaks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::failure::{invalid, of_input};
use super::handshake::{DEFAULT_TIMEOUT, alpn_names, check_alpn};
use super::names::Names;
use super::{Identity, Roots, TlsAcceptor, TlsVersion, provider};
use crate::connect::refuse_zero;

/// Options for a [`TlsAcceptor`], from [`TlsAcceptor::builder`].
///
/// # Examples
///
/// Two sites at one address, for clients with a certificate of one's own:
///
/// ```no_run
/// use greenloop::net::tls::{Identity, Roots, TlsAcceptor};
///
/// let acceptor = TlsAcceptor::builder(Identity::from_files("a.pem", "a.key")?)
///     .identity_for("b.example", Identity::from_files("b.pem", "b.key")?)
///     .require_client(Roots::from_file("staff-ca.pem")?)
///     .alpn(["http/1.1"])
///     .build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct TlsAcceptorBuilder {
    identity: Identity,
    others: Vec<(String, Identity)>,
    clients: Clients,
    alpn: Vec<Vec<u8>>,
    min_version: TlsVersion,
    limit: Duration,
}

/// Whether clients are asked who they are.
#[derive(Clone, Debug)]
enum Clients {
    Anyone,
    Asked(Roots),
    Known(Roots),
}

impl TlsAcceptorBuilder {
    pub(super) fn new(identity: Identity) -> Self {
        TlsAcceptorBuilder {
            identity,
            others: Vec::new(),
            clients: Clients::Anyone,
            alpn: Vec::new(),
            min_version: TlsVersion::Tls12,
            limit: DEFAULT_TIMEOUT,
        }
    }

    /// Shows another identity to clients that ask for `name` (by SNI), or for any name right below
    /// one: `*.example.org`. May be called for any number of names.
    pub fn identity_for(mut self, name: impl Into<String>, identity: Identity) -> Self {
        self.others.push((name.into(), identity));
        self
    }

    /// Asks clients for a certificate, and refuses those that have none that `roots` vouch for.
    pub fn require_client(mut self, roots: Roots) -> Self {
        self.clients = Clients::Known(roots);
        self
    }

    /// Asks clients for a certificate: none will do, but a wrong one is refused. Who has come,
    /// [`peer_certificates`](super::TlsStream::peer_certificates) tells.
    pub fn ask_client(mut self, roots: Roots) -> Self {
        self.clients = Clients::Asked(roots);
        self
    }

    /// Sets the protocols to choose from (ALPN), the best first; none by default.
    ///
    /// A client that offers some, but none of these, is refused.
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = alpn_names(protocols);
        self
    }

    /// Sets the oldest version to speak; TLS 1.2 by default.
    pub fn min_version(mut self, version: TlsVersion) -> Self {
        self.min_version = version;
        self
    }

    /// Sets how long a handshake may take in all; 30 seconds by default.
    ///
    /// It bounds waits of this crate: a stream whose reads block the OS thread is not cut.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Makes the acceptor.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an identity whose certificate is not valid for its name, for a protocol's
    /// name that is empty or longer than 255 bytes, and for a zero timeout.
    pub fn build(self) -> io::Result<TlsAcceptor> {
        refuse_zero(self.limit)?;
        check_alpn(&self.alpn)?;
        let verifier = self.clients.verifier()?;
        let mut names = Names::new(self.identity);
        for (name, identity) in self.others {
            names.add(&name, identity)?;
        }
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.min_version.and_later())
            .map_err(|cause| of_input("a TLS server", cause))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(names));
        config.alpn_protocols = self.alpn;
        // With tickets a session costs the server no memory until it is resumed.
        config.ticketer = Ticketer::new().map_err(|cause| of_input("a key of tickets", cause))?;
        Ok(TlsAcceptor::with(config, self.limit))
    }
}

impl Clients {
    fn verifier(self) -> io::Result<Arc<dyn ClientCertVerifier>> {
        let builder = |roots: Roots| {
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots.0), provider())
        };
        let verifier = match self {
            Clients::Anyone => return Ok(WebPkiClientVerifier::no_client_auth()),
            Clients::Asked(roots) => builder(roots).allow_unauthenticated().build(),
            Clients::Known(roots) => builder(roots).build(),
        };
        verifier.map_err(|error| invalid(format!("the roots of clients: {error}")))
    }
}
