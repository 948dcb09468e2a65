//! What the command hands over to the library in the environment, which the program does not see.

/// The number of workers. Without it the library changes nothing.
pub(crate) const WORKERS: &str = "GREENLOOP_RUN";

/// The dynamic loader's list of libraries to load first: ours, then those that were there.
pub(crate) const PRELOAD: &str = "LD_PRELOAD";

/// The status of a program that was found but can't be run, as of a shell and of env(1).
pub(crate) const REFUSED: i32 = 126;
