//! Spawning: a closure becomes a header with room for the closure and its result, and is handed to
//! a queue.

use crate::abort;
use crate::birth::{self, Birth};
use crate::config;
use crate::context;
use crate::extra::{self, Extra};
use crate::header::{BodyType, ENDS_STORAGE, Header, HeaderCache, Kind, Teardown};
use crate::inspect::observer;
use crate::interrupt::shield;
use crate::join::{JoinHandle, LocalJoinHandle};
use crate::killed::Killed;
use crate::link;
use crate::locals::{self, Locals};
use crate::lock::Lock;
use crate::park::Unparker;
use crate::pool::Permit;
use crate::remote::Unstarted;
use crate::scheduler::Scheduler;
use crate::stack::{self, SizeClass};
use crate::storage::{Block, Storage};
use crate::thread;
use crate::word::{BODY, CANCELLER, HANDLE, KILL, NOWHERE, WATCHED};
use crate::worker::Worker;
use crate::{clock, park};
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// Spawns a green thread, and returns a handle to join it.
///
/// It is put at the end of the queue and runs when the caller waits, yields or ends; from an OS
/// thread, at once on a worker. The workers start by themselves at the first spawn. Dropping the
/// handle detaches it. Never yields.
///
/// # Panics
///
/// When it can't be spawned: see [`Builder::spawn`] for the reasons, and to handle them.
///
/// # Examples
///
/// ```
/// let answer = greenloop::spawn(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new()
        .spawn(f)
        .expect("failed to spawn a green thread")
}

/// Spawns a green thread that stays on this worker or hub, so that neither closure nor result need
/// be `Send`.
///
/// # Panics
///
/// Outside of a green thread, and when it can't be spawned: see [`Builder::spawn_local`].
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// greenloop::run(|| {
///     let count = Rc::new(Cell::new(0));
///     let ours = count.clone();
///     greenloop::spawn_local(move || ours.set(ours.get() + 1)).join().unwrap();
///     assert_eq!(count.get(), 1);
/// });
/// ```
#[track_caller]
pub fn spawn_local<F, T>(f: F) -> LocalJoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new()
        .spawn_local(f)
        .expect("failed to spawn a local green thread")
}

/// Spawns a green thread that runs `f` after `delay`. Those with the same moment run in the order
/// of their spawning.
///
/// # Panics
///
/// As [`spawn`].
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let late = greenloop::spawn_later(Duration::from_millis(20), Instant::now);
/// assert!(late.join().unwrap() - start >= Duration::from_millis(20));
/// ```
#[track_caller]
pub fn spawn_later<F, T>(delay: Duration, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let deadline = clock::deadline(delay);
    spawn(move || {
        thread::sleep_until(deadline);
        f()
    })
}

