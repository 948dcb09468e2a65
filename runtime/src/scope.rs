//! `scope`: green threads that borrow from their spawner's stack, as std's.

use crate::abort;
use crate::clock::{self, NEVER};
use crate::context;
use crate::header::OUT_OF_SCOPE;
use crate::interrupt;
use crate::join::JoinHandle;
use crate::killed::Killed;
use crate::lock::Lock;
use crate::park::{self, Unparker};
use crate::reason::Wait;
use crate::spawn::Builder;
use crate::suspicion;
use crate::thread::Thread;
use crate::waitable::{Linkable, PlaceRef};
use crate::worker::Worker;
use std::cell::UnsafeCell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Result;
use std::time::Duration;

/// Runs `f`, which may spawn green threads that borrow from outside of it, and waits until all of
/// them have ended.
///
/// The wait can't be cut short. A kill or timeout that meets it, or that has unwound `f`, is passed
/// on: the children are killed, and it takes effect on the owner when all of them have ended.
///
/// # Panics
///
/// With `f`'s panic, or if a green thread of the scope panicked that nobody joined. If one was
/// killed that nobody joined, the owner is killed as well: what it counts on has not been done.
///
/// # Examples
///
/// ```
/// let mut numbers = vec![1, 2, 3];
/// let sum = greenloop::scope(|s| {
///     let sum = s.spawn(|| numbers.iter().sum::<i32>());
///     sum.join().unwrap()
/// });
/// numbers.push(sum);
/// assert_eq!(numbers, [1, 2, 3, 6]);
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let data = ScopeData {
        running: AtomicUsize::new(0),
        panicked: AtomicBool::new(false),
        killed: AtomicBool::new(false),
        foreign: AtomicBool::new(false),
        home: context::home(),
        owner: Unparker::current(),
        children: Lock::default(),
    };
    let scope = Scope {
        data: Arc::new(data),
        scope: PhantomData,
        env: PhantomData,
    };
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if let Err(payload) = &result
        && interrupt::is_interrupt(&**payload)
    {
        scope.data.kill_children();
    }
    scope.data.wait();
    if result.is_ok() {
        // An interrupt that had to wait takes effect here.
        interrupt::before_wait(NEVER);
    }
    match result {
        Err(payload) => resume_unwind(payload),
        Ok(_) if scope.data.killed.load(Ordering::Relaxed) => interrupt::die(),
        Ok(_) if scope.data.panicked.load(Ordering::Relaxed) => {
            panic!("a scoped green thread panicked")
        }
        Ok(result) => result,
    }
}

/// A scope in which to spawn; see [`scope`].
///
/// # Examples
///
/// ```
/// let words = ["a", "b"];
/// greenloop::scope(|s| {
///     for word in &words {
///         s.spawn(move || assert_eq!(word.len(), 1));
///     }
/// });
/// ```
pub struct Scope<'scope, 'env: 'scope> {
    data: Arc<ScopeData>,
    // Invariant in both, as in std: a scope must not be taken for one that lives longer.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

pub(crate) struct ScopeData {
    /// Children whose results may still be dropped.
    running: AtomicUsize,
    /// A child panicked, and nobody took the payload.
    panicked: AtomicBool,
    /// A child was killed, or never ran, and nobody joined it: its work is not done.
    killed: AtomicBool,
    /// A child was spawned elsewhere than on the owner's worker or hub.
    foreign: AtomicBool,
    home: usize,
    owner: Unparker,
    children: Lock<Children>,
}

#[derive(Default)]
struct Children {
    /// Whoever was spawned, the ended ones included, until there are too many of those.
    those: Vec<Unparker>,
    /// An interrupt of the owner was passed on to them, and is to whoever comes late.
    killed: bool,
}

impl ScopeData {
    /// Waits until all children have ended, and kills them if an interrupt of the owner is due.
    fn wait(&self) {
        let mut passed_on = false;
        // Acquire pairs with the Release in `end`: what the children did has happened.
        while self.running.load(Ordering::Acquire) != 0 {
            // Acquire pairs with the Release of whoever spawns elsewhere, and then wakes the owner.
            let here = !self.foreign.load(Ordering::Acquire);
            let _counted = context::worker().filter(|_| here).map(Worker::count_joiner);
            if !passed_on && interrupt::is_due() {
                passed_on = true;
                self.kill_children();
            }
            let deadline = if passed_on {
                NEVER
            } else {
                interrupt::next_timeout()
            };
            if deadline == NEVER {
                suspicion::raise_uncounted();
            }
            park::park_uncancellable(deadline, Wait::scope(self));
        }
    }

