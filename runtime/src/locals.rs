//! `GreenLocal`: a value of its own for each green thread, and for each OS thread.
//!
//! A local has a number, by which each thread's `Locals` keeps its values; they lie in boxes, so
//! that a reference stays good while others are added. Values are dropped where they were made: at
//! the end of their green thread, on its own stack. Rejected: std's locals, which green threads of
//! one worker share; a place in each header, as most have no locals.

use crate::abort;
use crate::context;
use crate::extra::{self, Extra};
use crate::header::Header;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// A static of which each green thread has a value of its own, and each OS thread too; made by
/// [`green_local!`](crate::green_local).
///
/// The value is made when its thread first uses it, and dropped when that thread ends: on its own
/// stack, before whoever joins it goes on. Destructors may wait, and may use other locals. As each
/// green thread has its own, a wait inside [`with`](GreenLocal::with) lets nobody else in. A job of
/// [`spawn_blocking`](crate::spawn_blocking) uses the value of the OS thread that it runs on.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
///
/// greenloop::green_local! {
///     static COUNT: Cell<u32> = Cell::new(0);
/// }
///
/// COUNT.set(7);
/// let theirs = greenloop::spawn(|| COUNT.get()).join().unwrap();
/// assert_eq!((COUNT.get(), theirs), (7, 0));
/// ```
pub struct GreenLocal<T: 'static> {
    /// 0 until it is first used; then its own for ever.
    number: AtomicU32,
    init: fn() -> T,
    heir: Option<Heir>,
}

/// Clones a value for a new green thread.
type Heir = fn(&dyn Any) -> Box<dyn Any + Send>;

/// Declares [`GreenLocal`](crate::locals::GreenLocal)s, in the way of `thread_local!`.
///
/// With `inherit` before `static`, a new green thread starts with a clone of the value that its
/// spawner has at the time of the spawn, if it has one: for what goes along with a request. The type
/// must be `Clone + Send` then. A clone that panics does so in the spawn (a borrowed `RefCell`
/// does). Jobs of `spawn_blocking` and the first green thread of a `run` inherit nothing.
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
///
/// greenloop::green_local! {
///     /// Who asked.
///     pub inherit static REQUEST: RefCell<String> = RefCell::new("nobody".into());
///     static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
/// }
///
/// REQUEST.set("alice".into());
/// let handle = greenloop::spawn(|| {
///     BUFFER.with_borrow_mut(|buffer| buffer.push(1));
///     REQUEST.take()
/// });
/// assert_eq!(handle.join().unwrap(), "alice");
/// assert_eq!(REQUEST.take(), "alice");
/// ```
#[macro_export]
macro_rules! green_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis inherit static $name:ident : $type:ty = $init:expr
        $(; $($rest:tt)*)?
    ) => {
        $(#[$attribute])*
        $visibility static $name: $crate::locals::GreenLocal<$type> = {
            fn init() -> $type {
                $init
            }
            $crate::locals::GreenLocal::inheritable(init)
        };
        $($crate::green_local!($($rest)*);)?
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident : $type:ty = $init:expr
        $(; $($rest:tt)*)?
    ) => {
        $(#[$attribute])*
        $visibility static $name: $crate::locals::GreenLocal<$type> = {
            fn init() -> $type {
                $init
            }
            $crate::locals::GreenLocal::new(init)
        };
        $($crate::green_local!($($rest)*);)?
    };
}

impl<T: 'static> GreenLocal<T> {
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> Self {
        GreenLocal {
            number: AtomicU32::new(0),
            init,
            heir: None,
        }
    }

    #[doc(hidden)]
    pub const fn inheritable(init: fn() -> T) -> Self
    where
        T: Clone + Send,
    {
        GreenLocal {
            number: AtomicU32::new(0),
            init,
            heir: Some(clone_of::<T>),
        }
    }

    /// Calls `f` with this thread's value, which is made first if there is none.
    ///
    /// # Panics
    ///
    /// If this thread ends and its value has been dropped; see [`try_with`](GreenLocal::try_with).
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.try_with(f).unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`with`](GreenLocal::with), for destructors of other locals.
    ///
    /// # Errors
    ///
    /// [`AccessError`] if this thread ends and its value has been dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// greenloop::green_local! {
    ///     static NAME: String = "anonymous".to_owned();
    /// }
    ///
    /// assert_eq!(NAME.try_with(String::len), Ok(9));
    /// ```
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let value = self.value(self.init)?;
        // SAFETY: it was made for this thread, which drops it only when it ends: not before `f` has
        // returned to it. Nobody else is given it.
        Ok(f(unsafe { value.as_ref() }))
    }

    /// This thread's value, made by `init` if there is none.
    fn value(&'static self, init: impl FnOnce() -> T) -> Result<NonNull<T>, AccessError> {
        let number = self.number();
        // SAFETY: the pointer is this thread's own, and the reference ends before foreign code runs.
        let locals = unsafe { &mut (*extra::current()).locals };
        let value = match locals.slot(number) {
            Slot::Alive(value) => value.pointer,
            Slot::Dropped => return Err(AccessError(())),
            Slot::Empty => {
                let value = Value::new(Box::new(init()), self.heir);
                insert(number, value)
            }
        };
        // A number belongs to one local, whose values are all of the type `T`.
        Ok(value.cast())
    }

    /// Its number, given to it when it is first used.
    fn number(&self) -> usize {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = match self.number.load(Ordering::Relaxed) {
            0 => {
                let new = LAST.fetch_add(1, Ordering::Relaxed) + 1;
                let set =
                    self.number
                        .compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed);
                set.map_or_else(|others| others, |_| new)
            }
            number => number,
        };
        number as usize
    }
}

