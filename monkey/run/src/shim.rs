//! The functions of `shim.c`.

use libc::{c_char, c_int, c_void};
use std::ptr;

/// What `pthread_create` is given.
pub(crate) type Routine = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// A program's `main`.
pub(crate) type Main = unsafe extern "C" fn(c_int, *mut *mut c_char, *mut *mut c_char) -> c_int;

/// `main` and its arguments; `struct program` of the shim.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Program {
    pub(crate) main: Main,
    pub(crate) count: c_int,
    pub(crate) arguments: *mut *mut c_char,
    pub(crate) environment: *mut *mut c_char,
}

unsafe extern "C" {
    fn greenloop_run_call(start: Routine, argument: *mut c_void, left: *mut c_int) -> *mut c_void;
    /// `main` as a thread's function, of a [`Program`].
    pub(crate) fn greenloop_run_main(program: *mut c_void) -> *mut c_void;
    pub(crate) fn greenloop_run_execl(path: *const c_char, first: *const c_char, ...) -> c_int;
    pub(crate) fn greenloop_run_execlp(file: *const c_char, first: *const c_char, ...) -> c_int;
    pub(crate) fn greenloop_run_execle(path: *const c_char, first: *const c_char, ...) -> c_int;
}

/// What a thread's function returns; none if it has left by `pthread_exit`.
///
/// # Safety
///
/// It may be called with the argument.
pub(crate) unsafe fn call(start: Routine, argument: *mut c_void) -> Option<*mut c_void> {
    let mut left = 0;
    // SAFETY: the caller's word. Frames of the program alone are above this one when it leaves.
    let value = unsafe { greenloop_run_call(start, argument, ptr::from_mut(&mut left)) };
    (left == 0).then_some(value)
}