    fn kill_children(&self) {
        let mut children = self.children.lock();
        children.killed = true;
        let those = std::mem::take(&mut children.those);
        drop(children);
        those.into_iter().for_each(Unparker::kill);
    }

    fn add(&self, child: Unparker) {
        let mut children = self.children.lock();
        if children.killed {
            drop(children);
            return child.kill();
        }
        if children.those.len() >= 2 * self.running.load(Ordering::Relaxed).max(32) {
            children.those.retain(|child| child.is_alive());
        }
        children.those.push(child);
    }

    /// Those of the scope that lies at `address` that have not ended; none of a scope that has killed
    /// all. Some may be [`OUT_OF_SCOPE`], which only their homes know.
    ///
    /// # Safety
    ///
    /// A `Wait::scope` was made of it, it is still there, and `address` is its place.
    pub(crate) unsafe fn living_at(address: usize) -> Vec<Unparker> {
        let scope = ptr::with_exposed_provenance::<ScopeData>(address);
        // SAFETY: the caller's word; `Wait::scope` has exposed the address.
        let those = unsafe { &*scope }.children.lock().those.clone();
        those.into_iter().filter(|child| child.is_alive()).collect()
    }

    fn end(&self, unhandled: Unhandled) {
        match unhandled {
            Unhandled::None => {}
            Unhandled::Panic => self.panicked.store(true, Ordering::Relaxed),
            Unhandled::Kill => self.killed.store(true, Ordering::Relaxed),
        }
        let owner = self.owner;
        if self.running.fetch_sub(1, Ordering::Release) == 1 {
            owner.unpark();
        }
    }
}

/// What became of a child that nobody joined.
enum Unhandled {
    None,
    Panic,
    Kill,
}

/// Where a child leaves its result. The last one who knows it drops the result, and only then the
/// child has ended: it may borrow from the scope.
struct Packet<'scope, T> {
    scope: Arc<ScopeData>,
    result: UnsafeCell<Outcome<T>>,
    lifetime: PhantomData<&'scope ()>,
}

enum Outcome<T> {
    /// So it stays if the child is cancelled.
    NotRun,
    Ended(Result<T>),
    Joined,
}

// SAFETY: the child writes the result before it ends, and the joiner reads it after the join.
unsafe impl<T: Send> Sync for Packet<'_, T> {}

impl<T> Drop for Packet<'_, T> {
    fn drop(&mut self) {
        let unhandled = match self.result.get_mut() {
            Outcome::Joined | Outcome::Ended(Ok(_)) => Unhandled::None,
            Outcome::NotRun => Unhandled::Kill,
            Outcome::Ended(Err(payload)) if payload.is::<Killed>() => Unhandled::Kill,
            Outcome::Ended(Err(_)) => Unhandled::Panic,
        };
        let result = std::mem::replace(self.result.get_mut(), Outcome::Joined);
        // A panic in the result's destructor has been reported by the hook. It must not keep the
        // scope waiting.
        let unhandled = match catch_unwind(AssertUnwindSafe(|| interrupt::shield(|| drop(result))))
        {
            Ok(()) => unhandled,
            Err(payload) => {
                abort::forget(payload);
                Unhandled::Panic
            }
        };
        self.scope.end(unhandled);
    }
}

/// A child's closure, and what counts the child out. The order of the fields is that of their
/// drop, also if the child never runs: what the closure borrows may end once the packet is gone.
struct Child<'scope, F, T> {
    f: F,
    packet: Arc<Packet<'scope, T>>,
}

