//! Join handles: waiting for the end of a green thread, and taking its result.

use crate::clock::{self, NEVER};
use crate::context;
use crate::header::{Header, Kind};
use crate::interrupt;
use crate::link::{self, Link};
use crate::park::Unparker;
use crate::reason::Wait;
use crate::spawn;
use crate::suspicion;
use crate::thread::Thread;
use crate::wait_queue;
use crate::waitable::{Linkable, PlaceRef};
use crate::word::{FINISHED, HANDLE, NOWHERE};
use crate::worker::Worker;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::thread::Result;
use std::time::Duration;

/// The right to join a green thread, or a job of [`spawn_blocking`](crate::spawn_blocking).
/// Dropping it detaches it.
///
/// # Examples
///
/// ```
/// let handle = greenloop::spawn(|| -> u32 { panic!("lost") });
/// let payload = handle.join().unwrap_err();
/// assert_eq!(payload.downcast_ref::<&str>(), Some(&"lost"));
/// ```
pub struct JoinHandle<T> {
    header: NonNull<Header>,
    result: PhantomData<T>,
}

// SAFETY: the handle is one of two owners of the slot, by way of its atomic word; what it hands
// from thread to thread is the result.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: a shared handle only reads the word and the thread, which is `Sync`.
unsafe impl<T> Sync for JoinHandle<T> {}

impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// The header was begun with `HANDLE`, which passes to the handle, and its result is a `T`.
    pub(crate) unsafe fn new(header: NonNull<Header>) -> Self {
        JoinHandle {
            header,
            result: PhantomData,
        }
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: slots live for ever.
        unsafe { self.header.as_ref() }
    }

    /// Waits for the end, and returns the result: `Err` with the payload if it panicked, with
    /// [`Killed`](crate::Killed) if it was killed.
    ///
    /// Yields, unless it has ended already. A kill of the one who waits detaches it.
    ///
    /// # Errors
    ///
    /// The payload of a panic.
    pub fn join(self) -> Result<T> {
        self.wait_until(NEVER);
        self.into_result()
    }

    /// [`join`](JoinHandle::join), for at most `timeout`. It is not killed when the time is over.
    ///
    /// # Errors
    ///
    /// The handle itself when the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let handle = greenloop::spawn(greenloop::thread::park);
    /// let handle = handle.join_timeout(Duration::from_millis(1)).unwrap_err();
    /// handle.thread().unpark();
    /// handle.join().unwrap();
    /// ```
    pub fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
        if self.wait_until(clock::deadline(timeout)) {
            Ok(self.into_result())
        } else {
            Err(self)
        }
    }

    fn into_result(self) -> Result<T> {
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: it is finished, so the room holds the result, and it belongs to the handle, which
        // is used up here.
        let result = unsafe { this.header().take::<Result<T>>() };
        this.release();
        result
    }

    /// Returns the green thread's public face: name, id, `unpark`.
    pub fn thread(&self) -> &Thread {
        // SAFETY: this handle knows the slot.
        unsafe { self.header().thread() }
    }

    /// Has it ended? Never waits.
    pub fn is_finished(&self) -> bool {
        self.header().word.load().state() == FINISHED
    }

    /// Kills the green thread, and waits for its end.
    ///
    /// One that has not started never runs. One that waits, or will wait, unwinds there with
    /// [`Killed`](crate::Killed); its destructors run, and may wait. It is delivered once: who
    /// catches it goes on, and this waits on. It is held back in a [`shield`](crate::shield), and
    /// has no effect on a job of [`spawn_blocking`](crate::spawn_blocking) that has started.
    ///
    /// # Examples
    ///
    /// ```
    /// let handle = greenloop::spawn(|| greenloop::sleep(std::time::Duration::from_secs(60)));
    /// handle.kill();
    /// assert!(handle.join().unwrap_err().is::<greenloop::Killed>());
    /// ```
    pub fn kill(&self) {
        self.kill_nowait();
        self.wait_until(NEVER);
    }

    /// [`kill`](JoinHandle::kill), but waits for at most `timeout`. Says whether it has ended.
    pub fn kill_timeout(&self, timeout: Duration) -> bool {
        self.kill_nowait();
        self.wait_until(clock::deadline(timeout))
    }

    /// [`kill`](JoinHandle::kill) without waiting for the end.
    pub fn kill_nowait(&self) {
        self.unparker().end();
    }

    pub(crate) fn unparker(&self) -> Unparker {
        Unparker::new(self.header, self.header().word.load().generation())
    }

    /// Has `f` run once the green thread has ended, however it ends; soon, if it has ended already.
    ///
    /// All of them run in order, on a green thread of their own; one that panics stops no other.
    /// One that is linked after the end has a green thread to itself. At the end of a
    /// [`run`](crate::run), which takes no new ones, a thread of the blocking pool runs them.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let handle = greenloop::spawn(|| ());
    /// handle.link(move || sender.send("it has ended").unwrap());
    /// assert_eq!(receiver.recv(), Ok("it has ended"));
    /// ```
    #[track_caller]
    pub fn link(&self, f: impl FnOnce() + Send + 'static) {
        link::link(self.header(), Link::new(f));
    }

    /// Waits for the end; says whether it has come before `deadline`.
    pub(crate) fn wait_until(&self, deadline: u64) -> bool {
        let header = self.header();
        if self.is_finished() {
            return true;
        }
        let me = context::waiter();
        interrupt::before_wait_of(me, NEVER);
        if std::ptr::eq(me, header) {
            panic!("{:?} waits for its own end", self.thread());
        }
        if deadline == NEVER {
            suspicion::raise_by_joiner(header);
        }
        let end = header.end.lock();
        if !header.word.watch() {
            return true;
        }
        let home = header.word.load().home();
        let here = context::worker().filter(|it| it.index() == home);
        let _counted = here.map(Worker::count_joiner);
        // SAFETY: this handle knows the slot.
        let id = unsafe { header.thread() }.number();
        // A job never has a home.
        let is_job = home == NOWHERE && header.kind() == Kind::Job;
        let why = if is_job {
            Wait::job(id)
        } else {
            Wait::join(id)
        };
        // The slot, and with it the lock, lives for ever.
        let woken = wait_queue::wait_released(
            &header.end,
            end,
            |end| &end.waiters,
            deadline,
            why,
            |_| None,
        );
        woken || self.is_finished()
    }

    fn release(&self) {
        if self.header().word.release(HANDLE) {
            // SAFETY: the body is gone as well, and the result has been taken.
            unsafe { spawn::free_slot(self.header) };
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if self.header().word.detach() {
            return;
        }
        let body = self.header().body.get().expect("set when it was spawned");
        // SAFETY: it is finished with the handle still there, so the result is in the room, and it
        // is ours.
        unsafe { (body.drop_result)(self.header()) };
        self.release();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("thread", self.thread())
            .finish_non_exhaustive()
    }
}

