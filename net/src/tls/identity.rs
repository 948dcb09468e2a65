//! `Identity`: a certificate with its key, by which a server or a client proves who it is.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{failure, pem, provider};

/// A certificate, those that vouch for it, and its private key.
///
/// Clones share it.
///
/// # Examples
///
/// ```
/// use greenloop::net::tls::Identity;
/// use std::io::ErrorKind;
///
/// # let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
/// # let (chain, key) = (ca.cert.pem(), ca.signing_key.serialize_pem());
/// let identity = Identity::from_pem(&chain, &key)?;
///
/// let swapped = Identity::from_pem(&key, &chain).unwrap_err();
/// assert_eq!(swapped.kind(), ErrorKind::InvalidInput);
/// let missing = Identity::from_files("no/such.pem", "no/such.key").unwrap_err();
/// assert_eq!(missing.kind(), ErrorKind::NotFound);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Identity(pub(super) Arc<CertifiedKey>);

impl Identity {
    /// Reads an identity from PEM text: a chain of certificates, the identity's own first, and its
    /// key (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the text holds no certificate or no key, if the key is of an unknown kind
    /// or not that of the certificate.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> io::Result<Identity> {
        let chain = pem::certificates(chain.as_ref())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref())
            .map_err(|error| pem::malformed("private key", &error))?;
        Identity::from_der(chain, key)
    }

    /// Reads an identity from PEM files, as [`from_pem`](Self::from_pem) does from text. Waits; a
    /// green thread has the blocking pool read.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem) and of [`std::fs::read`], with the path of the file.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> io::Result<Identity> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let both = format!("{} and {}", chain.display(), key.display());
        let identity = Identity::from_pem(pem::read(chain)?, pem::read(key)?);
        identity.map_err(|error| pem::name(both.as_ref(), error))
    }

    /// Makes an identity of certificates and a key that are parsed already.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the key is of an unknown kind or not that of the first certificate.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> io::Result<Identity> {
        let certified = CertifiedKey::from_der(chain, key, &provider());
        let certified = certified
            .map_err(|cause| failure::of_input("certificate and key make no identity", cause))?;
        Ok(Identity(Arc::new(certified)))
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificates", &self.0.cert.len())
            .finish_non_exhaustive()
    }
}
