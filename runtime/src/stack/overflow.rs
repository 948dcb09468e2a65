//! The signal handler that tells the overflow of a green thread's stack from any other fault.
//!
//! It finds the green thread by the address of the fault (slab, slot, label), never by
//! thread-locals: those may be in any state, and a green thread may have its own. Only what is safe
//! in a signal handler happens here: loads from memory that is never unmapped, formatting into a
//! buffer, one system call.

use super::{Label, slab};
use crate::abort::Line;
use crate::inspect::printable::Printable;
use std::fmt::Write;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, Ordering};

pub(crate) use super::alternate::AltStack;

type Action = libc::sigaction;

/// The actions for SIGSEGV and SIGBUS that were there before: null, then a leaked pair, set by
/// `install` before the handler can run. Release there pairs with Acquire in `pass_on`.
static PREVIOUS: AtomicPtr<[Action; 2]> = AtomicPtr::new(std::ptr::null_mut());

/// Installs the handler, once per process.
pub(crate) fn install() {
    let previous = Box::into_raw(Box::new([libc::SIGSEGV, libc::SIGBUS].map(current)));
    let null = std::ptr::null_mut();
    // Relaxed on failure: somebody else installs, and nothing of theirs is read.
    if PREVIOUS
        .compare_exchange(null, previous, Ordering::Release, Ordering::Relaxed)
        .is_ok()
    {
        set(libc::SIGSEGV, &ours());
        set(libc::SIGBUS, &ours());
    }
}

/// Makes sure that the calling thread has an alternate stack for the handler to run on.
pub(crate) fn ensure_alternate_stack() -> AltStack {
    AltStack::ensure()
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo_t to a handler with SA_SIGINFO; a code above zero
    // says that it comes from a fault, whose address is the field that is read.
    let fault = unsafe { ((*info).si_code > 0).then(|| (*info).si_addr() as usize) };
    if let Some(address) = fault {
        report(address);
    }
    pass_on(signal, info, context, fault.is_some());
}

/// Reports an overflow and ends the process, if `address` lies in the guard of a stack that
/// somebody runs on.
fn report(address: usize) {
    let Some(slot) = slab::find(address).filter(|slot| slot.guard().contains(&address)) else {
        return;
    };
    // Relaxed: set on this OS thread, before it switched to the stack.
    let label = slot.label().load(Ordering::Relaxed);
    // SAFETY: whoever sets a label keeps it valid while it is set (`Stack::set_label`).
    if let Some(label) = unsafe { label.as_ref() } {
        overflowed(label, slot.class().usable());
    }
}

fn overflowed(label: &Label, bytes: usize) -> ! {
    let name = Printable(label.name());
    let (file, number) = (label.location.file(), label.location.line());
    let mut line = Line::new();
    // The parts that could be long are cut, so that the line keeps its end.
    _ = writeln!(
        line,
        "green thread '{name:.100}' (spawned at {file:.300}:{number}) has overflowed its stack ({} KiB)",
        bytes >> 10
    );
    line.print();
    std::process::abort()
}

/// Does what would have happened without this handler.
fn pass_on(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    fault: bool,
) {
    let index = usize::from(signal != libc::SIGSEGV);
    // SAFETY: `install` set the pointer before this handler, and never frees what it points to.
    let previous = unsafe { &(*PREVIOUS.load(Ordering::Acquire))[index] };
    match previous.sa_sigaction {
        libc::SIG_IGN if !fault => {}
        libc::SIG_DFL | libc::SIG_IGN => die_of(signal, fault),
        // SAFETY: the action was accepted by the kernel, so with SA_SIGINFO its address is that of
        // a function with three arguments, and otherwise with one.
        address => unsafe {
            if previous.sa_flags & libc::SA_SIGINFO == 0 {
                std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(address)(signal);
            } else {
                type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
                std::mem::transmute::<usize, Handler>(address)(signal, info, context);
            }
        },
    }
}

/// Restores the default action: a fault repeats when the handler returns, and a signal that was
/// sent is sent again.
fn die_of(signal: libc::c_int, fault: bool) {
    set(signal, &action(libc::SIG_DFL, 0));
    if !fault {
        // SAFETY: raise may be called from a signal handler; the signal stays blocked until the
        // handler returns.
        unsafe { libc::raise(signal) };
    }
}

fn ours() -> Action {
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = handler;
    action(handler as usize, libc::SA_SIGINFO | libc::SA_ONSTACK)
}

fn action(handler: libc::sighandler_t, flags: libc::c_int) -> Action {
    // SAFETY: all zeros is a valid sigaction: the default action, no flags, an empty mask.
    let mut action: Action = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    action
}

fn current(signal: libc::c_int) -> Action {
    let mut action = action(libc::SIG_DFL, 0);
    // SAFETY: `action` is valid and writable, and nothing is changed.
    unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
    action
}

fn set(signal: libc::c_int, action: &Action) {
    // SAFETY: `action` is valid; its handler, if it is ours, does only what a signal handler may.
    unsafe { libc::sigaction(signal, action, std::ptr::null_mut()) };
}
