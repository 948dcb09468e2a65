//! `Generator`: a closure that gives values one by one, and is given values back.
//!
//! It runs on a green thread of its own, and the two hand over by park and unpark. Rejected: a bare
//! coroutine on its caller's thread. Its body would run now as part of one thread, now of another
//! one: a reference to a local, or a `timeout`, that lies across a `yield_` would outlive the thread
//! that it belongs to.

use crate::clock::NEVER;
use crate::context;
use crate::interrupt;
use crate::join::JoinHandle;
use crate::lock::{Guard, Lock};
use crate::park::{self, Unparker};
use crate::reason::{Thing, Wait};
use crate::spawn::Builder;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// A closure that gives `Out`s one by one and is sent `In`s, as Python's generators.
///
/// The body starts at the first [`send`](Generator::send), with what was sent. Each
/// [`yield_`](Yielder::yield_) gives a value to the one who has sent, and returns what is sent next.
/// With `In = ()` the generator is an iterator. It runs on a green thread of its own (on the worker
/// or hub where it was first sent to, if there is one), whose locals, timeouts and name it has:
/// body and sender wait for each other, and both may wait for anything else. It may be sent to other
/// threads.
///
/// Dropping it ends its body: `yield_` unwinds, and destructors run, soon. It does not wait for that;
/// [`close`](Generator::close) does. A body that catches the unwinding and calls `yield_` again, or
/// calls it from a destructor then, is given up: it waits there for ever, which WARN tells. The end of a
/// [`run`](crate::run) waits for such a destructor.
///
/// # Examples
///
/// ```
/// use greenloop::Generator;
///
/// let mut average = Generator::new(|yielder, first: f64| {
///     let (mut sum, mut count) = (first, 1.0);
///     loop {
///         sum += yielder.yield_(sum / count);
///         count += 1.0;
///     }
/// });
/// assert_eq!(average.send(10.0), Some(10.0));
/// assert_eq!(average.send(20.0), Some(15.0));
///
/// let squares = Generator::new(|yielder, ()| (1..4).for_each(|n| yielder.yield_(n * n)));
/// assert_eq!(squares.collect::<Vec<i32>>(), [1, 4, 9]);
/// ```
pub struct Generator<In, Out> {
    /// The body, until it is started.
    body: Option<Body<In, Out>>,
    handle: Option<JoinHandle<()>>,
    exchange: Arc<Exchange<In, Out>>,
}

type Body<In, Out> = Box<dyn FnOnce(&Yielder<In, Out>, In) + Send>;

impl<In, Out> Generator<In, Out>
where
    In: Send + 'static,
    Out: Send + 'static,
{
    /// Makes a generator of `body`, which is not started yet.
    pub fn new(body: impl FnOnce(&Yielder<In, Out>, In) + Send + 'static) -> Self {
        Generator {
            body: Some(Box::new(body)),
            handle: None,
            exchange: Arc::new(Exchange(Lock::default())),
        }
    }

    /// Sends a value in, and returns the next one that comes out; none once the body has ended. Yields.
    ///
    /// If the caller is killed or timed out, what it has sent stays sent; the answer is dropped by the
    /// next `send`.
    ///
    /// # Panics
    ///
    /// With the panic of the body, once; and at the first call as [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn send(&mut self, value: In) -> Option<Out> {
        if self.exchange.is_busy() {
            let late = self.exchange.receive();
            drop(late);
        }
        self.give(value);
        self.exchange.receive()
    }

    #[track_caller]
    fn give(&mut self, value: In) {
        // One that has ended takes nothing: the value is dropped here, and not under the lock.
        let _refused = self.exchange.send(value);
        if let Some(body) = self.body.take() {
            self.start(body);
        }
    }

    #[track_caller]
    fn start(&mut self, body: Body<In, Out>) {
        let end = End(self.exchange.clone());
        let run = move || end.run(body);
        let builder = Builder::new().name("generator".into());
        let handle = match context::green() {
            Some((worker, _)) => builder.spawn_here(worker, run),
            None => builder.spawn(run),
        };
        self.handle = Some(handle.expect("failed to spawn the green thread of a generator"));
    }

    /// Ends the body: `yield_` unwinds there, and this waits for its end. One that was not started
    /// never is.
    ///
    /// # Panics
    ///
    /// With a panic of the body's destructors.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut numbers = greenloop::Generator::new(|yielder, ()| {
    ///     for n in 0.. {
    ///         yielder.yield_(n);
    ///     }
    /// });
    /// assert_eq!(numbers.next(), Some(0));
    /// numbers.close();
    /// ```
    pub fn close(mut self) {
        self.exchange.close();
        if self.body.take().is_none() {
            while self.exchange.receive().is_some() {}
        }
    }
}

impl<Out: Send + 'static> Iterator for Generator<(), Out> {
    type Item = Out;

    /// As [`send`](Generator::send), but an item whose reader was killed or timed out is given to the
    /// next call.
    fn next(&mut self) -> Option<Out> {
        if !self.exchange.is_busy() {
            self.give(());
        }
        self.exchange.receive()
    }
}

impl<In, Out> Drop for Generator<In, Out> {
    fn drop(&mut self) {
        self.exchange.close();
    }
}

impl<In, Out> UnwindSafe for Generator<In, Out> {}
impl<In, Out> RefUnwindSafe for Generator<In, Out> {}

