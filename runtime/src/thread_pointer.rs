//! The thread pointer: the register by which the running code finds its thread-local storage.
//!
//! A full green thread has storage of its own, so that to any library it is a thread; a switch into
//! it sets this register, and the switch out of it sets it back (`Coroutine::resume_with`).
//! `wrfsbase` takes a few nanoseconds; where kernel or processor lack it, a system call does it.

use std::arch::asm;
#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicBool, Ordering};

/// May user code write the register itself? Settled by [`prepare`]; on aarch64 it always may.
#[cfg(target_arch = "x86_64")]
static DIRECT: AtomicBool = AtomicBool::new(false);

/// Finds out how the register is written. To be called before the first [`set`].
pub(crate) fn prepare() {
    #[cfg(target_arch = "x86_64")]
    {
        /// FSGSBASE in the second word of the kernel's capabilities
        /// (Documentation/arch/x86/x86_64/fsgs.rst).
        const FSGSBASE: libc::c_ulong = 1 << 1;
        // SAFETY: it only reads the auxiliary vector.
        let capabilities = unsafe { libc::getauxval(libc::AT_HWCAP2) };
        DIRECT.store(capabilities & FSGSBASE != 0, Ordering::Relaxed);
    }
}

/// The current thread pointer.
#[inline(always)]
pub(crate) fn get() -> usize {
    let pointer: usize;
    // SAFETY: the ABI of thread-local storage on x86_64 has the pointer itself at its own address,
    // and aarch64 has an instruction for it. Neither has a side effect.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, fs:0", out(reg) pointer, options(nostack, preserves_flags, readonly));
        #[cfg(target_arch = "aarch64")]
        asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, preserves_flags, nomem));
    }
    pointer
}

/// Makes the storage at `pointer` the current one.
///
/// # Safety
///
/// `pointer` is the thread pointer of a live thread of this program, which nobody else uses
/// meanwhile. No address of a thread-local that was computed before is used afterwards, which the
/// compiler does not know: so the caller is a function that is not inlined and touches none.
#[inline(always)]
pub(crate) unsafe fn set(pointer: usize) {
    #[cfg(target_arch = "x86_64")]
    if DIRECT.load(Ordering::Relaxed) {
        // SAFETY: the caller's word; the instruction exists, by `prepare`. Without `nomem`: no
        // access to memory moves across it.
        unsafe { asm!("wrfsbase {}", in(reg) pointer, options(nostack, preserves_flags)) };
    } else {
        const ARCH_SET_FS: usize = 0x1002;
        // SAFETY: the caller's word.
        let result =
            unsafe { syscalls::raw::syscall2(libc::SYS_arch_prctl as usize, ARCH_SET_FS, pointer) };
        debug_assert_eq!(result, 0);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller's word. Without `nomem`: no access to memory moves across it.
    unsafe {
        asm!("msr tpidr_el0, {}", in(reg) pointer, options(nostack, preserves_flags))
    };
}
