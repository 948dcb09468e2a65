//! The functions of [`std::os::unix::fs`], and its traits.

pub use std::os::unix::fs::{
    DirBuilderExt, DirEntryExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
};

use super::{with_path, with_paths};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs;
use std::path::Path;

/// Makes `link` a symbolic link to `original`, as [`std::os::unix::fs::symlink`] does.
///
/// # Errors
///
/// `AlreadyExists` if there is a `link`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let link = dir.path().join("link");
/// fs::unix::symlink(fs::canonicalize("Cargo.toml")?, &link)?;
/// assert!(fs::metadata(&link)?.is_file());
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn symlink<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    with_paths(original, link, |original, link| fs::symlink(original, link))
}

/// Changes the owner and group of a file, as [`std::os::unix::fs::chown`] does.
///
/// # Errors
///
/// `PermissionDenied`, `NotFound`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// fs::unix::chown(dir.path(), None, None)?; // as it was
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn chown<P: AsRef<Path>>(dir: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    with_path(dir, move |dir| fs::chown(dir, uid, gid))
}

/// [`chown`] of a symbolic link itself, as [`std::os::unix::fs::lchown`] does.
///
/// # Errors
///
/// `PermissionDenied`, `NotFound`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// fs::unix::lchown(dir.path(), None, None)?; // as it was
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn lchown<P: AsRef<Path>>(dir: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    with_path(dir, move |dir| fs::lchown(dir, uid, gid))
}

/// [`chown`] of an open file, as [`std::os::unix::fs::fchown`] does. Done in place: never yields.
///
/// # Errors
///
/// `PermissionDenied`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
///
/// # let dir = tempfile::tempdir()?;
/// let file = fs::File::create(dir.path().join("file"))?;
/// fs::unix::fchown(&file, None, None)?; // as it was
/// # std::io::Result::Ok(())
/// ```
pub fn fchown<F: AsFd>(fd: F, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    fs::fchown(fd, uid, gid)
}

/// Changes the root folder of this process, as [`std::os::unix::fs::chroot`] does.
///
/// # Errors
///
/// `PermissionDenied` without the right to; `NotFound`.
///
/// # Examples
///
/// ```
/// use greenloop::fs;
/// use std::io::ErrorKind;
///
/// let error = fs::unix::chroot("no such folder").unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied));
/// ```
#[track_caller]
pub fn chroot<P: AsRef<Path>>(dir: P) -> io::Result<()> {
    with_path(dir, |dir| fs::chroot(dir))
}
