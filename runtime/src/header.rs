//! `Header`: the control block of a green thread, and the slabs that such blocks live in.
//!
//! Header, closure and result are one slot. Slots are type-stable: their memory is never unmapped
//! nor used for anything else, so a waker may keep a plain pointer and a generation for ever, and a
//! dump may walk all slots while their owners run. An OS thread that waits has a slot too.

use crate::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use crate::coroutine::{Coroutine, YielderCell};
use crate::extra::{self, Extra};
use crate::inbox::Linked;
use crate::link::Link;
use crate::lock::Lock;
use crate::reason::Wait;
use crate::stack::{Label, SizeClass};
use crate::thread::Thread;
use crate::timeout::Limit;
use crate::wait_queue::WaitQueue;
use crate::word::{KILL, OS_THREAD, PARKED, TOKEN, Word};
use std::alloc::{Layout, alloc};
use std::cell::{Cell, UnsafeCell};
use std::io;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr::{self, NonNull};

/// Bytes in a slot for the closure, later the result; bigger ones are boxed.
pub(crate) const ROOM: usize = 48;

/// The control block. Which thread may touch a field follows from `word` (see `word.rs`):
/// unstarted: who spawned it, then who starts it; running and parked: its home; finished: who joins
/// it.
///
/// What a switch reads comes first, and lies in two cache lines.
#[repr(C, align(64))]
pub(crate) struct Header {
    pub(crate) word: Word,
    /// The link of the home worker's inbox; used only while a wake-up is on its way.
    link: AtomicPtr<Header>,
    /// Its hub ends: every wait unwinds. Only the home worker reads and writes it.
    pub(crate) teardown: Cell<Teardown>,
    /// It unwinds because of a kill or timeout, not of a panic. Its own.
    pub(crate) interrupted: Cell<bool>,
    /// How many `shield`s it is in: kills and timeouts have to wait. Its own.
    pub(crate) shields: Cell<u16>,
    /// It has just accepted a connection: its next spawn is placed by load.
    pub(crate) spread: Cell<bool>,
    /// `MEASURED` and the like. All from `teardown` to here are cleared by the same stores.
    pub(crate) marks: Marks,
    /// The size class of its stack, and of the credit that it holds.
    pub(crate) class: Cell<SizeClass>,
    /// A `Kind`, written before it starts and at its end.
    kind: AtomicU8,
    /// Where a switch to it will touch its stack; null while it has none.
    pub(crate) stack_top: Cell<*const u8>,
    /// Where its stack ended when it last suspended itself: for the prefetch.
    pub(crate) stack_end: Cell<*const u8>,
    pub(crate) yielder: YielderCell,
    /// What few have; null while it has none. Belongs to the header, which `clear` empties.
    pub(crate) extra: Cell<*mut Extra>,
    pub(crate) coroutine: UnsafeCell<Option<Coroutine>>,
    /// The innermost `timeout` that it is in. Its own.
    pub(crate) limit: Cell<Option<NonNull<Limit>>>,
    /// For what it waits, if it is parked, and since when: written by its home worker.
    wait: AtomicU64,
    since: AtomicU64,
    /// Begins with its number, which a lock asks for.
    pub(crate) label: UnsafeCell<Label>,
    pub(crate) body: Cell<Option<&'static BodyType>>,
    /// Who wants to hear of the end.
    pub(crate) end: Lock<End>,
    /// The id of the green thread that spawned it, or 0.
    pub(crate) spawner: Cell<u64>,
    room: UnsafeCell<Room>,
}

// SAFETY: `word` and `link` are atomics; every other field is touched by one thread at a time, the
// one that `word` names, whose transitions are AcqRel.
unsafe impl Sync for Header {}

#[repr(C, align(16))]
struct Room(MaybeUninit<[u8; ROOM]>);

impl Linked for Header {
    fn link(&self) -> &AtomicPtr<Header> {
        &self.link
    }
}

