//! `Donor`: a block of thread-local storage, and the OS thread that it was made for.
//!
//! The C library makes such blocks for its threads only. So a thread is started by its public
//! interface, says where its storage lies, and sleeps for ever; green threads use the storage, one
//! after another. Its kernel thread keeps the thread's number taken, by which the C library tells
//! owners of mutexes apart.
//!
//! Rejected, though it would save the sleeping kernel thread (about 20 KiB): a thread that leaves by
//! the bare `exit` call. Its number may be given to another one, which then enters a recursive
//! mutex that this one holds. And `_dl_allocate_tls`, which leaves half of a thread's block
//! uninitialised.

use crate::destructors::{self, Destructor, Destructors};
use crate::image;
use crate::kernel;
use crate::program;
use crate::robust;
use crate::rseq;
use greenloop_runtime::foreign::{self, Block, Guard, Lock};
use libc::{c_int, c_void, pthread_attr_t, pthread_t};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

/// How many unused blocks are kept.
const SPARE: usize = 1024;
/// How many are made at once: while one starts, so do the others.
const BATCH: usize = 4;

#[derive(Debug)]
pub(crate) struct Donor {
    thread: Cell<pthread_t>,
    /// The thread pointer.
    pointer: AtomicUsize,
    /// 1 as soon as the thread has said its pointer.
    ready: AtomicU32,
    /// 1 as soon as the thread is to end.
    released: AtomicU32,
    /// The number of the kernel's thread.
    number: AtomicI32,
    /// Where the list of its robust mutexes begins; 0 if it has none.
    robust: AtomicUsize,
    /// What `program` keeps with its current user; belongs to that, too.
    user: Cell<usize>,
    /// A green thread has used it before. This and the destructors belong to its current user.
    used: Cell<bool>,
    destructors: RefCell<Destructors>,
}

// SAFETY: what is not atomic is touched by its current user alone, and by whoever makes it or takes
// it back, who know of no other.
unsafe impl Sync for Donor {}
// SAFETY: as above.
unsafe impl Send for Donor {}

thread_local! {
    /// The block that the calling green thread runs on; null on an OS thread.
    static CURRENT: Cell<*const Donor> = const { Cell::new(ptr::null()) };
}

static POOL: Lock<Vec<&'static Donor>> = Lock::new(Vec::new());

/// The block that the caller runs on; none on an OS thread or a light green thread.
pub(crate) fn current() -> Option<&'static Donor> {
    // SAFETY: donors are leaked, and freed only after their last use.
    unsafe { CURRENT.get().as_ref() }
}

/// How many blocks green threads have, begun or not.
static LENT: Lock<usize> = Lock::new(0);

/// The threads of all blocks.
static THREADS: Lock<BTreeSet<pthread_t>> = Lock::new(BTreeSet::new());

/// Takes a block, from the pool if there is one.
pub(crate) fn take() -> io::Result<&'static dyn Block> {
    take_donor().map(|donor| donor as _)
}

/// [`take`], for who wants to know its thread.
pub(crate) fn take_donor() -> io::Result<&'static Donor> {
    *LENT.lock() += 1;
    let spare = POOL.lock().pop();
    let donor = spare.map_or_else(start_some, Ok);
    let donor = donor.inspect_err(|_| *LENT.lock() -= 1)?;
    donor.wait_until_ready();
    Ok(donor)
}

/// Keeps further green threads from getting a block until the guard drops, if no more than `lent`
/// have one.
pub(crate) fn hold(lent: usize) -> Option<Guard<'static, usize>> {
    Some(LENT.lock()).filter(|now| **now <= lent)
}

/// Is it the thread of a block, hence to the program that of a green thread?
pub(crate) fn is_of_one(thread: pthread_t) -> bool {
    THREADS.lock().contains(&thread)
}

/// Starts some donors; one for the caller, the others for the pool.
#[cold]
fn start_some() -> io::Result<&'static Donor> {
    let first = Donor::start()?;
    // Whoever needs one that can't be had now will hear of it.
    let others: Vec<_> = (1..BATCH).map_while(|_| Donor::start().ok()).collect();
    POOL.lock().extend(others);
    Ok(first)
}

// SAFETY: the donor's thread has blocked all signals and sleeps in a system call until `put_back`
// lets it end, which nobody can do before the block's user.
unsafe impl Block for Donor {
    fn pointer(&self) -> usize {
        self.pointer.load(Ordering::Relaxed)
    }

    unsafe fn begin(&self) {
        if self.used.replace(true) {
            // SAFETY: by the caller's word the block has no user; the last one's destructors have
            // run, but whatever ran after them may have left something, as an allocator does.
            unsafe {
                self.end();
                image::reset();
            }
        }
        CURRENT.set(self);
    }

    unsafe fn end(&self) {
        // SAFETY: by the caller's word the green thread is at its end.
        unsafe {
            self.run_destructors();
            destructors::clear_keys();
            // Those of keys may have made further values, which must not be left to the next user.
            self.run_destructors();
            // The thread itself sleeps, and leaves the list to who uses its storage.
            robust::give_up(self.robust.load(Ordering::Relaxed), self.number());
        }
    }

