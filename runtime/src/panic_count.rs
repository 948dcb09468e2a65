//! `Saved`: std's count of panics in progress, set aside while an unwinding green thread waits in a
//! destructor.
//!
//! std keeps that count in a private thread-local, while several light green threads share one OS
//! thread. Left alone, the siblings of one that waits while it unwinds would find
//! `thread::panicking()` true, and would poison the mutexes that they unlock. The word's place in
//! its module's thread-local storage is found by watching an OS thread unwind, and is trusted only
//! if exactly one word counts along and `thread::panicking()` then obeys it. Rejected: a fixed
//! offset, which every build of the program moves; offsets from the thread pointer, which are not
//! the same in every thread where std itself was loaded by `dlopen`; `__tls_get_addr`, which static
//! programs lack.
//!
//! std's process-wide count, which lets `panicking()` skip the thread-local while nobody panics,
//! stays as it is, for the panic that is set aside is still in progress. So does the flag that
//! tells that the panic hook runs: a wait inside a panic hook therefore leaves it up, and a sibling
//! that panics meanwhile aborts the process.

use crate::abort::abort;
use std::arch::asm;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A count that was set aside; it belongs to the OS thread that it was taken from.
#[must_use = "the green thread goes on unwinding, so its count has to be restored"]
#[derive(Debug)]
struct Saved {
    count: usize,
    not_send: PhantomData<*const ()>,
}

/// Hides the panic of whoever unwinds on this OS thread now, if anybody does, until the guard
/// drops.
#[inline(always)]
pub(crate) fn hide() -> Hidden {
    Hidden(thread::panicking().then(save_and_clear))
}

/// See [`hide`].
pub(crate) struct Hidden(Option<Saved>);

impl Drop for Hidden {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(saved) = self.0.take() {
            restore(saved);
        }
    }
}

/// Sets this OS thread's count aside, so that it no longer counts as panicking.
///
/// The first call of the process starts an OS thread and waits for it. Aborts if the count cannot
/// be found.
#[cold]
#[inline(never)]
fn save_and_clear() -> Saved {
    Saved {
        count: place().replace(0).unwrap_or_else(|| give_up()),
        not_send: PhantomData,
    }
}

/// Adds the count back, on the OS thread that it was taken from: whoever restores it may unwind
/// because of another panic by now.
#[cold]
#[inline(never)]
fn restore(saved: Saved) {
    let meanwhile = place().replace(0).unwrap_or_else(|| give_up());
    place().replace(saved.count + meanwhile);
}

/// The place of the count: the same on every OS thread, while its address is not.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    /// The number that the dynamic loader gave to the executable or library.
    module: usize,
    /// Where the word lies in the module's thread-local storage, in bytes.
    offset: usize,
}

/// The place, once it is known: 0 -> a module's number (1 or more), by whichever probe succeeds
/// first. Probes that race find the same place, so there is no harm in finding it twice.
static MODULE: AtomicUsize = AtomicUsize::new(0);
/// Valid as soon as `MODULE` is set.
static OFFSET: AtomicUsize = AtomicUsize::new(0);

fn place() -> Place {
    // Acquire pairs with the Release in `find_place`: the offset was written before.
    match MODULE.load(Ordering::Acquire) {
        0 => find_place(),
        module => Place {
            module,
            offset: OFFSET.load(Ordering::Relaxed),
        },
    }
}

#[cold]
fn find_place() -> Place {
    let prober = thread::Builder::new().name("greenloop-probe".to_owned());
    // The stack is small, but has room for the unwinder, which takes most when it was compiled
    // without optimisation.
    let prober = prober.stack_size(128 << 10).spawn(probe).ok();
    let Some(place) = prober.and_then(|prober| prober.join().ok()?) else {
        give_up()
    };
    OFFSET.store(place.offset, Ordering::Relaxed);
    // Release pairs with the Acquire in `place`.
    MODULE.store(place.module, Ordering::Release);
    place
}

fn give_up() -> ! {
    abort(
        "a green thread waits in a destructor while it panics, and std's count of panics, which \
         the others must not see, was not found in this program",
    )
}

