//! Child processes, and other programs in this one's place: they block the signals that the green
//! thread blocks, not those that its OS thread does.

use crate::front::front;
use crate::shim;
use crate::threads::{Thread, current, mask_in_child};
use greenloop_monkey::program::{set_mask, with_mask};
use libc::{FILE, c_char, c_int, c_void, pid_t};
use std::arch::naked_asm;
use std::io;

/// Makes a call with the caller's own mask.
fn as_itself<R>(call: impl FnOnce() -> R) -> R {
    with_mask(current().map(Thread::mask), call)
}

type Strings = *const *const c_char;

/// Defines calls that start another program.
macro_rules! start {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        front! {
            /// Starts another program.
            $name(real; $($argument: $type),*) -> $result {
                // SAFETY: the caller's contract.
                as_itself(|| unsafe { real()($($argument),*) })
            }
        }
    )*};
}

start! {
    execv(path: *const c_char, arguments: Strings) -> c_int;
    execve(path: *const c_char, arguments: Strings, environment: Strings) -> c_int;
    execvp(file: *const c_char, arguments: Strings) -> c_int;
    execvpe(file: *const c_char, arguments: Strings, environment: Strings) -> c_int;
    execveat(
        folder: c_int, path: *const c_char, arguments: Strings, environment: Strings, flags: c_int
    ) -> c_int;
    fexecve(file: c_int, arguments: Strings, environment: Strings) -> c_int;
    posix_spawn(
        pid: *mut pid_t, path: *const c_char, actions: *const c_void, attributes: *const c_void,
        arguments: Strings, environment: Strings
    ) -> c_int;
    posix_spawnp(
        pid: *mut pid_t, file: *const c_char, actions: *const c_void, attributes: *const c_void,
        arguments: Strings, environment: Strings
    ) -> c_int;
    popen(command: *const c_char, mode: *const c_char) -> *mut FILE;
}

/// Defines calls with a varying number of arguments, which go to the shim as they come.
macro_rules! vary {
    ($($name:ident = $shim:ident;)*) => {$(
        /// Starts another program.
        ///
        /// # Safety
        ///
        /// The C library's contract of the function of this name.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name() {
            #[cfg(target_arch = "x86_64")]
            naked_asm!("jmp {}", sym shim::$shim);
            #[cfg(target_arch = "aarch64")]
            naked_asm!("b {}", sym shim::$shim);
        }
    )*};
}

vary! {
    execl = greenloop_run_execl;
    execlp = greenloop_run_execlp;
    execle = greenloop_run_execle;
}

/// `fork`, as it may be: a child that shares its parent's memory would share its green threads.
///
/// # Safety
///
/// The C library's contract of the function of this name.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn vfork() -> pid_t {
    // SAFETY: the caller's contract.
    unsafe { libc::fork() }
}

extern "C" fn in_child() {
    if let Some(mask) = mask_in_child() {
        set_mask(mask);
    }
}

/// Makes forked children block what their thread did.
pub(crate) fn prepare() -> io::Result<()> {
    // SAFETY: the handler only sets a mask.
    match unsafe { libc::pthread_atfork(None, None, Some(in_child)) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}
