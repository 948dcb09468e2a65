//! `OpenOptions`: how a file is opened.

use super::{File, with_path};
use crate::descriptor::Descriptor;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How a file is to be opened, as [`std::fs::OpenOptions`] says it.
///
/// `OpenOptionsExt` ([`unix`](super::unix)) adds the mode of a new file and further flags.
///
/// # Examples
///
/// ```
/// use greenloop::fs::OpenOptions;
/// use std::io::Write;
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("log");
/// for line in ["one", "two"] {
///     let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
///     writeln!(file, "{line}")?;
/// }
/// assert_eq!(greenloop::fs::read(path)?, b"one\ntwo\n");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(fs::OpenOptions);

/// Forwards switches to std's options.
macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, $name: bool) -> &mut Self {
            self.0.$name($name);
            self
        }
    )*};
}

impl OpenOptions {
    /// Makes options with everything off.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::fs::OpenOptions;
    ///
    /// let file = OpenOptions::new().read(true).open("Cargo.toml")?;
    /// # std::io::Result::Ok(())
    /// ```
    #[expect(clippy::new_without_default, reason = "std's has none")]
    pub fn new() -> Self {
        OpenOptions(fs::OpenOptions::new())
    }

    switches! {
        /// Opens it for reading.
        ///
        /// # Examples
        ///
        /// ```
        /// let file = greenloop::fs::OpenOptions::new().read(true).open("Cargo.toml")?;
        /// # std::io::Result::Ok(())
        /// ```
        read
        /// Opens it for writing, over what is there.
        ///
        /// # Examples
        ///
        /// ```
        /// let file = greenloop::fs::OpenOptions::new().write(true).open("/dev/null")?;
        /// # std::io::Result::Ok(())
        /// ```
        write
        /// Opens it for writing at its end, wherever that is at the time of each write.
        ///
        /// # Examples
        ///
        /// ```
        /// let file = greenloop::fs::OpenOptions::new().append(true).open("/dev/null")?;
        /// # std::io::Result::Ok(())
        /// ```
        append
        /// Empties it; needs `write`.
        ///
        /// # Examples
        ///
        /// ```
        /// let error = greenloop::fs::OpenOptions::new().truncate(true).open("/dev/null");
        /// assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
        /// ```
        truncate
        /// Creates it if it is not there; needs `write` or `append`.
        ///
        /// # Examples
        ///
        /// ```
        /// # let dir = tempfile::tempdir()?;
        /// let path = dir.path().join("new");
        /// greenloop::fs::OpenOptions::new().append(true).create(true).open(path)?;
        /// # std::io::Result::Ok(())
        /// ```
        create
        /// Creates it, and fails with `AlreadyExists` if it is there.
        ///
        /// # Examples
        ///
        /// ```
        /// let mut options = greenloop::fs::OpenOptions::new();
        /// let error = options.write(true).create_new(true).open("/dev/null").unwrap_err();
        /// assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        /// ```
        create_new
    }

    /// Opens the file at `path`.
    ///
    /// A named pipe is waited for until somebody has opened its other end; a kill or timeout cuts
    /// that wait, and leaves a job of the blocking pool behind until then.
    ///
    /// # Errors
    ///
    /// `NotFound`, `PermissionDenied`, `AlreadyExists`; `InvalidInput` for options that do not go
    /// together.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = greenloop::fs::OpenOptions::new().read(true).open("no such file").unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// ```
    #[track_caller]
    pub fn open<P: AsRef<Path>>(&self, path: P) -> io::Result<File> {
        let options = self.0.clone();
        let open = move |path: &Path| Descriptor::new(options.open(path)?);
        let descriptor = with_path(path, open)?;
        Ok(File { descriptor })
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.0.mode(mode);
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.0.custom_flags(flags);
        self
    }
}
