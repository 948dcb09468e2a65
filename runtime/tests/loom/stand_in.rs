//! Stand-ins for what loom does not know: the reactor's waker, the futex, a worker with one green
//! thread.

use crate::inbox::{Inbox, Linked};
use crate::word::{
    BODY, NOWHERE, OS_THREAD, PARKED, RUNNING, Snapshot, TOKEN, UNSTARTED, Unpark, Word,
};
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicPtr;
use loom::sync::{Condvar, Mutex};
use std::ptr::NonNull;

/// The index of the worker in the models that have one.
pub(crate) const HOME: usize = 3;

/// The waker of a reactor: a ring is kept until the next wait.
#[derive(Default)]
pub(crate) struct Bell {
    rings: Mutex<usize>,
    rung: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.rings.lock().unwrap() += 1;
        self.rung.notify_one();
    }

    /// Waits for a ring; says how many there were.
    pub(crate) fn wait(&self) -> usize {
        let mut rings = self.rings.lock().unwrap();
        while *rings == 0 {
            rings = self.rung.wait(rings).unwrap();
        }
        std::mem::take(&mut rings)
    }
}

/// The part of a `Header` that waking needs.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) word: Word,
    link: AtomicPtr<Slot>,
}

impl Linked for Slot {
    fn link(&self) -> &AtomicPtr<Slot> {
        &self.link
    }
}

/// A worker and its only green thread. Both are the loom thread that calls `park`.
pub(crate) struct Home {
    pub(crate) slot: Slot,
    pub(crate) generation: u32,
    inbox: Inbox<Slot>,
    bell: Bell,
}

impl Home {
    pub(crate) fn started() -> Self {
        let home = Self::unstarted();
        assert!(home.slot.word.start(HOME));
        home
    }

    pub(crate) fn unstarted() -> Self {
        let slot = Slot::default();
        let generation = slot.word.begin(UNSTARTED, BODY, NOWHERE);
        Home {
            slot,
            generation,
            inbox: Inbox::new(),
            bell: Bell::default(),
        }
    }

    /// `Unparker::wake`, on another OS thread.
    pub(crate) fn unpark(&self, flags: u64) {
        match self.slot.word.unpark(self.generation, NOWHERE, flags) {
            Unpark::Done => {}
            Unpark::Requeue => panic!("requeued on a foreign thread"),
            Unpark::Deliver(word) => self.deliver(word),
        }
    }

    fn deliver(&self, word: Snapshot) {
        assert_eq!(word.home(), HOME);
        self.assert_delivery_under_way();
        // SAFETY: as `remote::deliver` claims: parked with a token, so it is in no inbox; and all
        // live as long as the model.
        if unsafe { self.inbox.push(NonNull::from(&self.slot)) } {
            self.bell.ring();
        }
    }

    /// A parked one with a token changes only by its one delivery.
    fn assert_delivery_under_way(&self) {
        let word = self.slot.word.load();
        assert!(
            word.state() == PARKED && word.has(TOKEN),
            "delivered twice: {word:?}"
        );
    }

    /// `park_green` and `Worker::execute`.
    pub(crate) fn park(&self) {
        if self.begin_park() {
            self.sleep();
        }
    }

    /// [`Home::park`] with a timer that fires at once, on the home worker.
    pub(crate) fn park_with_timer(&self) {
        if !self.begin_park() {
            return;
        }
        match self.slot.word.unpark(self.generation, HOME, 0) {
            Unpark::Done => self.sleep(),
            Unpark::Requeue => assert_eq!(self.slot.word.load().state(), RUNNING),
            Unpark::Deliver(_) => panic!("delivered on its own worker"),
        }
    }

    fn begin_park(&self) -> bool {
        !self.slot.word.take(TOKEN) && self.slot.word.park()
    }

    /// The worker's loop until its green thread runs again.
    fn sleep(&self) {
        while self.take_inbox() == 0 {
            if self.inbox.fall_asleep() {
                self.bell.wait();
            }
            self.inbox.wake_up();
        }
    }

    /// `Worker::take_inbox`; says how many wake-ups there were.
    pub(crate) fn take_inbox(&self) -> usize {
        if self.inbox.is_empty() {
            return 0;
        }
        let taken = self.inbox.take_all().map(|slot| {
            assert_eq!(slot, NonNull::from(&self.slot));
            self.assert_delivery_under_way();
            self.slot.word.resume();
        });
        let count = taken.count();
        assert!(count <= 1, "in the inbox twice");
        count
    }
}

/// An OS thread that waits, with the futex under its word.
pub(crate) struct OsThread {
    word: Word,
    generation: u32,
    /// Held by the kernel while it compares and while it wakes.
    bucket: Mutex<()>,
    woken: Condvar,
}

impl OsThread {
    pub(crate) fn new() -> Self {
        let word = Word::default();
        let generation = word.begin(RUNNING, OS_THREAD | BODY, NOWHERE);
        OsThread {
            word,
            generation,
            bucket: Mutex::default(),
            woken: Condvar::new(),
        }
    }

    /// `Unparker::wake`.
    pub(crate) fn unpark(&self) {
        match self.word.unpark(self.generation, NOWHERE, 0) {
            Unpark::Done => {}
            Unpark::Requeue => panic!("an OS thread is in no queue"),
            Unpark::Deliver(word) => {
                assert!(word.has(OS_THREAD));
                let _bucket = self.bucket.lock().unwrap();
                self.woken.notify_one();
            }
        }
    }

    /// `park_os_thread`; with `expired` the deadline has come before the wait.
    pub(crate) fn park(&self, expired: bool) {
        if !self.word.park() {
            return;
        }
        let parked = self.word.load();
        if !parked.has(TOKEN) && !expired {
            let bucket = self.bucket.lock().unwrap();
            if self.word.load().0 as u32 == parked.0 as u32 {
                drop(self.woken.wait(bucket).unwrap());
            }
        }
        self.word.resume();
    }
}

/// A value that is published by what is modelled alone: loom reports any access that is not ordered after
/// the write.
#[derive(Default)]
pub(crate) struct Published(UnsafeCell<bool>);

// SAFETY: that accesses are ordered is what the models check.
unsafe impl Sync for Published {}
// SAFETY: as above.
unsafe impl Send for Published {}

impl Published {
    pub(crate) fn write(&self) {
        // SAFETY: loom panics if another access is not ordered.
        self.0.with_mut(|value| unsafe { *value = true });
    }

    pub(crate) fn assert_written(&self) {
        // SAFETY: as in `write`.
        assert!(self.0.with(|value| unsafe { *value }));
    }
}
