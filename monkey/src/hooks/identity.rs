//! What a thread is to the C library: its stack, its end, and the ids that all threads share.

use super::condition;
use crate::block;
use crate::kernel;
use crate::observe;
use crate::patch::is_any;
use crate::program;
use crate::real::hook;
use greenloop_runtime::foreign::{self, Guard};
use libc::{c_char, c_int, c_void, gid_t, pthread_attr_t, pthread_t, size_t, uid_t};
use std::ops::Range;
use std::ptr;

hook! {
    /// Describes a thread. A full green thread that asks for itself hears of its own stack.
    pthread_getattr_np(real; thread: pthread_t, attributes: *mut pthread_attr_t) -> c_int {
        // SAFETY: the caller's contract.
        let result = unsafe { real()(thread, attributes) };
        if result == 0 && let Some(stack) = stack_of(thread) {
            let low = ptr::with_exposed_provenance_mut(stack.start);
            // SAFETY: the call has succeeded, so the attributes are initialised.
            unsafe { libc::pthread_attr_setstack(attributes, low, stack.len()) };
        }
        result
    }
}

/// The stack of a green thread: of the caller, or of any one that is a thread of the program's.
fn stack_of(thread: pthread_t) -> Option<Range<usize>> {
    // SAFETY: without arguments.
    if block::current().is_some() && thread == unsafe { libc::pthread_self() } {
        return foreign::stack();
    }
    program::registered()?.stack(thread)
}

hook! {
    /// Ends the calling thread, which a green thread can't: there are frames of its worker's below.
    pthread_exit(real; value: *mut c_void) {
        if is_any() && foreign::is_green() {
            let Some(program) = program::registered().filter(|_| block::current().is_some()) else {
                crate::abort(format_args!(
                    "pthread_exit on a green thread: it can end only by returning"
                ));
            };
            program.leave(value);
        }
        // SAFETY: the caller's contract.
        unsafe { real()(value) }
    }
}

hook! {
    /// Cancels a thread; a green thread is none (`ESRCH`).
    pthread_cancel(real; thread: pthread_t) -> c_int {
        if is_any() && block::is_of_one(thread) {
            let why = "a green thread can't be cancelled: use its handle's `kill`";
            observe::refused("pthread_cancel", why);
            return libc::ESRCH;
        }
        // SAFETY: the caller's contract.
        let result = unsafe { real()(thread) };
        if result == 0 && is_any() {
            condition::wake_cancelled(thread);
        }
        result
    }
}

hook! {
    /// Ends the process, after the destructors of the calling thread's thread-locals.
    exit(real; status: c_int) -> ! {
        if let Some(block) = block::current() {
            // SAFETY: the block is the caller's, who is done with it: the contract of `exit`.
            unsafe { block.run_destructors() };
        }
        // SAFETY: the caller's contract.
        unsafe { real()(status) }
    }
}

/// What [`on_own_storage`] is to call, and its outcome.
struct Change<'a> {
    call: &'a mut dyn FnMut() -> c_int,
    result: c_int,
    errno: c_int,
}

/// # Safety
///
/// `change` is a [`Change`], whose call may be made.
unsafe extern "C" fn make(change: *mut c_void) {
    // SAFETY: the caller's word.
    let change = unsafe { &mut *change.cast::<Change<'_>>() };
    change.result = (change.call)();
    change.errno = kernel::errno();
}

/// Makes a call that changes the ids of all threads of the process, `name`.
///
/// The C library does so by a signal to each, whose handler looks for its thread's mark by the
/// thread pointer: on a worker that runs a full green thread it would find that one's mark, and the
/// call would never end, or miss a thread. So the call is made only if no other full green thread
/// is there, with none being made meanwhile, and by the worker's own thread pointer.
fn change_ids(name: &'static str, call: &mut dyn FnMut() -> c_int) -> c_int {
    if !is_any() {
        return call();
    }
    let full = block::current().is_some();
    let Some(_alone) = hold(usize::from(full)) else {
        observe::refused(
            name,
            "there are other full green threads: change ids before patch_all, or while none is left",
        );
        kernel::set_errno(libc::EPERM);
        return -1;
    };
    if !full {
        return call();
    }
    let mut change = Change {
        call,
        result: -1,
        errno: 0,
    };
    // SAFETY: the change outlives the call, which neither waits, as hooks are off, nor unwinds.
    unsafe { foreign::on_workers_storage(make, (&raw mut change).cast()) };
    if change.result == -1 {
        kernel::set_errno(change.errno);
    }
    change.result
}

/// [`block::hold`], after a while if need be: one that has just ended gives its block back a moment
/// later than it is joined.
fn hold(lent: usize) -> Option<Guard<'static, usize>> {
    const TRIES: u32 = 20;
    (0..TRIES).find_map(|_| {
        let held = block::hold(lent);
        if held.is_none() {
            let moment = libc::timespec {
                tv_sec: 0,
                tv_nsec: 1_000_000,
            };
            let words = [(&raw const moment).expose_provenance(), 0];
            // SAFETY: a valid time; the rest of it is not asked for.
            unsafe { kernel::call(libc::SYS_nanosleep, words) };
        }
        held
    })
}

/// Defines calls that change the ids of all threads of the process.
macro_rules! ids {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty),* $(,)?);)*) => {$(
        hook! {
            $(#[$attribute])*
            $name(real; $($argument: $type),*) -> c_int {
                let real = real();
                // SAFETY: the caller's contract.
                change_ids(stringify!($name), &mut || unsafe { real($($argument),*) })
            }
        }
    )*};
}

ids! {
    /// Sets the user.
    setuid(user: uid_t);
    /// Sets the group.
    setgid(group: gid_t);
    /// Sets the effective user.
    seteuid(user: uid_t);
    /// Sets the effective group.
    setegid(group: gid_t);
    /// Sets the real and the effective user.
    setreuid(real_user: uid_t, user: uid_t);
    /// Sets the real and the effective group.
    setregid(real_group: gid_t, group: gid_t);
    /// Sets the real, the effective and the saved user.
    setresuid(real_user: uid_t, user: uid_t, saved: uid_t);
    /// Sets the real, the effective and the saved group.
    setresgid(real_group: gid_t, group: gid_t, saved: gid_t);
    /// Sets the supplementary groups.
    setgroups(count: size_t, groups: *const gid_t);
    /// Sets the supplementary groups to those of a user.
    initgroups(user: *const c_char, group: gid_t);
}
