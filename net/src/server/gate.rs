//! `Gate`: one listener or socket of a server, and the loop that lets in what comes there.
//!
//! The loop waits in `accept` itself, so a connection costs what it costs in a loop of one's own.
//! Where there is a pool, it looks for a place in the pool first and accepts then, without waiting:
//! whoever waited in `accept` with a place in its hands would keep the other listeners from it.

use std::any::Any;
use std::fmt::{self, Debug};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use greenloop_runtime::pool::Pool;
use greenloop_runtime::{Killed, yield_now};
use rustix::io::Errno;

use super::handler::{self, Handler};
use super::life::Life;
use crate::backoff::{Backoff, is_exhaustion};

/// gevent's `max_accept`: so many in a row, then the others have a turn.
const MAX_IN_A_ROW: usize = 100;

/// What work comes from.
pub(super) trait Intake: Send + Sync + 'static {
    type Item: Send + 'static;
    type Addr: Debug + Send + 'static;
    /// What the loop over it keeps for it.
    type Scratch: Default;

    /// Takes the next one, and waits for it.
    fn next(&self, scratch: &mut Self::Scratch) -> io::Result<(Self::Item, Self::Addr)>;
    /// Takes the next one, which is there, or fails with `WouldBlock`.
    fn try_next(&self, scratch: &mut Self::Scratch) -> io::Result<(Self::Item, Self::Addr)>;
    /// Waits until there is one.
    fn wait(&self) -> io::Result<()>;
}

/// A gate without its types.
pub(super) trait Work: Send + Sync {
    /// Lets in what comes, until it is killed or no more can ever come: returns why.
    fn work(&self, life: &Life) -> io::Error;
}

/// One listener or socket, and what is done with each that comes.
pub(super) struct Gate<I: Intake> {
    intake: I,
    serve: Arc<dyn Fn(I::Item, I::Addr) + Send + Sync>,
    /// Where it is, for the log.
    place: String,
}

impl<I: Intake> Gate<I> {
    pub(super) fn new<H>(intake: I, handler: Arc<H>, addr: &I::Addr) -> Self
    where
        H: Handler<I::Item, I::Addr>,
    {
        let place = format!("{addr:?}");
        let name = place.clone();
        let serve = move |item, peer| {
            let serving = || handler::serve(&*handler, item, peer);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(serving)) {
                report(&name, payload);
            }
        };
        Gate {
            intake,
            serve: Arc::new(serve),
            place,
        }
    }
}

/// Says that a handler panicked; one that was killed has only been told to end.
fn report(place: &str, payload: Box<dyn Any + Send>) {
    if payload.is::<Killed>() {
        resume_unwind(payload);
    }
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("no message");
    warn(format_args!(
        "a handler of the server at {place} panicked: {text}"
    ));
}

/// Logs; a logger that panics harms nobody.
fn warn(text: fmt::Arguments<'_>) {
    let saying = || log::warn!("greenloop: {text}");
    if let Err(payload) = catch_unwind(AssertUnwindSafe(saying))
        && payload.is::<Killed>()
    {
        resume_unwind(payload);
    }
}

impl<I: Intake> Work for Gate<I> {
    fn work(&self, life: &Life) -> io::Error {
        let mut shift = Shift {
            gate: self,
            life,
            scratch: I::Scratch::default(),
            backoff: Backoff::default(),
            is_short: false,
        };
        loop {
            for _ in 0..MAX_IN_A_ROW {
                match shift.admit() {
                    Ok(()) => {}
                    Err(error) if is_fatal(&error) => return error,
                    Err(error) => shift.complain(&error),
                }
            }
            yield_now();
        }
    }
}

/// One run of a gate's loop.
struct Shift<'a, I: Intake> {
    gate: &'a Gate<I>,
    life: &'a Life,
    scratch: I::Scratch,
    /// For spawns that fail, and for an intake that is only tried: one that waits has its own.
    backoff: Backoff,
    /// Whether it has been said that descriptors or memory are short.
    is_short: bool,
}

impl<I: Intake> Shift<'_, I> {
    fn admit(&mut self) -> io::Result<()> {
        match self.life.pool() {
            None => self.admit_any(),
            Some(pool) => self.admit_to(pool),
        }
    }

    fn admit_any(&mut self) -> io::Result<()> {
        match self.gate.intake.next(&mut self.scratch) {
            Ok(next) => self.spawn(next),
            // The user wants no waiting of its own calls.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return self.gate.intake.wait(),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn admit_to(&mut self, pool: &Pool) -> io::Result<()> {
        let turn = self.life.turn();
        pool.wait_available(None);
        match self.gate.intake.try_next(&mut self.scratch) {
            Ok(next) => self.spawn(next),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                drop(turn);
                return self.gate.intake.wait();
            }
            Err(error) => {
                drop(turn);
                self.back_off(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    fn spawn(&mut self, (item, peer): (I::Item, I::Addr)) {
        self.is_short = false;
        let serve = Arc::clone(&self.gate.serve);
        let spawning = || self.life.spawn(move || serve(item, peer));
        match catch_unwind(AssertUnwindSafe(spawning)) {
            Ok(()) => self.backoff.learn(&Ok(())),
            Err(payload) if payload.is::<Killed>() => resume_unwind(payload),
            // No stack is left for it; the panic's message has said why.
            Err(_) => self.back_off(&Errno::NOMEM.into()),
        }
    }

    /// Waits if something is short, and says so first.
    fn back_off(&mut self, error: &io::Error) {
        self.complain(error);
        if is_exhaustion(error) {
            self.backoff.learn::<()>(&Err(Errno::NOMEM.into()));
            self.backoff.wait();
        }
    }

    /// Says once that something is short; the fault of a peer is never logged.
    fn complain(&mut self, error: &io::Error) {
        if is_exhaustion(error) && !self.is_short {
            self.is_short = true;
            let place = &self.gate.place;
            warn(format_args!(
                "the server at {place} cannot take more, and waits: {error}"
            ));
        }
    }
}

/// Whether it will be the same for ever: the descriptor is not one, or no longer, or is shut down.
fn is_fatal(error: &io::Error) -> bool {
    match Errno::from_io_error(error) {
        Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP) => true,
        Some(_) => false,
        None => matches!(
            error.kind(),
            ErrorKind::InvalidInput | ErrorKind::UnexpectedEof
        ),
    }
}
