//! Calls on other OS threads, on behalf of a green thread that waits in a hook.
//!
//! Those that end by themselves, such as look-ups and reads of files, are made on the blocking
//! pool. Those that may wait for what another green thread does have threads beside it, as many as
//! it takes: else they could fill the pool, while what they wait for is a call in its queue.
//!
//! The call uses its caller's memory, so the caller stays until it has ended: a kill has to wait.

use crate::kernel;
use greenloop_runtime::foreign::{self, NEVER, Waker};
use libc::c_int;
use std::cell::UnsafeCell;
use std::io;
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

/// A way to have a job run on another OS thread, or dropped.
type Submit = fn(Box<dyn FnOnce() + Send>) -> io::Result<()>;

/// Runs `work` on a thread of the blocking pool, and waits for it; here if there is no such thread.
/// It ends by itself. It returns `errno` in what it returns, if that matters: it is the other
/// thread's.
///
/// # Safety
///
/// `work` may run on another thread while this one waits: it touches no thread-local of the
/// caller's, and what it points to is not tied to a thread.
pub(crate) unsafe fn offload<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the caller's word.
    unsafe { run_elsewhere(foreign::submit, work) }
}

/// [`offload`] of work that may wait for what another green thread does: not on the pool.
///
/// # Safety
///
/// As for [`offload`].
pub(crate) unsafe fn offload_wait<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the caller's word.
    unsafe { run_elsewhere(foreign::submit_wait, work) }
}

/// # Safety
///
/// As for [`offload`].
unsafe fn run_elsewhere<R>(submit: Submit, work: impl FnOnce() -> R) -> R {
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
    let _ = submit(job);
    while !call.ended.load(Ordering::Acquire) {
        foreign::park(NEVER);
    }
    let Call { work, result, .. } = call;
    match (result.into_inner(), work.into_inner()) {
        (Some(result), _) => result,
        (None, Some(work)) => work(),
        (None, None) => crate::abort(format_args!("a call on another thread has panicked")),
    }
}

/// [`offload`] of a call of the C library that says by `failed` when it has set `errno`.
///
/// # Safety
///
/// As for [`offload`].
pub(crate) unsafe fn offload_c<R>(work: impl FnOnce() -> R, failed: impl FnOnce(&R) -> bool) -> R {
    // SAFETY: the caller's word.
    with_errno(unsafe { offload(|| noting_errno(work)) }, failed)
}

/// [`offload_wait`], as [`offload_c`].
///
/// # Safety
///
/// As for [`offload`].
pub(crate) unsafe fn offload_wait_c<R>(
    work: impl FnOnce() -> R,
    failed: impl FnOnce(&R) -> bool,
) -> R {
    // SAFETY: the caller's word.
    with_errno(unsafe { offload_wait(|| noting_errno(work)) }, failed)
}

fn noting_errno<R>(work: impl FnOnce() -> R) -> (R, c_int) {
    (work(), kernel::errno())
}

/// Makes the other thread's `errno` the caller's, if the call has set it.
fn with_errno<R>((result, errno): (R, c_int), failed: impl FnOnce(&R) -> bool) -> R {
    if failed(&result) {
        kernel::set_errno(errno);
    }
    result
}
