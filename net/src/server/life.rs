//! `Life`: who lets connections in, whose are open, and when it is over.
//!
//! A round of accepting is ended by a kill of its acceptors, which is delivered where they wait:
//! before a connection is taken, never after. Rejected: `shutdown` of the listener, which would end
//! it for other processes as well; and a wake-up through a pipe, which costs two calls a wake-up.

use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use greenloop_runtime::pool::{Group, Pool};
use greenloop_runtime::sync::{Event, Mutex, MutexGuard};
use greenloop_runtime::{Builder, JoinHandle, wait_any};

use super::gate::Work;

/// Whose green threads the connections are.
pub(super) enum Crew {
    /// Any number of them.
    Group(Group),
    /// As many as there are places.
    Pool(Arc<Pool>),
}

impl Crew {
    pub(super) fn group(&self) -> &Group {
        match self {
            Crew::Group(group) => group,
            Crew::Pool(pool) => pool,
        }
    }
}

pub(super) struct Life {
    crew: Crew,
    /// Where the server was made: its green threads are spawned there.
    place: &'static Location<'static>,
    /// Held while accepting is started or stopped: one at a time.
    switch: Mutex<()>,
    /// Held by an acceptor between finding a place in the pool and taking it.
    turn: Mutex<()>,
    /// Held for moments: nobody waits with it.
    state: Mutex<State>,
    closed: Event,
    /// Set when a stop is over, whether or not all connections have ended.
    stopped: Event,
}

#[derive(Default)]
struct State {
    /// None once it is closed.
    gates: Vec<Arc<dyn Work>>,
    /// How often accepting has been started or stopped: an acceptor of another round is off duty.
    round: u64,
    accepting: bool,
    acceptors: Vec<JoinHandle<()>>,
    /// Why it ended by itself.
    failure: Option<io::Error>,
}

impl State {
    /// Ends the round, and returns whoever works in it.
    fn end_round(&mut self) -> Vec<JoinHandle<()>> {
        self.round += 1;
        self.accepting = false;
        std::mem::take(&mut self.acceptors)
    }
}

impl Life {
    #[track_caller]
    pub(super) fn new(gates: Vec<Arc<dyn Work>>, crew: Crew) -> Arc<Life> {
        let state = State {
            gates,
            ..State::default()
        };
        Arc::new(Life {
            crew,
            place: Location::caller(),
            switch: Mutex::new(()),
            turn: Mutex::new(()),
            state: Mutex::new(state),
            closed: Event::new(),
            stopped: Event::new(),
        })
    }

    pub(super) fn crew(&self) -> &Group {
        self.crew.group()
    }

    /// The pool that bounds how many there are, if one does.
    pub(super) fn pool(&self) -> Option<&Pool> {
        match &self.crew {
            Crew::Group(_) => None,
            Crew::Pool(pool) => Some(pool),
        }
    }

    pub(super) fn spawn(&self, body: impl FnOnce() + Send + 'static) {
        drop(self.crew().spawn_at(self.place, body));
    }

    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    pub(super) fn closed(&self) -> &Event {
        &self.closed
    }

    pub(super) fn is_accepting(&self) -> bool {
        lock(&self.state).accepting
    }

    pub(super) fn take_failure(&self) -> io::Result<()> {
        lock(&self.state).failure.take().map_or(Ok(()), Err)
    }

    /// Starts a round, unless there is one; says whether it could: not once it is closed.
    pub(super) fn start(self: &Arc<Life>) -> io::Result<bool> {
        let _switch = lock(&self.switch);
        let Some((round, gates)) = self.begin_round() else {
            return Ok(!self.closed.is_set());
        };
        let mut acceptors = Vec::with_capacity(gates.len());
        for gate in gates {
            let life = Arc::clone(self);
            let duty = Duty { life, round };
            // If it fails, the duty is dropped, and closes.
            let builder = Builder::new().at(self.place);
            let spawned = builder.spawn(move || duty.work(&gate));
            acceptors.push(spawned.inspect_err(|_| kill(&acceptors))?);
        }
        let mut state = lock(&self.state);
        if state.round == round {
            state.acceptors = acceptors;
        } else {
            kill(&acceptors);
        }
        Ok(true)
    }

