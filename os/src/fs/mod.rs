//! `greenloop::fs`: std's file system on the blocking pool, so that a slow disk holds up no
//! sibling.
//!
//! Functions and types have std's names, signatures and errors; what is plain data ([`Metadata`],
//! [`Permissions`], …) is std's own. [`unix`] has the functions of [`std::os::unix::fs`].
//!
//! On a green thread each call runs on the blocking pool and parks the caller; but a
//! [`File::read`](File) of what the page cache holds is done in place, without a way to the pool.
//! On an OS thread each call blocks, as std's does.
//!
//! # Kill and timeout
//!
//! A function of this module that is cut short by a kill or timeout leaves its work behind, which
//! goes on without the waiter: a [`write()`] that has begun still writes all of its bytes, a
//! [`remove_dir_all`] removes all of the folder. Calls of a [`File`] or [`ReadDir`] are waited for,
//! since a disk answers soon: the kill takes effect at the next wait. So the position of a file is
//! never moved behind the caller's back. Only reads and writes of pipes, terminals and devices, and
//! opening a named pipe that nobody has opened at its other end, are cut.

mod dir;
mod file;
mod options;
pub mod unix;

pub use dir::{DirBuilder, DirEntry, ReadDir};
pub use file::File;
pub use options::OpenOptions;
pub use std::fs::{FileTimes, FileType, Metadata, Permissions};

use crate::offload::offload;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Calls `f` with the path on the blocking pool.
#[track_caller]
fn with_path<T: Send + 'static>(
    path: impl AsRef<Path>,
    f: impl FnOnce(&Path) -> T + Send + 'static,
) -> T {
    let path = path.as_ref().to_owned();
    offload(move || f(&path))
}

/// Calls `f` with both paths on the blocking pool.
#[track_caller]
fn with_paths<T: Send + 'static>(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    f: impl FnOnce(&Path, &Path) -> T + Send + 'static,
) -> T {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    offload(move || f(&from, &to))
}

/// Returns the absolute path without symbolic links, as [`std::fs::canonicalize`] does.
///
/// # Errors
///
/// `NotFound` if there is no such file.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// let path = greenloop::spawn(|| fs::canonicalize("src/../Cargo.toml")).join().unwrap()?;
/// assert!(path.is_absolute() && path.ends_with("Cargo.toml"));
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn canonicalize<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    with_path(path, |path| fs::canonicalize(path))
}

/// Copies the contents and permissions of a file, and returns how many bytes, as
/// [`std::fs::copy`] does.
///
/// # Errors
///
/// `NotFound` if there is no `from`, and what the system says.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let copy = dir.path().join("copy");
/// assert_eq!(fs::copy("Cargo.toml", &copy)?, fs::metadata("Cargo.toml")?.len());
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    with_paths(from, to, |from, to| fs::copy(from, to))
}

/// Creates an empty folder, as [`std::fs::create_dir`] does.
///
/// # Errors
///
/// `AlreadyExists` if there is something of this name, `NotFound` if there is no parent.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
/// use std::io::ErrorKind;
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("new");
/// fs::create_dir(&path)?;
/// assert_eq!(fs::create_dir(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn create_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    with_path(path, |path| fs::create_dir(path))
}

/// Creates a folder and its parents, those that are missing, as [`std::fs::create_dir_all`] does.
///
/// # Errors
///
/// What the system says of the first folder that can't be created.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("a/b/c");
/// fs::create_dir_all(&path)?;
/// assert!(fs::metadata(path)?.is_dir());
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn create_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    with_path(path, |path| fs::create_dir_all(path))
}

/// Says whether there is something at `path`, as [`std::fs::exists`] does.
///
/// # Errors
///
/// What the system says if it can't tell, such as `PermissionDenied`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// assert!(fs::exists("Cargo.toml")? && !fs::exists("no such file")?);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn exists<P: AsRef<Path>>(path: P) -> io::Result<bool> {
    with_path(path, |path| fs::exists(path))
}

/// Makes `link` another name of the file `original`, as [`std::fs::hard_link`] does.
///
/// # Errors
///
/// `NotFound` if there is no `original`, `AlreadyExists` if there is a `link`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let (one, other) = (dir.path().join("one"), dir.path().join("other"));
/// fs::write(&one, "text")?;
/// fs::hard_link(&one, &other)?;
/// assert_eq!(fs::read(other)?, b"text");
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn hard_link<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    with_paths(original, link, |original, link| {
        fs::hard_link(original, link)
    })
}

/// Tells of the file at `path`, through symbolic links, as [`std::fs::metadata`] does.
///
/// # Errors
///
/// `NotFound` if there is no such file.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// assert!(fs::metadata("Cargo.toml")?.is_file());
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    with_path(path, |path| fs::metadata(path))
}

