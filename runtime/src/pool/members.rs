//! `Members`: who belongs to a group or pool, and who waits to.
//!
//! A *permit* is the right to be a member; a pool has as many as its limit. Whoever ends hands the
//! permit to the one who waits for one longest, so that nobody is overtaken. Rejected: a count that
//! anybody may take first, with which the one who waits may starve.
//!
//! A member is entered before it is queued, and leaves when its result is there (`spawn::finish`):
//! that is so for those that are killed before they start, too. What is kept of a member is its
//! unparker, whose generation makes a late kill harmless.

use crate::atomic::{AtomicUsize, Ordering};
use crate::clock;
use crate::context;
use crate::lock::{Guard, Lock};
use crate::park::Unparker;
use crate::reason::{Thing, Wait};
use crate::wait_queue::{self, WaitQueue};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

pub(crate) struct Members {
    /// `usize::MAX` is none: permits are not counted then.
    limit: usize,
    /// How many kills are under way, to which those who enter meanwhile fall victim. Changed under
    /// the lock.
    kills: AtomicUsize,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// Permits of members, of those about to be, and under way to one who waits.
    taken: usize,
    count: usize,
    /// How often the last member has left.
    emptied: u64,
    places: Vec<Place>,
    /// The first of the free places, which are linked.
    free: Option<usize>,
    /// Those who wait for a permit.
    spawners: WaitQueue,
    /// Those who wait until there is one.
    watchers: WaitQueue,
    /// Those who wait until there are no members.
    joiners: WaitQueue,
}

enum Place {
    Taken(Unparker),
    /// With the next free one.
    Free(Option<usize>),
}

// A panic leaves nothing behind that is half done: no foreign code runs under the lock.
impl UnwindSafe for Members {}
impl RefUnwindSafe for Members {}

