//! `Limits`: how much, and for how long, a client may keep the server busy.

use std::time::Duration;

/// The defaults are those of servers that face the world.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections; more wait to be accepted.
    pub(crate) connections: usize,
    /// Bytes of a request line; a longer one is answered by 414.
    pub(crate) line: usize,
    /// Bytes of a whole head; a larger one is answered by 431.
    pub(crate) head: usize,
    /// Bytes of a body; a larger one is answered by 413.
    pub(crate) body: usize,
    /// From a head's first byte to its last; a slower one is answered by 408.
    pub(crate) head_time: Duration,
    /// From a head to its body's last byte; a slower one is answered by 408.
    pub(crate) body_time: Duration,
    /// For each part of an answer, up to `buffer::MUCH`; a client that does not read is reset.
    pub(crate) write_time: Duration,
    /// Between two requests of a connection, which is then closed.
    pub(crate) idle_time: Duration,
    /// At the end, for what still runs.
    pub(crate) drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 100_000,
            line: 8 << 10,
            head: 16 << 10,
            body: 1 << 20,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(60),
            drain_time: Duration::from_secs(10),
        }
    }
}
