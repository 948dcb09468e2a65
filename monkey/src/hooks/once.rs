//! `pthread_once`: an initialiser that waits holds up none of its siblings.
//!
//! The C library runs it, and lets others wait in the kernel. So who is about to run one says so
//! here first, and a green thread that finds somebody there waits in the lot.

use super::acquire::wake_all;
use crate::lot::{self, ANY, Key};
use crate::patch::{Group, is_any, waits};
use crate::real::hook;
use greenloop_runtime::foreign::{Lock, NEVER};
use libc::{c_int, pthread_once_t};
use std::cell::Cell;
use std::ptr;

type Initialiser = extern "C-unwind" fn();
/// A C++ exception may leave the initialiser, and is the caller's.
type Once = unsafe extern "C-unwind" fn(*mut pthread_once_t, Initialiser) -> c_int;

/// Set once the initialiser has ended.
const DONE: c_int = 2;

/// One who runs an initialiser, on its own stack.
struct Running {
    control: usize,
    next: Cell<*const Running>,
}

struct List(Cell<*const Running>);

// SAFETY: touched under the lock that it lies in; its members stay until they have been taken out.
unsafe impl Send for List {}

static RUNNING: Lock<List> = Lock::new(List(Cell::new(ptr::null())));

impl List {
    fn has(&self, control: usize) -> bool {
        let mut next = self.0.get();
        // SAFETY: a member of the list is valid.
        while let Some(running) = unsafe { next.as_ref() } {
            if running.control == control {
                return true;
            }
            next = running.next.get();
        }
        false
    }

    fn remove(&self, gone: *const Running) {
        let mut link = &self.0;
        // SAFETY: a member of the list is valid.
        while let Some(running) = unsafe { link.get().as_ref() } {
            if ptr::eq(running, gone) {
                link.set(running.next.get());
                return;
            }
            link = &running.next;
        }
    }
}

impl Running {
    /// Runs `f` as the only one who does for `control`; if there is one already, gives `f` back.
    fn run<R, F: FnOnce() -> R>(control: usize, f: F) -> Result<R, F> {
        let running = Running {
            control,
            next: Cell::new(ptr::null()),
        };
        {
            let list = RUNNING.lock();
            if list.has(control) {
                return Err(f);
            }
            running.next.set(list.0.replace(&running));
        }
        let _end = End(&running);
        Ok(f())
    }
}

/// Takes it out of the list, and wakes those who wait for its end.
struct End<'a>(&'a Running);

impl Drop for End<'_> {
    fn drop(&mut self) {
        RUNNING.lock().remove(self.0);
        wake_all(self.0.control);
    }
}

/// # Safety
///
/// That of `pthread_once`; `real` is the C library's.
unsafe fn once(real: Once, control: *mut pthread_once_t, initialiser: Initialiser) -> c_int {
    // SAFETY: the caller's word.
    let plain = || unsafe { real(control, initialiser) };
    // SAFETY: the caller's word. A sight that is too old only makes it take the long way.
    let done = || unsafe { control.read_volatile() } & DONE != 0;
    if !is_any() || done() {
        return plain();
    }
    let address = control.expose_provenance();
    loop {
        match Running::run(address, plain) {
            Ok(result) => return result,
            Err(_) if !waits(Group::Sync) => return plain(),
            Err(_) => {}
        }
        lot::wait(Key::Object(address), ANY, NEVER, || {
            RUNNING.lock().has(address)
        });
    }
}

hook! {
    /// Runs an initialiser once. Returns an `errno`.
    pthread_once(real; control: *mut pthread_once_t, initialiser: Initialiser) -> c_int {
        // SAFETY: the caller's contract.
        unsafe { once(real(), control, initialiser) }
    }
}

hook! {
    /// Runs an initialiser once: `once_flag` is a `pthread_once_t` under another name.
    call_once(_real; control: *mut pthread_once_t, initialiser: Initialiser) {
        // SAFETY: the caller's contract.
        unsafe { pthread_once(control, initialiser) };
    }
}
