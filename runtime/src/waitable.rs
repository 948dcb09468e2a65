//! Waiting for one of several things: handles, events, results, semaphores.

use crate::clock;
use crate::park;
use crate::ready::Ready;
use crate::reason::Wait;
use crate::wait_queue::Waiter;
use std::fmt;
use std::ptr::NonNull;
use std::time::Duration;

/// Whatever can be waited for together with others, by [`iwait`], [`wait`] and [`wait_any`]: it
/// becomes ready, and stays so for a while. Sealed: it may grow.
pub trait Waitable: Linkable {}

impl<W: Linkable + ?Sized> Waitable for W {}

pub(crate) use self::sealed::{Linkable, PlaceRef};

mod sealed {
    use super::{NonNull, Waiter};

    /// A place in a queue, which belongs to whoever waits.
    #[derive(Clone, Copy, Debug)]
    pub struct PlaceRef(pub(crate) NonNull<Waiter>);

    pub trait Linkable {
        /// Would a wait for it end at once?
        fn is_ready(&self) -> bool;

        /// Puts the place into its queue; false if it is ready: then the place is in no queue.
        ///
        /// # Safety
        ///
        /// The place is in no queue, and neither moves nor ends before it is unlinked.
        unsafe fn link(&self, place: PlaceRef) -> bool;

        /// Takes the place out of its queue, if it is still inside.
        ///
        /// # Safety
        ///
        /// The place is valid, and was linked to this.
        unsafe fn unlink(&self, place: PlaceRef);
    }

    impl<W: Linkable + ?Sized> Linkable for &W {
        fn is_ready(&self) -> bool {
            (**self).is_ready()
        }

        unsafe fn link(&self, place: PlaceRef) -> bool {
            // SAFETY: the caller's word.
            unsafe { (**self).link(place) }
        }

        unsafe fn unlink(&self, place: PlaceRef) {
            // SAFETY: the caller's word.
            unsafe { (**self).unlink(place) };
        }
    }
}

/// Yields the objects one by one as they become ready.
///
/// All are linked up front, so none is missed; dropping the iterator unlinks what is left. Each
/// step yields to other green threads unless one is ready.
///
/// # Examples
///
/// ```
/// use greenloop::{iwait, sleep, spawn};
/// use std::time::Duration;
///
/// let handles = [30, 10].map(|ms| spawn(move || {
///     sleep(Duration::from_millis(ms));
///     ms
/// }));
/// let order: Vec<u64> = iwait(handles).map(|ended| ended.join().unwrap()).collect();
/// assert_eq!(order, [10, 30]);
/// ```
pub fn iwait<W: Waitable>(objects: impl IntoIterator<Item = W>) -> IWait<W> {
    IWait::new(objects.into_iter().collect())
}

/// Waits until `count` of the objects are ready (`None`: all), or until `timeout` is over (`None`:
/// for ever); returns those that are, in the order in which they became so.
///
/// A timeout of zero still lets others run, and so end, before it looks.
///
/// # Examples
///
/// ```
/// use greenloop::{spawn, thread, wait};
/// use std::time::Duration;
///
/// let handles = [spawn(thread::park), spawn(|| ())];
/// let ended = wait(&handles, Some(Duration::from_secs(5)), Some(1));
/// assert!(std::ptr::eq(ended[0], &handles[1]));
/// ```
pub fn wait<W: Waitable>(
    objects: impl IntoIterator<Item = W>,
    timeout: Option<Duration>,
    count: Option<usize>,
) -> Vec<W> {
    let deadline = timeout.map_or(clock::NEVER, clock::deadline);
    let mut objects = iwait(objects);
    if clock::now() >= deadline {
        park::yield_now();
    }
    let count = count.unwrap_or(usize::MAX);
    std::iter::from_fn(|| objects.next_until(deadline))
        .take(count)
        .collect()
}

/// Waits until one of the objects is ready, and says which one.
///
/// # Panics
///
/// If there are none.
///
/// # Examples
///
/// ```
/// use greenloop::{spawn, thread, wait_any};
///
/// let (parked, ended) = (spawn(thread::park), spawn(|| "done"));
/// assert_eq!(wait_any(&[&parked, &ended]), 1);
/// ```
pub fn wait_any(objects: &[&dyn Waitable]) -> usize {
    assert!(!objects.is_empty(), "wait_any with nothing to wait for");
    let mut waiting = iwait(objects.iter().copied());
    waiting
        .next_number(clock::NEVER)
        .expect("there is one, and no end of time")
}

/// The iterator of [`iwait`].
pub struct IWait<W: Waitable> {
    /// Linked one by one under their own number; taken out when they are yielded.
    objects: Vec<Option<W>>,
    /// One a object, in a box that does not move: their addresses are in queues.
    places: Box<[Waiter]>,
    ready: Box<Ready>,
    left: usize,
}

impl<W: Waitable> IWait<W> {
    fn new(objects: Vec<W>) -> Self {
        let ready = Box::new(Ready::with_capacity(objects.len()));
        // SAFETY: the box with `ready` lives as long as the places do.
        let place = |number| unsafe { Waiter::one_of(NonNull::from(&*ready), number) };
        let places: Box<[Waiter]> = (0..objects.len()).map(place).collect();
        let left = objects.len();
        for (number, object) in objects.iter().enumerate() {
            // SAFETY: the place is new, lies in a box, and is unlinked before that is freed
            // (`drop`, `take`).
            if !unsafe { object.link(PlaceRef(NonNull::from(&places[number]))) } {
                ready.push(number);
            }
        }
        IWait {
            objects: objects.into_iter().map(Some).collect(),
            places,
            ready,
            left,
        }
    }

    /// The number of the next one that is ready; none when all have been, or after `deadline`.
    fn next_number(&mut self, deadline: u64) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        loop {
            if let Some(number) = self.ready.pop() {
                self.left -= 1;
                return Some(number);
            }
            if clock::now() >= deadline {
                return None;
            }
            park::park(deadline, Wait::ANY);
        }
    }

    fn next_until(&mut self, deadline: u64) -> Option<W> {
        let number = self.next_number(deadline)?;
        self.take(number)
    }

    /// Gives an object back, linked no more.
    fn take(&mut self, number: usize) -> Option<W> {
        let object = self.objects[number].take()?;
        // SAFETY: linked by `new`, or never.
        unsafe { object.unlink(PlaceRef(NonNull::from(&self.places[number]))) };
        Some(object)
    }
}

impl<W: Waitable> Iterator for IWait<W> {
    type Item = W;

    fn next(&mut self) -> Option<W> {
        self.next_until(clock::NEVER)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<W: Waitable> Drop for IWait<W> {
    fn drop(&mut self) {
        (0..self.objects.len()).for_each(|number| drop(self.take(number)));
    }
}

impl<W: Waitable> fmt::Debug for IWait<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IWait")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
