//! `Place`: what a sample runs on, an OS thread or a kind of green thread.

use clap::ValueEnum;
use greenloop_runtime::{Builder, JoinHandle, Runtime};
use std::thread;

/// Whose code is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Place {
    Os,
    Light,
    Full,
}

/// A thread of any kind.
pub enum Handle<T> {
    Os(thread::JoinHandle<T>),
    Green(JoinHandle<T>),
}

impl Place {
    /// Runs `f` on a thread of this kind; green ones have so many workers.
    pub fn drive<T: Send + 'static>(
        self,
        workers: usize,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if self == Place::Os {
            return f();
        }
        let runtime = Runtime::builder().workers(workers).start();
        runtime.expect("nothing has started it before");
        self.spawn(f).join()
    }

    #[inline]
    pub fn spawn<T: Send + 'static>(self, f: impl FnOnce() -> T + Send + 'static) -> Handle<T> {
        match self {
            Place::Os => Handle::Os(thread::spawn(f)),
            _ => Handle::Green(self.green(f)),
        }
    }

    /// A green thread: `Os` has none.
    #[inline]
    pub fn green<T: Send + 'static>(self, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let builder = Builder::new().own_tls(self == Place::Full);
        builder.spawn(f).expect("a green thread")
    }
}

impl<T> Handle<T> {
    #[inline]
    pub fn join(self) -> T {
        match self {
            Handle::Os(handle) => handle.join().expect("nothing here panics"),
            Handle::Green(handle) => handle.join().expect("nothing here panics"),
        }
    }
}
