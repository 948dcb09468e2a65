//! What tells a thread from others: its number, its name; and what can't be one thread's alone.

use crate::front::front;
use crate::threads::{self, Name, Thread, current};
use greenloop_monkey::program::call;
use greenloop_runtime::foreign;
use libc::{
    c_char, c_int, c_ulong, clockid_t, pid_t, pthread_mutexattr_t, pthread_t, sigevent, size_t,
    timer_t,
};
use std::ffi::CStr;
use std::ptr;

/// The kernel's number of the calling thread.
///
/// # Safety
///
/// The C library's contract of the function of this name.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gettid() -> pid_t {
    // SAFETY: no memory is passed.
    current().map_or_else(
        || unsafe { call(libc::SYS_gettid, []) } as pid_t,
        Thread::number,
    )
}

/// Names the kernel thread of a green thread, as it shows in lists of threads.
fn name_kernel_thread(number: c_int, name: &[u8]) {
    let file = format!("/proc/self/task/{number}/comm");
    // Whoever can't see it is shown another name.
    let _ = std::fs::write(file, name);
}

/// The bytes of a name without its end.
fn text(name: &Name) -> &[u8] {
    let end = name.iter().position(|byte| *byte == 0);
    &name[..end.unwrap_or(name.len())]
}

/// Names `thread`, if it is one of the program's green threads.
fn set_name(thread: pthread_t, name: Name) -> bool {
    let set = |thread: &Thread| {
        thread.set_name(name);
        thread.number()
    };
    let number = threads::with(thread, set);
    if let Some(number) = number {
        name_kernel_thread(number, text(&name));
    }
    number.is_some()
}

front! {
    /// Names a thread. Returns an `errno`.
    pthread_setname_np(real; thread: pthread_t, name: *const c_char) -> c_int {
        // SAFETY: the caller's contract.
        let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
        let mut new = Name::default();
        if bytes.len() >= new.len() {
            return libc::ERANGE;
        }
        new[..bytes.len()].copy_from_slice(bytes);
        if set_name(thread, new) {
            return 0;
        }
        // SAFETY: the caller's contract.
        unsafe { real()(thread, name) }
    }
}

front! {
    /// Says a thread's name. Returns an `errno`.
    pthread_getname_np(real; thread: pthread_t, name: *mut c_char, size: size_t) -> c_int {
        let Some(known) = threads::with(thread, Thread::name) else {
            // SAFETY: the caller's contract.
            return unsafe { real()(thread, name, size) };
        };
        if size < known.len() {
            return libc::ERANGE;
        }
        // SAFETY: the caller's contract: there is room for `size` bytes.
        unsafe { ptr::copy_nonoverlapping(known.as_ptr(), name.cast(), known.len()) };
        0
    }
}

front! {
    /// Sends a signal to a thread. Returns an `errno`.
    pthread_kill(real; thread: pthread_t, signal: c_int) -> c_int {
        if !threads::is_one(thread) {
            // SAFETY: the caller's contract.
            return unsafe { real()(thread, signal) };
        }
        match signal {
            0 => 0,
            ..0 | 65.. => libc::EINVAL,
            _ if current().is_some_and(|it| it.id() == thread) => {
                // SAFETY: no memory is passed.
                unsafe { libc::raise(signal) };
                0
            }
            _ => refuse("pthread_kill: a signal for another thread"),
        }
    }
}

/// Ends the process: going on would give a wrong result.
#[cold]
fn refuse(what: &str) -> ! {
    foreign::abort(format_args!(
        "greenloop-run can't run this program ({what}): run it without"
    ))
}

const PR_SET_NAME: c_int = 15;
const PR_GET_NAME: c_int = 16;
/// What changes the calling thread alone: `PR_SET_KEEPCAPS`, `PR_SET_SECCOMP`, `PR_CAPBSET_DROP`,
/// `PR_SET_SECUREBITS`, `PR_SET_NO_NEW_PRIVS`, `PR_CAP_AMBIENT`.
const OF_ONE_THREAD: [c_int; 6] = [8, 22, 24, 28, 38, 47];

front! {
    /// Does various things. Variadic in C; its words come in the same registers.
    prctl(real; option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int {
        // SAFETY: the caller's contract.
        let call = || unsafe { real()(option, a, b, c, d) };
        let Some(thread) = current() else {
            return call();
        };
        let name = ptr::with_exposed_provenance_mut::<u8>(a as usize);
        match option {
            PR_SET_NAME => {
                let mut cut = Name::default();
                let room = cut.len() - 1;
                // SAFETY: a C string, of which all but the last byte of `cut` takes what fits.
                unsafe { libc::strncpy(cut.as_mut_ptr().cast(), name.cast(), room) };
                set_name(thread.id(), cut);
                0
            }
            PR_GET_NAME => {
                // SAFETY: the caller has room for that many bytes.
                unsafe { name.cast::<Name>().write_unaligned(thread.name()) };
                0
            }
            _ if OF_ONE_THREAD.contains(&option) => {
                refuse("prctl: it would change one OS thread alone")
            }
            _ => call(),
        }
    }
}

/// `SIGEV_THREAD_ID` of <signal.h>.
const TO_THREAD: c_int = 4;

front! {
    /// Makes a timer.
    timer_create(
        real; clock: clockid_t, event: *mut sigevent, timer: *mut timer_t
    ) -> c_int {
        // SAFETY: the caller's contract: null or valid.
        let event_of = unsafe { event.as_ref() };
        if current().is_some() && event_of.is_some_and(|it| it.sigev_notify == TO_THREAD) {
            refuse("timer_create: a signal for a single thread");
        }
        // SAFETY: the caller's contract.
        unsafe { real()(clock, event, timer) }
    }
}

/// `PTHREAD_MUTEX_ROBUST` of <pthread.h>.
const ROBUST: c_int = 1;

front! {
    /// Says what is to happen when a mutex's owner ends: the kernel would have to know its end.
    pthread_mutexattr_setrobust(
        real; attributes: *mut pthread_mutexattr_t, robustness: c_int
    ) -> c_int {
        if current().is_some() && robustness == ROBUST {
            refuse("pthread_mutexattr_setrobust: a robust mutex");
        }
        // SAFETY: the caller's contract.
        unsafe { real()(attributes, robustness) }
    }
}

/// Defines calls that a green thread can't make.
macro_rules! refused {
    ($($name:ident: $why:literal;)*) => {$(
        front! {
            /// Refused to green threads. Whatever its arguments are, they are words.
            $name(real; a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> usize {
                if current().is_some() {
                    refuse(concat!(stringify!($name), ": ", $why));
                }
                // SAFETY: the caller's contract.
                unsafe { real()(a, b, c, d, e, f) }
            }
        }
    )*};
}

refused! {
    unshare: "it would change one OS thread alone";
    setns: "it would change one OS thread alone";
    capset: "it would change one OS thread alone";
    tgkill: "a signal for a single thread";
    pthread_sigqueue: "a signal for a single thread";
    pthread_setschedparam: "threads have no scheduling of their own";
    sighold: "an obsolete call: sigprocmask is its successor";
    sigrelse: "an obsolete call: sigprocmask is its successor";
    sigset: "an obsolete call: sigaction is its successor";
}

/// A jump out of a handler of a signal would leave the OS thread that handles them.
pub(crate) fn check_jump() {
    if crate::signals::is_handler() {
        refuse("a handler of a signal that leaves by longjmp");
    }
}
