//! `AltStack`: the stack on which signal handlers run, for OS threads that std did not make.

use super::guard;
use std::marker::PhantomData;
use std::ptr::NonNull;

const AT_MINSIGSTKSZ: libc::c_ulong = 51;
/// What handlers may use beyond the kernel's own frame: one that was there before ours may print a
/// backtrace.
const ROOM: usize = 64 << 10;

/// The alternate stack of the thread that made it, removed on drop unless somebody replaced it; not
/// `Send`.
#[derive(Debug)]
pub(crate) struct AltStack {
    /// Null if the thread had an alternate stack, or could not get one.
    mapping: Option<Mapping>,
    own_thread: PhantomData<*const ()>,
}

impl AltStack {
    /// Makes sure that the calling thread has an alternate stack, for as long as the result lives.
    pub(crate) fn ensure() -> AltStack {
        let mapping = if current().ss_flags & libc::SS_DISABLE == 0 {
            None
        } else {
            Mapping::new()
        };
        if let Some(mapping) = &mapping {
            set(&libc::stack_t {
                ss_sp: mapping.bottom(),
                ss_flags: 0,
                ss_size: mapping.size,
            });
        }
        AltStack {
            mapping,
            own_thread: PhantomData,
        }
    }

    /// Whether the thread lacked an alternate stack, and this is it now.
    #[cfg(test)]
    pub(super) fn is_installed(&self) -> bool {
        self.mapping.is_some()
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        if let Some(mapping) = &self.mapping
            && current().ss_sp == mapping.bottom()
        {
            let bottom = std::ptr::null_mut();
            set(&libc::stack_t {
                ss_sp: bottom,
                ss_flags: libc::SS_DISABLE,
                ss_size: mapping.size,
            });
        }
    }
}

/// Pages for a stack, above one that guards them.
#[derive(Debug)]
struct Mapping {
    guard: NonNull<libc::c_void>,
    size: usize,
}

impl Mapping {
    fn new() -> Option<Mapping> {
        // SAFETY: getauxval has no preconditions.
        let least = unsafe { libc::getauxval(AT_MINSIGSTKSZ) } as usize;
        let size = (least.max(libc::SIGSTKSZ) + ROOM).next_multiple_of(guard::page_size());
        let mapping = map(size + guard::page_size()).map(|guard| Mapping { guard, size });
        if mapping.is_none() {
            let error = std::io::Error::last_os_error();
            log::warn!(
                "no alternate stack: stack overflows of green threads here are not told: {error}"
            );
        }
        mapping
    }

    fn bottom(&self) -> *mut libc::c_void {
        self.guard.as_ptr().wrapping_byte_add(guard::page_size())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is the one of `new`, and it is no longer the thread's alternate
        // stack.
        unsafe { libc::munmap(self.guard.as_ptr(), self.size + guard::page_size()) };
    }
}

fn map(bytes: usize) -> Option<NonNull<libc::c_void>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
    // SAFETY: a new anonymous mapping touches no existing memory; its own first page becomes the
    // guard.
    unsafe {
        let start = libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0);
        if start == libc::MAP_FAILED {
            return None;
        }
        libc::mprotect(start, guard::page_size(), libc::PROT_NONE);
        NonNull::new(start)
    }
}

fn current() -> libc::stack_t {
    let mut stack = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: 0,
        ss_size: 0,
    };
    // SAFETY: `stack` is a valid, writable stack_t, and nothing is changed.
    unsafe { libc::sigaltstack(std::ptr::null(), &mut stack) };
    stack
}

fn set(stack: &libc::stack_t) {
    // SAFETY: the stack is disabled, or a live mapping that its `AltStack` unmaps only after
    // disabling it.
    unsafe { libc::sigaltstack(stack, std::ptr::null_mut()) };
}
