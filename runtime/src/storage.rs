//! `Storage`: thread-local storage of a green thread's own, which makes it a full one.
//!
//! The runtime knows only when such storage begins, is switched to and ends. How blocks of it are
//! made is the business of the monkey patch, which offers a [`Maker`].

use crate::context::{self, Context};
use crate::thread_pointer;
use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// A block of thread-local storage, such as belongs to a thread of the C library.
///
/// # Safety
///
/// [`pointer`](Block::pointer) stays the thread pointer of a live thread that runs no code of its
/// own with it until [`put_back`](Block::put_back).
pub unsafe trait Block: Sync {
    /// The thread pointer that makes it the current one.
    fn pointer(&self) -> usize;

    /// Gives all thread-locals their first values.
    ///
    /// # Safety
    ///
    /// It is the current storage, and nothing runs on it yet.
    unsafe fn begin(&self);

    /// Runs the destructors of the thread-locals; may be called again if more have been made.
    ///
    /// # Safety
    ///
    /// It is the current storage, and no thread-local of it is borrowed.
    unsafe fn end(&self);

    /// Takes the block back.
    ///
    /// # Safety
    ///
    /// It is nobody's current storage, and was taken and not put back yet.
    unsafe fn put_back(&'static self);
}

/// Takes a block, for one green thread.
pub type Maker = fn() -> io::Result<&'static dyn Block>;

/// Null, or a leaked box, for ever once it is set.
static MAKER: AtomicPtr<Maker> = AtomicPtr::new(ptr::null_mut());
static BY_DEFAULT: AtomicBool = AtomicBool::new(false);

/// Offers a way to make blocks: from now on green threads can be full.
///
/// # Safety
///
/// `maker` gives nobody a block that it has given before and that was not put back since.
pub unsafe fn offer(maker: Maker) {
    thread_pointer::prepare();
    let maker = Box::into_raw(Box::new(maker));
    let (success, failure) = (Ordering::Release, Ordering::Relaxed);
    if MAKER
        .compare_exchange(ptr::null_mut(), maker, success, failure)
        .is_err()
    {
        // SAFETY: made above, and nobody else has heard of it.
        drop(unsafe { Box::from_raw(maker) });
    }
}

/// Makes all green threads that are spawned from now on full ones, unless their builder says
/// otherwise.
pub fn make_default() {
    BY_DEFAULT.store(true, Ordering::Release);
}

pub(crate) struct Storage {
    block: &'static dyn Block,
    /// The context of its home, once it has begun there; null before.
    context: Cell<*const Context>,
}

impl Storage {
    /// Storage for a new green thread whose builder said `wanted`; none if it is to be a light one.
    #[inline]
    pub(crate) fn for_new(wanted: Option<bool>) -> io::Result<Option<Storage>> {
        if wanted.unwrap_or_else(|| BY_DEFAULT.load(Ordering::Relaxed)) {
            Storage::new().map(Some)
        } else {
            Ok(None)
        }
    }

    #[cold]
    fn new() -> io::Result<Storage> {
        // SAFETY: null, or never freed. Acquire pairs with the Release in `offer`.
        let Some(maker) = (unsafe { MAKER.load(Ordering::Acquire).as_ref() }) else {
            let what = "a green thread with thread-locals of its own (`own_tls`) needs \
                        `greenloop::monkey`: call one of its patch functions first";
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        };
        maker().map(Storage::of)
    }

    /// Storage in a block that was taken for it.
    pub(crate) fn of(block: &'static dyn Block) -> Storage {
        Storage {
            block,
            context: Cell::new(ptr::null()),
        }
    }

    pub(crate) fn pointer(&self) -> usize {
        self.block.pointer()
    }

    /// Says whose green thread it is, before the first switch to it.
    pub(crate) fn set_home(&self, context: *const Context) {
        self.context.set(context);
    }

    /// The first thing that a full green thread does.
    ///
    /// # Safety
    ///
    /// It is the current storage, `set_home` was called, and nothing runs on it yet.
    pub(crate) unsafe fn begin(&self) {
        // SAFETY: the caller's word.
        unsafe {
            self.block.begin();
            context::adopt(self.context.get());
        }
    }

    /// Runs the destructors of its thread-locals. Does nothing for one that has not begun: it was
    /// cancelled, and is not the caller's current storage.
    ///
    /// # Safety
    ///
    /// If it has begun, it is the current storage, and no thread-local of it is borrowed.
    pub(crate) unsafe fn end(&self) {
        if !self.context.get().is_null() {
            // SAFETY: the caller's word.
            unsafe { self.block.end() };
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // SAFETY: taken in `new`, and put back only here. Whoever drops it has seen its green
        // thread's end, or it never began.
        unsafe { self.block.put_back() };
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage").finish_non_exhaustive()
    }
}