/// Configures a green thread before it is spawned; std's `thread::Builder`.
///
/// # Examples
///
/// ```
/// let handle = greenloop::Builder::new()
///     .name("reader".into())
///     .stack_size(48 * 1024)
///     .spawn(|| greenloop::thread::current().name().map(str::to_owned))?;
/// assert_eq!(handle.join().unwrap().as_deref(), Some("reader"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder {
    name: Option<Arc<str>>,
    stack_size: Option<usize>,
    /// The right to be a member of a pool.
    permit: Option<Permit>,
    own_tls: Option<bool>,
    /// Storage to use, instead of new one.
    block: Option<&'static dyn Block>,
    /// Where it is said to be spawned, instead of where it is.
    place: Option<&'static Location<'static>>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .field("own_tls", &self.own_tls)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Starts with the defaults: no name, and the runtime's stack size.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Names the green thread, for reports and for `thread::current().name()`.
    ///
    /// # Panics
    ///
    /// If the name contains a NUL, as std's.
    pub fn name(mut self, name: String) -> Builder {
        assert!(
            !name.contains('\0'),
            "the name of a green thread contains a NUL: {name:?}"
        );
        self.name = Some(name.into());
        self
    }

    /// Asks for a stack of at least `bytes`. It is rounded up to a size class; memory is used only
    /// as far as it is touched.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Gives it thread-locals of its own (`true`: a *full* green thread, which to any library is a
    /// thread), or lets it share those of its worker (`false`: a *light* one).
    ///
    /// Light ones are the default until [`monkey::patch_all`] is called, full ones afterwards. A
    /// full one costs more: see [`monkey`]. Its thread-locals start with their first values; their
    /// destructors run at its end, on its own stack, and may wait.
    ///
    /// `spawn` fails with `Unsupported` if the monkey patch is not in the program or nothing was
    /// patched yet, and with what the system says when no storage can be made.
    ///
    /// [`monkey`]: https://docs.rs/greenloop/latest/greenloop/monkey/
    /// [`monkey::patch_all`]: https://docs.rs/greenloop/latest/greenloop/monkey/fn.patch_all.html
    pub fn own_tls(mut self, own: bool) -> Builder {
        self.own_tls = Some(own);
        self
    }

    /// Makes it a full one with this storage, which is put back if it can't be spawned. For the monkey
    /// patch alone.
    ///
    /// # Safety
    ///
    /// The block has been taken for this one, by no other builder.
    #[doc(hidden)]
    pub unsafe fn storage(mut self, block: &'static dyn Block) -> Builder {
        self.block = Some(block);
        self
    }

    /// Has it be spawned at `place`, as reports say it: where the program asked for what a library
    /// spawns on its behalf.
    #[doc(hidden)]
    pub fn at(mut self, place: &'static Location<'static>) -> Builder {
        self.place = Some(place);
        self
    }

    /// Makes it a member of the pool that `permit` is from.
    pub(crate) fn permit(mut self, permit: Permit) -> Builder {
        self.permit = Some(permit);
        self
    }

    /// Spawns a green thread; see [`spawn`](crate::spawn()).
    ///
    /// # Errors
    ///
    /// `OutOfMemory` when no more stacks can be mapped, with the limit that was met; `InvalidInput`
    /// when the stack size is too large, or a variable of the environment that configures the
    /// runtime is malformed; `BrokenPipe` when the [`run`](crate::run) that this is called in has
    /// ended; whatever the system says when no worker can be started.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: closure and result are `'static` and `Send`.
        unsafe { self.spawn_unchecked(f) }
    }

    /// Spawns a green thread that stays on this worker or hub; see
    /// [`spawn_local`](crate::spawn_local()).
    ///
    /// # Errors
    ///
    /// `Unsupported` outside of a green thread; otherwise as for [`spawn`](Builder::spawn).
    #[track_caller]
    pub fn spawn_local<F, T>(mut self, f: F) -> io::Result<LocalJoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let Some((worker, _)) = context::green() else {
            let what = "spawn_local outside of a green thread: call it inside `greenloop::run` \
                        or `spawn`, whose worker the new one is to share";
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        };
        let header = self.prepare::<F, T>(Some(worker), self.place(), f)?;
        worker.push_local(header);
        // SAFETY: the header was prepared for a `T`. It stays on this OS thread, and so does the
        // handle.
        Ok(LocalJoinHandle::new(unsafe { JoinHandle::new(header) }))
    }

    /// [`Builder::spawn`], to stay on `worker`, which the caller runs on.
    #[track_caller]
    pub(crate) fn spawn_here<F, T>(mut self, worker: &Worker, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let header = self.prepare::<F, T>(Some(worker), self.place(), f)?;
        worker.push_local(header);
        // SAFETY: the header was prepared for a `T`.
        Ok(unsafe { JoinHandle::new(header) })
    }

    /// Runs `f`, of any lifetime, as a local green thread of `worker`.
    ///
    /// # Safety
    ///
    /// The caller joins it before anything that `f` or `T` borrows ends. On this OS thread.
    pub(crate) unsafe fn spawn_on_hub<F, T>(
        mut self,
        worker: &Worker,
        place: &'static Location<'static>,
        f: F,
    ) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T,
    {
        let header = self.prepare::<F, T>(Some(worker), place, f)?;
        worker.push_local(header);
        // SAFETY: the header was prepared for a `T`.
        Ok(unsafe { JoinHandle::new(header) })
    }

    /// [`Builder::spawn`] without its bounds.
    ///
    /// # Safety
    ///
    /// The green thread ends, and the handle is joined or dropped, before anything that `f` or `T`
    /// borrows ends; both are `Send`.
    #[track_caller]
    pub(crate) unsafe fn spawn_unchecked<F, T>(mut self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T,
    {
        let worker = context::worker();
        let scheduler = if worker.is_none() {
            Some(Scheduler::get()?)
        } else {
            None
        };
        let header = self.prepare::<F, T>(worker, self.place(), f)?;
        // SAFETY: the header was prepared for a `T`.
        let handle = unsafe { JoinHandle::new(header) };
        match (worker, scheduler) {
            (Some(worker), _) => submit(worker, Unstarted(header)),
            (None, Some(scheduler)) => scheduler.inject(Unstarted(header)),
            (None, None) => unreachable!("an OS thread has just got the scheduler"),
        }
        Ok(handle)
    }

    #[inline]
    #[track_caller]
    fn place(&self) -> &'static Location<'static> {
        self.place.unwrap_or(Location::caller())
    }

    /// Takes a slot and a credit for a stack, and puts the closure into the slot.
    fn prepare<F, T>(
        &mut self,
        worker: Option<&Worker>,
        place: &'static Location<'static>,
        f: F,
    ) -> io::Result<NonNull<Header>>
    where
        F: FnOnce() -> T,
    {
        let storage = self.block.take().map(Storage::of);
        if worker.is_some_and(Worker::is_closing) {
            let what = "the `greenloop::run` that this green thread belongs to has ended: \
                        it takes no new ones";
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, what));
        }
        let locals = locals::inherited();
        let class = match self.stack_size {
            Some(bytes) => SizeClass::for_size(bytes)?,
            None => config::default_stack()?,
        };
        let storage = match storage {
            Some(given) => Some(given),
            None => Storage::for_new(self.own_tls)?,
        };
        match worker {
            Some(worker) => worker.stacks().credit(class)?,
            None => stack::credit(class)?,
        }
        // A hub's green threads never leave it, and it knows so from the start.
        let hub = worker.filter(|worker| worker.place().is_none());
        let home = hub.map_or(NOWHERE, Worker::index);
        let kind = if storage.is_some() {
            Kind::Full
        } else {
            Kind::Light
        };
        let birth = Birth {
            name: self.name.take(),
            flags: HANDLE | BODY,
            home,
            place,
            class,
            kind,
            spawner: birth::running_on(worker),
        };
        let header = birth::new_header(birth, f).inspect_err(|_| refund(worker, class))?;
        give_extra(header, locals, storage, self.permit.take());
        if observer::is_any() {
            // SAFETY: slots live for ever; its `BODY` is the caller's, which queues it.
            observer::spawned(unsafe { header.as_ref() });
        }
        Ok(header)
    }
}

