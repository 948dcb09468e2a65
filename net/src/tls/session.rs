//! `Session`: a connection of rustls, read and written at once, neither waiting for the other.
//!
//! | lock | held while waiting for | by |
//! |---|---|---|
//! | `input` | the stream to be readable | one reader |
//! | `output` | the stream to be writable | one writer |
//! | `connection` | nothing | whoever encrypts or decrypts |
//!
//! `input` or `output` is taken first, `connection` last, and no one takes both of the first two
//! except by `try_lock`. So a writer whose peer does not read never holds up the reader, and two
//! peers that both write cannot wait for each other. rustls's own `Stream` reads and writes with
//! the connection in hand, and would.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::PoisonError;
use std::time::Duration;

use greenloop_runtime::sync::{Mutex, MutexGuard};
use greenloop_runtime::timeout;
use rustls::Connection;

use super::input::Input;
use super::output::Output;

/// How long an alert may take to go out, when the connection has failed anyway.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The state of one TLS connection after its handshake.
pub(super) struct Session {
    connection: Mutex<Connection>,
    input: Mutex<Input>,
    output: Mutex<Output>,
}

impl Session {
    pub(super) fn new(connection: Connection) -> Session {
        Session {
            connection: Mutex::new(connection),
            input: Mutex::new(Input::new()),
            output: Mutex::new(Output::new()),
        }
    }

    /// Reads plaintext.
    pub(super) fn read(
        &self,
        stream: &mut (impl Read + Write),
        buf: &mut [u8],
    ) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let mut input = lock(&self.input);
        loop {
            match self.decrypt(&mut input, buf) {
                Ok(Some(count)) => return Ok(count),
                Ok(None) if input.fill(stream)? > 0 => {}
                Ok(None) => self.note_end()?,
                Err(error) => {
                    self.send_alert(stream);
                    return Err(error);
                }
            }
        }
    }

    /// Writes plaintext; waits until all that it took has gone out.
    pub(super) fn write(&self, stream: &mut impl Write, buf: &[u8]) -> io::Result<usize> {
        let mut output = lock(&self.output);
        if output.is_closed {
            let what = "a write after the shutdown of the TLS stream";
            return Err(io::Error::new(ErrorKind::BrokenPipe, what));
        }
        self.send(&mut output, stream)?; // what an earlier write left
        let count = lock(&self.connection).writer().write(buf)?;
        match self.send(&mut output, stream) {
            // It is encrypted, and has to go out before anything else: so it counts as written.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(count),
            sent => sent.map(|()| count),
        }
    }

    /// Writes what earlier calls left.
    pub(super) fn flush(&self, stream: &mut impl Write) -> io::Result<()> {
        self.send(&mut lock(&self.output), stream)?;
        stream.flush()
    }

    /// Announces the end of what is written.
    pub(super) fn shutdown(&self, stream: &mut impl Write) -> io::Result<()> {
        let mut output = lock(&self.output);
        if !output.is_closed {
            lock(&self.connection).send_close_notify();
            output.is_closed = true;
        }
        self.send(&mut output, stream)?;
        stream.flush()
    }

    /// Asks the connection, which is in nobody's hands for long.
    pub(super) fn ask<T>(&self, f: impl FnOnce(&Connection) -> T) -> T {
        f(&lock(&self.connection))
    }

    /// Returns the plaintext that there is, or `None` if more must come first.
    fn decrypt(&self, input: &mut Input, buf: &mut [u8]) -> io::Result<Option<usize>> {
        let mut connection = lock(&self.connection);
        let mut decrypted = Ok(());
        loop {
            match connection.reader().read(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => decrypted?,
                outcome => return outcome.map(Some), // a fault waits for what came before it
            }
            let was_empty = input.is_empty();
            decrypted = input.decrypt_some(&mut connection);
            if was_empty && decrypted.is_ok() {
                return Ok(None);
            }
        }
    }

    /// Tells rustls that the stream has ended, which it takes for a cut unless it was announced.
    fn note_end(&self) -> io::Result<()> {
        lock(&self.connection).read_tls(&mut io::empty())?;
        Ok(())
    }

    fn send(&self, output: &mut Output, stream: &mut impl Write) -> io::Result<()> {
        loop {
            output.send(stream)?;
            if !output.take(&mut lock(&self.connection))? {
                return Ok(());
            }
        }
    }

    /// Tells the peer why, if that is possible soon. A writer that is at it now sends it as well.
    fn send_alert(&self, stream: &mut impl Write) {
        if let Ok(mut output) = self.output.try_lock() {
            let _ = timeout(LAST_WORDS, || self.send(&mut output, stream));
        }
    }
}

/// Locks; a panic of a stream's own code has left all in order.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
