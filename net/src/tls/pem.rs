//! Reading certificates out of PEM text and files.

use std::path::Path;
use std::{fs, io};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use super::failure::invalid;
use crate::deadline::Deadline;
use crate::offload::offload;

/// Returns all certificates of the text, at least one.
pub(super) fn certificates(text: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| malformed("certificate", &error))?;
    if found.is_empty() {
        return Err(malformed("certificate", &pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// Makes an error that names what was looked for.
pub(super) fn malformed(what: &str, error: &pem::Error) -> io::Error {
    match error {
        pem::Error::NoItemsFound => invalid(format!("expected PEM text with a {what}, found none")),
        error => invalid(format!("expected PEM text with a {what}: {error:?}")),
    }
}

/// Reads a file, of which an error names the path.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let owned = path.to_owned();
    let bytes = offload(Deadline::NEVER, move || fs::read(owned))?;
    bytes.map_err(|error| name(path, error))
}

/// Puts the path of a file before the error that it has led to.
pub(super) fn name(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