    unsafe fn put_back(&'static self) {
        let mut pool = POOL.lock();
        let full = pool.len() >= SPARE;
        if !full {
            pool.push(self);
        }
        drop(pool);
        if full {
            self.release();
        }
        *LENT.lock() -= 1;
    }
}

impl Donor {
    /// The storage of a thread of the program's own, `thread`, which sleeps from now on for ever. It
    /// is never put back.
    ///
    /// # Safety
    ///
    /// `pointer` and `number` are that thread's, which has not been adopted before.
    pub(crate) unsafe fn adopt(thread: pthread_t, pointer: usize, number: i32) -> &'static Donor {
        *LENT.lock() += 1;
        THREADS.lock().insert(thread);
        Box::leak(Box::new(Donor {
            thread: Cell::new(thread),
            pointer: AtomicUsize::new(pointer),
            ready: AtomicU32::new(1),
            released: AtomicU32::new(0),
            number: AtomicI32::new(number),
            robust: AtomicUsize::new(robust::list_of(number)),
            user: Cell::new(0),
            used: Cell::new(false),
            destructors: RefCell::default(),
        }))
    }

    /// The thread that the storage is of.
    pub(crate) fn thread(&self) -> pthread_t {
        self.thread.get()
    }

    /// The number of that thread.
    pub(crate) fn number(&self) -> i32 {
        self.number.load(Ordering::Relaxed)
    }

    /// What `program` keeps with the current user.
    pub(crate) fn user(&self) -> &Cell<usize> {
        &self.user
    }

    /// Runs the destructors of the thread-locals, but not those of keys.
    ///
    /// # Safety
    ///
    /// As of [`Block::end`].
    pub(crate) unsafe fn run_destructors(&self) {
        loop {
            let next = self.destructors.borrow_mut().pop();
            let Some((destructor, value)) = next else {
                break;
            };
            // SAFETY: the contract of its registration: called once, with that value, at the end of
            // its thread.
            unsafe { destructor(value) };
        }
    }

    pub(crate) fn push_destructor(&self, destructor: Destructor, value: *mut c_void) {
        self.destructors.borrow_mut().push(destructor, value);
    }

    /// Starts a thread, whose storage will be there in a moment.
    fn start() -> io::Result<&'static Donor> {
        let donor: &'static Donor = Box::leak(Box::new(Donor {
            thread: Cell::new(0),
            pointer: AtomicUsize::new(0),
            ready: AtomicU32::new(0),
            released: AtomicU32::new(0),
            number: AtomicI32::new(0),
            robust: AtomicUsize::new(0),
            user: Cell::new(0),
            used: Cell::new(false),
            destructors: RefCell::default(),
        }));
        let result = with_signals_blocked(|| donor.create());
        if result != 0 {
            // SAFETY: leaked above, and there is no thread that knows it.
            drop(unsafe { Box::from_raw(ptr::from_ref(donor).cast_mut()) });
            let cause = io::Error::from_raw_os_error(result);
            let what = format!(
                "no more thread-local storage for full green threads: each needs a kernel thread \
                 (ulimit -u, kernel.threads-max, the pids limit of a container): {cause}"
            );
            return Err(io::Error::new(cause.kind(), what));
        }
        THREADS.lock().insert(donor.thread.get());
        Ok(donor)
    }

    fn wait_until_ready(&self) {
        while self.ready.load(Ordering::Acquire) == 0 {
            wait(&self.ready);
        }
    }

    fn create(&'static self) -> c_int {
        let mut attributes = MaybeUninit::<pthread_attr_t>::uninit();
        // SAFETY: initialised by the first call, and destroyed by the last; the donor is leaked.
        unsafe {
            libc::pthread_attr_init(attributes.as_mut_ptr());
            let size = smallest_stack(attributes.as_ptr());
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), size);
            libc::pthread_attr_setguardsize(attributes.as_mut_ptr(), 0);
            let donor = ptr::from_ref(self).cast_mut().cast();
            let result =
                libc::pthread_create(self.thread.as_ptr(), attributes.as_ptr(), donate, donor);
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            result
        }
    }

    /// Lets the thread end, and frees the block with it.
    fn release(&'static self) {
        // It may not have begun yet.
        self.wait_until_ready();
        THREADS.lock().remove(&self.thread.get());
        raise(&self.released);
        // SAFETY: the thread is joined once, here, after its last use; nobody knows the donor any
        // more.
        unsafe {
            libc::pthread_join(self.thread.get(), ptr::null_mut());
            drop(Box::from_raw(ptr::from_ref(self).cast_mut()));
        }
    }
}

/// Names the calling OS thread, which runs nothing.
fn take_name() {
    let name = c"thread-locals".as_ptr().expose_provenance();
    // SAFETY: a C string.
    unsafe { kernel::call(libc::SYS_prctl, [libc::PR_SET_NAME as usize, name]) };
}

