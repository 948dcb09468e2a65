//! `greenloop::signal`: waiting for signals of the system, on a green thread or any other.
//!
//! [`Signals`] waits for the signals of a list, [`ctrl_c`] for the terminal's, and [`Shutdown`]
//! tells everybody who wants to know that the process is to end. The handlers are signal-hook's:
//! any number of waits for the same signal get it, in all threads, hubs and libraries that use that
//! crate.
//!
//! A signal that was waited for once does no more what it does by default, also when nobody waits
//! any longer: a program that has called [`ctrl_c`] has to see to its own end from then on.

mod shutdown;

pub use shutdown::Shutdown;

pub use signal_hook::consts::signal::{
    SIGABRT, SIGALRM, SIGBUS, SIGCHLD, SIGCONT, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGIO, SIGKILL,
    SIGPIPE, SIGPROF, SIGQUIT, SIGSEGV, SIGSTOP, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP, SIGTTIN,
    SIGTTOU, SIGURG, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU, SIGXFSZ,
};

use greenloop_runtime::{Source, readiness};
use signal_hook::consts::FORBIDDEN;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level::signal_name;
use std::borrow::Borrow;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;

/// The highest number of a signal.
const HIGHEST: i32 = 64;

/// Waits for any of a list of signals.
///
/// From [`new`](Signals::new) on, none is lost; but the system may deliver several of one kind as
/// one. Each `Signals` gets each signal.
///
/// # Examples
///
/// ```
/// use greenloop::process::Command;
/// use greenloop::signal::{SIGHUP, SIGUSR1, Signals};
///
/// let mut signals = Signals::new([SIGHUP, SIGUSR1])?;
/// let waiting = greenloop::spawn(move || signals.wait());
/// let me = std::process::id().to_string();
/// Command::new("kill").args(["-HUP", &me]).status()?;
/// assert_eq!(waiting.join().unwrap()?, SIGHUP);
/// # std::io::Result::Ok(())
/// ```
pub struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
    /// Readable when something may have been delivered.
    readiness: Source<UnixStream>,
    found: VecDeque<i32>,
}

impl Signals {
    /// Begins to wait for `signals`, which do nothing else from now on.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for one that does not exist or cannot be waited for: `SIGKILL` and `SIGSTOP`,
    /// which no process gets to see, and the faults `SIGSEGV`, `SIGILL` and `SIGFPE`.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::signal::{SIGKILL, Signals};
    ///
    /// let error = Signals::new([SIGKILL]).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// ```
    pub fn new<I>(signals: I) -> io::Result<Signals>
    where
        I: IntoIterator<Item: Borrow<i32>>,
    {
        let signals = checked(signals)?;
        let (read, write) = UnixStream::pair()?;
        let readiness = Source::new(read.try_clone()?);
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, signals)?;
        let found = VecDeque::new();
        Ok(Signals {
            delivery,
            readiness,
            found,
        })
    }

    /// Waits for the next signal, and returns it. Yields unless one has come.
    ///
    /// A kill or timeout unwinds out of the wait and loses no signal.
    ///
    /// # Errors
    ///
    /// What the system says if it can't wait, for lack of descriptors or memory.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use greenloop::signal::{SIGHUP, Signals};
    ///
    /// let mut signals = Signals::new([SIGHUP])?;
    /// loop {
    ///     signals.wait()?;
    ///     println!("reading the settings once more");
    /// }
    /// # #[expect(unreachable_code)]
    /// # std::io::Result::Ok(())
    /// ```
    pub fn wait(&mut self) -> io::Result<i32> {
        loop {
            if let Some(signal) = self.try_wait() {
                return Ok(signal);
            }
            readiness::wait_for_signal(&self.readiness)?;
        }
    }

    /// Returns the next signal if one has come. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::signal::{SIGUSR2, Signals};
    ///
    /// assert_eq!(Signals::new([SIGUSR2])?.try_wait(), None);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_wait(&mut self) -> Option<i32> {
        if self.found.is_empty() {
            self.found.extend(self.delivery.pending());
        }
        self.found.pop_front()
    }
}

/// The signals, each by a [`wait`](Signals::wait), without end.
impl Iterator for Signals {
    type Item = io::Result<i32>;

    fn next(&mut self) -> Option<io::Result<i32>> {
        Some(self.wait())
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

/// Waits for the terminal's Ctrl-C, or any other `SIGINT`, that comes from now on.
///
/// # Errors
///
/// As for [`Signals::wait`].
///
/// # Examples
///
/// ```no_run
/// greenloop::spawn(|| loop {
///     println!("working");
///     greenloop::sleep(std::time::Duration::from_secs(1));
/// });
/// greenloop::signal::ctrl_c()?;
/// println!("bye");
/// # std::io::Result::Ok(())
/// ```
pub fn ctrl_c() -> io::Result<()> {
    Signals::new([SIGINT])?.wait().map(drop)
}

/// The list, if all of it can be waited for.
fn checked<I>(signals: I) -> io::Result<Vec<i32>>
where
    I: IntoIterator<Item: Borrow<i32>>,
{
    let signals: Vec<i32> = signals.into_iter().map(|signal| *signal.borrow()).collect();
    match signals.iter().find(|signal| !can_be_waited_for(**signal)) {
        Some(signal) => Err(refused(*signal)),
        None => Ok(signals),
    }
}

fn can_be_waited_for(signal: i32) -> bool {
    (1..=HIGHEST).contains(&signal) && !FORBIDDEN.contains(&signal)
}

fn refused(signal: i32) -> io::Error {
    let what = match signal_name(signal) {
        Some(name) => format!("{name} cannot be waited for: it ends or stops the process"),
        None => format!("there is no signal {signal}, only those from 1 to {HIGHEST}"),
    };
    io::Error::new(ErrorKind::InvalidInput, what)
}
