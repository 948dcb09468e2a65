//! Calls on the blocking pool, on behalf of a green thread that waits in a hook.
//!
//! The call uses its caller's memory, so the caller stays until it has ended: a kill has to wait.

use crate::kernel;
use greenloop_runtime::foreign::{self, NEVER, Waker};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// What waiter and job share; it lies on the waiter's stack.
struct Call<F, R> {
    work: UnsafeCell<Option<F>>,
    result: UnsafeCell<Option<R>>,
    /// Set by the job as the last thing that it does here.
    ended: AtomicBool,
}

/// A job's way to its [`Call`]. When it is dropped, the job has run, or never will.
struct Job<F, R> {
    call: *const Call<F, R>,
    waiter: Waker,
}

// SAFETY: the waiter does not touch the call until the job is dropped; that the work itself may run
// on another thread is the word of `offload`'s caller.
unsafe impl<F, R> Send for Job<F, R> {}

impl<F: FnOnce() -> R, R> Job<F, R> {
    fn run(self) {
        // SAFETY: the waiter keeps the call where it is until `ended`, untouched.
        unsafe {
            let call = &*self.call;
            if let Some(work) = (*call.work.get()).take() {
                *call.result.get() = Some(work());
            }
        }
    }
}

impl<F, R> Drop for Job<F, R> {
    fn drop(&mut self) {
        let waiter = self.waiter;
        // SAFETY: as in `run`. Release pairs with the Acquire in `offload`. From now on the call
        // may be gone.
        unsafe { (*self.call).ended.store(true, Ordering::Release) };
        waiter.wake();
    }
}

/// Runs `work` on a thread of the blocking pool, and waits for it; here if there is no such thread.
/// It returns `errno` in what it returns, if that matters: it is the other thread's.
///
/// # Safety
///
/// `work` may run on another thread while this one waits: it touches no thread-local of the
/// caller's, and what it points to is not tied to a thread.
pub unsafe fn offload<R>(work: impl FnOnce() -> R) -> R {
    let call = Call {
        work: UnsafeCell::new(Some(work)),
        result: UnsafeCell::new(None),
        ended: AtomicBool::new(false),
    };
    let job = Job {
        call: &call,
        waiter: Waker::current(),
    };
    let job: Box<dyn FnOnce() + Send + '_> = Box::new(move || job.run());
    // SAFETY: nothing that it borrows is touched after the `ended` that is waited for below, which
    // comes however the job ends.
    let job: Box<dyn FnOnce() + Send> = unsafe { std::mem::transmute(job) };
    // An error means that the job was dropped, and shows in the result.
    let _ = foreign::submit(job);
    while !call.ended.load(Ordering::Acquire) {
        foreign::park(NEVER);
    }
    let Call { work, result, .. } = call;
    match (result.into_inner(), work.into_inner()) {
        (Some(result), _) => result,
        (None, Some(work)) => work(),
        (None, None) => crate::abort(format_args!("a call on the blocking pool has panicked")),
    }
}

/// [`offload`] of a call of the C library that says by `failed` when it has set `errno`.
///
/// # Safety
///
/// As for [`offload`].
pub(crate) unsafe fn offload_c<R>(work: impl FnOnce() -> R, failed: impl FnOnce(&R) -> bool) -> R {
    // SAFETY: the caller's word.
    let (result, errno) = unsafe {
        offload(|| {
            let result = work();
            (result, kernel::errno())
        })
    };
    if failed(&result) {
        kernel::set_errno(errno);
    }
    result
}
