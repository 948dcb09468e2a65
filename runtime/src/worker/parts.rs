//! `Parts`: what a worker is made of that outlives it.

use crate::lock::Lock;
use crate::reactor::Reactor;
use crate::remote::{Remote, Unstarted};
use crossbeam_deque::Worker as Deque;
use std::io;

/// What a worker is made of that outlives it, as a waker may be about to write to it: kept, when
/// dropped, for the next one.
pub(crate) struct Parts {
    /// Taken only while a worker runs with them.
    pub(super) these: Option<(&'static Remote, Reactor, Deque<Unstarted>)>,
    pub(super) used: bool,
}

static SPARE: Lock<Vec<Parts>> = Lock::new(Vec::new());

impl Parts {
    /// Takes spare parts, or makes some.
    pub(crate) fn new() -> io::Result<Parts> {
        if let Some(spare) = SPARE.lock().pop() {
            return Ok(spare);
        }
        let deque = Deque::new_fifo();
        let (reactor, outside) = Reactor::new()?;
        let remote = Remote::new(deque.stealer(), outside)?;
        Ok(Parts {
            these: Some((remote, reactor, deque)),
            used: false,
        })
    }

    pub(crate) fn remote(&self) -> &'static Remote {
        self.these
            .as_ref()
            .expect("taken only by `Worker::enter`")
            .0
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        match self.these.take() {
            Some(these) if self.used => {
                let parts = Parts {
                    these: Some(these),
                    used: true,
                };
                SPARE.lock().push(parts);
            }
            // SAFETY: no worker has run with them, so nobody else has heard of the remote, and this
            // reference is not used again.
            Some((remote, ..)) => unsafe { Remote::discard(remote.index) },
            None => {}
        }
    }
}
