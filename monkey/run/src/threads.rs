//! `Thread`: a thread of the program, which is a green thread; and the table of all.

use crate::mask;
use crate::signals;
use greenloop_monkey::program::{Program, Storage, is_storage};
use greenloop_runtime::foreign::{self, Block, Lock, NEVER, Waker};
use libc::{c_int, c_void, pthread_t};
use std::collections::BTreeMap;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Known to the table from before its start until it has ended and was joined or detached.
pub(crate) struct Thread {
    storage: Storage,
    is_main: bool,
    /// The signals that it blocks, a bit each. Changed under the table's lock.
    mask: AtomicU64,
    /// What it returns.
    value: AtomicPtr<c_void>,
    name: Lock<Name>,
    /// Where its stack begins and ends; 0 before it has begun.
    stack: [AtomicUsize; 2],
}

/// A thread's name as the kernel keeps it, with its end.
pub(crate) type Name = [u8; 16];

/// A thread as the others see it.
struct Entry {
    thread: &'static Thread,
    ended: bool,
    detached: bool,
    joiner: Option<Waker>,
    /// The one that it waits for.
    joins: Option<pthread_t>,
}

struct Table {
    entries: BTreeMap<pthread_t, Entry>,
    /// How many of those that have not ended block each set of signals.
    masks: BTreeMap<u64, usize>,
    /// How many have not ended.
    living: usize,
}

static TABLE: Lock<Table> = Lock::new(Table {
    entries: BTreeMap::new(),
    masks: BTreeMap::new(),
    living: 0,
});

/// The thread that runs the caller; none on an OS thread and in a forked child, where calls are
/// the plain ones.
pub(crate) fn current() -> Option<&'static Thread> {
    if foreign::is_forked() {
        return None;
    }
    let word = Storage::current()?.user();
    // SAFETY: 0, or set by `Thread::new` from a box that is freed only after its thread's end.
    unsafe { ptr::with_exposed_provenance::<Thread>(word).as_ref() }
}

/// [`current`] without a look at whether the process was forked off: for the child's first steps.
pub(crate) fn mask_in_child() -> Option<u64> {
    let word = Storage::current()?.user();
    // SAFETY: as in `current`.
    let thread = unsafe { ptr::with_exposed_provenance::<Thread>(word).as_ref() };
    thread.map(Thread::mask)
}

/// What a new thread has from its maker.
pub(crate) struct Like {
    /// The signals that it blocks.
    pub(crate) mask: u64,
    pub(crate) name: Name,
}

