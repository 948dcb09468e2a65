//! `Roots`: the certificates that are trusted, and whom they vouch for.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustls::RootCertStore;

use super::{failure, pem};
use crate::deadline::Deadline;
use crate::offload::offload;

/// The authorities whose signature on a peer's certificate is believed.
///
/// # Examples
///
/// The system's and one's own:
///
/// ```no_run
/// use greenloop::net::tls::{Roots, TlsConnector};
///
/// let mut roots = Roots::native()?;
/// roots.add_pem(std::fs::read("own-ca.pem")?)?;
/// let connector = TlsConnector::builder().roots(roots).build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Roots(pub(super) RootCertStore);

impl Roots {
    /// Reads those of the system, or of the file or folders that the environment variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name, as OpenSSL does. Waits; a green thread has the
    /// blocking pool read.
    ///
    /// # Errors
    ///
    /// `NotFound` if there are none that can be read.
    pub fn native() -> io::Result<Roots> {
        let found = offload(Deadline::NEVER, rustls_native_certs::load_native_certs)?;
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(found.certs); // systems have some that are out of use
        if store.is_empty() {
            let why = found.errors.iter().map(|error| format!("; {error}"));
            let what = format!(
                "this system has no root certificates{}",
                why.collect::<String>()
            );
            return Err(io::Error::new(ErrorKind::NotFound, what));
        }
        Ok(Roots(store))
    }

    /// Reads all certificates of a PEM text.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is none, or a malformed one.
    pub fn from_pem(text: impl AsRef<[u8]>) -> io::Result<Roots> {
        let mut roots = Roots(RootCertStore::empty());
        roots.add_pem(text)?;
        Ok(roots)
    }

    /// Reads all certificates of a PEM file. Waits; a green thread has the blocking pool read.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem) and of [`std::fs::read`], with the path of the file.
    pub fn from_file(path: impl AsRef<Path>) -> io::Result<Roots> {
        let path = path.as_ref();
        Roots::from_pem(pem::read(path)?).map_err(|error| pem::name(path, error))
    }

    /// Adds all certificates of a PEM text.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem); those before a malformed one are added.
    pub fn add_pem(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        for certificate in pem::certificates(text.as_ref())? {
            let added = self.0.add(certificate);
            added.map_err(|cause| failure::of_input("a root certificate is malformed", cause))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots")
            .field("certificates", &self.0.len())
            .finish_non_exhaustive()
    }
}
