//! `Line`: one end of a conversation that goes on as long as either end says something.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use greenloop::net::TcpStream;

/// When something was said last, by either end.
pub(crate) struct Pulse {
    began: Instant,
    /// Milliseconds since `began`.
    last: AtomicU64,
    limit: Duration,
}

impl Pulse {
    /// It stops after `limit` without a word.
    pub(crate) fn new(limit: Duration) -> Pulse {
        Pulse {
            began: Instant::now(),
            last: AtomicU64::new(0),
            limit,
        }
    }

    fn beat(&self) {
        self.last.store(self.now(), Relaxed);
    }

    fn has_stopped(&self) -> bool {
        let silence = self.now().saturating_sub(self.last.load(Relaxed));
        u128::from(silence) >= self.limit.as_millis()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A stream whose reads and writes wait until the pulse has stopped.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) stream: &'a TcpStream,
    pulse: &'a Pulse,
}

impl<'a> Line<'a> {
    pub(crate) fn new(stream: &'a TcpStream, pulse: &'a Pulse) -> io::Result<Line<'a>> {
        stream.set_read_timeout(Some(pulse.limit))?;
        stream.set_write_timeout(Some(pulse.limit))?;
        stream.set_nodelay(true)?; // what came in one piece leaves at once
        Ok(Line { stream, pulse })
    }

    /// Tries again while the other end has something to say.
    fn patiently(&self, mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        loop {
            match call() {
                Ok(count) => {
                    self.pulse.beat();
                    return Ok(count);
                }
                Err(error) if !is_timeout(&error) => return Err(error),
                Err(_) if self.pulse.has_stopped() => {
                    let what = format!("nothing came for {:?}", self.pulse.limit);
                    return Err(io::Error::new(ErrorKind::TimedOut, what));
                }
                Err(_) => {}
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Read for Line<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        self.patiently(|| stream.read(buffer))
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        self.patiently(|| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
