//! `parity!`: scenarios that run on std's types and on ours, with one outcome.

use std::fmt::Debug;
use std::io::{self, ErrorKind};

/// What two errors must have in common to be the same error.
pub(crate) type Fault = (ErrorKind, Option<i32>, String);

pub(crate) fn fault(error: &io::Error) -> Fault {
    (error.kind(), error.raw_os_error(), error.to_string())
}

/// Defines a test whose body runs once with the names that `$names!(std)` brings, and twice with
/// those of `$names!(ours)`: on an OS thread and on a green one.
macro_rules! parity {
    ($names:ident; $(fn $name:ident() -> $outcome:ty $body:block)+) => { $(
        #[test]
        fn $name() {
            $crate::parity::assert_same::<$outcome>(
                { $names!(std); fn run() -> io::Result<$outcome> $body run },
                { $names!(ours); fn run() -> io::Result<$outcome> $body run },
            );
        }
    )+ };
}
pub(crate) use parity;

pub(crate) fn assert_same<T: Debug + PartialEq + Send + 'static>(
    std: fn() -> io::Result<T>,
    ours: fn() -> io::Result<T>,
) {
    let expected = std().map_err(|e| fault(&e));
    assert_eq!(ours().map_err(|e| fault(&e)), expected, "on an OS thread");
    let green = greenloop::spawn(ours).join().unwrap();
    assert_eq!(green.map_err(|e| fault(&e)), expected, "on a green thread");
}
