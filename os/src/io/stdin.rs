//! `Stdin`: the standard input.

use crate::descriptor::Descriptor;
use greenloop_runtime::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Lines, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The buffer, and the descriptor once it is known.
static STDIN: LazyLock<Mutex<BufReader<Input>>> =
    LazyLock::new(|| Mutex::new(BufReader::new(Input(None))));

/// Returns the standard input of this process. All handles share one buffer.
///
/// # Examples
///
/// ```
/// for line in greenloop::io::stdin().lines() {
///     let words = line?.split_whitespace().count();
/// }
/// # std::io::Result::Ok(())
/// ```
pub fn stdin() -> Stdin {
    Stdin(())
}

/// The standard input, as [`std::io::Stdin`] is it.
///
/// Whoever reads holds the lock, also while waiting; others wait for the lock. A kill or timeout
/// unwinds out of both waits, and what has not been returned stays for the next one; but a
/// [`read_line`](Stdin::read_line) that is cut has moved what it found into its buffer.
///
/// # Examples
///
/// ```
/// let mut line = String::new();
/// greenloop::io::stdin().read_line(&mut line)?; // siblings run until somebody types
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Stdin(());

impl Stdin {
    /// Locks it, to read several things that belong together. Waits while another one holds it; a
    /// second lock by the same thread waits for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::io::{BufRead, stdin};
    ///
    /// let mut input = stdin().lock();
    /// let (mut name, mut value) = (String::new(), String::new());
    /// input.read_line(&mut name)?;
    /// input.read_line(&mut value)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn lock(&self) -> StdinLock<'static> {
        StdinLock(STDIN.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads until the end of a line, which is appended to `buf` as well, and returns how many
    /// bytes came: none at the end of the input.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the line is not UTF-8.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut line = String::new();
    /// let is_end = greenloop::io::stdin().read_line(&mut line)? == 0;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read_line(&self, buf: &mut String) -> io::Result<usize> {
        self.lock().read_line(buf)
    }

    /// Iterates over the lines, without their ends. Holds the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let lines = greenloop::io::stdin().lines().map_while(Result::ok);
    /// let longest = lines.map(|line| line.len()).max();
    /// ```
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        self.lock().lines()
    }

    /// Is it a terminal?
    ///
    /// # Examples
    ///
    /// ```
    /// if greenloop::io::stdin().is_terminal() {
    ///     println!("Your name?");
    /// }
    /// ```
    pub fn is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }
}

impl Read for Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lock().read(buf)
    }
}

impl Read for &Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lock().read(buf)
    }
}

impl AsFd for Stdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdin()
    }
}

impl AsRawFd for Stdin {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// The standard input, [locked](Stdin::lock).
///
/// # Examples
///
/// ```
/// use greenloop::io::BufRead;
///
/// let mut field = Vec::new();
/// greenloop::io::stdin().lock().read_until(b'\t', &mut field)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct StdinLock<'a>(MutexGuard<'a, BufReader<Input>>);

impl Read for StdinLock<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl BufRead for StdinLock<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

/// Descriptor 0 by a number of its own, from the first read on.
#[derive(Debug)]
struct Input(Option<Descriptor>);

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.0.is_none() {
            let fd = rustix::stdio::stdin().try_clone_to_owned()?;
            self.0 = Some(Descriptor::new(File::from(fd))?);
        }
        self.0.as_ref().expect("set above").read(buf)
    }
}
