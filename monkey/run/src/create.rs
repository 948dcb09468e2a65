//! New threads: `pthread_create` and C11's `thrd_create`, and their ends.

use crate::attributes::Attributes;
use crate::front::front;
use crate::shim::{self, Routine};
use crate::threads::{self, Like, Thread, current};
use greenloop_monkey::program::{Storage, is_ours};
use greenloop_runtime::{Builder, foreign};
use libc::{c_int, c_void, pthread_attr_t, pthread_t};
use std::io;
use std::ptr;

/// What a thread runs.
#[derive(Clone, Copy)]
struct Start {
    function: Routine,
    argument: *mut c_void,
}

// SAFETY: the contract of `pthread_create`: the new thread may call it.
unsafe impl Send for Start {}

impl Start {
    /// Runs it as `thread`, the caller.
    fn run(self, thread: &'static Thread) {
        // SAFETY: the contract of `pthread_create`.
        if let Some(value) = unsafe { shim::call(self.function, self.argument) } {
            thread.set_value(value);
        }
        if foreign::is_forked() {
            // SAFETY: the only thread of a forked child has ended.
            unsafe { libc::exit(0) };
        }
    }
}

/// Runs `f` as a thread of the program's, on storage that was taken for it.
pub(crate) fn spawn(
    storage: Storage,
    stack_size: usize,
    thread: &'static Thread,
    f: impl FnOnce(&'static Thread) + Send + 'static,
) -> io::Result<()> {
    /// For what the runtime has on the stack, and the C library would not.
    const OWN: usize = 16 << 10;
    let builder = Builder::new().stack_size(stack_size.saturating_add(OWN));
    // SAFETY: a thread stands for one storage, which its caller has taken.
    let builder = unsafe { builder.storage(thread) };
    let id = storage.thread();
    let spawned = builder.spawn(move || f(thread));
    spawned.map(drop).inspect_err(|_| threads::forget(id))
}

/// Starts a green thread; the `errno` if it can't be.
fn create(attributes: Attributes, start: Start, maker: &Thread) -> Result<pthread_t, c_int> {
    let storage = Storage::take().map_err(|_| libc::EAGAIN)?;
    let like = Like {
        mask: attributes.mask.unwrap_or_else(|| maker.mask()),
        name: maker.name(),
    };
    let thread = Thread::new(storage, &like, attributes.detached, false);
    let id = thread.id();
    spawn(storage, attributes.stack_size, thread, move |thread| {
        start.run(thread)
    })
    .map(|()| id)
    .map_err(|_| libc::EAGAIN)
}

/// Who makes a thread, if that is to be a green one: not for the runtime's own, nor for those that
/// OS threads start.
fn maker(function: Routine) -> Option<&'static Thread> {
    if !foreign::may_wait() || is_ours(function as *const c_void) {
        return None;
    }
    current()
}

front! {
    /// Starts a thread. Returns an `errno`.
    pthread_create(
        real; thread: *mut pthread_t, attributes: *const pthread_attr_t, function: Routine,
        argument: *mut c_void
    ) -> c_int {
        // SAFETY: the caller's contract.
        let wanted = unsafe { Attributes::read(attributes) };
        let (Some(maker), Some(wanted)) = (maker(function), wanted) else {
            // SAFETY: the caller's contract.
            return unsafe { real()(thread, attributes, function, argument) };
        };
        match create(wanted, Start { function, argument }, maker) {
            Ok(id) => {
                // SAFETY: the caller's contract.
                unsafe { *thread = id };
                0
            }
            Err(errno) => errno,
        }
    }
}

/// What a thread of C11's runs.
type C11 = unsafe extern "C-unwind" fn(*mut c_void) -> c_int;

unsafe extern "C-unwind" fn run_c11(start: *mut c_void) -> *mut c_void {
    // SAFETY: `thrd_create` has made it for this call.
    let (function, argument) = *unsafe { Box::from_raw(start.cast::<(C11, *mut c_void)>()) };
    // SAFETY: the contract of `thrd_create`.
    let value = unsafe { function(argument) };
    ptr::without_provenance_mut(value as usize)
}

/// The codes of <threads.h>.
const THRD_ERROR: c_int = 2;

front! {
    /// Starts a thread.
    thrd_create(real; thread: *mut pthread_t, function: C11, argument: *mut c_void) -> c_int {
        let Some(maker) = current().filter(|_| foreign::may_wait()) else {
            // SAFETY: the caller's contract.
            return unsafe { real()(thread, function, argument) };
        };
        let both = Box::into_raw(Box::new((function, argument)));
        // SAFETY: the two differ in whether they may unwind, which ends at the shim either way.
        let run_c11: Routine = unsafe {
            std::mem::transmute::<unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void, Routine>(
                run_c11,
            )
        };
        let start = Start {
            function: run_c11,
            argument: both.cast(),
        };
        match create(Attributes::default(), start, maker) {
            Ok(id) => {
                // SAFETY: the caller's contract.
                unsafe { *thread = id };
                0
            }
            Err(_) => {
                // SAFETY: made above, and nobody has got it.
                drop(unsafe { Box::from_raw(both) });
                THRD_ERROR
            }
        }
    }
}

front! {
    /// Ends the calling thread, through the hook of `pthread_exit`.
    thrd_exit(real; value: c_int) {
        // SAFETY: the caller's contract.
        unsafe {
            if current().is_none() {
                return real()(value);
            }
            pthread_exit(ptr::without_provenance_mut(value as usize));
        }
    }
}

unsafe extern "C-unwind" {
    fn pthread_exit(value: *mut c_void);
}

front! {
    /// Lets nobody join a thread. Returns an `errno`.
    pthread_detach(real; thread: pthread_t) -> c_int {
        threads::detach(thread).unwrap_or_else(|| {
            // SAFETY: the caller's contract.
            unsafe { real()(thread) }
        })
    }
}

front! {
    /// Lets nobody join a thread.
    thrd_detach(real; thread: pthread_t) -> c_int {
        match threads::detach(thread) {
            // SAFETY: the caller's contract.
            None => unsafe { real()(thread) },
            Some(0) => 0,
            Some(_) => THRD_ERROR,
        }
    }
}

front! {
    /// Joins a thread that has ended. Returns an `errno`.
    pthread_tryjoin_np(real; thread: pthread_t, value: *mut *mut c_void) -> c_int {
        use greenloop_monkey::program::Program;
        let over = foreign::now();
        match threads::Threads.join(thread, over) {
            // SAFETY: the caller's contract.
            None => unsafe { real()(thread, value) },
            Some(Err(libc::ETIMEDOUT)) => libc::EBUSY,
            Some(Err(errno)) => errno,
            Some(Ok(returned)) => {
                if !value.is_null() {
                    // SAFETY: the caller's contract.
                    unsafe { *value = returned };
                }
                0
            }
        }
    }
}
