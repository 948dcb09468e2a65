//! Queues between threads, green or not: [`Queue`], [`LifoQueue`], [`PriorityQueue`], and the rendezvous
//! [`Channel`].
//!
//! They are gevent's and Python's: many put, many get, all by the same object, which is shared by
//! reference: in an [`Arc`](std::sync::Arc), in a `static`, or borrowed in a [`scope`](crate::scope).
//!
//! ```
//! use greenloop::{queue::Queue, scope};
//!
//! let queue = Queue::bounded(10);
//! let sum = scope(|s| {
//!     let consumer = s.spawn(|| queue.iter().sum::<u32>());
//!     for n in 1..=100 {
//!         queue.put(n)?;
//!     }
//!     queue.shutdown(false);
//!     Ok::<u32, greenloop::queue::PutError<u32>>(consumer.join().unwrap())
//! })?;
//! assert_eq!(sum, 5050);
//! # Ok::<(), greenloop::queue::PutError<u32>>(())
//! ```
//!
//! # Waiting
//!
//! `get` and `peek` wait for an item, `put` for room; `try_*` never wait; `*_timeout` wait for so long.
//! Whoever waits is served first come first served, and whoever need not wait does not yield.
//!
//! A waiter that is killed or times out leaves nothing behind and takes nothing away: the item that
//! it would have got goes to the next one, and the item that it wanted to put is dropped with it, unless
//! it had been taken already. (Should the kill of a getter cross with the put that serves it, on another
//! OS thread, and nobody else wait, the item becomes the next one, if need be as one more than the capacity.)
//!
//! An item that is put while somebody waits in `get` belongs to that one from then on, also if a
//! smaller or later one comes before it runs.

mod arm;
mod channel;
mod container;
mod core;
mod error;
mod face;
mod iter;
mod place;
mod waiting;

pub use self::channel::Channel;
pub use self::error::{
    GetError, GetTimeoutError, PutError, PutTimeoutError, TaskDoneError, TryGetError, TryPutError,
};
pub use self::face::{LifoQueue, PriorityQueue, Queue};
pub use self::iter::Iter;
pub(crate) use self::place::Choice;
