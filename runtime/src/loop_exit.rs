//! `run_strict`: a hub by gevent's rule for waits that would never end, and `LoopExit`, which ends
//! them.

use crate::context;
use crate::hub;
use std::fmt;

/// [`run`](crate::run), by gevent's rule for `LoopExit`: when the first green thread waits, no
/// other can run, and nothing on this hub is under way that could change that, then the first one
/// unwinds from its wait, with a [`LoopExit`].
///
/// Under way is a timer (a sleep, a timeout, a wait with a deadline), a wait for a descriptor (an
/// accept, too), and a job of the blocking pool that one of the hub's green threads has spawned or
/// waits for. That an OS thread could wake somebody, by a message, an unpark or a lock, does not
/// count; in a [`run`](crate::run) it does.
///
/// Only the first one unwinds, even inside of a [`shield`](crate::shield). It may catch that, and
/// go on; the others are left as they are, until the hub ends. Unlike in gevent, a wait for a
/// [signal of the system] counts as a wait for a descriptor.
///
/// [signal of the system]: https://docs.rs/greenloop/latest/greenloop/signal/index.html
///
/// # Panics
///
/// As [`run`](crate::run); with the text of the [`LoopExit`] if the first one does not catch it.
///
/// # Examples
///
/// ```
/// use greenloop::sync::Event;
/// use greenloop::{LoopExit, run_strict};
/// use std::panic::{AssertUnwindSafe, catch_unwind};
///
/// run_strict(|| {
///     let event = Event::new();
///     let waiting = catch_unwind(AssertUnwindSafe(|| event.wait()));
///     let exit = waiting.unwrap_err().downcast::<LoopExit>().unwrap();
///     assert!(exit.to_string().starts_with("this operation would block forever"));
/// });
/// ```
#[track_caller]
pub fn run_strict<F, T>(f: F) -> T
where
    F: FnOnce() -> T,
{
    hub::enter(true, f)
}

/// What the first green thread of a [`run_strict`] unwinds with when it would wait for ever.
///
/// `Display` lists all green threads of the hub, and what each waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoopExit {
    list: String,
}

impl LoopExit {
    /// Of the hub that the caller runs on.
    pub(crate) fn new() -> LoopExit {
        let list = context::worker().map_or_else(String::new, hub::list);
        LoopExit { list }
    }
}

impl fmt::Display for LoopExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this operation would block forever{}", self.list)
    }
}

impl std::error::Error for LoopExit {}
