//! `Context`: who runs on this OS thread now. The only file of the runtime that
//! touches a thread-local.

use crate::foreign;
use crate::header::Header;
use crate::locals;
use crate::thread;
use crate::thread_pointer;
use crate::word::NOWHERE;
use crate::worker::Worker;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// What an OS thread knows of itself: one for a worker or hub, one for an OS thread that has
/// waited.
#[derive(Default)]
pub(crate) struct Context {
    /// None on an OS thread that is neither worker nor hub.
    worker: Cell<Option<NonNull<Worker>>>,
    /// The green thread that runs now; the worker sets it at each switch.
    pub(crate) green: Cell<Option<NonNull<Header>>>,
    /// The block by which this OS thread itself waits, made at its first wait.
    own: Cell<Option<NonNull<Header>>>,
    /// While it is not 0 the runtime itself makes system calls: a monkey patch leaves them alone.
    /// Belongs to the code that runs now: a switch sets it aside.
    pub(crate) hooks_off: Cell<u32>,
    /// The thread pointer of this OS thread itself, if it is a worker or hub.
    pointer: Cell<usize>,
    /// An observer runs.
    observing: Cell<bool>,
}

thread_local! {
    /// The one word that the runtime owns per OS thread. Constant and without destructor: a plain
    /// load.
    static CURRENT: Cell<*const Context> = const { Cell::new(ptr::null()) };

    /// Frees the context of an OS thread at its end; touched only when that is made.
    static EXIT: Exit = const { Exit(Cell::new(ptr::null_mut())) };
}

impl Context {
    /// The block by which the current code waits: the green thread's, else the OS thread's own.
    #[inline]
    fn waiter(&self) -> NonNull<Header> {
        self.green.get().unwrap_or_else(|| self.own())
    }

    #[cold]
    fn own(&self) -> NonNull<Header> {
        self.own.get().unwrap_or_else(|| {
            let own = thread::new_os_thread();
            self.own.set(Some(own));
            own
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(own) = self.own.get() {
            thread::free_os_thread(own);
        }
    }
}

struct Exit(Cell<*mut Context>);

impl Exit {
    /// While the context is still there: destructors of locals may wait, and use other locals.
    fn end_locals(&self) {
        // SAFETY: null, or made by `Box::into_raw` in `of_os_thread` and not freed yet.
        let own = unsafe { self.0.get().as_ref() }.and_then(|context| context.own.get());
        if let Some(own) = own {
            // SAFETY: slots live for ever.
            locals::end(unsafe { own.as_ref() });
        }
    }
}

impl Drop for Exit {
    fn drop(&mut self) {
        self.end_locals();
        CURRENT.set(ptr::null());
        if !self.0.get().is_null() {
            // SAFETY: made by `Box::into_raw` in `of_os_thread`, and nobody reaches it any more.
            drop(unsafe { Box::from_raw(self.0.get()) });
        }
    }
}

/// The worker or hub of this OS thread.
///
/// The reference is good for as long as the caller's frame: code on a green thread runs only inside
/// its worker's loop, and the loop's own frames lie within the worker's life. It must not be
/// stored.
#[inline]
pub(crate) fn worker<'a>() -> Option<&'a Worker> {
    let worker = current()?.worker.get()?;
    // SAFETY: the worker outlives its context's time as the current one; it is of this OS thread
    // only.
    Some(unsafe { worker.as_ref() })
}

/// The green thread that runs now, and its worker; none on an OS thread or in a worker's own code.
#[inline]
pub(crate) fn green<'a>() -> Option<(&'a Worker, &'a Header)> {
    let context = current()?;
    let (header, worker) = (context.green.get()?, context.worker.get()?);
    // SAFETY: a running green thread's slot is known to its worker (`BODY`), so it is not freed
    // meanwhile; for the worker see `worker`.
    Some(unsafe { (worker.as_ref(), header.as_ref()) })
}

/// Raises the mark of the runtime's own system calls until the guard drops.
pub(crate) fn hooks_off() -> HooksOff {
    let depth = current().map(|context| NonNull::from(&context.hooks_off));
    HooksOff::change(depth, 1);
    HooksOff(depth)
}

/// Are the system calls that are made now the runtime's own?
#[doc(hidden)]
pub fn are_hooks_off() -> bool {
    current().is_some_and(|context| context.hooks_off.get() != 0)
}

/// Is the caller a full green thread, and its system calls not the runtime's own? Then the monkey
/// patch may let it wait.
#[inline]
pub(crate) fn may_wait_in_hooks() -> bool {
    current().is_some_and(|context| {
        // SAFETY: a running green thread's slot is known to its worker (`BODY`).
        let full = |green: NonNull<Header>| unsafe { green.as_ref() }.is_full();
        context.green.get().is_some_and(full) && context.hooks_off.get() == 0
    })
}

/// The thread pointer of the OS thread of the worker that runs the caller.
pub(crate) fn workers_storage() -> Option<usize> {
    let context = current()?;
    context.worker.get().map(|_| context.pointer.get())
}

/// See [`hooks_off`].
pub(crate) struct HooksOff(Option<NonNull<Cell<u32>>>);

impl HooksOff {
    fn change(depth: Option<NonNull<Cell<u32>>>, by: i32) {
        if let Some(depth) = depth {
            // SAFETY: of this OS thread's context, which outlives the call that the guard
            // surrounds.
            let depth = unsafe { depth.as_ref() };
            depth.set(depth.get().wrapping_add_signed(by));
        }
    }
}

impl Drop for HooksOff {
    fn drop(&mut self) {
        Self::change(self.0, -1);
    }
}

/// Makes what runs on this OS thread its own code, and no green thread's, until the guard drops: it
/// waits as OS threads do.
pub(crate) fn apart<'a>() -> Apart<'a> {
    let context = current();
    Apart {
        context,
        green: context.and_then(|context| context.green.take()),
        _hooks_off: hooks_off(),
    }
}

/// See [`apart`].
pub(crate) struct Apart<'a> {
    context: Option<&'a Context>,
    green: Option<NonNull<Header>>,
    _hooks_off: HooksOff,
}