/// Its stack is measured.
pub(crate) const MEASURED: u8 = 1;
/// An observer was told that it waits.
pub(crate) const TOLD_TO_WAIT: u8 = 2;
/// An observer has spawned it.
pub(crate) const UNOBSERVED: u8 = 4;
/// It has done what its scope waits for.
pub(crate) const OUT_OF_SCOPE: u8 = 8;
/// It drops its thread-local storage, out of which nothing may unwind.
pub(crate) const ENDS_STORAGE: u8 = 16;

/// Bits that its home worker keeps of a green thread, and before that its spawner.
#[derive(Default)]
pub(crate) struct Marks(Cell<u8>);

impl Marks {
    #[inline]
    pub(crate) fn set(&self, mark: u8) {
        self.0.set(self.0.get() | mark);
    }

    pub(crate) fn has(&self, mark: u8) -> bool {
        self.0.get() & mark != 0
    }

    /// Takes it away; was it set?
    #[inline]
    pub(crate) fn unset(&self, mark: u8) -> bool {
        let marks = self.0.get();
        self.0.set(marks & !mark);
        marks & mark != 0
    }
}

/// Has the end of its hub reached it, or its exit?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Teardown {
    #[default]
    None,
    /// It is the first of a strict hub that would wait for ever: its next wait unwinds, with a
    /// `LoopExit`.
    Exit,
    /// Its next wait unwinds.
    Due,
    /// Its wait unwinds, even inside of a shield: it could never end.
    Stuck,
    /// It has unwound, and so does every further wait.
    Told,
}

/// A wait of a green thread; no two are equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Parked {
    pub(crate) generation: u32,
    pub(crate) home: usize,
    pub(crate) wait: Wait,
    /// When it began, to some milliseconds; and what makes it unique.
    pub(crate) since: u64,
}

/// What is run at the end of a green thread.
pub(crate) type Links = Vec<Link>;

/// Who wants to hear of the end of a green thread.
#[derive(Default)]
pub(crate) struct End {
    pub(crate) waiters: WaitQueue,
    /// What is to be run then; rare, and therefore boxed.
    pub(crate) links: Option<Box<Links>>,
}

/// What runs in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    Light,
    /// It has thread-local storage of its own.
    Full,
    /// A job of the blocking pool.
    Job,
}

/// What can be done with the closure or result in a slot, whose types are forgotten elsewhere.
#[derive(Debug)]
pub(crate) struct BodyType {
    /// Runs the closure and leaves the result. On the green thread's own stack.
    pub(crate) run: unsafe fn(&Header),
    /// Drops the closure and leaves `Err(Killed)`.
    pub(crate) cancel: unsafe fn(&Header),
    /// Drops the result.
    pub(crate) drop_result: unsafe fn(&Header),
}

impl Header {
    fn free() -> Self {
        Header {
            word: Word::default(),
            link: AtomicPtr::default(),
            teardown: Cell::default(),
            interrupted: Cell::new(false),
            shields: Cell::new(0),
            class: Cell::default(),
            spread: Cell::new(false),
            marks: Marks::default(),
            kind: AtomicU8::new(Kind::Light as u8),
            stack_top: Cell::new(ptr::null()),
            stack_end: Cell::new(ptr::null()),
            yielder: Cell::new(ptr::null()),
            coroutine: UnsafeCell::new(None),
            body: Cell::new(None),
            end: Lock::default(),
            limit: Cell::new(None),
            wait: AtomicU64::new(0),
            since: AtomicU64::new(0),
            spawner: Cell::new(0),
            extra: Cell::new(ptr::null_mut()),
            label: UnsafeCell::new(Label {
                thread: None,
                location: Location::caller(),
            }),
            room: UnsafeCell::new(Room(MaybeUninit::uninit())),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.kind.load(Ordering::Relaxed) {
            it if it == Kind::Full as u8 => Kind::Full,
            it if it == Kind::Job as u8 => Kind::Job,
            _ => Kind::Light,
        }
    }

    pub(crate) fn set_kind(&self, kind: Kind) {
        self.kind.store(kind as u8, Ordering::Relaxed);
    }

    /// Has it thread-local storage of its own?
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.kind.load(Ordering::Relaxed) == Kind::Full as u8
    }