impl<T: 'static> GreenLocal<Cell<T>> {
    /// Sets this thread's value, without making the initial one first.
    ///
    /// # Panics
    ///
    /// As [`with`](GreenLocal::with).
    pub fn set(&'static self, value: T) {
        set(self, value, Cell::new, Cell::set);
    }

    /// Returns a copy of this thread's value.
    ///
    /// # Panics
    ///
    /// As [`with`](GreenLocal::with).
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes this thread's value, and leaves the default.
    ///
    /// # Panics
    ///
    /// As [`with`](GreenLocal::with).
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Replaces this thread's value, and returns the old one.
    ///
    /// # Panics
    ///
    /// As [`with`](GreenLocal::with).
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> GreenLocal<RefCell<T>> {
    /// Calls `f` with this thread's value, borrowed.
    ///
    /// # Panics
    ///
    /// If it is mutably borrowed, and as [`with`](GreenLocal::with).
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with this thread's value, mutably borrowed.
    ///
    /// # Panics
    ///
    /// If it is borrowed, and as [`with`](GreenLocal::with).
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets this thread's value, without making the initial one first.
    ///
    /// # Panics
    ///
    /// If it is borrowed, and as [`with`](GreenLocal::with).
    pub fn set(&'static self, value: T) {
        set(self, value, RefCell::new, |cell, value| {
            cell.replace(value);
        });
    }

    /// Takes this thread's value, and leaves the default.
    ///
    /// # Panics
    ///
    /// If it is borrowed, and as [`with`](GreenLocal::with).
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Replaces this thread's value, and returns the old one.
    ///
    /// # Panics
    ///
    /// If it is borrowed, and as [`with`](GreenLocal::with).
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

/// Sets the value in a cell, by making the cell with it if there is none yet.
fn set<C: 'static, T>(
    local: &'static GreenLocal<C>,
    value: T,
    new: impl FnOnce(T) -> C,
    set: impl FnOnce(&C, T),
) {
    let mut value = Some(value);
    let cell = local.value(|| new(value.take().expect("made once")));
    let cell = cell.unwrap_or_else(|error| panic!("{error}"));
    if let Some(value) = value {
        // SAFETY: as in `try_with`.
        set(unsafe { cell.as_ref() }, value);
    }
}

impl<T: 'static> fmt::Debug for GreenLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GreenLocal").finish_non_exhaustive()
    }
}

/// The error of a [`GreenLocal`] whose value has been dropped already, because its thread ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccessError(());

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the local has been dropped: its thread ends")
    }
}