/// The handle of a green thread that stays on its worker or hub, and so does the handle: neither is
/// `Send`.
///
/// ```compile_fail
/// fn needs_send(_: impl Send) {}
/// greenloop::run(|| needs_send(greenloop::spawn_local(|| ())));
/// ```
pub struct LocalJoinHandle<T> {
    inner: JoinHandle<T>,
    not_send: PhantomData<*const ()>,
}

impl<T> LocalJoinHandle<T> {
    pub(crate) fn new(inner: JoinHandle<T>) -> Self {
        LocalJoinHandle {
            inner,
            not_send: PhantomData,
        }
    }

    /// Waits for the end, and returns the result; see [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// The payload of a panic.
    pub fn join(self) -> Result<T> {
        self.inner.join()
    }

    /// Waits for at most `timeout`; see [`JoinHandle::join_timeout`].
    ///
    /// # Errors
    ///
    /// The handle itself when the time is over.
    pub fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
        self.inner
            .join_timeout(timeout)
            .map_err(LocalJoinHandle::new)
    }

    /// Returns the green thread's public face: name, id, `unpark`.
    pub fn thread(&self) -> &Thread {
        self.inner.thread()
    }

    /// Has it ended? Never waits.
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }

    /// Kills it, and waits for its end; see [`JoinHandle::kill`].
    pub fn kill(&self) {
        self.inner.kill();
    }

    /// Kills it, and waits for at most `timeout`; see [`JoinHandle::kill_timeout`].
    pub fn kill_timeout(&self, timeout: Duration) -> bool {
        self.inner.kill_timeout(timeout)
    }

    /// Kills it without waiting for the end; see [`JoinHandle::kill_nowait`].
    pub fn kill_nowait(&self) {
        self.inner.kill_nowait();
    }

    /// Has `f` run after its end; see [`JoinHandle::link`].
    #[track_caller]
    pub fn link(&self, f: impl FnOnce() + Send + 'static) {
        self.inner.link(f);
    }
}

impl<T> fmt::Debug for LocalJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalJoinHandle")
            .field("thread", self.thread())
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Counts, until the guard drops, one of its green threads that waits for nothing but the end
    /// of others of them.
    pub(crate) fn count_joiner(&self) -> impl Drop + '_ {
        struct Counted<'a>(&'a std::cell::Cell<usize>);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        self.joining().set(self.joining().get() + 1);
        Counted(self.joining())
    }
}

impl<T> Linkable for JoinHandle<T> {
    fn is_ready(&self) -> bool {
        self.is_finished()
    }

    unsafe fn link(&self, place: PlaceRef) -> bool {
        let end = self.header().end.lock();
        let linked = self.header().word.watch();
        if linked {
            // SAFETY: the caller's word.
            unsafe { end.waiters.push(place.0) };
        }
        linked
    }

    unsafe fn unlink(&self, place: PlaceRef) {
        // SAFETY: the caller's word.
        unsafe { self.header().end.lock().waiters.remove(place.0) };
    }
}

impl<T> Linkable for LocalJoinHandle<T> {
    fn is_ready(&self) -> bool {
        self.inner.is_ready()
    }

    unsafe fn link(&self, place: PlaceRef) -> bool {
        // SAFETY: the caller's word.
        unsafe { Linkable::link(&self.inner, place) }
    }

    unsafe fn unlink(&self, place: PlaceRef) {
        // SAFETY: the caller's word.
        unsafe { self.inner.unlink(place) };
    }
}