/// Reads all of a file, as [`std::fs::read`] does.
///
/// # Errors
///
/// `NotFound` if there is no such file, `IsADirectory` if it is a folder.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// assert!(fs::read("Cargo.toml")?.starts_with(b"[package]"));
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    with_path(path, |path| fs::read(path))
}

/// Iterates over what is in a folder, as [`std::fs::read_dir`] does.
///
/// # Errors
///
/// `NotFound` if there is no such folder, `NotADirectory` if it is none.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// let names: Vec<_> = fs::read_dir(".")?
///     .map(|entry| Ok(entry?.file_name()))
///     .collect::<std::io::Result<_>>()?;
/// assert!(names.contains(&"Cargo.toml".into()));
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    with_path(path, |path| fs::read_dir(path)).map(ReadDir::new)
}

/// Returns where a symbolic link leads, as [`std::fs::read_link`] does.
///
/// # Errors
///
/// `InvalidInput` if it is no symbolic link, `NotFound` if there is nothing.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
/// use std::path::Path;
///
/// # let dir = tempfile::tempdir()?;
/// let link = dir.path().join("link");
/// fs::unix::symlink("target", &link)?;
/// assert_eq!(fs::read_link(&link)?, Path::new("target"));
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read_link<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    with_path(path, |path| fs::read_link(path))
}

/// Reads all of a file of text, as [`std::fs::read_to_string`] does.
///
/// # Errors
///
/// `InvalidData` if it is not UTF-8, `NotFound` if there is no such file.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// let manifest = greenloop::spawn(|| fs::read_to_string("Cargo.toml")).join().unwrap()?;
/// assert!(manifest.contains("[package]"));
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    with_path(path, |path| fs::read_to_string(path))
}

/// Removes an empty folder, as [`std::fs::remove_dir`] does.
///
/// # Errors
///
/// `DirectoryNotEmpty`, `NotFound`, `NotADirectory`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("short-lived");
/// fs::create_dir(&path)?;
/// fs::remove_dir(&path)?;
/// assert!(!fs::exists(path)?);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn remove_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    with_path(path, |path| fs::remove_dir(path))
}

/// Removes a folder and all that is in it, as [`std::fs::remove_dir_all`] does.
///
/// # Errors
///
/// What the system says of the first file that can't be removed.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// fs::create_dir_all(dir.path().join("a/b/c"))?;
/// fs::remove_dir_all(dir.path().join("a"))?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn remove_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    with_path(path, |path| fs::remove_dir_all(path))
}

/// Removes a file, as [`std::fs::remove_file`] does.
///
/// # Errors
///
/// `NotFound` if there is no such file, `IsADirectory` if it is a folder.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("short-lived");
/// fs::write(&path, "text")?;
/// fs::remove_file(&path)?;
/// assert!(!fs::exists(path)?);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn remove_file<P: AsRef<Path>>(path: P) -> io::Result<()> {
    with_path(path, |path| fs::remove_file(path))
}

/// Gives a file or folder a new name, in place of what has it, as [`std::fs::rename`] does.
///
/// # Errors
///
/// `NotFound` if there is no `from`, `CrossesDevices` if `to` is on another file system.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let (draft, letter) = (dir.path().join("draft"), dir.path().join("letter"));
/// fs::write(&draft, "text")?;
/// fs::rename(&draft, &letter)?;
/// assert_eq!(fs::read(letter)?, b"text");
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn rename<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()> {
    with_paths(from, to, |from, to| fs::rename(from, to))
}

/// Changes the permissions of a file or folder, as [`std::fs::set_permissions`] does.
///
/// # Errors
///
/// `NotFound`, `PermissionDenied`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("letter");
/// fs::write(&path, "text")?;
/// let mut permissions = fs::metadata(&path)?.permissions();
/// permissions.set_readonly(true);
/// fs::set_permissions(&path, permissions)?;
/// assert!(fs::metadata(&path)?.permissions().readonly());
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn set_permissions<P: AsRef<Path>>(path: P, permissions: Permissions) -> io::Result<()> {
    with_path(path, |path| fs::set_permissions(path, permissions))
}

/// Tells of the file at `path`, a symbolic link itself if it is one, as
/// [`std::fs::symlink_metadata`] does.
///
/// # Errors
///
/// `NotFound` if there is nothing.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let link = dir.path().join("link");
/// fs::unix::symlink("target", &link)?;
/// assert!(fs::symlink_metadata(&link)?.is_symlink());
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn symlink_metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    with_path(path, |path| fs::symlink_metadata(path))
}

/// Writes `contents` as all of a file, which is created or replaced, as [`std::fs::write`] does.
///
/// # Errors
///
/// `NotFound` if there is no such folder, `PermissionDenied`, `StorageFull`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("letter");
/// fs::write(&path, "text")?;
/// assert_eq!(fs::read_to_string(path)?, "text");
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    let contents = contents.as_ref().to_owned();
    with_path(path, |path| fs::write(path, contents))
}
