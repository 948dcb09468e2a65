//! `Kind`: full green threads and OS threads, spawned and joined alike.

use std::any::Any;
use std::thread;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Green,
    Os,
}

pub(crate) enum Handle<T> {
    Green(greenloop::JoinHandle<T>),
    Os(thread::JoinHandle<T>),
}

impl Kind {
    pub(crate) fn other(self) -> Kind {
        match self {
            Kind::Green => Kind::Os,
            Kind::Os => Kind::Green,
        }
    }

    /// Both kinds in turn, for partners.
    pub(crate) fn by(round: u64) -> Kind {
        match round % 2 {
            0 => Kind::Green,
            _ => Kind::Os,
        }
    }

    pub(crate) fn spawn<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Handle<T> {
        match self {
            Kind::Green => Handle::Green(greenloop::spawn(f)),
            Kind::Os => Handle::Os(thread::spawn(f)),
        }
    }
}

impl<T> Handle<T> {
    pub(crate) fn join(self) -> T {
        self.result().expect("it does not panic")
    }

    pub(crate) fn result(self) -> Result<T, Box<dyn Any + Send>> {
        match self {
            Handle::Green(handle) => handle.join(),
            Handle::Os(handle) => handle.join(),
        }
    }
}