impl Thread {
    /// Puts a new one into the table.
    pub(crate) fn new(
        storage: Storage,
        like: &Like,
        detached: bool,
        is_main: bool,
    ) -> &'static Thread {
        let mask = like.mask;
        let thread: &'static Thread = Box::leak(Box::new(Thread {
            storage,
            is_main,
            mask: AtomicU64::new(mask),
            value: AtomicPtr::default(),
            name: Lock::new(like.name),
            stack: Default::default(),
        }));
        storage.set_user(ptr::from_ref(thread).expose_provenance());
        let entry = Entry {
            thread,
            ended: false,
            detached,
            joiner: None,
            joins: None,
        };
        let mut table = TABLE.lock();
        table.entries.insert(storage.thread(), entry);
        *table.masks.entry(mask).or_default() += 1;
        table.living += 1;
        thread
    }

    /// What `pthread_self` says on it.
    pub(crate) fn id(&self) -> pthread_t {
        self.storage.thread()
    }

    /// What `gettid` says on it.
    pub(crate) fn number(&self) -> c_int {
        self.storage.number()
    }

    /// The signals that it blocks.
    pub(crate) fn mask(&self) -> u64 {
        self.mask.load(Ordering::Relaxed)
    }

    /// Changes the signals that it blocks; returns those before.
    pub(crate) fn set_mask(&self, mask: u64) -> u64 {
        let mut table = TABLE.lock();
        let before = self.mask.swap(mask, Ordering::Relaxed);
        table.remove_mask(before);
        *table.masks.entry(mask).or_default() += 1;
        before
    }

    /// Its name.
    pub(crate) fn name(&self) -> Name {
        *self.name.lock()
    }

    /// Renames it; its kernel thread is left as it is.
    pub(crate) fn set_name(&self, name: Name) {
        *self.name.lock() = name;
    }

    /// What it is going to return.
    pub(crate) fn set_value(&self, value: *mut c_void) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// Ends the table's knowledge of it: it has ended, and nobody will join it.
    ///
    /// # Safety
    ///
    /// It has just been taken out of the table.
    unsafe fn free(&'static self) {
        let (storage, is_main) = (self.storage, self.is_main);
        storage.set_user(0);
        // SAFETY: leaked in `new`; who takes it out of the table is the last one to know it.
        drop(unsafe { Box::from_raw(ptr::from_ref(self).cast_mut()) });
        if !is_main {
            // SAFETY: taken for this thread, whose end was its last use.
            unsafe { storage.block().put_back() };
        }
    }

    /// Tells of its end: it no longer runs on its stack and storage.
    fn end(&'static self) {
        let mut table = TABLE.lock();
        table.remove_mask(self.mask());
        table.living -= 1;
        let is_last = table.living == 0;
        let entry = table
            .entries
            .get_mut(&self.id())
            .expect("it is in the table until it ends");
        entry.ended = true;
        let (joiner, detached) = (entry.joiner, entry.detached);
        if detached {
            table.entries.remove(&self.id());
        }
        drop(table);
        // From here on who joins it may have freed it.
        if let Some(joiner) = joiner {
            joiner.wake();
        }
        if detached {
            // SAFETY: taken out just now.
            unsafe { self.free() };
        }
        if is_last {
            signals::end_process();
        } else {
            mask::apply();
        }
    }
}

// SAFETY: the storage's own block keeps the contract; it is put back once nobody can mistake the
// thread for another one with the same storage, which is after this one's.
unsafe impl Block for Thread {
    fn pointer(&self) -> usize {
        self.storage.block().pointer()
    }

    unsafe fn begin(&self) {
        // SAFETY: the caller's word.
        unsafe { self.storage.block().begin() };
        if let Some(Range { start, end }) = foreign::stack() {
            self.stack[0].store(start, Ordering::Relaxed);
            self.stack[1].store(end, Ordering::Relaxed);
        }
    }

    unsafe fn end(&self) {
        // SAFETY: the caller's word.
        unsafe { self.storage.block().end() };
    }

    unsafe fn put_back(&'static self) {
        Thread::end(self);
    }
}

impl Table {
    fn remove_mask(&mut self, mask: u64) {
        let count = self
            .masks
            .get_mut(&mask)
            .expect("counted while its thread lives");
        *count -= 1;
        if *count == 0 {
            self.masks.remove(&mask);
        }
    }

    /// Notes that `me` waits for `thread`, if it may: else the `errno`.
    fn enter(&mut self, me: pthread_t, thread: pthread_t) -> Option<Result<(), c_int>> {
        let entry = self.entries.get_mut(&thread)?;
        if thread == me || entry.joins == Some(me) {
            return Some(Err(libc::EDEADLK));
        }
        if entry.detached || entry.joiner.is_some() {
            return Some(Err(libc::EINVAL));
        }
        entry.joiner = Some(Waker::current());
        self.set_joins(me, Some(thread));
        Some(Ok(()))
    }

    fn set_joins(&mut self, me: pthread_t, thread: Option<pthread_t>) {
        if let Some(entry) = self.entries.get_mut(&me) {
            entry.joins = thread;
        }
    }

    /// Takes out one that has ended.
    fn take_ended(&mut self, thread: pthread_t) -> Option<&'static Thread> {
        let ended = self.entries.get(&thread).is_some_and(|entry| entry.ended);
        ended.then(|| self.entries.remove(&thread).map(|entry| entry.thread))?
    }
}

