//! Restartable sequences: the kernel's word for each thread on which processor it runs.

use greenloop_runtime::foreign;
use std::ptr;

/// Where glibc keeps the area of the calling thread, and its size; none if it has registered none.
pub(crate) fn area() -> Option<(usize, u32)> {
    // SAFETY: the names are C strings; the C library exports both, or neither, as constants of
    // these types.
    let (offset, size) = unsafe {
        let offset = libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr());
        let size = libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_size".as_ptr());
        (
            offset.cast::<isize>().as_ref()?,
            size.cast::<u32>().as_ref()?,
        )
    };
    let area = foreign::thread_pointer().wrapping_add_signed(*offset);
    Some((area, *size))
}

/// Has the calling thread been in a restartable sequence? One that was preempted since may not
/// show.
pub(crate) fn is_in_use() -> bool {
    // SAFETY: the name is a C string. An allocator with an area of its own exports it.
    let own = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_abi".as_ptr()) };
    if !own.is_null() {
        return true;
    }
    let Some((area, size)) = area() else {
        return false;
    };
    if size == 0 {
        return false;
    }
    // The third field, `rseq_cs` (linux/rseq.h): the sequence that was entered last.
    let sequence = ptr::with_exposed_provenance::<u64>(area + 8);
    // SAFETY: the calling thread's own area, of which the kernel alone writes this field otherwise.
    unsafe { sequence.read_volatile() != 0 }
}
