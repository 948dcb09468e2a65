//! `SizeClass`: how large a stack is. Slots come in powers of two, so that a few lists serve every
//! size.

use super::guard;
use std::io;

const SMALLEST: u32 = 16; // 64 KiB
const LARGEST: u32 = 30; // 1 GiB
const LARGEST_GUARD: usize = 64 << 10;
const SLAB: usize = 256 << 20;
const HOARD: usize = 64 << 20;

/// How many classes there are.
pub(super) const CLASSES: usize = (LARGEST - SMALLEST + 1) as usize;

/// A size of stacks: slots of 64 KiB to 1 GiB, of which a quarter, but at most 64 KiB, is the
/// guard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SizeClass(u8);

impl SizeClass {
    /// Returns the smallest class whose usable part holds `bytes`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if no class is large enough.
    pub(crate) fn for_size(bytes: usize) -> io::Result<SizeClass> {
        let enough = |class: &SizeClass| class.usable() >= bytes && class.fits_pages();
        SizeClass::all().find(enough).ok_or_else(|| {
            let largest = SizeClass(CLASSES as u8 - 1).usable();
            let text =
                format!("a stack of {bytes} bytes is too large: at most {largest} are possible");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    }

    pub(super) fn all() -> impl Iterator<Item = SizeClass> {
        (0..CLASSES as u8).map(SizeClass)
    }

    /// The inverse of [`index`](SizeClass::index).
    pub(crate) fn from_index(index: usize) -> SizeClass {
        SizeClass(index as u8)
    }

    pub(crate) fn index(self) -> usize {
        self.0.into()
    }

    /// The bytes above the guard: what a user asks for as the stack's size.
    ///
    /// Up to 1 KiB at the top of them is spent on colouring and on the label, as std spends some on
    /// its own.
    pub(crate) fn usable(self) -> usize {
        self.slot() - self.guard()
    }

    pub(super) fn slot(self) -> usize {
        1 << (SMALLEST + u32::from(self.0))
    }

    /// C code may jump over a small guard with one large frame; so it is as large as address space
    /// allows.
    pub(super) fn guard(self) -> usize {
        (self.slot() / 4).min(LARGEST_GUARD)
    }

    /// A guard consists of whole pages, also where those are of 64 KiB.
    fn fits_pages(self) -> bool {
        self.guard() >= guard::page_size()
    }

    /// How many slots a slab has, unless a limit of the system leaves room for fewer only.
    pub(super) fn slab_slots(self) -> usize {
        let bytes = if guard::are_scarce() { SLAB / 4 } else { SLAB };
        (bytes / self.slot()).max(16)
    }

    /// The most stacks that a cache keeps, and the most permits that it has.
    pub(super) fn hoard(self) -> usize {
        (HOARD / self.slot()).clamp(4, 256)
    }

    /// How many credits, permits or untouched slots move at a time.
    ///
    /// More would save little (a first use costs a page fault anyway), and each guard costs its
    /// share of a page table.
    pub(super) fn batch(self) -> usize {
        self.hoard() / 4
    }

    /// How many stacks an idle cache keeps with their memory.
    pub(super) fn kept_hot(self) -> usize {
        (HOARD / self.slot()).min(self.hoard())
    }
}

const _: () = assert!((1 << SMALLEST) * 3 / 4 >= corosensei::stack::MIN_STACK_SIZE + 1024);

#[cfg(test)]
mod tests {
    use super::*;

    fn slot_for(bytes: usize) -> usize {
        SizeClass::for_size(bytes).unwrap().slot()
    }

    #[test]
    fn sizes_are_rounded_up_to_a_class() {
        assert_eq!(slot_for(0), 64 << 10);
        assert_eq!(slot_for(48 << 10), 64 << 10);
        assert_eq!(slot_for((48 << 10) + 1), 128 << 10);
        assert_eq!(slot_for(96 << 10), 128 << 10);
        assert_eq!(slot_for(192 << 10), 256 << 10);
        assert_eq!(slot_for((192 << 10) + 1), 512 << 10);
        assert_eq!(slot_for((1 << 30) - (64 << 10)), 1 << 30);
    }

    #[test]
    fn a_size_too_large_is_an_error_that_names_the_limit() {
        for bytes in [(1 << 30) - (64 << 10) + 1, 1 << 30, usize::MAX] {
            let error = SizeClass::for_size(bytes).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(
                text.contains(&bytes.to_string()) && text.contains("1073676288"),
                "{text}"
            );
        }
    }

    #[test]
    fn every_class_moves_at_least_one_slot_at_a_time() {
        for class in SizeClass::all() {
            assert!(class.batch() >= 1 && class.batch() <= class.hoard());
            assert!(class.kept_hot() <= class.hoard());
            assert_eq!(class.usable() + class.guard(), class.slot());
        }
    }
}
