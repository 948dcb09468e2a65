//! `greenloop::signal`: waiting for signals of the system, on a green thread or any other.
//!
//! [`Signals`] waits for the signals of a list, [`ctrl_c`] for the terminal's, and [`Shutdown`]
//! tells everybody who wants to know that the process is to end. The handlers are signal-hook's:
//! any number of waits for the same signal get it, in all threads, hubs and libraries that use that
//! crate.
//!
//! A signal that was waited for once does no more what it does by default, also when nobody waits
//! any longer: a program that has called [`ctrl_c`] has to see to its own end from then on.

pub use signal_hook::consts::signal::{
    SIGABRT, SIGALRM, SIGBUS, SIGCHLD, SIGCONT, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGIO, SIGKILL,
    SIGPIPE, SIGPROF, SIGQUIT, SIGSEGV, SIGSTOP, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP, SIGTTIN,
    SIGTTOU, SIGURG, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU, SIGXFSZ,
};

use greenloop_runtime::Source;
use signal_hook::consts::FORBIDDEN;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level::{pipe, signal_name, unregister};
use signal_hook::{SigId, flag};
use std::borrow::Borrow;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
            self.readiness.wait_readable(None)?;
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

/// The wish that this process should end in good order, which a signal or the program itself may
/// utter, and which anybody may wait for.
///
/// The first signal asks. The second one ends the process at once, as the signal does by default,
/// so that one that does not end in good order can still be ended. Clones are the same wish.
///
/// # Examples
///
/// ```
/// use greenloop::signal::{SIGINT, SIGTERM, Shutdown};
///
/// let shutdown = Shutdown::on([SIGTERM, SIGINT])?;
/// let serving = greenloop::spawn({
///     let shutdown = shutdown.clone();
///     move || {
///         shutdown.wait()?; // until somebody sends a SIGTERM
///         // stop accepting, let those who are being served end
///         std::io::Result::Ok(())
///     }
/// });
/// shutdown.request(); // or we ourselves have had enough
/// serving.join().unwrap()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Readable once it is asked for; nobody ever reads.
    asked: Source<UnixStream>,
    asking: UnixStream,
    /// Set by the first signal; the next one finds it set, and ends the process.
    is_asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
    actions: Vec<SigId>,
}

impl Shutdown {
    /// Begins to listen for `signals`.
    ///
    /// # Errors
    ///
    /// As for [`Signals::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::signal::{SIGINT, SIGTERM, Shutdown};
    ///
    /// let shutdown = Shutdown::on([SIGTERM, SIGINT])?;
    /// assert!(!shutdown.is_requested());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on<I>(signals: I) -> io::Result<Shutdown>
    where
        I: IntoIterator<Item: Borrow<i32>>,
    {
        let (asked, asking) = UnixStream::pair()?;
        asking.set_nonblocking(true)?;
        let mut shared = Shared {
            asked: Source::new(asked),
            asking,
            is_asked: Arc::default(),
            signal: Arc::default(),
            actions: Vec::new(),
        };
        for signal in checked(signals)? {
            shared.listen(signal)?;
        }
        let shared = Arc::new(shared);
        Ok(Shutdown { shared })
    }

    /// Waits until it is asked for. Yields unless it is.
    ///
    /// A kill or timeout unwinds out of the wait.
    ///
    /// # Errors
    ///
    /// What the system says if it can't wait, for lack of descriptors or memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::signal::{SIGTERM, Shutdown};
    /// use std::time::Duration;
    ///
    /// let shutdown = Shutdown::on([SIGTERM])?;
    /// let waited = greenloop::timeout(Duration::from_millis(5), || shutdown.wait());
    /// assert!(waited.is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn wait(&self) -> io::Result<()> {
        self.shared.asked.wait_readable(None)
    }

    /// Has it been asked for? Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::signal::{SIGTERM, Shutdown};
    ///
    /// let shutdown = Shutdown::on([SIGTERM])?;
    /// shutdown.request();
    /// assert!(shutdown.is_requested());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_requested(&self) -> bool {
        self.shared.is_asked.load(Ordering::SeqCst)
    }

    /// Returns the signal that asked for it, if one did. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::signal::{SIGTERM, Shutdown};
    ///
    /// assert_eq!(Shutdown::on([SIGTERM])?.signal(), None);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn signal(&self) -> Option<i32> {
        match self.shared.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => i32::try_from(signal).ok(),
        }
    }

    /// Asks for it, as a signal would: the next signal ends the process at once. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::signal::{SIGTERM, Shutdown};
    ///
    /// let shutdown = Shutdown::on([SIGTERM])?;
    /// shutdown.request();
    /// shutdown.wait()?; // returns at once
    /// # std::io::Result::Ok(())
    /// ```
    pub fn request(&self) {
        self.shared.is_asked.store(true, Ordering::SeqCst);
        // It only fails if it is full, and then it is readable.
        let _ = (&self.shared.asking).write(&[0]);
    }
}

impl Shared {
    /// What is registered first is done first.
    fn listen(&mut self, signal: i32) -> io::Result<()> {
        let again = flag::register_conditional_default(signal, Arc::clone(&self.is_asked))?;
        self.actions.push(again);
        let which = Arc::clone(&self.signal);
        let number = usize::try_from(signal).expect("checked");
        self.actions
            .push(flag::register_usize(signal, which, number)?);
        let is_asked = Arc::clone(&self.is_asked);
        self.actions.push(flag::register(signal, is_asked)?);
        let asking = self.asking.try_clone()?;
        self.actions.push(pipe::register(signal, asking)?);
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for action in self.actions.drain(..) {
            unregister(action);
        }
    }
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
