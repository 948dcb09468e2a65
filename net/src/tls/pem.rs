//! Reading certificates out of PEM text and files.

use std::panic::resume_unwind;
use std::path::Path;
use std::{fs, io};

use greenloop_runtime::cast::on_green_thread;
use greenloop_runtime::spawn_blocking;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use super::failure::invalid;

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
    off_worker(move || fs::read(owned)).map_err(|error| name(path, error))
}

/// Puts the path of a file before the error that it has led to.
pub(super) fn name(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Runs what waits for the disk where it holds up no green thread.
pub(super) fn off_worker<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    if !on_green_thread() {
        return f(); // a job of the pool that waited for another one could wait for ever
    }
    let outcome = spawn_blocking(f).join();
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}