impl<F: FnOnce() -> T, T> Child<'_, F, T> {
    fn run(self) {
        let result = catch_unwind(AssertUnwindSafe(self.f));
        // SAFETY: until the child has ended nobody else looks at the result.
        unsafe { *self.packet.result.get() = Outcome::Ended(result) };
        drop(self.packet);
        // Its locals are still to end, which may wait, but not in the scope.
        if let Some((_, me)) = context::green() {
            me.marks.set(OUT_OF_SCOPE);
        }
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a green thread in the scope.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Builder::new()
            .spawn_scoped(self, f)
            .expect("failed to spawn a green thread")
    }
}

impl Builder {
    /// Spawns a green thread in `scope`.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Builder::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// let number = 7;
    /// greenloop::scope(|s| {
    ///     let named = greenloop::Builder::new().name("reader".into());
    ///     assert_eq!(named.spawn_scoped(s, || number + 1)?.join().unwrap(), 8);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        scope.data.running.fetch_add(1, Ordering::Relaxed);
        // From here on the packet's drop counts the child out again, also if the spawn fails.
        let packet = Arc::new(Packet {
            scope: scope.data.clone(),
            result: UnsafeCell::new(Outcome::NotRun),
            lifetime: PhantomData,
        });
        if context::home() != scope.data.home {
            // It may be counted as one who waits for nothing but its own hub: no more.
            scope.data.foreign.store(true, Ordering::Release);
            scope.data.owner.unpark();
        }
        let child = Child {
            f,
            packet: packet.clone(),
        };
        let body = move || child.run();
        // SAFETY: `scope` waits until the packet is gone, which the closure owns: all that the
        // closure and the result borrow lives for 'scope. Both are `Send`; the slot's own result is
        // `()`.
        let inner = unsafe { self.spawn_unchecked(body) };
        let inner = inner.inspect_err(|_| {
            // It has been refused, which is the caller's affair: there is no child.
            // SAFETY: its own packet is gone with the closure, so this is the only one.
            unsafe { *packet.result.get() = Outcome::Joined };
        })?;
        scope.data.add(inner.unparker());
        Ok(ScopedJoinHandle { inner, packet })
    }
}

/// The right to join a green thread of a scope.
pub struct ScopedJoinHandle<'scope, T> {
    inner: JoinHandle<()>,
    packet: Arc<Packet<'scope, T>>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the end, and returns the result: `Err` with the payload if it panicked. Yields.
    ///
    /// # Errors
    ///
    /// The payload of a panic.
    pub fn join(self) -> Result<T> {
        let ended = self.inner.join();
        // SAFETY: the child has ended, so it looks at the result no more, and this handle is the
        // only other one.
        let outcome = unsafe { std::mem::replace(&mut *self.packet.result.get(), Outcome::Joined) };
        match (outcome, ended) {
            (Outcome::Ended(result), _) => result,
            (_, Err(payload)) => Err(payload),
            (_, Ok(())) => unreachable!("a child that has run leaves a result"),
        }
    }

    /// Waits for at most `timeout`; see [`JoinHandle::join_timeout`].
    ///
    /// # Errors
    ///
    /// The handle itself when the time is over.
    pub fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
        if self.inner.wait_until(clock::deadline(timeout)) {
            Ok(self.join())
        } else {
            Err(self)
        }
    }

    /// Kills it, and waits for its end; see [`JoinHandle::kill`].
    pub fn kill(&self) {
        self.inner.kill();
    }

    /// Kills it without waiting for the end; see [`JoinHandle::kill_nowait`].
    pub fn kill_nowait(&self) {
        self.inner.kill_nowait();
    }

    /// Returns the green thread's public face: name, id, `unpark`.
    pub fn thread(&self) -> &Thread {
        self.inner.thread()
    }

    /// Has it ended? Never waits.
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }
}

impl<T> Linkable for ScopedJoinHandle<'_, T> {
    fn is_ready(&self) -> bool {
        self.inner.is_ready()
    }

    unsafe fn link(&self, place: PlaceRef) -> bool {
        // SAFETY: the caller's word.
        unsafe { Linkable::link(&self.inner, place) }
    }

    unsafe fn unlink(&self, place: PlaceRef) {
        // SAFETY: the caller's word.
        unsafe { self.inner.unlink(place) };
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.data.running.load(Ordering::Relaxed);
        f.debug_struct("Scope")
            .field("running", &running)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("thread", self.thread())
            .finish_non_exhaustive()
    }
}