impl Members {
    pub(crate) fn new(limit: usize) -> Arc<Members> {
        Arc::new(Members {
            limit,
            kills: AtomicUsize::new(0),
            state: Lock::default(),
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.state.lock().count
    }

    /// How many permits nobody has.
    pub(crate) fn free_count(&self) -> usize {
        self.limit - self.state.lock().taken
    }

    /// Waits for a permit until `deadline`.
    pub(crate) fn permit(self: &Arc<Members>, deadline: u64) -> Option<Permit> {
        if self.limit == usize::MAX {
            return Some(self.new_permit());
        }
        let mut state = self.state.lock();
        if state.take(self.limit) {
            drop(state);
            return Some(self.new_permit());
        }
        let (state, woken) = wait_queue::wait(
            &self.state,
            state,
            |state| &state.spawners,
            deadline,
            Wait::on(Thing::Pool, &**self),
            State::pass_on,
        );
        drop(state);
        woken.then(|| self.new_permit())
    }

    /// Takes a permit, if there is one.
    pub(crate) fn try_permit(self: &Arc<Members>) -> Option<Permit> {
        self.state
            .lock()
            .take(self.limit)
            .then(|| self.new_permit())
    }

    fn new_permit(self: &Arc<Members>) -> Permit {
        Permit(self.clone())
    }

    /// Gives a permit to the first who waits for one, or back.
    fn give_back(&self, mut state: Guard<'_, State>) {
        if self.limit == usize::MAX {
            return;
        }
        let next = state.pass_on();
        let watched = next.is_none() && !state.watchers.is_empty();
        drop(state);
        if let Some(next) = next {
            next.unpark();
        }
        if watched {
            self.wake_all(|state| &state.watchers);
        }
    }

    /// Wakes all who are in a queue, one at a time, as waking is done without the lock.
    fn wake_all(&self, queue: impl Fn(&State) -> &WaitQueue) {
        loop {
            let next = queue(&self.state.lock()).pop();
            let Some(next) = next else { break };
            next.unpark();
        }
    }

    /// Waits until a permit is free, until `deadline`.
    pub(crate) fn wait_available(&self, deadline: u64) {
        let limit = self.limit;
        self.wait_until(
            |state| &state.watchers,
            deadline,
            |state| state.taken < limit,
        );
    }

    /// Waits until there have been no members; false if there still are at `deadline`.
    pub(crate) fn join(&self, deadline: u64) -> bool {
        let mut before = None;
        self.wait_until(
            |state| &state.joiners,
            deadline,
            |state| {
                let before = *before.get_or_insert(state.emptied);
                state.count == 0 || state.emptied != before
            },
        )
    }

    /// Waits in a queue until `is_met`; false if it is not at `deadline`.
    fn wait_until(
        &self,
        queue: impl Fn(&State) -> &WaitQueue,
        deadline: u64,
        mut is_met: impl FnMut(&State) -> bool,
    ) -> bool {
        let mut state = self.state.lock();
        let mut woken = true;
        let why = Wait::on(Thing::Pool, self);
        while !is_met(&state) {
            if !woken {
                return false;
            }
            (state, woken) = wait_queue::wait(&self.state, state, &queue, deadline, why, |_| None);
        }
        true
    }

    /// Kills all, and those who enter meanwhile, until there are no more; false if there still are
    /// at `deadline`.
    pub(crate) fn kill(&self, deadline: u64) -> bool {
        let state = self.state.lock();
        self.kills.fetch_add(1, Ordering::Relaxed);
        let victims: Vec<Unparker> = state.unparkers().collect();
        drop(state);
        let _killing = Killing(self);
        victims.into_iter().for_each(Unparker::end);
        while self.count() > 0 {
            if !self.join(deadline) && clock::now() >= deadline {
                return self.count() == 0;
            }
        }
        true
    }

    /// Is a kill under way? One that began before the caller's member entered is seen, as both took
    /// the lock; a later one has seen the member.
    pub(crate) fn is_killing(&self) -> bool {
        self.kills.load(Ordering::Relaxed) > 0
    }

    /// Is the code that runs now a member?
    pub(crate) fn has_current(&self) -> bool {
        let Some(header) = context::known_waiter() else {
            return false;
        };
        // SAFETY: the extra is this thread's own, and the reference ends here.
        let extra = unsafe { header.extra.get().as_ref() };
        let member = extra.and_then(|extra| extra.member.as_ref());
        member.is_some_and(|member| std::ptr::eq(&*member.members, self))
    }
}

impl State {
    fn take(&mut self, limit: usize) -> bool {
        let free = self.taken < limit;
        self.taken += usize::from(free);
        free
    }

    fn enter(&mut self, unparker: Unparker) -> usize {
        self.count += 1;
        let Some(place) = self.free else {
            self.places.push(Place::Taken(unparker));
            return self.places.len() - 1;
        };
        let before = std::mem::replace(&mut self.places[place], Place::Taken(unparker));
        self.free = match before {
            Place::Free(next) => next,
            Place::Taken(_) => unreachable!("the free places are free"),
        };
        place
    }

    fn leave(&mut self, place: usize) {
        self.count -= 1;
        self.emptied += u64::from(self.count == 0);
        self.places[place] = Place::Free(self.free.replace(place));
    }

    /// What becomes of a permit that nobody needs: it goes to the first who waits, who is to be
    /// unparked, or is free.
    fn pass_on(&mut self) -> Option<Unparker> {
        let next = self.spawners.pop();
        self.taken -= usize::from(next.is_none());
        next
    }

    fn unparkers(&self) -> impl Iterator<Item = Unparker> {
        self.places.iter().filter_map(|place| match place {
            Place::Taken(unparker) => Some(*unparker),
            Place::Free(_) => None,
        })
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members")
            .field("limit", &self.limit)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

/// A kill under way, until this drops.
struct Killing<'a>(&'a Members);

impl Drop for Killing<'_> {
    fn drop(&mut self) {
        self.0.kills.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to be a member; given back when it drops.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Members>);

impl Permit {
    /// Makes `unparker`'s thread a member. `keep` puts the place where the end of the thread finds
    /// it, before anybody can kill the thread.
    pub(crate) fn enter(self, unparker: Unparker, keep: impl FnOnce(Member)) {
        let permit = std::mem::ManuallyDrop::new(self);
        // SAFETY: read once; the permit itself is forgotten.
        let members = unsafe { std::ptr::read(&permit.0) };
        let shared = Arc::clone(&members);
        let mut state = shared.state.lock();
        let place = state.enter(unparker);
        keep(Member { members, place });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back(self.0.state.lock());
    }
}

/// A member's place, which it leaves by dropping this.
#[derive(Debug)]
pub(crate) struct Member {
    members: Arc<Members>,
    place: usize,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.members.state.lock();
        state.leave(self.place);
        let joined = state.count == 0 && !state.joiners.is_empty();
        self.members.give_back(state);
        if joined {
            self.members.wake_all(|state| &state.joiners);
        }
    }
}
