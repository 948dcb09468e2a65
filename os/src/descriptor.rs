//! `Descriptor`: an open file of any kind, whose mode is not ours to change.
//!
//! `O_NONBLOCK` belongs to the description, which other processes may share (standard streams
//! above all), so it is never set. What can be read or written at once is asked for call by call,
//! by `RWF_NOWAIT`: a pipe's and a socket's readiness comes from the reactor then, and what the
//! page cache does not have is read on the blocking pool. Terminals and named pipes do not know
//! that flag: those are read after the reactor has said that there is something.

use crate::offload::{offload, offload_whole};
use greenloop_runtime::Source;
use greenloop_runtime::cast::on_green_thread;
use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The most bytes that one job of the pool reads or writes.
const MOST: usize = 1 << 20;

/// What a pipe takes without a wait once it is writable.
const PIPE_BUF: usize = 4096;

/// The offset that stands for the file's own position.
const HERE: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Descriptor {
    source: Source<Arc<File>>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Files and folders: always ready, and yet slow. Their calls end by themselves, so those on
    /// the pool are waited for.
    Disk,
    Pipe,
    /// Sockets, terminals, devices.
    Other,
}

impl Descriptor {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let kind = match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile | FileType::Directory | FileType::BlockDevice => Kind::Disk,
            FileType::Fifo => Kind::Pipe,
            _ => Kind::Other,
        };
        let source = Source::new(Arc::new(file));
        Ok(Descriptor { source, kind })
    }

    /// A pipe, as it is known to be.
    pub(crate) fn of_pipe(fd: OwnedFd) -> Self {
        let source = Source::new(Arc::new(File::from(fd)));
        let kind = Kind::Pipe;
        Descriptor { source, kind }
    }

    pub(crate) fn file(&self) -> &File {
        self.source.get_ref()
    }

    pub(crate) fn into_file(self) -> File {
        // Jobs that share it are waited for, whatever happens.
        Arc::into_inner(self.source.into_inner()).expect("a job has kept the file")
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let source = Source::new(Arc::new(self.file().try_clone()?));
        let kind = self.kind;
        Ok(Descriptor { source, kind })
    }

    /// Calls `f` on the blocking pool, and waits for its end whatever happens.
    #[track_caller]
    pub(crate) fn offload<T: Send + 'static>(
        &self,
        f: impl FnOnce(&File) -> T + Send + 'static,
    ) -> T {
        if !on_green_thread() {
            return f(self.file());
        }
        let file = Arc::clone(self.source.get_ref());
        offload_whole(move || f(&file))
    }

    pub(crate) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Disk => self.read_disk(buf, HERE),
            Kind::Pipe | Kind::Other => self.read_stream(buf),
        }
    }

    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_disk(buf, checked(offset)?)
    }

    pub(crate) fn write(&self, buf: &[u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Disk => self.write_disk(buf, HERE),
            Kind::Pipe | Kind::Other => self.write_stream(buf),
        }
    }

    pub(crate) fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.write_disk(buf, checked(offset)?)
    }

    fn read_disk(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if !on_green_thread() {
            return read_plain(self.file(), buf, offset);
        }
        let cached = self
            .source
            .read(None, |file| found(read_at_once(file, buf, offset)))?;
        if let Some(count) = cached {
            return Ok(count);
        }
        let mut room = vec![0; buf.len().min(MOST)];
        let (bytes, count) = self.offload(move |file| {
            let count = read_plain(file, &mut room, offset);
            (room, count)
        });
        let count = count?;
        buf[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn read_stream(&self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(None, |file| read_at_once(file, buf, HERE));
        match read {
            Err(error) if cannot_say(&error) => {
                self.source.wait_readable(None)?;
                self.file().read(buf)
            }
            done => done,
        }
    }

    fn write_disk(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        if !on_green_thread() {
            return write_plain(self.file(), buf, offset);
        }
        let bytes = buf[..buf.len().min(MOST)].to_vec();
        self.offload(move |file| write_plain(file, &bytes, offset))
    }

    fn write_stream(&self, buf: &[u8]) -> io::Result<usize> {
        let written = self.source.write(None, |file| write_at_once(file, buf));
        match (written, self.kind) {
            (Err(error), Kind::Pipe) if cannot_say(&error) => {
                self.source.wait_writable(None)?;
                self.file().write(&buf[..buf.len().min(PIPE_BUF)])
            }
            (Err(error), _) if cannot_say(&error) => self.write_behind(buf),
            (done, _) => done,
        }
    }

    /// Writes to what cannot say how much it takes, such as a terminal, which may be held for ever.
    fn write_behind(&self, buf: &[u8]) -> io::Result<usize> {
        if !on_green_thread() {
            return self.file().write(buf);
        }
        // A job that may outlive its waiter has a descriptor of its own.
        let mut file = self.file().try_clone()?;
        let bytes = buf[..buf.len().min(MOST)].to_vec();
        offload(move || file.write(&bytes))
    }
}

fn read_at_once(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let bufs = &mut [IoSliceMut::new(buf)];
    Ok(preadv2(file, bufs, offset, ReadWriteFlags::NOWAIT)?)
}

fn write_at_once(file: &File, buf: &[u8]) -> io::Result<usize> {
    let bufs = &[IoSlice::new(buf)];
    Ok(pwritev2(file, bufs, HERE, ReadWriteFlags::NOWAIT)?)
}

fn read_plain(mut file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    if offset == HERE {
        file.read(buf)
    } else {
        file.read_at(buf, offset)
    }
}

fn write_plain(mut file: &File, buf: &[u8], offset: u64) -> io::Result<usize> {
    if offset == HERE {
        file.write(buf)
    } else {
        file.write_at(buf, offset)
    }
}

/// An offset that the system would refuse must not pass for `HERE`.
fn checked(offset: u64) -> io::Result<u64> {
    match i64::try_from(offset) {
        Ok(_) => Ok(offset),
        Err(_) => Err(Errno::INVAL.into()),
    }
}

/// What came at once, if anything did.
fn found(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Err(error) if error.kind() == ErrorKind::WouldBlock || cannot_say(&error) => Ok(None),
        read => read.map(Some),
    }
}