/// Gives a new one what it is to start with; from here on it can be killed through its pool.
#[inline]
pub(crate) fn give_extra(
    slot: NonNull<Header>,
    locals: Option<Locals>,
    storage: Option<Storage>,
    permit: Option<Permit>,
) {
    if locals.is_some() || storage.is_some() || permit.is_some() {
        give_some(slot, locals, storage, permit);
    }
}

#[cold]
fn give_some(
    slot: NonNull<Header>,
    locals: Option<Locals>,
    storage: Option<Storage>,
    permit: Option<Permit>,
) {
    // SAFETY: slots live for ever.
    let header = unsafe { slot.as_ref() };
    let mut extra = Box::new(Extra {
        locals: locals.unwrap_or_default(),
        member: None,
        storage,
    });
    let Some(permit) = permit else {
        return extra::give(header, extra);
    };
    let unparker = Unparker::new(slot, header.word.load().generation());
    permit.enter(unparker, |member| {
        extra.member = Some(member);
        extra::give(header, extra);
    });
}

fn refund(worker: Option<&Worker>, class: SizeClass) {
    match worker {
        Some(worker) => worker.stacks().refund(class),
        None => stack::refund(class),
    }
}

/// Puts a new one into its spawner's queue, or where there is least to do if it serves a connection
/// just accepted.
#[inline]
fn submit(worker: &Worker, unstarted: Unstarted) {
    let spread = context::green().is_some_and(|(_, spawner)| spawner.spread.take());
    match worker.place() {
        Some(place) if spread => place.scheduler.spread(unstarted),
        _ => worker.push_stealable(unstarted),
    }
}

/// Makes the next spawn of this green thread go to the worker that has least to do: it serves a new
/// connection.
#[doc(hidden)]
pub fn spread_next_spawn() {
    if let Some((_, header)) = context::green() {
        header.spread.set(true);
    }
}

/// The free slots for OS threads that are no workers.
static SLOTS: Lock<HeaderCache> = Lock::new(HeaderCache::new());

#[inline]
pub(crate) fn take_slot() -> io::Result<NonNull<Header>> {
    match context::worker() {
        Some(worker) => worker.headers().take(),
        None => SLOTS.lock().take(),
    }
}

/// Frees a slot that nobody else knows any more.
///
/// # Safety
///
/// `Word::release` has said so to the caller, and its room is empty.
pub(crate) unsafe fn free_slot(slot: NonNull<Header>) {
    // SAFETY: the caller's word.
    unsafe { slot.as_ref().clear() };
    match context::worker() {
        Some(worker) => worker.headers().put(slot),
        None => SLOTS.lock().put(slot),
    }
}

