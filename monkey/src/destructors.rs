//! `Destructors`: what is to be called at the end of a full green thread for its thread-locals.
//!
//! Rust and C++ register a destructor for each value by `__cxa_thread_atexit_impl`, C libraries one
//! for each key by `pthread_key_create`. The C library runs them when an OS thread ends, while a
//! block of storage serves many green threads; so both calls are noted here, and the destructors run
//! on the green thread's own stack. An OS thread's are left to the C library.

use crate::block;
use crate::image::module_of;
use crate::real::hook;
use libc::{c_int, c_void, pthread_key_t};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `__cxa_thread_atexit_impl` is given.
pub(crate) type Destructor = unsafe extern "C" fn(*mut c_void);

/// Destructors in the order in which they were registered.
#[derive(Debug, Default)]
pub(crate) struct Destructors(Vec<(Destructor, *mut c_void)>);

impl Destructors {
    pub(crate) fn push(&mut self, destructor: Destructor, value: *mut c_void) {
        self.0.push((destructor, value));
    }

    pub(crate) fn pop(&mut self) -> Option<(Destructor, *mut c_void)> {
        self.0.pop()
    }
}

hook! {
    /// Registers a destructor of a thread-local value.
    __cxa_thread_atexit_impl(real; destructor: Destructor, value: *mut c_void, dso: *mut c_void) -> c_int {
        let Some(block) = block::current() else {
            // SAFETY: the caller's contract.
            return unsafe { real()(destructor, value, dso) };
        };
        keep_loaded(dso);
        block.push_destructor(destructor, value);
        0
    }
}

/// Keeps the library that a destructor lies in from being unloaded: for ever, as nobody would know
/// when it may go.
fn keep_loaded(dso: *mut c_void) {
    if dso.is_null() || module_of(dso) == module_of(keep_loaded as *const c_void) {
        return;
    }
    // SAFETY: plain data, for which zeros are valid.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked for; the name is the loader's own, of a loaded module, whose
    // count of uses goes up.
    unsafe {
        if libc::dladdr(dso, &mut info) != 0 {
            libc::dlopen(
                info.dli_fname,
                libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE,
            );
        }
    }
}

/// glibc's PTHREAD_KEYS_MAX.
const KEYS: usize = 1024;

/// Of each key that exists: its destructor's address, or `PLAIN` if it has none; else 0.
static KEY: [AtomicUsize; KEYS] = [const { AtomicUsize::new(0) }; KEYS];
/// One past the greatest key that there was.
static END: AtomicUsize = AtomicUsize::new(0);

const PLAIN: usize = 1;

hook! {
    /// Makes a key of thread-specific data.
    pthread_key_create(real; key: *mut pthread_key_t, destructor: Option<Destructor>) -> c_int {
        // SAFETY: the caller's contract.
        let result = unsafe { real()(key, destructor) };
        if result == 0 {
            // SAFETY: the call has succeeded, so the key was written.
            let key = unsafe { *key } as usize;
            let address = destructor.map_or(PLAIN, |it| it as usize);
            KEY[key].store(address, Ordering::Release);
            END.fetch_max(key + 1, Ordering::Release);
        }
        result
    }
}

hook! {
    /// Deletes a key of thread-specific data.
    pthread_key_delete(real; key: pthread_key_t) -> c_int {
        if let Some(known) = KEY.get(key as usize) {
            known.store(0, Ordering::Release);
        }
        // SAFETY: the caller's contract.
        unsafe { real()(key) }
    }
}

/// How often the values of keys are looked at, as destructors may set others: POSIX's
/// PTHREAD_DESTRUCTOR_ITERATIONS.
const ROUNDS: usize = 4;

/// Sets the calling thread's values of all keys to null, after their destructors.
///
/// # Safety
///
/// The thread is at its end: what a destructor may be called for is no longer used.
pub(crate) unsafe fn clear_keys() {
    for _ in 0..ROUNDS {
        let mut again = false;
        for (key, known) in KEY[..END.load(Ordering::Acquire)].iter().enumerate() {
            let destructor = known.load(Ordering::Acquire);
            // SAFETY: any key may be asked for; one that was deleted has no value.
            let value = unsafe { libc::pthread_getspecific(key as pthread_key_t) };
            if destructor == 0 || value.is_null() {
                continue;
            }
            // SAFETY: the key has a value, so it exists.
            unsafe { libc::pthread_setspecific(key as pthread_key_t, ptr::null()) };
            if destructor != PLAIN {
                again = true;
                // SAFETY: stored from a function of this type.
                let destructor: Destructor = unsafe { std::mem::transmute(destructor) };
                // SAFETY: the contract of `pthread_key_create`: it is called with each value at the
                // end of its thread.
                unsafe { destructor(value) };
            }
        }
        if !again {
            break;
        }
    }
}
