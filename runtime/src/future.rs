//! Futures: `block_on`, which waits for one, and the future of a join handle.

use crate::clock::NEVER;
use crate::join::JoinHandle;
use crate::lock::Lock;
use crate::park::{self, Unparker};
use crate::reason::{Thing, Wait};
use std::fmt;
use std::future::IntoFuture;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Result;

/// Waits for `future`, and returns its output. Yields while the future is not ready.
///
/// On a green thread others run meanwhile; on an OS thread, that thread blocks. What the future needs
/// besides (a reactor, timers) is its library's affair. A kill or timeout of the caller drops the
/// future.
///
/// # Panics
///
/// With the future's panic.
///
/// # Examples
///
/// ```
/// let handle = greenloop::spawn(|| 42);
/// let answer = greenloop::block_on(async { handle.await.unwrap() + 1 });
/// assert_eq!(answer, 43);
/// ```
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    let signal = Arc::new(Signal {
        woken: AtomicBool::new(true),
        unparker: Unparker::current(),
    });
    let waker = Waker::from(signal.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        signal.wait();
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Whom to wake. With a flag of its own, since a future that waits itself while it is polled takes the
/// token of an unpark.
struct Signal {
    /// Set by a waker, cleared by the one who waits.
    woken: AtomicBool,
    unparker: Unparker,
}

impl Signal {
    fn wait(&self) {
        // Acquire pairs with the Release in `wake_by_ref`: what led to the wake-up has happened.
        while !self.woken.swap(false, Ordering::Acquire) {
            park::park(NEVER, Wait::on(Thing::Future, self));
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.unparker.unpark();
    }
}

/// The future of a [`JoinHandle`], which awaits the end of a green thread in any executor; its output
/// is that of [`JoinHandle::join`]. Dropping it detaches the green thread.
pub struct JoinFuture<T> {
    /// None once the result has been taken.
    handle: Option<JoinHandle<T>>,
    /// Whom to wake at the end; there once that has been asked for.
    waker: Option<Arc<Lock<Option<Waker>>>>,
}

impl<T> Unpin for JoinFuture<T> {}
impl<T> UnwindSafe for JoinFuture<T> {}
impl<T> RefUnwindSafe for JoinFuture<T> {}

impl<T> Future for JoinFuture<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        if !self.handle().is_finished() {
            self.ask(context.waker().clone());
        }
        // Once more, as the end may have come before the waker was there.
        if !self.handle().is_finished() {
            return Poll::Pending;
        }
        let handle = self.handle.take().expect("looked at above");
        Poll::Ready(handle.join())
    }
}

impl<T> JoinFuture<T> {
    fn handle(&self) -> &JoinHandle<T> {
        let handle = self.handle.as_ref();
        handle.expect("the future of a join handle was polled after it was ready")
    }

    /// Has `waker` woken at the end, instead of the one before.
    fn ask(&mut self, waker: Waker) {
        if let Some(place) = &self.waker {
            let before = place.lock().replace(waker);
            drop(before);
            return;
        }
        let place = Arc::new(Lock::new(Some(waker)));
        self.waker = Some(place.clone());
        self.handle().link(move || {
            let waker = place.lock().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        });
    }
}

impl<T> Drop for JoinFuture<T> {
    fn drop(&mut self) {
        let waker = self.waker.take().and_then(|place| place.lock().take());
        drop(waker);
    }
}

impl<T> fmt::Debug for JoinFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinFuture")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

impl<T> IntoFuture for JoinHandle<T> {
    type Output = Result<T>;
    type IntoFuture = JoinFuture<T>;

    fn into_future(self) -> JoinFuture<T> {
        JoinFuture {
            handle: Some(self),
            waker: None,
        }
    }
}