impl Drop for Apart<'_> {
    fn drop(&mut self) {
        if let Some(context) = self.context {
            context.green.set(self.green);
        }
    }
}

/// Lets an observer run, [`apart`], until the guard drops; none while one does.
pub(crate) fn observe<'a>() -> Option<Observing<'a>> {
    if CURRENT.get().is_null() {
        of_os_thread();
    }
    let context = current().expect("made just now");
    let first = !context.observing.replace(true);
    first.then(|| Observing {
        context,
        _apart: apart(),
    })
}

/// Is the caller an observer?
pub(crate) fn is_observing() -> bool {
    current().is_some_and(|context| context.observing.get())
}

/// See [`observe`].
pub(crate) struct Observing<'a> {
    context: &'a Context,
    _apart: Apart<'a>,
}

impl Drop for Observing<'_> {
    fn drop(&mut self) {
        self.context.observing.set(false);
    }
}

/// Makes `context` the current one of a full green thread's own storage, for as long as it runs.
///
/// # Safety
///
/// The storage belongs to a green thread of that context's worker, and has no context yet.
pub(crate) unsafe fn adopt(context: *const Context) {
    CURRENT.set(context);
}

/// The last thing that a full green thread does: its storage has no context any more, nor has a
/// forked child's only thread.
pub(crate) fn leave() {
    CURRENT.set(ptr::null());
}

#[inline]
pub(crate) fn current<'a>() -> Option<&'a Context> {
    // SAFETY: a context that is not null lives until it is replaced (`enter`) or its OS thread
    // ends.
    unsafe { CURRENT.get().as_ref() }
}

/// The index of this OS thread's worker or hub.
pub(crate) fn home() -> usize {
    worker().map_or(NOWHERE, Worker::index)
}

/// The block of the code that runs now, if it has one yet.
#[inline]
pub(crate) fn known_waiter() -> Option<&'static Header> {
    let context = current()?;
    let header = context.green.get().or(context.own.get())?;
    // SAFETY: slots live for ever.
    Some(unsafe { header.as_ref() })
}

/// The block by which the current code waits and is woken.
#[inline]
pub(crate) fn waiter() -> &'static Header {
    if CURRENT.get().is_null() {
        of_os_thread();
    }
    let header = current().expect("made just now").waiter();
    // SAFETY: slots live for ever.
    unsafe { header.as_ref() }
}

/// Gives an OS thread that is no worker a context, until its end.
#[cold]
fn of_os_thread() {
    foreign::deny_after_fork();
    let context = Box::into_raw(Box::<Context>::default());
    CURRENT.set(context);
    // When the thread's destructors have begun, the context is leaked: 40 bytes, once.
    let _ = EXIT.try_with(|exit| exit.0.set(context));
}

/// Makes `context`, of `worker`, the current one of this OS thread, until the guard drops.
pub(crate) fn enter<'a>(context: &'a Context, worker: &'a Worker) -> Entered<'a> {
    context.worker.set(Some(NonNull::from(worker)));
    context.pointer.set(thread_pointer::get());
    Entered {
        before: CURRENT.replace(context),
        context: PhantomData,
    }
}

/// Restores the context that was current before [`enter`].
pub(crate) struct Entered<'a> {
    before: *const Context,
    context: PhantomData<&'a Context>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}