    /// Returns the new round's number and gates: weak, so that what is closed is so at once, also
    /// when an acceptor has never come to run. `None` if there is a round, or none can be.
    fn begin_round(&self) -> Option<(u64, Vec<Weak<dyn Work>>)> {
        let mut state = lock(&self.state);
        if state.accepting || state.gates.is_empty() {
            return None;
        }
        state.round += 1;
        state.accepting = true;
        Some((
            state.round,
            state.gates.iter().map(Arc::downgrade).collect(),
        ))
    }

    /// Ends the round, and returns when nobody accepts any more.
    pub(super) fn stop_accepting(&self) {
        let _switch = lock(&self.switch);
        let acceptors = lock(&self.state).end_round();
        end(acceptors);
    }

    /// Closes, and returns when all listeners are.
    pub(super) fn close(&self) {
        let _switch = lock(&self.switch);
        end(self.close_nowait());
    }

    /// Closes, and tells whoever accepts to end.
    pub(super) fn close_nowait(&self) -> Vec<JoinHandle<()>> {
        let mut state = lock(&self.state);
        let acceptors = state.end_round();
        let gates = std::mem::take(&mut state.gates);
        drop(state);
        kill(&acceptors);
        drop(gates);
        self.closed.set();
        acceptors
    }

    /// Waits for the open connections, then kills those that are left and waits for `grace`; says
    /// whether all ended by themselves.
    pub(super) fn drain(&self, timeout: Duration, grace: Duration) -> bool {
        let drained = self.crew().join_timeout(timeout);
        if !drained {
            self.crew().kill_timeout(grace);
        }
        self.stopped.set();
        drained
    }

    /// Waits until all connections have ended, or a stop has given up those that don't.
    pub(super) fn wait_for_end(self: &Arc<Life>) {
        // Held by who closes until nobody accepts: one just accepted is in the crew then.
        drop(lock(&self.switch));
        if self.crew().is_empty() {
            return;
        }
        let life = Arc::clone(self);
        let builder = Builder::new().at(self.place);
        match builder.spawn(move || life.crew().join()) {
            Ok(joiner) => {
                let joiner = Joiner(joiner);
                wait_any(&[&joiner.0, &self.stopped]);
            }
            Err(_) => self.crew().join(),
        }
    }
}

/// Whoever waits for the connections on behalf of somebody, who may be killed.
struct Joiner(JoinHandle<()>);

impl Drop for Joiner {
    fn drop(&mut self) {
        self.0.kill_nowait();
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("accepting", &self.is_accepting())
            .field("closed", &self.closed.is_set())
            .field("connections", &self.crew().len())
            .finish_non_exhaustive()
    }
}

/// The work of one acceptor. If it ends while its round goes on (the hub that it ran in has ended,
/// its listener has failed), the server is closed, so that nobody serves for ever without it.
struct Duty {
    life: Arc<Life>,
    round: u64,
}

impl Duty {
    fn work(self, gate: &Weak<dyn Work>) {
        let Some(gate) = gate.upgrade() else { return };
        let error = gate.work(&self.life);
        self.fail(|| error);
    }

    fn fail(&self, why: impl FnOnce() -> io::Error) {
        let mut state = lock(&self.life.state);
        if state.round == self.round && state.failure.is_none() {
            state.failure = Some(why());
        }
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        let why = "the green thread that accepts was ended from outside, as at the end of a `run`";
        self.fail(|| io::Error::other(why));
        let on_duty = lock(&self.life.state).round == self.round;
        if on_duty {
            self.life.close_nowait();
        }
    }
}

fn kill(acceptors: &[JoinHandle<()>]) {
    acceptors.iter().for_each(JoinHandle::kill_nowait);
}

fn end(acceptors: Vec<JoinHandle<()>>) {
    kill(&acceptors);
    for acceptor in acceptors {
        let _ = acceptor.join(); // a kill is how it ends
    }
}

/// A panic under one of these locks is a bug, and leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