/// The signals that all threads block.
pub(crate) fn blocked_by_all() -> u64 {
    TABLE
        .lock()
        .masks
        .keys()
        .fold(u64::MAX, |all, mask| all & mask)
}

/// Is it a thread of the program's?
pub(crate) fn is_one(thread: pthread_t) -> bool {
    with(thread, |_| ()).is_some()
}

/// Does something with a thread of the program's, which stays as long.
pub(crate) fn with<R>(thread: pthread_t, f: impl FnOnce(&Thread) -> R) -> Option<R> {
    if foreign::is_forked() {
        return None;
    }
    TABLE
        .lock()
        .entries
        .get(&thread)
        .map(|entry| f(entry.thread))
}

/// Lets nobody join it; none if it is not one of the program's green threads.
pub(crate) fn detach(thread: pthread_t) -> Option<c_int> {
    if foreign::is_forked() {
        return None;
    }
    let mut table = TABLE.lock();
    let Some(entry) = table.entries.get_mut(&thread) else {
        return is_storage(thread).then_some(libc::ESRCH);
    };
    if entry.detached {
        return Some(libc::EINVAL);
    }
    entry.detached = true;
    let ended = table.take_ended(thread);
    drop(table);
    if let Some(ended) = ended {
        // SAFETY: taken out just now.
        unsafe { ended.free() };
    }
    Some(0)
}

/// Forgets one that could not be started, and has been put back.
pub(crate) fn forget(thread: pthread_t) {
    let ended = TABLE.lock().take_ended(thread);
    if let Some(ended) = ended {
        // SAFETY: taken out just now.
        unsafe { ended.free() };
    }
}

/// The program whose threads these are.
#[derive(Debug)]
pub(crate) struct Threads;

impl Program for Threads {
    fn join(&self, thread: pthread_t, deadline: u64) -> Option<Result<*mut c_void, c_int>> {
        if foreign::is_forked() {
            return None;
        }
        // SAFETY: without arguments.
        let me = unsafe { libc::pthread_self() };
        let entered = TABLE.lock().enter(me, thread);
        match entered {
            None => return is_storage(thread).then_some(Err(libc::ESRCH)),
            Some(Err(errno)) => return Some(Err(errno)),
            Some(Ok(())) => {}
        }
        let ended = wait_for(thread, deadline);
        let mut table = TABLE.lock();
        table.set_joins(me, None);
        let Some(ended) = ended.or_else(|| table.take_ended(thread)) else {
            if let Some(entry) = table.entries.get_mut(&thread) {
                entry.joiner = None;
            }
            return Some(Err(libc::ETIMEDOUT));
        };
        drop(table);
        let value = ended.value.load(Ordering::Relaxed);
        // SAFETY: taken out just now.
        unsafe { ended.free() };
        Some(Ok(value))
    }

    fn leave(&self, value: *mut c_void) {
        if let Some(thread) = current() {
            thread.set_value(value);
        }
    }

    fn stack(&self, thread: pthread_t) -> Option<Range<usize>> {
        let table = TABLE.lock();
        let [start, end] = &table.entries.get(&thread)?.thread.stack;
        let stack = start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed);
        (!stack.is_empty()).then_some(stack)
    }

    fn pause(&self) {
        signals::wait_for_one(signals::handled());
    }

    fn suspend(&self, mask: u64) -> bool {
        mask::suspend(mask)
    }

    fn mask(&self) -> u64 {
        current().map_or(0, Thread::mask)
    }
}

/// Waits for the end of `thread`, which is in the table with the caller as its joiner, and takes it
/// out; none at `deadline`.
fn wait_for(thread: pthread_t, deadline: u64) -> Option<&'static Thread> {
    loop {
        let ended = TABLE.lock().take_ended(thread);
        if ended.is_some() || (deadline != NEVER && foreign::now() >= deadline) {
            return ended;
        }
        foreign::park(deadline);
    }
}