/// Is it a file or a kernel that does not know `RWF_NOWAIT`, or that has no readiness?
fn cannot_say(error: &io::Error) -> bool {
    let unknown = [
        Errno::OPNOTSUPP,
        Errno::NOSYS,
        Errno::INVAL,
        Errno::SPIPE,
        Errno::PERM,
    ];
    unknown
        .map(Errno::raw_os_error)
        .contains(&error.raw_os_error().unwrap_or(0))
}

/// Implements what std's handles of descriptors have, for a `$owner` of one `Descriptor`.
macro_rules! impl_handle {
    ($owner:ident) => {
        impl ::std::os::fd::AsFd for $owner {
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                self.descriptor.file().as_fd()
            }
        }

        impl ::std::os::fd::AsRawFd for $owner {
            fn as_raw_fd(&self) -> ::std::os::fd::RawFd {
                self.descriptor.file().as_raw_fd()
            }
        }

        impl ::std::os::fd::IntoRawFd for $owner {
            fn into_raw_fd(self) -> ::std::os::fd::RawFd {
                self.descriptor.into_file().into_raw_fd()
            }
        }

        impl From<$owner> for ::std::os::fd::OwnedFd {
            fn from(handle: $owner) -> Self {
                handle.descriptor.into_file().into()
            }
        }

        impl From<$owner> for ::std::process::Stdio {
            fn from(handle: $owner) -> Self {
                handle.descriptor.into_file().into()
            }
        }

        impl ::std::fmt::Debug for $owner {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let file = self.descriptor.file();
                f.debug_tuple(stringify!($owner)).field(file).finish()
            }
        }
    };
}
pub(crate) use impl_handle;

/// Implements `Read` for a `$reader` of one `Descriptor`, owned and shared.
macro_rules! impl_read {
    ($reader:ty) => {
        impl ::std::io::Read for $reader {
            fn read(&mut self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                self.descriptor.read(buf)
            }
        }

        impl ::std::io::Read for &$reader {
            fn read(&mut self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                self.descriptor.read(buf)
            }
        }
    };
}
pub(crate) use impl_read;

/// Implements `Write` for a `$writer` of one `Descriptor`, owned and shared.
macro_rules! impl_write {
    ($writer:ty) => {
        impl ::std::io::Write for $writer {
            fn write(&mut self, buf: &[u8]) -> ::std::io::Result<usize> {
                self.descriptor.write(buf)
            }

            fn flush(&mut self) -> ::std::io::Result<()> {
                Ok(())
            }
        }

        impl ::std::io::Write for &$writer {
            fn write(&mut self, buf: &[u8]) -> ::std::io::Result<usize> {
                self.descriptor.write(buf)
            }

            fn flush(&mut self) -> ::std::io::Result<()> {
                Ok(())
            }
        }
    };
}
pub(crate) use impl_write;