impl std::error::Error for AccessError {}

/// The values of one thread.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    /// By number.
    slots: Vec<Slot>,
    /// The numbers of those alive, in the order in which they were made.
    alive: Vec<usize>,
}

#[derive(Debug)]
enum Slot {
    Empty,
    Alive(Value),
    /// Its thread ends: it is not made again.
    Dropped,
}

/// A value in a box of its own, which it owns.
#[derive(Debug)]
struct Value {
    pointer: NonNull<dyn Any>,
    heir: Option<Heir>,
}

impl Value {
    fn new(value: Box<dyn Any>, heir: Option<Heir>) -> Value {
        Value {
            pointer: NonNull::from(Box::leak(value)),
            heir,
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // SAFETY: it came out of a box in `new`, and is dropped once.
        drop(unsafe { Box::from_raw(self.pointer.as_ptr()) });
    }
}

impl Locals {
    fn slot(&mut self, number: usize) -> &mut Slot {
        if self.slots.len() <= number {
            self.slots.resize_with(number + 1, || Slot::Empty);
        }
        &mut self.slots[number]
    }

    fn insert(&mut self, number: usize, value: Value) -> Slot {
        let before = std::mem::replace(self.slot(number), Slot::Alive(value));
        if !matches!(before, Slot::Alive(_)) {
            self.alive.push(number);
        }
        before
    }

    /// Takes the youngest value out, which is not made again.
    fn pop(&mut self) -> Option<Slot> {
        let number = self.alive.pop()?;
        Some(std::mem::replace(self.slot(number), Slot::Dropped))
    }

    /// The value that was made `position`th, if there is one, and how to inherit it.
    fn legacy(&mut self, position: usize) -> Option<(usize, NonNull<dyn Any>, Option<Heir>)> {
        let number = *self.alive.get(position)?;
        match self.slot(number) {
            Slot::Alive(value) => Some((number, value.pointer, value.heir)),
            Slot::Empty | Slot::Dropped => unreachable!("`alive` lists those alive"),
        }
    }
}

/// Puts a new value into this thread's slot. One that `init` itself has put there is dropped.
fn insert(number: usize, value: Value) -> NonNull<dyn Any> {
    let pointer = value.pointer;
    // SAFETY: the pointer is this thread's own, and the reference ends with the call.
    let before = unsafe { (*extra::current()).locals.insert(number, value) };
    drop(before);
    pointer
}

/// What a green thread that is spawned now inherits.
#[inline]
pub(crate) fn inherited() -> Option<Locals> {
    let extra = context::known_waiter()?.extra.get();
    if extra.is_null() {
        None
    } else {
        heirs_of(extra)
    }
}

/// What of `extra`, the caller's own, is inherited.
#[cold]
fn heirs_of(extra: *mut Extra) -> Option<Locals> {
    let mut heirs: Option<Locals> = None;
    // SAFETY: the extra is this thread's own, and the reference ends before foreign code runs.
    let legacy = |position| unsafe { (*extra).locals.legacy(position) };
    let mut position = 0;
    while let Some((number, value, heir)) = legacy(position) {
        if let Some(heir) = heir {
            // SAFETY: this thread drops it only when it ends.
            let value: Box<dyn Any> = heir(unsafe { value.as_ref() });
            let value = Value::new(value, Some(heir));
            heirs.get_or_insert_default().insert(number, value);
        }
        position += 1;
    }
    heirs
}

fn clone_of<T: Clone + Send + 'static>(value: &dyn Any) -> Box<dyn Any + Send> {
    let value: &T = value.downcast_ref().expect("the value of this local");
    Box::new(value.clone())
}

/// Drops the values of a thread that ends, the youngest first. They may wait, and make others: so it
/// is called on the thread's own stack, or for one that never ran and has only inherited values.
///
/// A panic in a destructor has been reported by the hook, and stops no other.
pub(crate) fn end(header: &Header) {
    // SAFETY: the extra is the caller's own, and the reference ends before foreign code runs.
    let pop = || unsafe { header.extra.get().as_mut() }?.locals.pop();
    while let Some(value) = pop() {
        abort::contain(|| drop(value));
    }
}