impl<In, Out> fmt::Debug for Generator<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("started", &self.body.is_none())
            .field("thread", &self.handle.as_ref().map(JoinHandle::thread))
            .finish_non_exhaustive()
    }
}

/// The way out of a generator's body.
pub struct Yielder<In, Out> {
    exchange: Arc<Exchange<In, Out>>,
    /// It stays on the body's green thread.
    not_send: PhantomData<*const ()>,
}

impl<In, Out> Yielder<In, Out> {
    /// Gives a value out, and waits for the next one that is sent in.
    ///
    /// When the generator is dropped or closed, it unwinds (by no panic: locks are not poisoned).
    pub fn yield_(&self, value: Out) -> In {
        // When nobody wants it, it is dropped here, and not under the lock.
        let _unwanted = self.exchange.put(value);
        self.exchange.wait_for_input()
    }
}

impl<In, Out> fmt::Debug for Yielder<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

/// What lies between the body and the one who sends.
struct Exchange<In, Out>(Lock<State<In, Out>>);

struct State<In, Out> {
    input: Option<In>,
    output: Option<Out>,
    /// Something was sent in, and what comes out for it was not received.
    busy: bool,
    /// The body is to end.
    closed: bool,
    /// It has been told so.
    told: bool,
    /// The body has ended, or is given up.
    done: bool,
    panic: Option<Box<dyn Any + Send>>,
    body: Option<Unparker>,
    sender: Option<Unparker>,
}

impl<In, Out> Default for State<In, Out> {
    fn default() -> Self {
        State {
            input: None,
            output: None,
            busy: false,
            closed: false,
            told: false,
            done: false,
            panic: None,
            body: None,
            sender: None,
        }
    }
}

impl<In, Out> Exchange<In, Out> {
    fn is_busy(&self) -> bool {
        self.0.lock().busy
    }

    /// Leaves a value for the body; it comes back if the body has ended.
    fn send(&self, value: In) -> Option<In> {
        let mut state = self.0.lock();
        if state.done {
            return Some(value);
        }
        state.input = Some(value);
        state.busy = true;
        wake(state.body, state);
        None
    }

    /// Waits for what the body gives; none when it has ended.
    fn receive(&self) -> Option<Out> {
        let me = Unparker::current();
        loop {
            let mut state = self.0.lock();
            if state.output.is_some() || state.done {
                return finish(state);
            }
            state.sender = Some(me);
            drop(state);
            park::park(NEVER, Wait::on(Thing::Generator, self));
        }
    }

    fn close(&self) {
        let mut state = self.0.lock();
        state.closed = true;
        wake(state.body, state);
    }

    /// Leaves a value for the one who sends; it comes back if nobody wants it.
    fn put(&self, value: Out) -> Option<Out> {
        let mut state = self.0.lock();
        if state.closed {
            return Some(value);
        }
        state.output = Some(value);
        wake(state.sender, state);
        None
    }

    /// Called by the body.
    fn wait_for_input(&self) -> In {
        let me = Unparker::current();
        loop {
            let mut state = self.0.lock();
            if state.closed {
                self.end_body(state);
            } else if let Some(input) = state.input.take() {
                return input;
            } else {
                state.body = Some(me);
                drop(state);
            }
            park::park(NEVER, Wait::on(Thing::Generator, self));
        }
    }

    /// Unwinds the body, which must end; returns if that can't be done.
    fn end_body(&self, mut state: Guard<'_, State<In, Out>>) {
        let told = std::mem::replace(&mut state.told, true);
        if !told && !std::thread::panicking() {
            drop(state);
            interrupt::unwind(context::waiter(), Box::new(Closed));
        }
        if !state.done {
            state.done = true;
            wake(state.sender, state);
            log::warn!("greenloop: a generator that was closed yields again, and is given up");
        }
    }
}

/// Takes what has come out, or the panic, or nothing.
fn finish<In, Out>(mut state: Guard<'_, State<In, Out>>) -> Option<Out> {
    state.busy = false;
    let output = state.output.take();
    let panic = output.is_none().then(|| state.panic.take()).flatten();
    drop(state);
    if let Some(payload) = panic {
        resume_unwind(payload);
    }
    output
}

/// Unparks somebody, once the lock is released.
fn wake<In, Out>(who: Option<Unparker>, state: Guard<'_, State<In, Out>>) {
    drop(state);
    if let Some(who) = who {
        who.unpark();
    }
}

/// What a body is unwound with whose generator was closed.
struct Closed;

/// The body's end of the exchange; also dropped if it is never started.
struct End<In, Out>(Arc<Exchange<In, Out>>);

impl<In, Out> End<In, Out> {
    fn run(self, body: Body<In, Out>) {
        let yielder = Yielder {
            exchange: self.0.clone(),
            not_send: PhantomData,
        };
        let run = || {
            let first = yielder.exchange.wait_for_input();
            body(&yielder, first);
        };
        let Err(payload) = catch_unwind(AssertUnwindSafe(run)) else {
            return;
        };
        if !payload.is::<Closed>() && !interrupt::is_interrupt(&*payload) {
            self.0.0.lock().panic = Some(payload);
        }
    }
}

impl<In, Out> Drop for End<In, Out> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.done = true;
        let input = state.input.take();
        wake(state.sender, state);
        drop(input);
    }
}
