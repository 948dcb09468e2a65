//! `on_signal`: a dump on standard error whenever the process gets SIGQUIT.

use super::dump::dump;
use super::stderr;
use crate::context;
use crate::lock::Lock;
use signal_hook::consts::SIGQUIT;
use signal_hook::iterator::Signals;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::thread;

/// Has the thread been started? Held meanwhile, so that of two calls neither returns before.
static STARTED: Lock<bool> = Lock::new(false);

/// From now on, `SIGQUIT` (Ctrl-\\ at a terminal, or `kill -QUIT`) prints a dump to standard error,
/// and no longer ends the process. Also while all workers are held, or somebody holds the lock of
/// [`Stderr`](std::io::Stderr), and if the caller has blocked the signal: an OS thread of its own
/// takes it and prints. While nobody reads standard error, that thread waits, and nobody else.
///
/// Never yields. Further calls change nothing.
///
/// # Errors
///
/// What the system says if the handler or the thread can't be set up.
///
/// # Examples
///
/// ```
/// greenloop::inspect::on_signal()?;
/// # std::io::Result::Ok(())
/// ```
pub fn on_signal() -> io::Result<()> {
    // Of this OS thread nobody else runs meanwhile, who would then spin for the lock in vain.
    let _blocks = context::hooks_off();
    let mut started = STARTED.lock();
    if !*started {
        start()?;
        *started = true;
    }
    Ok(())
}

fn start() -> io::Result<()> {
    let signals = Signals::new([SIGQUIT])?;
    let thread = thread::Builder::new().name("greenloop-inspect".into());
    thread.spawn(|| serve(signals)).map(drop)
}

fn serve(mut signals: Signals) {
    unblock();
    for _ in signals.forever() {
        stderr::print(&dump().to_string(), || ());
    }
}

/// A thread begins with the signals blocked that its spawner has blocked: then no other might take
/// this one.
fn unblock() {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` makes the set, which is valid for the others; nobody wants the old
    // mask.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), SIGQUIT);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}
