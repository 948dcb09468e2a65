//! What waits at the end of a full green thread, and is not to be cut there.

mod common;

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often a [`Slow`] has got on in its destructor.
static STEPS: AtomicUsize = AtomicUsize::new(0);

/// Waits in its destructor.
struct Slow;

impl Drop for Slow {
    fn drop(&mut self) {
        for _ in 0..2 {
            STEPS.fetch_add(1, Ordering::Relaxed);
            greenloop::sleep(Duration::from_millis(20));
        }
        STEPS.fetch_add(1, Ordering::Relaxed);
    }
}

thread_local! {
    static SLOW: RefCell<Option<Slow>> = const { RefCell::new(None) };
}

#[test]
fn a_kill_that_comes_late_does_not_unwind_out_of_a_thread_locals_destructor() {
    common::in_hub(|| {
        let one = greenloop::spawn(|| {
            SLOW.set(Some(Slow));
        });
        while STEPS.load(Ordering::Relaxed) == 0 {
            greenloop::yield_now();
        }
        one.kill();
        assert!(one.join().is_ok(), "it had come to its end");
        assert_eq!(STEPS.load(Ordering::Relaxed), 3);
    });
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

/// How many were dropped, and how many of them on another OS thread than they were made on.
static DROPPED: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Knows the OS thread that it was made on.
struct Late(libc::pid_t);

impl Drop for Late {
    fn drop(&mut self) {
        DROPPED[0].fetch_add(1, Ordering::Relaxed);
        DROPPED[1].fetch_add(usize::from(self.0 != os_thread()), Ordering::Relaxed);
    }
}

fn os_thread() -> libc::pid_t {
    // SAFETY: without arguments.
    unsafe { libc::gettid() }
}

unsafe extern "C" fn make_late(_: *mut libc::c_void) {
    LATE.set(Some(Late(os_thread())));
}

#[test]
fn a_value_made_by_a_keys_destructor_is_dropped_on_its_own_os_thread() {
    const ALL: usize = 400;
    common::within(|| {
        let mut key = 0;
        // SAFETY: the destructor takes any value.
        let result = unsafe { libc::pthread_key_create(&mut key, Some(make_late)) };
        assert_eq!(result, 0);
        for _ in 0..ALL / 8 {
            let some = [(); 8].map(|()| {
                greenloop::spawn(move || {
                    // SAFETY: the key exists, and nobody looks at its value.
                    unsafe { libc::pthread_setspecific(key, std::ptr::dangling()) }
                })
            });
            for one in some {
                assert_eq!(one.join().unwrap(), 0);
            }
        }
        let [all, elsewhere] = [0, 1].map(|index| DROPPED[index].load(Ordering::Relaxed));
        assert_eq!((all, elsewhere), (ALL, 0));
    });
}
