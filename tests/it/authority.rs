//! `Authority`: who vouches for the certificates of the tests of TLS, and what it has signed.

use greenloop::net::tls::rustls::RootCertStore;
use greenloop::net::tls::rustls::pki_types::pem::PemObject;
use greenloop::net::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use greenloop::net::tls::{Identity, Roots, TlsAcceptor, TlsConnector};
use greenloop::net::unix::UnixStream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// What a connection over a pair of local sockets is.
pub(crate) type Stream = greenloop::net::tls::TlsStream<UnixStream>;

/// A certificate authority that nobody else trusts.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(
            DnType::CommonName,
            format!("authority {}", fastrand::u64(..)),
        );
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::from_pem(self.pem()).unwrap()
    }

    /// A certificate for `name` and its key, as PEM.
    pub(crate) fn papers(&self, name: &str) -> (String, String) {
        self.sign(CertificateParams::new([name.to_owned()]).unwrap())
    }

    pub(crate) fn sign(&self, params: CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        let (chain, key) = self.papers(name);
        Identity::from_pem(chain, key).unwrap()
    }

    /// The same, for configurations of rustls's own.
    pub(crate) fn der(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let (chain, key) = self.papers(name);
        let chain = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        (vec![chain], key)
    }

    pub(crate) fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add(self.0.der().clone()).unwrap();
        store
    }

    /// A server named "localhost".
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::new(self.identity("localhost")).unwrap()
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        let builder = TlsConnector::builder().roots(self.roots());
        builder.build().unwrap()
    }

    /// A client and a server, connected.
    pub(crate) fn pair(&self) -> (Stream, Stream) {
        let (client, server) = shake(&self.connector(), "localhost", &self.acceptor());
        (client.unwrap(), server.unwrap())
    }
}

/// What became of a handshake between the two.
pub(crate) fn shake(
    connector: &TlsConnector,
    name: &str,
    acceptor: &TlsAcceptor,
) -> (std::io::Result<Stream>, std::io::Result<Stream>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    greenloop::scope(|s| {
        let server = s.spawn(|| acceptor.accept(theirs));
        let client = connector.connect(name, ours);
        (client, server.join().unwrap())
    })
}
