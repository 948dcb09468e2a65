//! A stack that the system refuses, to a full green thread: others run while the error is told.

mod common;

use common::in_hub;
use greenloop::monkey;
use greenloop::{Builder, spawn_local};
use std::io::ErrorKind;

/// Lets the process have no more address space than this.
fn limit_address_space(bytes: libc::rlim_t) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: a valid limit.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) };
    assert_eq!(result, 0);
}

#[test]
fn others_start_while_a_refusal_is_told() {
    monkey::patch_all().unwrap();
    monkey::patch_fs().unwrap();
    in_hub(|| {
        spawn_local(|| ()).join().unwrap();
        let other = spawn_local(|| 7);
        limit_address_space(1 << 29);
        let refused = Builder::new().stack_size(1 << 29).spawn_local(|| ());
        limit_address_space(libc::RLIM_INFINITY);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::OutOfMemory);
        assert_eq!(other.join().unwrap(), 7);
    });
}
