//! Calls that always go through at once do not keep others from running.

mod common;

use common::{in_hub, read, write};
use greenloop::spawn_local;
use std::cell::Cell;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

/// Far more calls than a green thread may make in a row.
const MANY: usize = 100_000;

/// Writes and reads, each time at once, until another one has run.
fn lets_others_run(what: &'static str, reader: impl AsRawFd, writer: impl AsRawFd) {
    let ran = Rc::new(Cell::new(false));
    let witness = Rc::clone(&ran);
    let sibling = spawn_local(move || witness.set(true));
    let mut rounds = 0;
    while !ran.get() {
        assert!(rounds < MANY, "{what}: nobody else ran");
        assert_eq!(write(&writer, b"x").unwrap(), 1);
        assert_eq!(read(&reader, &mut [0]).unwrap(), 1);
        rounds += 1;
    }
    assert!(rounds > 0);
    sibling.join().unwrap();
}

#[test]
fn of_sockets_and_pipes() {
    in_hub(|| {
        let (one, other) = UnixStream::pair().unwrap();
        lets_others_run("sockets", one, other);
        let (reader, writer) = std::io::pipe().unwrap();
        lets_others_run("pipes", reader, writer);
    });
}