/// The calling OS thread's number, by the kernel's word.
fn number() -> i32 {
    // SAFETY: no memory is passed.
    unsafe { kernel::call(libc::SYS_gettid, []) as i32 }
}

/// A donor's thread: says where its storage is, and sleeps until it is released.
extern "C" fn donate(donor: *mut c_void) -> *mut c_void {
    // SAFETY: `create` passes a leaked donor, which is freed only after this thread has been joined.
    let donor: &'static Donor = unsafe { &*donor.cast() };
    block_all_but_the_c_librarys_signals();
    forget_rseq();
    take_name();
    let pointer = foreign::thread_pointer();
    donor.pointer.store(pointer, Ordering::Relaxed);
    donor.number.store(number(), Ordering::Relaxed);
    let robust = robust::list_of(donor.number());
    donor.robust.store(robust, Ordering::Relaxed);
    raise(&donor.ready);
    while donor.released.load(Ordering::Acquire) == 0 {
        wait(&donor.released);
    }
    ptr::null_mut()
}

/// Blocks the OS thread while `word` is 0; may return early. By the bare call: neither a donor nor
/// who waits for it is to come into a hook.
fn wait(word: &AtomicU32) {
    let operation = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize;
    let word = word.as_ptr().expose_provenance();
    // SAFETY: the word outlives the wait; no timeout.
    unsafe { kernel::call(libc::SYS_futex, [word, operation, 0, 0]) };
}

/// Makes `word` 1, and wakes who waits for it.
fn raise(word: &AtomicU32) {
    let operation = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize;
    // Release pairs with the Acquire of whoever finds it raised.
    word.store(1, Ordering::Release);
    let word = word.as_ptr().expose_provenance();
    // SAFETY: a wake-up by address, which is not dereferenced.
    unsafe { kernel::call(libc::SYS_futex, [word, operation, i32::MAX as usize]) };
}

/// A process's signals are not for a thread with a stack this small, nor is a cancellation meant for
/// a green thread. glibc's SIGSETXID (33) alone gets through: `setuid` waits for every thread.
fn block_all_but_the_c_librarys_signals() {
    const SIGSETXID: u32 = 33;
    let set: u64 = !(1 << (SIGSETXID - 1));
    let set = (&raw const set).expose_provenance();
    // SAFETY: a valid set of 64 signals; the old one is not asked for. Past the C library, which
    // would let its own two through.
    unsafe {
        kernel::call(
            libc::SYS_rt_sigprocmask,
            [libc::SIG_SETMASK as usize, set, 0, 8],
        )
    };
}

/// Takes the thread's `rseq` area from the kernel, which would write the number of the donor's
/// processor into it, not of whoever uses the storage: without it the C library asks the kernel.
fn forget_rseq() {
    const UNREGISTER: usize = 1;
    const REGISTRATION_FAILED: u32 = -2i32 as u32;
    // glibc's signature on x86_64 and aarch64.
    let signature = if cfg!(target_arch = "x86_64") {
        0x5305_3053
    } else {
        0xd428_bc00u32
    };
    let Some((area, size)) = rseq::area() else {
        return;
    };
    for size in [32, size as usize] {
        // SAFETY: it ends the use of an area that the C library has registered, or fails.
        let result =
            unsafe { kernel::call(libc::SYS_rseq, [area, size, UNREGISTER, signature as usize]) };
        if result == 0 {
            let cpu_id = ptr::with_exposed_provenance_mut::<u32>(area + 4);
            // SAFETY: `cpu_id` is the second word of the area, which the kernel no longer writes to.
            unsafe { cpu_id.write_volatile(REGISTRATION_FAILED) };
            return;
        }
    }
}

/// The least that a thread of this program needs: its thread-locals lie on its stack, too.
///
/// # Safety
///
/// `attributes` is initialised.
unsafe fn smallest_stack(attributes: *const pthread_attr_t) -> usize {
    type MinStack = unsafe extern "C" fn(*const pthread_attr_t) -> usize;
    /// For `donate` itself.
    const OWN: usize = 4096;
    // SAFETY: the name is a C string.
    let function = unsafe { symbol(c"__pthread_get_minstack") };
    let least = if function.is_null() {
        // SAFETY: without memory.
        let least = unsafe { libc::sysconf(libc::_SC_THREAD_STACK_MIN) };
        usize::try_from(least).unwrap_or(0).max(64 << 10)
    } else {
        // SAFETY: std calls it so as well; by the caller's word the attributes are valid.
        unsafe { std::mem::transmute::<*const c_void, MinStack>(function)(attributes) }
    };
    (least + OWN).next_multiple_of(4096)
}

/// # Safety
///
/// `name` is a C string.
unsafe fn symbol(name: &CStr) -> *const c_void {
    // SAFETY: as the caller says.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// Runs `f` with all signals blocked, so that a thread that it starts blocks them from its birth.
/// Past the C library, whose call may be interposed.
fn with_signals_blocked<R>(f: impl FnOnce() -> R) -> R {
    program::with_mask(Some(u64::MAX), f)
}
