//! `Program`: the seam for `greenloop-run`, whose programs' own threads are green threads. No part
//! of the public interface.

use crate::block::{self, Donor};
use crate::image::module_of;
pub use crate::kernel::{call, errno, set_errno};
pub use crate::real::Real;
use greenloop_runtime::foreign::{self, Block};
use libc::{c_int, c_uint, c_void, pthread_t};
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What the hooks ask of a program whose threads are green threads.
pub trait Program: Sync {
    /// Joins a thread until `deadline`, and says what it returned, or an `errno`; none if it is not
    /// one of the program's green threads.
    fn join(&self, thread: pthread_t, deadline: u64) -> Option<Result<*mut c_void, c_int>>;

    /// Is told that the caller is about to end by `pthread_exit`, with this value.
    fn leave(&self, value: *mut c_void);

    /// The stack of one of the program's green threads.
    fn stack(&self, thread: pthread_t) -> Option<Range<usize>>;

    /// Waits until a signal has been handled.
    fn pause(&self);

    /// Waits until a signal has been handled, with the signals of `mask` blocked meanwhile; false if
    /// the caller is not one of the program's green threads.
    fn suspend(&self, mask: u64) -> bool;

    /// The signals that the caller blocks, as its children shall.
    fn mask(&self) -> u64;
}

/// Null, or a leaked box, for ever once it is set.
static PROGRAM: AtomicPtr<&'static dyn Program> = AtomicPtr::new(ptr::null_mut());

/// Makes it the program of this process. To be called once.
pub fn register(program: &'static dyn Program) {
    let program = Box::into_raw(Box::new(program));
    PROGRAM.store(program, Ordering::Release);
}

/// The program of this process, if `greenloop-run` runs it.
pub(crate) fn registered() -> Option<&'static dyn Program> {
    // SAFETY: null, or never freed.
    unsafe { PROGRAM.load(Ordering::Acquire).as_ref() }.copied()
}

/// Storage for a green thread that the program knows by its [`thread`](Storage::thread).
#[derive(Clone, Copy, Debug)]
pub struct Storage(&'static Donor);

impl Storage {
    /// Takes storage from where green threads have theirs.
    ///
    /// # Errors
    ///
    /// What the system says if there can be no more.
    pub fn take() -> io::Result<Storage> {
        block::take_donor().map(Storage)
    }

    /// The storage of a thread that sleeps from now on for ever; it is never put back.
    ///
    /// # Safety
    ///
    /// `pointer` and `number` are the thread pointer and the kernel's number of `thread`, which has
    /// not been adopted before.
    pub unsafe fn adopt(thread: pthread_t, pointer: usize, number: i32) -> Storage {
        // SAFETY: the caller's word.
        Storage(unsafe { Donor::adopt(thread, pointer, number) })
    }

    /// The storage that the caller runs on, if it is a full green thread.
    pub fn current() -> Option<Storage> {
        block::current().map(Storage)
    }

    /// What `pthread_self` says to who runs on it.
    pub fn thread(self) -> pthread_t {
        self.0.thread()
    }

    /// The kernel's number of that thread.
    pub fn number(self) -> i32 {
        self.0.number()
    }

    /// The block itself.
    pub fn block(self) -> &'static dyn Block {
        self.0
    }

    /// Keeps a word with it, for its current user.
    pub fn set_user(self, word: usize) {
        self.0.user().set(word);
    }

    /// The word that was kept; 0 if there was none.
    pub fn user(self) -> usize {
        self.0.user().get()
    }
}

/// Is it the thread of some storage, hence never one to be waited for?
pub fn is_storage(thread: pthread_t) -> bool {
    block::is_of_one(thread)
}

/// Does `address` lie in the module that this crate is in?
pub fn is_ours(address: *const c_void) -> bool {
    module_of(address) == module_of(is_ours as *const c_void)
}

/// Makes a call with the signals of `mask` blocked on this OS thread, if there is one: so that the
/// child that it starts blocks them.
pub fn with_mask<R>(mask: Option<u64>, call: impl FnOnce() -> R) -> R {
    let Some(mask) = mask else {
        return call();
    };
    let before = set_mask(mask);
    let result = call();
    set_mask(before);
    result
}

/// Sets the signals that this OS thread blocks, a bit each, past the C library; returns those that
/// it has blocked.
pub fn set_mask(mask: u64) -> u64 {
    let mut before = 0u64;
    let words = [
        libc::SIG_SETMASK as usize,
        (&raw const mask).expose_provenance(),
        (&raw mut before).expose_provenance(),
        size_of::<u64>(),
    ];
    // SAFETY: sets of 64 signals.
    unsafe { call(libc::SYS_rt_sigprocmask, words) };
    before
}

/// Null, or a leaked list of the runtime's descriptors, sorted.
static KEPT: AtomicPtr<Vec<c_int>> = AtomicPtr::new(ptr::null_mut());

/// Keeps the program from closing these descriptors of the runtime's, of which it does not know. To
/// be called once.
pub fn keep(mut descriptors: Vec<c_int>) {
    descriptors.sort_unstable();
    KEPT.store(Box::into_raw(Box::new(descriptors)), Ordering::Release);
}

/// A forked child has no runtime to keep them for.
fn kept() -> &'static [c_int] {
    // SAFETY: null, or never freed.
    let kept = unsafe { KEPT.load(Ordering::Acquire).as_ref() };
    kept.filter(|_| !foreign::is_forked())
        .map_or(&[], Vec::as_slice)
}

/// Is it one of the runtime's, which to the program is not open?
pub(crate) fn is_kept(fd: c_int) -> bool {
    kept().binary_search(&fd).is_ok()
}

/// Is one of the runtime's among these?
pub(crate) fn is_kept_within(first: c_uint, last: c_uint) -> bool {
    kept()
        .iter()
        .any(|fd| (first..=last).contains(&fd.cast_unsigned()))
}

/// Calls `close` for the ranges between those of the runtime's, until it fails.
pub(crate) fn around_kept(
    first: c_uint,
    last: c_uint,
    mut close: impl FnMut(c_uint, c_uint) -> c_int,
) -> c_int {
    let mut start = first;
    for fd in kept().iter().map(|fd| fd.cast_unsigned()) {
        if !(start..=last).contains(&fd) {
            continue;
        }
        if start < fd && close(start, fd - 1) != 0 {
            return -1;
        }
        start = fd + 1;
    }
    if start <= last { close(start, last) } else { 0 }
}
