//! Join handles: waiting for the end of a green thread, and taking its result.

use crate::clock::NEVER;
use crate::context;
use crate::header::{Header, Wait};
use crate::park::{self, Unparker};
use crate::spawn;
use crate::thread::Thread;
use crate::word::{FINISHED, HANDLE};
use crate::worker::Worker;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::thread::Result;

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

    fn header(&self) -> &Header {
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
        self.wait();
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

    fn wait(&self) {
        if self.is_finished() {
            return;
        }
        self.header().joiner.set(Some(Unparker::current()));
        if !self.header().word.set_joiner() {
            return;
        }
        let _joining = Joining(self.header());
        let _counted = context::green().and_then(|(worker, _)| worker.count_joiner(self.header()));
        while !self.is_finished() {
            park::park(NEVER, Wait::Join(self.header));
        }
    }

    fn release(&self) {
        if self.header().word.release(HANDLE) {
            // SAFETY: the body is gone as well, and the result has been taken.
            unsafe { spawn::free_slot(self.header) };
        }
    }
}

/// Takes the joiner back, should a kill end the wait.
struct Joining<'a>(&'a Header);

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        self.0.word.clear_joiner();
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

    /// Returns the green thread's public face: name, id, `unpark`.
    pub fn thread(&self) -> &Thread {
        self.inner.thread()
    }

    /// Has it ended? Never waits.
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }
}

impl<T> fmt::Debug for LocalJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalJoinHandle")
            .field("thread", self.thread())
            .finish_non_exhaustive()
    }
}

/// Whatever can be joined by [`joinall`]. Sealed: it may grow.
pub trait Joinable: sealed::Sealed {
    /// What it returns when it did not panic.
    type Output;

    /// Waits for the end, and returns the result.
    ///
    /// # Errors
    ///
    /// The payload of a panic.
    fn join(self) -> Result<Self::Output>;
}

pub(crate) mod sealed {
    #[allow(missing_debug_implementations)]
    pub trait Sealed {}
}

impl<T> sealed::Sealed for JoinHandle<T> {}
impl<T> sealed::Sealed for LocalJoinHandle<T> {}

impl<T> Joinable for JoinHandle<T> {
    type Output = T;

    fn join(self) -> Result<T> {
        self.join()
    }
}

impl<T> Joinable for LocalJoinHandle<T> {
    type Output = T;

    fn join(self) -> Result<T> {
        self.join()
    }
}

/// Joins all, and returns their results in the order given. Yields until the last one has ended.
///
/// # Examples
///
/// ```
/// use greenloop::{joinall, spawn};
///
/// let squares = joinall((1..=3).map(|n| spawn(move || n * n)));
/// let squares: Vec<i32> = squares.into_iter().map(Result::unwrap).collect();
/// assert_eq!(squares, [1, 4, 9]);
/// ```
pub fn joinall<H: Joinable>(handles: impl IntoIterator<Item = H>) -> Vec<Result<H::Output>> {
    // All first: an iterator may spawn as it goes, and they are to run side by side.
    let handles: Vec<H> = handles.into_iter().collect();
    handles.into_iter().map(H::join).collect()
}

impl Worker {
    /// Counts a joiner of this hub that waits for another of its green threads, until the guard
    /// drops.
    fn count_joiner(&self, target: &Header) -> Option<impl Drop + '_> {
        struct Counted<'a>(&'a std::cell::Cell<usize>);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        (target.word.load().home() == self.index()).then(|| {
            self.joining().set(self.joining().get() + 1);
            Counted(self.joining())
        })
    }
}
