//! `pipe`, `PipeReader` and `PipeWriter`: a pipe and its ends.

use crate::descriptor::{Descriptor, impl_handle, impl_read, impl_write};
use std::io;
use std::os::fd::OwnedFd;

/// Makes a pipe, as [`std::io::pipe`] does.
///
/// # Errors
///
/// What the system says, if there are too many descriptors.
///
/// # Examples
///
/// ```
/// use greenloop::io::{Read, Write, pipe};
///
/// let (mut reader, mut writer) = pipe()?;
/// let writing = greenloop::spawn(move || writer.write_all(b"hello")); // and drops the writer
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// writing.join().unwrap()?;
/// # std::io::Result::Ok(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let reader = Descriptor::of_pipe(OwnedFd::from(reader));
    let writer = Descriptor::of_pipe(OwnedFd::from(writer));
    Ok((
        PipeReader { descriptor: reader },
        PipeWriter { descriptor: writer },
    ))
}

/// The end of a [`pipe`] that is read from.
///
/// A read waits until there is something, or until all writers are gone, which is the end. A kill
/// or timeout unwinds out of the wait and loses nothing.
///
/// # Examples
///
/// ```
/// use greenloop::io::{Read, pipe};
/// use greenloop::process::Command;
///
/// let (mut reader, writer) = pipe()?;
/// Command::new("echo").arg("hello").stdout(writer).status()?; // drops the command, too
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello\n");
/// # std::io::Result::Ok(())
/// ```
pub struct PipeReader {
    descriptor: Descriptor,
}

impl PipeReader {
    /// Returns another handle of this end.
    ///
    /// # Errors
    ///
    /// What the system says, if there are too many descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// let (reader, _writer) = greenloop::io::pipe()?;
    /// let other = reader.try_clone()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_clone(&self) -> io::Result<PipeReader> {
        let descriptor = self.descriptor.try_clone()?;
        Ok(PipeReader { descriptor })
    }
}

impl_handle!(PipeReader);
impl_read!(PipeReader);

/// The end of a [`pipe`] that is written to.
///
/// A write waits until there is room, and fails with `BrokenPipe` when all readers are gone. A kill
/// or timeout unwinds out of the wait; what was written before stays written.
///
/// # Examples
///
/// ```
/// use greenloop::io::{ErrorKind, Write, pipe};
///
/// let (reader, mut writer) = pipe()?;
/// drop(reader);
/// assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
/// # std::io::Result::Ok(())
/// ```
pub struct PipeWriter {
    descriptor: Descriptor,
}

impl PipeWriter {
    /// Returns another handle of this end.
    ///
    /// # Errors
    ///
    /// What the system says, if there are too many descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_reader, writer) = greenloop::io::pipe()?;
    /// let other = writer.try_clone()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_clone(&self) -> io::Result<PipeWriter> {
        let descriptor = self.descriptor.try_clone()?;
        Ok(PipeWriter { descriptor })
    }
}

impl_handle!(PipeWriter);
impl_write!(PipeWriter);