    /// Says for what it is about to wait. Relaxed: who sees it parked sees this.
    #[inline(always)]
    pub(crate) fn note_wait(&self, wait: Wait, since: u64) {
        self.wait.store(wait.to_word(), Ordering::Relaxed);
        self.since.store(since, Ordering::Relaxed);
    }

    /// Its wait, if it is parked with no wake-up under way: whoever finds the same one later knows
    /// that it was parked all the time.
    pub(crate) fn parked(&self) -> Option<Parked> {
        // Acquire: before the word is read.
        let since = self.since.load(Ordering::Acquire);
        let word = self.word.load();
        let (wait, after) = self.wait();
        let waits = word.state() == PARKED && !word.has(TOKEN | KILL | OS_THREAD);
        (waits && since == after).then(|| Parked {
            generation: word.generation(),
            home: word.home(),
            wait,
            since,
        })
    }

    /// For what it waits, if it is parked, and since when.
    pub(crate) fn wait(&self) -> (Wait, u64) {
        let wait = Wait::from_word(self.wait.load(Ordering::Relaxed));
        (wait, self.since.load(Ordering::Relaxed))
    }

    /// Leaves `value` in the slot: the closure, later the result.
    ///
    /// # Safety
    ///
    /// The caller is the one thread that `word` names, and the room is empty.
    pub(crate) unsafe fn store<V>(&self, value: V) {
        if const { Self::fits::<V>() } {
            // SAFETY: `V` fits in size and alignment, and the room is the caller's.
            unsafe { self.room.get().cast::<V>().write(value) };
        } else {
            // SAFETY: a box fits.
            unsafe { self.room.get().cast::<Box<V>>().write(Box::new(value)) };
        }
    }

    /// Takes out what `store` left.
    ///
    /// # Safety
    ///
    /// The caller is the one thread that `word` names, and the room holds a `V`.
    pub(crate) unsafe fn take<V>(&self) -> V {
        if const { Self::fits::<V>() } {
            // SAFETY: `store` wrote a `V` here by the same test, and the caller takes it once.
            unsafe { self.room.get().cast::<V>().read() }
        } else {
            // SAFETY: `store` wrote a box here by the same test.
            *unsafe { self.room.get().cast::<Box<V>>().read() }
        }
    }

    const fn fits<V>() -> bool {
        size_of::<V>() <= ROOM && align_of::<V>() <= align_of::<Room>()
    }

    /// Its public face: id, name, waker.
    ///
    /// # Safety
    ///
    /// The caller knows the slot (`BODY`, `HANDLE`, `LOOKER`) and it is neither being spawned nor freed.
    pub(crate) unsafe fn thread(&self) -> &Thread {
        // SAFETY: the caller's word.
        unsafe { self.label() }
            .thread
            .as_ref()
            .expect("a slot in use has a thread")
    }

    /// The number in its id, which no other thread ever has; 0 of a slot that is not in use.
    ///
    /// # Safety
    ///
    /// As for `thread`.
    #[inline]
    pub(crate) unsafe fn number(&self) -> u64 {
        // SAFETY: the caller's word.
        let thread = unsafe { self.label() }.thread.as_ref();
        // As numbers are not 0, this is a plain load.
        thread.map_or(0, |it| it.number().get())
    }

    /// Its name and birthplace.
    ///
    /// # Safety
    ///
    /// As for `thread`.
    pub(crate) unsafe fn label(&self) -> &Label {
        // SAFETY: written before the word leaves `free`, and cleared only when nobody knows the
        // slot.
        unsafe { &*self.label.get() }
    }

