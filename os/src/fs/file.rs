//! `File`: an open file.

use super::OpenOptions;
use crate::descriptor::{Descriptor, impl_handle, impl_read, impl_write};
use std::fs::{self, FileTimes, Metadata, Permissions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

/// An open file, as [`std::fs::File`] is one.
///
/// A read of what the page cache holds is done at once; other reads, and writes, run on the
/// blocking pool with a buffer of their own, 1 MiB at most at a time, and are waited for: a kill or
/// timeout takes effect after them, and the position is where the caller knows it to be. Each has
/// its price (some 10 µs), so many small writes want a [`BufWriter`](std::io::BufWriter). If it is
/// a pipe, a terminal or a device, reads and writes wait in the reactor, and a kill or timeout cuts
/// them.
///
/// # Examples
///
/// ```
/// use greenloop::fs::File;
/// use std::io::{Read, Seek, Write};
///
/// # let dir = tempfile::tempdir()?;
/// let mut file = File::create_new(dir.path().join("letter"))?;
/// file.write_all(b"hello")?;
/// file.rewind()?;
/// # drop(file);
/// let mut text = String::new();
/// File::open(dir.path().join("letter"))?.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # std::io::Result::Ok(())
/// ```
pub struct File {
    pub(super) descriptor: Descriptor,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// As for [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// let manifest = greenloop::fs::File::open("Cargo.toml")?;
    /// assert!(std::io::read_to_string(manifest)?.contains("[package]"));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn open<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing, created or emptied.
    ///
    /// # Errors
    ///
    /// As for [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let mut file = greenloop::fs::File::create(dir.path().join("letter"))?;
    /// file.write_all(b"hello")?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn create<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).open(path)
    }

    /// Creates a file for reading and writing.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if it is there; else as for [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// let error = greenloop::fs::File::create_new("Cargo.toml").unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    /// ```
    #[track_caller]
    pub fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).open(path)
    }

    /// Returns options to open a file with.
    ///
    /// # Examples
    ///
    /// ```
    /// let file = greenloop::fs::File::options().read(true).open("Cargo.toml")?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Writes contents and metadata through to the disk.
    ///
    /// # Errors
    ///
    /// What the system says, also of earlier writes.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// greenloop::fs::File::create(dir.path().join("letter"))?.sync_all()?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn sync_all(&self) -> io::Result<()> {
        self.descriptor.offload(fs::File::sync_all)
    }

    /// Writes contents, and what metadata is needed to find them, through to the disk.
    ///
    /// # Errors
    ///
    /// What the system says, also of earlier writes.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// greenloop::fs::File::create(dir.path().join("letter"))?.sync_data()?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn sync_data(&self) -> io::Result<()> {
        self.descriptor.offload(fs::File::sync_data)
    }

    /// Cuts the file, or lengthens it by zeros, to `size` bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not open for writing.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// let file = greenloop::fs::File::create(dir.path().join("letter"))?;
    /// file.set_len(10)?;
    /// assert_eq!(file.metadata()?.len(), 10);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn set_len(&self, size: u64) -> io::Result<()> {
        self.descriptor.offload(move |file| file.set_len(size))
    }

    /// Tells of the file.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(greenloop::fs::File::open("Cargo.toml")?.metadata()?.is_file());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.descriptor.offload(fs::File::metadata)
    }

    /// Returns another handle of the same open file: both have one position. Never waits.
    ///
    /// # Errors
    ///
    /// What the system says, if there are too many descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Seek};
    ///
    /// let mut file = greenloop::fs::File::open("Cargo.toml")?;
    /// file.try_clone()?.read_exact(&mut [0; 5])?;
    /// assert_eq!(file.stream_position()?, 5);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_clone(&self) -> io::Result<File> {
        let descriptor = self.descriptor.try_clone()?;
        Ok(File { descriptor })
    }

    /// Changes the permissions of the file.
    ///
    /// # Errors
    ///
    /// `PermissionDenied`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// let file = greenloop::fs::File::create(dir.path().join("letter"))?;
    /// let mut permissions = file.metadata()?.permissions();
    /// permissions.set_readonly(true);
    /// file.set_permissions(permissions)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.descriptor
            .offload(move |file| file.set_permissions(permissions))
    }

    /// Changes when the file was last read and written.
    ///
    /// # Errors
    ///
    /// `PermissionDenied`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::UNIX_EPOCH;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let file = greenloop::fs::File::create(dir.path().join("letter"))?;
    /// file.set_times(greenloop::fs::FileTimes::new().set_modified(UNIX_EPOCH))?;
    /// assert_eq!(file.metadata()?.modified()?, UNIX_EPOCH);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.descriptor.offload(move |file| file.set_times(times))
    }

    /// Changes when the file was last written.
    ///
    /// # Errors
    ///
    /// `PermissionDenied`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::UNIX_EPOCH;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let file = greenloop::fs::File::create(dir.path().join("letter"))?;
    /// file.set_modified(UNIX_EPOCH)?;
    /// assert_eq!(file.metadata()?.modified()?, UNIX_EPOCH);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time))
    }

    fn seek_to(&self, position: SeekFrom) -> io::Result<u64> {
        match position {
            // A file of the network asks its server for its end.
            SeekFrom::End(_) => self.descriptor.offload(move |mut file| file.seek(position)),
            SeekFrom::Start(_) | SeekFrom::Current(_) => self.descriptor.file().seek(position),
        }
    }
}

impl_handle!(File);
impl_read!(File);
impl_write!(File);

impl Seek for File {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.seek_to(position)
    }
}

impl Seek for &File {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.seek_to(position)
    }
}

impl FileExt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.descriptor.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.descriptor.write_at(buf, offset)
    }
}

impl TryFrom<fs::File> for File {
    type Error = io::Error;

    /// Takes std's file over, after a look at what it is.
    fn try_from(file: fs::File) -> io::Result<File> {
        let descriptor = Descriptor::new(file)?;
        Ok(File { descriptor })
    }
}

impl TryFrom<OwnedFd> for File {
    type Error = io::Error;

    /// Takes a descriptor of any kind over, after a look at what it is.
    fn try_from(fd: OwnedFd) -> io::Result<File> {
        fs::File::from(fd).try_into()
    }
}

impl From<File> for fs::File {
    fn from(file: File) -> fs::File {
        file.descriptor.into_file()
    }
}
