//! `IMap`: the results of a pool's members, one by one.
//!
//! A green thread, the feeder, takes the items and spawns the members; each leaves its result in
//! `Results`. Rejected: a reader that takes the items itself, for an item that is to come from what
//! the reader does with an earlier result would never come.

use super::group::Group;
use crate::clock::NEVER;
use crate::interrupt;
use crate::join::JoinHandle;
use crate::killed::Killed;
use crate::lock::{Guard, Lock};
use crate::reason::{Thing, Wait};
use crate::spawn::Builder;
use crate::wait_queue::{self, WaitQueue};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Result;

/// The iterator of [`Group::imap`] and [`Group::imap_unordered`].
///
/// Each step waits for the next result. A kill or timeout of the reader loses none.
#[must_use = "results that are not read may hold the members up; dropping it ends the spawning"]
pub struct IMap<R> {
    results: Arc<Results<R>>,
    feeder: JoinHandle<()>,
}

impl<R: Send + 'static> IMap<R> {
    #[track_caller]
    pub(super) fn start<T, F>(
        group: Group,
        items: impl Iterator<Item = T> + Send + 'static,
        f: F,
        maxsize: Option<usize>,
        ordered: bool,
    ) -> IMap<R>
    where
        T: Send + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        assert_ne!(
            maxsize,
            Some(0),
            "with a maxsize of 0 no result could ever come"
        );
        let state = State::new(maxsize.unwrap_or(usize::MAX), ordered);
        let results = Arc::new(Results(Lock::new(state)));
        let feed = Feed {
            results: results.clone(),
            place: Location::caller(),
        };
        let body = move || feed.run(group, items, Arc::new(f));
        let feeder = Builder::new().name("imap".into()).spawn(body);
        let feeder = feeder.expect("failed to spawn the feeder of an imap");
        IMap { results, feeder }
    }
}

impl<R> Iterator for IMap<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        self.results.next()
    }
}

impl<R> Drop for IMap<R> {
    fn drop(&mut self) {
        self.feeder.kill_nowait();
    }
}

impl<R> UnwindSafe for IMap<R> {}
impl<R> RefUnwindSafe for IMap<R> {}

impl<R> fmt::Debug for IMap<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.results.0.lock().pending();
        f.debug_struct("IMap")
            .field("pending", &pending)
            .finish_non_exhaustive()
    }
}

/// What lies between the members and the reader.
struct Results<R>(Lock<State<R>>);

struct State<R> {
    maxsize: usize,
    ordered: bool,
    /// Ordered: one each item that has not been read, from number `read` on. Else those ready.
    queue: VecDeque<Option<Result<R>>>,
    spawned: usize,
    read: usize,
    /// No more items come.
    closed: bool,
    reader: WaitQueue,
    feeder: WaitQueue,
}

impl<R> State<R> {
    fn new(maxsize: usize, ordered: bool) -> State<R> {
        State {
            maxsize,
            ordered,
            queue: VecDeque::new(),
            spawned: 0,
            read: 0,
            closed: false,
            reader: WaitQueue::new(),
            feeder: WaitQueue::new(),
        }
    }

    /// How many items have been taken whose results have not been read.
    fn pending(&self) -> usize {
        self.spawned - self.read
    }

    fn has_room(&self) -> bool {
        self.pending() < self.maxsize
    }

    fn take(&mut self) -> Option<Result<R>> {
        let front = self.queue.front_mut()?.take()?;
        self.queue.pop_front();
        self.read += 1;
        Some(front)
    }

    fn put(&mut self, number: usize, result: Result<R>) {
        if self.ordered {
            let index = number - self.read;
            self.queue[index] = Some(result);
        } else {
            self.queue.push_back(Some(result));
        }
    }

    /// The number of an item.
    fn begin(&mut self) -> usize {
        if self.ordered {
            self.queue.push_back(None);
        }
        self.spawned += 1;
        self.spawned - 1
    }
}

impl<R> Results<R> {
    fn next(&self) -> Option<Result<R>> {
        let mut state = self.0.lock();
        loop {
            if let Some(result) = state.take() {
                let feeder = state.feeder.pop();
                drop(state);
                if let Some(feeder) = feeder {
                    feeder.unpark();
                }
                return Some(result);
            }
            if state.closed && state.pending() == 0 {
                return None;
            }
            state = self.wait(state, |state| &state.reader);
        }
    }

    /// Takes room for an item, and returns its number.
    fn begin(&self) -> usize {
        let mut state = self.0.lock();
        while !state.has_room() {
            state = self.wait(state, |state| &state.feeder);
        }
        state.begin()
    }

    fn wait<'a>(
        &'a self,
        state: Guard<'a, State<R>>,
        queue: impl Fn(&State<R>) -> &WaitQueue,
    ) -> Guard<'a, State<R>> {
        // There is one reader and one feeder: nobody to pass a wake-up on to.
        let why = Wait::on(Thing::Results, self);
        wait_queue::wait(&self.0, state, queue, NEVER, why, |_| None).0
    }

    fn change(&self, change: impl FnOnce(&mut State<R>)) {
        let mut state = self.0.lock();
        change(&mut state);
        let reader = state.reader.pop();
        drop(state);
        if let Some(reader) = reader {
            reader.unpark();
        }
    }
}

/// The feeder's end of the results: no more items come once it is dropped.
struct Feed<R> {
    results: Arc<Results<R>>,
    /// Whose members they are.
    place: &'static Location<'static>,
}

impl<R: Send + 'static> Feed<R> {
    fn run<T, F>(self, group: Group, items: impl Iterator<Item = T>, f: Arc<F>)
    where
        T: Send + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        let feed = || items.for_each(|item| self.spawn(&group, item, &f));
        // The feeder is killed when nobody reads any more.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(feed))
            && !interrupt::is_interrupt(&*payload)
        {
            let number = self.results.begin();
            self.results.change(|state| state.put(number, Err(payload)));
        }
    }

    fn spawn<T, F>(&self, group: &Group, item: T, f: &Arc<F>)
    where
        T: Send + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        let (number, f) = (self.results.begin(), f.clone());
        let slot = Slot {
            results: self.results.clone(),
            number,
            result: None,
        };
        group.spawn_at(self.place, move || {
            let mut slot = slot;
            slot.result = Some(catch_unwind(AssertUnwindSafe(|| f(item))));
        });
    }
}

impl<R> Drop for Feed<R> {
    fn drop(&mut self) {
        self.results.change(|state| state.closed = true);
    }
}

/// The place for the result of one item, which is filled when this drops: also if the member never
/// ran.
struct Slot<R> {
    results: Arc<Results<R>>,
    number: usize,
    result: Option<Result<R>>,
}

impl<R> Drop for Slot<R> {
    fn drop(&mut self) {
        let result = self.result.take();
        let result = result.unwrap_or_else(|| Err(Box::new(Killed::new())));
        self.results.change(|state| state.put(self.number, result));
    }
}