/// The first and last frame of a green thread, on its own stack.
///
/// # Safety
///
/// Called once, for a started header, on the stack that it was given.
pub(crate) unsafe fn body(slot: NonNull<Header>) {
    // SAFETY: slots live for ever.
    if let Some(storage) = extra::storage(unsafe { slot.as_ref() }) {
        // SAFETY: the worker has switched to it with this stack, which is new.
        unsafe { storage.begin() };
    }
    // SAFETY: the caller's word.
    unsafe { live(slot) };
    // SAFETY: slots live for ever, and this one is in use until the worker has retired it.
    if unsafe { slot.as_ref() }.is_full() {
        context::leave();
    }
}

/// [`body`], with its thread-locals in place.
///
/// # Safety
///
/// As for `body`.
unsafe fn live(slot: NonNull<Header>) {
    let _abort = abort::OnUnwind("the last frame of a green thread");
    // SAFETY: the slot is in use until the worker has retired it.
    let header = unsafe { slot.as_ref() };
    let body = header.body.get().expect("set when it was spawned");
    let killed = header.teardown.get() != Teardown::None || header.word.take(KILL);
    let end = if killed { body.cancel } else { body.run };
    // SAFETY: the room holds the closure, of which `body` knows the type.
    unsafe { end(header) };
    end_locals(header);
    finish(header);
}

/// Drops the values that are local to a green thread, on its own stack: ours, then those of its
/// thread-local storage.
fn end_locals(header: &Header) {
    locals::end(header);
    if let Some(storage) = extra::storage(header) {
        // Nothing may unwind out of such a destructor, so a kill is too late for a wait in there.
        header.marks.set(ENDS_STORAGE);
        // SAFETY: if it has begun, the green thread runs now, at its end, and this is its frame.
        shield(|| unsafe { storage.end() });
    }
}

/// Announces the end of a green thread, or of a job of the blocking pool, whose result has been
/// written.
pub(crate) fn finish(header: &Header) {
    let member = extra::take_member(header);
    let before = header.word.finish_for_handle().unwrap_or_else(|| {
        let body = header.body.get().expect("set when it was spawned");
        // While it still runs: the result's destructor may wait.
        // SAFETY: the room holds the result, and with the handle gone, for good, it is ours.
        unsafe { (body.drop_result)(header) };
        // It may have made new ones.
        end_locals(header);
        header.word.finish()
    });
    if before.has(WATCHED) {
        link::tell_of_end(header);
    }
    drop(member);
}

/// Ends one that has not started: its closure is dropped, here and now. False if it has started, or
/// is not of this `generation` any more.
pub(crate) fn cancel(header: &Header, generation: u32) -> bool {
    let cancelled = header.word.cancel(generation);
    if cancelled {
        let body = header.body.get().expect("set when it was spawned");
        // SAFETY: `cancel` has made the closure, which is still in the room, the caller's.
        unsafe { (body.cancel)(header) };
        locals::end(header);
        finish(header);
        if header.word.release(CANCELLER) {
            // SAFETY: body and handle are gone too, and the result with them.
            unsafe { free_slot(NonNull::from(header)) };
        }
    }
    cancelled
}

/// The types of a closure and its result.
pub(crate) struct Body<F, T>(PhantomData<(F, T)>);

impl<F: FnOnce() -> T, T> Body<F, T> {
    pub(crate) const TYPE: &'static BodyType = &BodyType {
        run: Self::run,
        cancel: Self::cancel,
        drop_result: Self::drop_result,
    };

    unsafe fn run(header: &Header) {
        // SAFETY: the caller says that the room holds the closure.
        let f: F = unsafe { header.take() };
        let result = catch_unwind(AssertUnwindSafe(f));
        // SAFETY: the closure has been taken out.
        unsafe { header.store::<std::thread::Result<T>>(result) };
    }

    unsafe fn cancel(header: &Header) {
        // SAFETY: the caller says that the room holds the closure.
        let f: F = unsafe { header.take() };
        // What it owns may wait in destructors: that is not to be cut by what is due to the caller.
        abort::contain(|| shield(|| drop(f)));
        let killed: std::thread::Result<T> = Err(Box::new(Killed::new()));
        // SAFETY: the closure has been taken out.
        unsafe { header.store(killed) };
    }

    unsafe fn drop_result(header: &Header) {
        // SAFETY: the caller says that the room holds the result.
        let result: std::thread::Result<T> = unsafe { header.take() };
        // As in `cancel`.
        abort::contain(|| shield(|| drop(result)));
    }
}

/// Lets all other green threads of this worker that can run do so first; on an OS thread, other OS
/// threads.
///
/// # Examples
///
/// ```
/// greenloop::run(|| {
///     let other = greenloop::spawn(|| ());
///     greenloop::yield_now();
///     assert!(other.is_finished());
/// });
/// ```
#[inline(always)] // into the caller's loop: see `coroutine.rs`
pub fn yield_now() {
    park::yield_now();
}
