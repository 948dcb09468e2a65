//! The end of robust mutexes' owners: what the kernel does for a thread that ends with one locked,
//! for a green thread, whose block's thread lives on.
//!
//! The list of such mutexes is the kernel's own form (<linux/futex.h>), which the C library has
//! told the kernel of.

use crate::kernel;
use std::ffi::c_long;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

/// An entry lies within a mutex, or is the list's head. The lowest bit of a link is a flag.
#[repr(C)]
struct Entry {
    next: usize,
}

#[repr(C)]
struct Head {
    list: Entry,
    /// Where the word of a mutex lies, from its entry.
    offset: c_long,
    pending: usize,
}

/// Priority inheritance, which green threads are denied.
const FLAGS: usize = 1;
/// The kernel's ROBUST_LIST_LIMIT, against a list that goes round.
const MOST: usize = 2048;

/// Where the list of the thread with this number begins; 0 if it has none.
pub(crate) fn list_of(number: i32) -> usize {
    let (mut head, mut size) = (0usize, 0usize);
    let words = [
        number as usize,
        (&raw mut head).expose_provenance(),
        (&raw mut size).expose_provenance(),
    ];
    // SAFETY: room for an address and a size.
    let result = unsafe { kernel::call(libc::SYS_get_robust_list, words) };
    if result == 0 && size == size_of::<Head>() {
        head
    } else {
        0
    }
}

/// Gives up all mutexes of the list at `head`, of the thread with this number: who locks one next
/// is told (`EOWNERDEAD`).
///
/// # Safety
///
/// The list is that of a live thread, which nobody but the caller uses now.
pub(crate) unsafe fn give_up(head: usize, number: i32) {
    let Some(head) = ptr::NonNull::new(ptr::with_exposed_provenance_mut::<Head>(head)) else {
        return;
    };
    // SAFETY: by the caller's word it is valid, and so are the mutexes: to free one that is locked
    // is not allowed.
    unsafe {
        let head = head.as_ptr();
        let end = head.addr();
        let mut entry = (&raw const (*head).list.next).read_volatile();
        let offset = (*head).offset as isize;
        (&raw mut (*head).list.next).write_volatile(end);
        for _ in 0..MOST {
            let address = entry & !FLAGS;
            if address == end {
                break;
            }
            // Read before the mutex is somebody else's.
            let after = (*ptr::with_exposed_provenance::<Entry>(address)).next;
            let word = address.wrapping_add_signed(offset);
            leave(
                AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(word)),
                number,
            );
            entry = after;
        }
    }
}

/// Marks the word of a mutex as one whose owner, `number`, has died, and wakes a waiter. Those in
/// the lot look by themselves.
fn leave(word: &AtomicU32, number: i32) {
    let is_owned = |value: u32| value & libc::FUTEX_TID_MASK == number as u32;
    let died =
        |value| is_owned(value).then_some(value & libc::FUTEX_WAITERS | libc::FUTEX_OWNER_DIED);
    let before = word.fetch_update(Ordering::Release, Ordering::Relaxed, died);
    if before.is_ok_and(|before| before & libc::FUTEX_WAITERS != 0) {
        let words = [
            word.as_ptr().expose_provenance(),
            libc::FUTEX_WAKE as usize,
            1,
        ];
        // SAFETY: a wake-up by address. Not a private one: other processes may share the mutex.
        unsafe { kernel::call(libc::SYS_futex, words) };
    }
}
