//! `Files`: the handler that answers with what lies in a folder, and with nothing else.

use std::fs::File;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use greenloop::spawn_blocking;
use percent_encoding::percent_decode_str;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Handler, Request, Response, Status};

/// Smaller ones are read where they are opened.
const SMALL: u64 = 64 << 10;

/// The kernel keeps paths below the root: `..`, absolute links, and links that lead out of it fail.
pub(crate) struct Files {
    root: Arc<File>,
}

/// What a path leads to.
enum Found {
    Small(Vec<u8>),
    Large(File, u64),
    Folder,
}

impl Files {
    /// Serves the files in `root`; a folder by its `index.html`.
    pub(crate) fn new(root: &Path) -> io::Result<Files> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = File::from(rustix::fs::openat(CWD, root, flags, Mode::empty())?);
        open_below(&folder, Path::new("."))?; // does this system know how?
        let root = Arc::new(folder);
        Ok(Files { root })
    }

    /// Opens and reads where it holds up nobody.
    fn find(&self, path: PathBuf, is_head: bool) -> io::Result<Found> {
        let root = Arc::clone(&self.root);
        let found = spawn_blocking(move || find(&root, &path, is_head)).join();
        found.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Handler for Files {
    fn handle(&self, request: &Request<'_>) -> Response {
        if !matches!(request.method(), "GET" | "HEAD") {
            return Response::error(Status::MethodNotAllowed).with("Allow", "GET, HEAD");
        }
        let path = match relative(request.path()) {
            Ok(path) => path,
            Err(status) => return Response::error(status),
        };
        let content_type = content_type(&path);
        match self.find(path, request.is_head()) {
            Ok(Found::Small(bytes)) => Response::bytes(content_type, bytes),
            Ok(Found::Large(file, len)) => Response::file(content_type, file, len),
            Ok(Found::Folder) => {
                let place = format!("/{}/", request.path().trim_matches('/'));
                Response::error(Status::MovedPermanently).with("Location", place)
            }
            Err(error) => Response::error(status(&error)),
        }
    }
}

/// The path below the root; one that ends in a slash means the index of the folder.
fn relative(path: &str) -> Result<PathBuf, Status> {
    let decoded = percent_decode_str(path).decode_utf8();
    let decoded = decoded.map_err(|_| Status::NotFound)?;
    if decoded.contains('\0') {
        return Err(Status::BadRequest);
    }
    let parts = decoded.split('/').filter(|part| !matches!(*part, "" | "."));
    let mut relative: PathBuf = parts.collect();
    if decoded.split('/').any(|part| part == "..") {
        return Err(Status::NotFound);
    }
    if decoded.ends_with('/') {
        relative.push("index.html");
    }
    Ok(relative)
}

fn find(root: &File, path: &Path, is_head: bool) -> io::Result<Found> {
    let file = open_below(root, path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Ok(Found::Folder);
    }
    if !about.is_file() {
        return Err(io::ErrorKind::NotFound.into()); // a pipe or device might never end
    }
    if is_head || about.len() > SMALL {
        return Ok(Found::Large(file, about.len()));
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    (&file).take(SMALL).read_to_end(&mut bytes)?;
    Ok(Found::Small(bytes))
}

fn open_below(root: &File, path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let open = || rustix::fs::openat2(root, path, flags, Mode::empty(), resolve);
    match open() {
        // Something was renamed at this very moment.
        Err(Errno::AGAIN) => Ok(open()?.into()),
        opened => Ok(opened?.into()),
    }
}

fn status(error: &io::Error) -> Status {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => Status::Forbidden,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN) => {
            Status::ServiceUnavailable
        }
        Some(Errno::IO) => Status::InternalServerError,
        _ => Status::NotFound,
    }
}

/// By the name's end; text is taken to be UTF-8.
fn content_type(path: &Path) -> &'static str {
    match mime_guess::from_path(path).first_raw() {
        Some("text/html") => "text/html; charset=utf-8",
        Some("text/plain") => "text/plain; charset=utf-8",
        Some(known) => known,
        None => "application/octet-stream",
    }
}
