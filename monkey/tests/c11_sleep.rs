//! C11's sleep, which the C library does not make of the POSIX one that programs see.

mod common;

use libc::{c_int, timespec};
use std::time::{Duration, Instant};

unsafe extern "C" {
    fn thrd_sleep(time: *const timespec, left: *mut timespec) -> c_int;
}

fn sleep_for(nanos: i64) -> c_int {
    let time = timespec {
        tv_sec: 0,
        tv_nsec: nanos,
    };
    // SAFETY: a time, and nobody asks for the rest of it.
    unsafe { thrd_sleep(&time, std::ptr::null_mut()) }
}

#[test]
fn sleepers_overlap_and_their_errors_are_those_of_the_c_library() {
    common::everywhere(|| assert_eq!((sleep_for(1), sleep_for(-1)), (0, -2)));
    common::in_hub(|| {
        let start = Instant::now();
        let all = [(); common::TWENTY].map(|()| greenloop::spawn(|| sleep_for(200_000_000)));
        for one in all {
            assert_eq!(one.join().unwrap(), 0);
        }
        assert!(start.elapsed() < Duration::from_secs(3));
    });
}
