//! `Shutdown`: the wish that this process should end in good order.
//!
//! An OS thread hears the signals, and sets what everybody waits for. Rejected: a descriptor that
//! everybody waits for, which cannot be waited for together with other things; and a green thread,
//! which would end with the hub that made the wish, and come late where workers are busy.

use super::checked;
use greenloop_runtime::Waitable;
use greenloop_runtime::sync::Event;
use signal_hook::low_level::{pipe, unregister};
use signal_hook::{SigId, flag};
use std::borrow::Borrow;
use std::io::{self, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// The wish that this process should end in good order, which a signal or the program itself may
/// utter, and which anybody may wait for.
///
/// The first signal asks. The second one ends the process at once, as the signal does by default,
/// so that one that does not end in good order can still be ended. That rule outlives all who wait:
/// what it needs, some hundred bytes a signal, stays until the process ends.
///
/// Clones are the same wish.
///
/// # Examples
///
/// ```
/// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
/// use greenloop::signal::{SIGINT, SIGTERM, Shutdown};
/// use std::time::Duration;
///
/// let shutdown = Shutdown::on([SIGTERM, SIGINT])?;
/// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
/// # shutdown.request();
/// // Until somebody sends a SIGTERM; then those who are being served have five seconds.
/// server.serve_until(shutdown.event(), Duration::from_secs(5))?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Set by the first signal or request; the next signal finds it set, and ends the process.
    is_asked: Arc<AtomicBool>,
    /// Set after it.
    event: Arc<Event>,
    signal: Arc<AtomicUsize>,
    /// What is done at a signal, but for the rule about the second one.
    actions: Vec<SigId>,
}

impl Shutdown {
    /// Begins to listen for `signals`.
    ///
    /// # Errors
    ///
    /// As for [`Signals::new`](super::Signals::new); what the system says if there are no
    /// descriptors or threads.
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
        let signals = checked(signals)?;
        let mut shared = Shared {
            is_asked: Arc::default(),
            event: Arc::default(),
            signal: Arc::default(),
            actions: Vec::new(),
        };
        let asking = shared.start_hearing()?;
        for signal in signals {
            shared.listen(signal, asking.try_clone()?)?;
        }
        let shared = Arc::new(shared);
        Ok(Shutdown { shared })
    }

    /// Waits until it is asked for. Yields unless it is.
    ///
    /// A kill or timeout unwinds out of the wait.
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
    pub fn wait(&self) {
        self.shared.event.wait();
    }

    /// Returns what can be waited for together with other things: it is ready once it is asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::signal::{SIGTERM, Shutdown};
    /// use greenloop::wait_any;
    ///
    /// let shutdown = Shutdown::on([SIGTERM])?;
    /// let work = greenloop::spawn(|| "done");
    /// assert_eq!(wait_any(&[shutdown.event(), &work]), 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn event(&self) -> &(impl Waitable + Send + Sync + use<>) {
        &*self.shared.event
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
    /// shutdown.wait(); // returns at once
    /// # std::io::Result::Ok(())
    /// ```
    pub fn request(&self) {
        self.shared.is_asked.store(true, Ordering::SeqCst);
        self.shared.event.set();
    }
}

impl Shared {
    /// Starts the thread that sets the event when something is written to what is returned; it ends
    /// when all copies of that are closed.
    fn start_hearing(&self) -> io::Result<UnixStream> {
        let (asked, asking) = UnixStream::pair()?;
        let event = self.event.clone();
        let builder = thread::Builder::new().name("greenloop-shutdown".into());
        builder.spawn(move || {
            for _ in BufReader::new(asked).bytes().map_while(Result::ok) {
                event.set();
            }
        })?;
        Ok(asking)
    }

    /// What is registered first is done first.
    fn listen(&mut self, signal: i32, asking: UnixStream) -> io::Result<()> {
        // These two stay for ever: the rule must not end before the process does.
        flag::register_conditional_default(signal, Arc::clone(&self.is_asked))?;
        let which = Arc::clone(&self.signal);
        let number = usize::try_from(signal).expect("checked");
        self.actions
            .push(flag::register_usize(signal, which, number)?);
        flag::register(signal, Arc::clone(&self.is_asked))?;
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
