//! `on_signal`: a dump on standard error whenever the process gets SIGQUIT.

use super::dump::{Dump, dump};
use crate::atomic::{AtomicBool, Ordering};
use signal_hook::consts::SIGQUIT;
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::thread;

/// false -> true, by the call that starts the thread; back if that fails.
static STARTED: AtomicBool = AtomicBool::new(false);

/// From now on, `SIGQUIT` (Ctrl-\\ at a terminal, or `kill -QUIT`) prints a dump to standard error,
/// and no longer ends the process. Also while all workers are held: an OS thread of its own prints.
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
    if STARTED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    start().inspect_err(|_| STARTED.store(false, Ordering::Relaxed))
}

fn start() -> io::Result<()> {
    let mut signals = Signals::new([SIGQUIT])?;
    let thread = thread::Builder::new().name("greenloop-inspect".into());
    let printing = thread.spawn(move || signals.forever().for_each(|_| print(&dump())));
    printing.map(drop)
}

pub(super) fn print(dump: &Dump) {
    // There is nobody to tell if standard error is closed.
    let _ = io::stderr().write_all(dump.to_string().as_bytes());
}