impl Place {
    /// Replaces the word at this place in the calling thread's storage, unless its module is gone.
    fn replace(self, value: usize) -> Option<usize> {
        let word = self.word()?;
        // SAFETY: the word is valid and aligned, and nothing but this thread uses it: std, whose
        // word it is once the probe is over, does so through a `Cell`. The empty assembly, which
        // may read and write any memory, keeps the compiler from carrying std's own accesses, which
        // it might think unrelated, across these.
        unsafe {
            asm!("", options(nostack, preserves_flags));
            let old = word.read_volatile();
            word.write_volatile(value);
            asm!("", options(nostack, preserves_flags));
            Some(old)
        }
    }

    fn word(self) -> Option<*mut usize> {
        let mut word = None;
        visit_blocks(&mut |block| {
            if block.module != self.module {
                return ControlFlow::Continue(());
            }
            word = Some(block.start.wrapping_add(self.offset).cast());
            ControlFlow::Break(())
        });
        word
    }

    /// Whether `thread::panicking()` follows the word at this place, here, where one panic is in
    /// progress.
    fn rules_panicking(self) -> bool {
        let Some(count) = self.replace(0) else {
            return false;
        };
        let cleared = !thread::panicking();
        self.replace(count);
        count == 1 && cleared && thread::panicking()
    }
}

/// Finds the word that counts the panics of this thread, which has none in progress.
fn probe() -> Option<Place> {
    let before = Snapshot::take();
    let (mut during, mut nested, mut again) = Default::default();
    while_unwinding(|| {
        during = Snapshot::take();
        while_unwinding(|| nested = Snapshot::take());
        again = Snapshot::take();
    });
    // All are alive to the end, so that an allocator's count of what this thread holds only grows,
    // unlike std's.
    let around = [(before, 0), (during, 1), (again, 1), (Snapshot::take(), 0)];
    let counts = |place: &Place| {
        around
            .iter()
            .all(|(then, count)| then.holds(*place, *count))
    };
    let mut candidates = nested.places_of(2).filter(counts);
    let (only, None) = (candidates.next()?, candidates.next()) else {
        return None;
    };
    let mut obeyed = false;
    while_unwinding(|| obeyed = only.rules_panicking());
    obeyed.then_some(only)
}

/// Calls `job` in a destructor that an unwinding runs. No panic hook is called, so nothing is
/// printed.
fn while_unwinding(job: impl FnMut()) {
    struct OnDrop<F: FnMut()>(F);
    impl<F: FnMut()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _on_drop = OnDrop(job);
        resume_unwind(Box::new("greenloop's probe"));
    }));
    debug_assert!(unwound.is_err());
}

/// The aligned words of this thread's thread-local storage, in all modules that have touched
/// theirs.
#[derive(Default)]
struct Snapshot {
    words: Vec<(Place, usize)>,
}

impl Snapshot {
    fn take() -> Self {
        let mut snapshot = Snapshot::default();
        visit_blocks(&mut |block| {
            // SAFETY: the block exists during the visit.
            unsafe { snapshot.add(block) };
            ControlFlow::Continue(())
        });
        snapshot
    }

    fn holds(&self, place: Place, value: usize) -> bool {
        self.words.contains(&(place, value))
    }

    fn places_of(&self, value: usize) -> impl Iterator<Item = Place> {
        let words = self.words.iter().filter(move |word| word.1 == value);
        words.map(|word| word.0)
    }

    /// # Safety
    ///
    /// The block belongs to this thread and exists.
    unsafe fn add(&mut self, block: &Block) {
        let first = block.start.align_offset(align_of::<usize>());
        let end = (block.size + 1).saturating_sub(size_of::<usize>());
        for offset in (first..end).step_by(size_of::<usize>()) {
            // SAFETY: aligned and inside the block, by the lines above. Volatile, as the word
            // belongs to others.
            let value = unsafe { block.start.add(offset).cast::<usize>().read_volatile() };
            let module = block.module;
            self.words.push((Place { module, offset }, value));
        }
    }
}

/// This thread's copy of one module's thread-local storage.
struct Block {
    module: usize,
    start: *mut u8,
    size: usize,
}

type Visit<'a> = &'a mut dyn FnMut(&Block) -> ControlFlow<()>;

