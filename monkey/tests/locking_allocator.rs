//! An allocator with a mutex of the C library's, as jemalloc has: the patch is refused.

use greenloop::monkey::{PatchErrorKind, is_patched, patch_all};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;

struct Locking(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: the mutex is used by its own calls alone.
unsafe impl Sync for Locking {}

// SAFETY: the system's allocator, under a lock that it does not know of.
unsafe impl GlobalAlloc for Locking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: a valid mutex, and the caller's contract.
        unsafe {
            libc::pthread_mutex_lock(self.0.get());
            let block = System.alloc(layout);
            libc::pthread_mutex_unlock(self.0.get());
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Locking = Locking(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

#[test]
fn it_is_refused() {
    let error = patch_all().unwrap_err();
    assert_eq!(error.kind(), PatchErrorKind::Allocator);
    assert!(error.to_string().contains("allocator"), "{error}");
    assert!(!is_patched(greenloop::monkey::Group::Sync));
}
