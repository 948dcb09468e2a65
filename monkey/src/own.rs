//! What this crate keeps for each full green thread, in its own thread-locals.

use libc::hostent;
use std::cell::{Cell, RefCell};

/// How many kinds of calls are told apart; of further ones nothing is said.
const KINDS: usize = 16;

thread_local! {
    /// The calls of which it was said that they block; filled from the front.
    static SAID: Cell<[&'static str; KINDS]> = const { Cell::new([""; KINDS]) };
    static HOST: RefCell<Host> = const { RefCell::new(Host::new()) };
}

/// Notes that `call` is spoken of; true for the first time.
pub(crate) fn is_news(call: &'static str) -> bool {
    let mut said = SAID.get();
    match said.iter().position(|it| it.is_empty() || *it == call) {
        Some(free) if said[free].is_empty() => {
            said[free] = call;
            SAID.set(said);
            true
        }
        _ => false,
    }
}

/// What the last `gethostbyname` has found: valid until the next one.
#[derive(Debug)]
pub(crate) struct Host {
    /// Boxed, so that it stays where it is.
    pub(crate) entry: Option<Box<hostent>>,
    pub(crate) buffer: Vec<u8>,
}

impl Host {
    const fn new() -> Self {
        Host {
            entry: None,
            buffer: Vec::new(),
        }
    }
}

/// Lends the caller's host to `f`; none while another one has it, or at the thread's end.
pub(crate) fn with_host<R>(f: impl FnOnce(&mut Host) -> R) -> Option<R> {
    let with = |host: &RefCell<Host>| host.try_borrow_mut().ok().map(|mut host| f(&mut host));
    HOST.try_with(with).ok().flatten()
}