/// Calls `visit` for the blocks of the modules whose storage this thread has touched. They exist
/// during the call.
fn visit_blocks(mut visit: Visit<'_>) {
    // SAFETY: `visit_module` wants the data pointer to be that of a `Visit` that nobody else uses
    // meanwhile.
    unsafe { libc::dl_iterate_phdr(Some(visit_module), (&raw mut visit).cast()) };
}

/// Calls the [`Visit`] that `data` points to for the thread-local storage of one module, if it has
/// any.
///
/// # Safety
///
/// Called by `dl_iterate_phdr`, which keeps the module loaded meanwhile.
unsafe extern "C" fn visit_module(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the caller's contract: `info` describes a loaded module, with as many headers as it
    // says.
    let (info, headers, visit) = unsafe {
        let info = &*info;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        (info, headers, &mut *data.cast::<Visit<'_>>())
    };
    let Some(segment) = headers.iter().find(|header| header.p_type == libc::PT_TLS) else {
        return 0;
    };
    // The address is null while this thread has not touched the module's storage, which can then
    // hold no count.
    if info.dlpi_tls_data.is_null() {
        return 0;
    }
    let block = Block {
        module: info.dlpi_tls_modid,
        start: info.dlpi_tls_data.cast(),
        size: segment.p_memsz as usize,
    };
    visit(&block).is_break().into()
}

#[cfg(test)]
#[cfg(all(panic = "unwind", not(miri)))]
mod tests {
    use super::*;
    use std::sync::{Mutex, MutexGuard};

    /// Runs `job` in a destructor, while `start` unwinds.
    fn in_destructor_after(start: fn(), job: impl FnMut()) {
        struct OnDrop<F: FnMut()>(F);
        impl<F: FnMut()> Drop for OnDrop<F> {
            fn drop(&mut self) {
                (self.0)();
            }
        }
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _on_drop = OnDrop(job);
            start();
        }));
        assert!(unwound.is_err());
        assert!(!thread::panicking());
    }

    fn in_destructor(mut job: impl FnMut()) {
        let mut runs = 0;
        let starts: [fn(); 2] = [|| resume_unwind(Box::new(())), || panic!("on purpose")];
        for start in starts {
            in_destructor_after(start, || {
                runs += 1;
                job();
            });
        }
        assert_eq!(runs, 2);
    }

    #[test]
    fn a_saved_count_is_not_seen() {
        in_destructor(|| {
            let saved = save_and_clear();
            let seen = thread::panicking();
            restore(saved);
            assert!(!seen);
            assert!(thread::panicking());
        });
    }

    #[test]
    fn a_sibling_may_panic_meanwhile() {
        let mut counts = Vec::new();
        in_destructor(|| {
            let saved = save_and_clear();
            in_destructor(|| counts.push(peek()));
            counts.push(peek());
            restore(saved);
            counts.push(peek());
        });
        assert_eq!(counts, [1, 1, 0, 1, 1, 1, 0, 1]);
    }

    fn peek() -> usize {
        let saved = save_and_clear();
        let count = saved.count;
        restore(saved);
        count
    }

    /// Whether a mutex that was locked before the unwinding, and is unlocked by `unlock` during it,
    /// is poisoned.
    fn is_poisoned_by(unlock: fn(MutexGuard<'_, ()>)) -> bool {
        let mutex = Mutex::new(());
        let mut guard = mutex.lock().ok();
        in_destructor_after(
            || resume_unwind(Box::new(())),
            || unlock(guard.take().unwrap()),
        );
        mutex.is_poisoned()
    }

    #[test]
    fn a_siblings_mutex_is_not_poisoned() {
        assert!(is_poisoned_by(|guard| drop(guard)));
        assert!(!is_poisoned_by(|guard| {
            let saved = save_and_clear();
            drop(guard);
            restore(saved);
        }));
    }

    #[test]
    fn siblings_may_unwind_interleaved() {
        let mut others = Vec::new();
        in_destructor(|| {
            let first = save_and_clear();
            in_destructor(|| {
                let second = save_and_clear();
                others.push(thread::panicking());
                restore(second);
            });
            restore(first);
        });
        assert_eq!(others, [false; 4]);
    }

    #[test]
    fn probes_that_race_agree() {
        let probes: Vec<_> = (0..16).map(|_| thread::spawn(probe)).collect();
        for found in probes {
            assert_eq!(found.join().unwrap(), Some(place()));
        }
    }
}