    /// Makes the slot free again: the caller was the last who knew it.
    ///
    /// # Safety
    ///
    /// `Word::release` told the caller so, and the room is empty.
    pub(crate) unsafe fn clear(&self) {
        self.teardown.take();
        self.interrupted.set(false);
        self.shields.set(0);
        self.spread.set(false);
        self.marks.0.set(0);
        self.set_kind(Kind::Light);
        extra::free(self);
        // SAFETY: nobody else knows the slot.
        unsafe { (*self.label.get()).thread = None };
        self.word.free();
    }
}

/// Free slots at hand, for one thread's use.
#[derive(Debug)]
pub(crate) struct HeaderCache {
    free: Vec<Free>,
}

/// A slot that nobody else knows.
#[derive(Debug)]
struct Free(NonNull<Header>);

// SAFETY: a free slot is owned by whoever holds this, and `Header` is `Sync`.
unsafe impl Send for Free {}

/// How many slots move between a cache and the depot at once, and are made at once.
const BATCH: usize = 128;

/// The free slots that no cache holds.
static DEPOT: Lock<Vec<Free>> = Lock::new(Vec::new());

const _: () = assert!(
    size_of::<Header>() == 256,
    "four cache lines a green thread"
);

/// All slots ever made, in arrays of `BATCH`: for reports. Only grows.
static SLABS: Lock<Vec<&'static [Header]>> = Lock::new(Vec::new());

impl HeaderCache {
    pub(crate) const fn new() -> Self {
        HeaderCache { free: Vec::new() }
    }

    /// Takes a free slot; an error if there is no memory for more.
    pub(crate) fn take(&mut self) -> io::Result<NonNull<Header>> {
        if self.free.is_empty() {
            self.refill()?;
        }
        Ok(self.free.pop().expect("refilled above").0)
    }

    /// Gives a slot back, which nobody else may know.
    pub(crate) fn put(&mut self, header: NonNull<Header>) {
        self.free.push(Free(header));
        if self.free.len() >= 3 * BATCH {
            let surplus = self.free.drain(..2 * BATCH);
            DEPOT.lock().extend(surplus);
        }
    }

    #[cold]
    fn refill(&mut self) -> io::Result<()> {
        let mut depot = DEPOT.lock();
        let rest = depot.len().saturating_sub(BATCH);
        self.free.extend(depot.drain(rest..));
        drop(depot);
        if self.free.is_empty() {
            self.free.extend(
                new_slab()?
                    .iter()
                    .rev()
                    .map(|header| Free(NonNull::from(header))),
            );
        }
        Ok(())
    }
}

impl Drop for HeaderCache {
    fn drop(&mut self) {
        DEPOT.lock().append(&mut self.free);
    }
}

/// Makes `BATCH` free slots.
fn new_slab() -> io::Result<&'static [Header]> {
    let layout = Layout::array::<Header>(BATCH).expect("a small constant");
    // SAFETY: the layout has a size that is not zero.
    let memory = unsafe { alloc(layout) }.cast::<Header>();
    if memory.is_null() {
        let what = format!(
            "no memory for {BATCH} more green thread headers ({} bytes)",
            layout.size()
        );
        return Err(io::Error::new(io::ErrorKind::OutOfMemory, what));
    }
    for index in 0..BATCH {
        // SAFETY: `index` lies within the array just allocated, which nobody else knows.
        unsafe { memory.add(index).write(Header::free()) };
    }
    // SAFETY: all `BATCH` headers are initialised, and the memory is never freed.
    let slab = unsafe { std::slice::from_raw_parts(memory, BATCH) };
    SLABS.lock().push(slab);
    Ok(slab)
}

/// Visits all slots, free ones included: whoever looks must go by the word.
pub(crate) fn for_each_slot(mut visit: impl FnMut(&'static Header)) {
    let slabs = SLABS.lock().clone();
    slabs.into_iter().flatten().for_each(&mut visit);
}
