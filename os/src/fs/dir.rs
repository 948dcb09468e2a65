//! `ReadDir`, `DirEntry` and `DirBuilder`: folders.

use super::with_path;
use crate::offload::{offload, offload_whole};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, DirEntryExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many entries are fetched on one way to the blocking pool.
const BATCH: usize = 64;

/// What is in a folder, as [`std::fs::ReadDir`] tells it; made by [`read_dir`](super::read_dir).
///
/// `next` waits for the blocking pool once in 64 entries. A kill has to wait for it, so none is
/// lost.
///
/// # Examples
///
/// ```
/// for entry in greenloop::fs::read_dir("src")? {
///     assert!(entry?.path().starts_with("src"));
/// }
/// # std::io::Result::Ok(())
/// ```
pub struct ReadDir {
    /// None at the end.
    rest: Option<fs::ReadDir>,
    fetched: VecDeque<io::Result<DirEntry>>,
}

impl ReadDir {
    pub(super) fn new(all: fs::ReadDir) -> Self {
        ReadDir {
            rest: Some(all),
            fetched: VecDeque::new(),
        }
    }
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(mut rest) = self.rest.take_if(|_| self.fetched.is_empty()) {
            (self.fetched, self.rest) = offload_whole(move || {
                let batch: VecDeque<_> = rest.by_ref().take(BATCH).map(DirEntry::new).collect();
                let more = batch.len() == BATCH;
                (batch, more.then_some(rest))
            });
        }
        self.fetched.pop_front()
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").finish_non_exhaustive()
    }
}

/// One of what is in a folder, as [`std::fs::DirEntry`] tells of it.
///
/// # Examples
///
/// ```
/// for entry in greenloop::fs::read_dir("src")? {
///     let entry = entry?;
///     assert_eq!(entry.file_type()?.is_dir(), entry.metadata()?.is_dir());
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct DirEntry {
    inner: Arc<fs::DirEntry>,
    /// What was known of it without asking again.
    file_type: Option<FileType>,
}

impl DirEntry {
    fn new(entry: io::Result<fs::DirEntry>) -> io::Result<Self> {
        let entry = entry?;
        let file_type = entry.file_type().ok();
        let inner = Arc::new(entry);
        Ok(DirEntry { inner, file_type })
    }

    /// Returns the path: that of the folder, as it was given, and the name. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let entry = greenloop::fs::read_dir("src")?.next().unwrap()?;
    /// assert_eq!(entry.path(), std::path::Path::new("src").join(entry.file_name()));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn path(&self) -> PathBuf {
        self.inner.path()
    }

    /// Returns the name, without the folder. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut entries = greenloop::fs::read_dir(".")?;
    /// assert!(entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() == "Cargo.toml")));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn file_name(&self) -> OsString {
        self.inner.file_name()
    }

    /// Says whether it is a file, a folder or a link. Waits only if asking before has failed.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let entry = greenloop::fs::read_dir("src")?.next().unwrap()?;
    /// assert!(!entry.file_type()?.is_symlink());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn file_type(&self) -> io::Result<FileType> {
        match self.file_type {
            Some(file_type) => Ok(file_type),
            None => self.ask(fs::DirEntry::file_type),
        }
    }

    /// Tells of the file, a symbolic link itself if it is one.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let entry = greenloop::fs::read_dir("src")?.next().unwrap()?;
    /// assert!(entry.metadata()?.modified().is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.ask(fs::DirEntry::metadata)
    }

    #[track_caller]
    fn ask<T: Send + 'static>(&self, question: fn(&fs::DirEntry) -> T) -> T {
        let inner = Arc::clone(&self.inner);
        offload(move || question(&inner))
    }
}

impl DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        self.inner.ino()
    }
}

/// Creates folders in several ways, as [`std::fs::DirBuilder`] does.
///
/// # Examples
///
/// ```
/// use greenloop::fs::DirBuilder;
/// use greenloop::fs::unix::DirBuilderExt;
///
/// # let dir = tempfile::tempdir()?;
/// DirBuilder::new().recursive(true).mode(0o700).create(dir.path().join("a/b"))?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct DirBuilder {
    recursive: bool,
    mode: u32,
}

impl DirBuilder {
    /// Makes a builder of one folder that all may use whom the umask lets.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// greenloop::fs::DirBuilder::new().create(dir.path().join("a"))?;
    /// # std::io::Result::Ok(())
    /// ```
    #[expect(clippy::new_without_default, reason = "std's has none")]
    pub fn new() -> Self {
        DirBuilder {
            recursive: false,
            mode: 0o777,
        }
    }

    /// Creates parents as well, and takes a folder that is there already.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// greenloop::fs::DirBuilder::new().recursive(true).create(dir.path().join("a/b"))?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// Creates the folder.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` and `NotFound` unless it is recursive; what the system says.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// let error = greenloop::fs::DirBuilder::new().create(dir.path()).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let (recursive, mode) = (self.recursive, self.mode);
        with_path(path, move |path| {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(recursive).mode(mode).create(path)
        })
    }
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }
}
