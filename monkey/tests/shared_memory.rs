//! Code that meets a green thread's calls where it must not: a child that shares its parent's
//! memory, a signal handler.

mod common;

use common::{SHORT, in_hub};
use std::cell::UnsafeCell;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_close_in_a_child_of_vfork_leaves_its_parents_waiters_alone() {
    in_hub(|| {
        let (mut reader, mut writer) = UnixStream::pair().unwrap();
        let fd = reader.as_raw_fd();
        let waiter = greenloop::spawn(move || {
            let mut byte = [0];
            reader.read(&mut byte).map(|_| byte[0])
        });
        greenloop::sleep(SHORT);
        // SAFETY: the child closes one of its descriptors, and ends.
        #[expect(deprecated, reason = "what it is warned of does not happen here")]
        let child = unsafe {
            let child = libc::vfork();
            if child == 0 {
                libc::close(fd);
                libc::_exit(0);
            }
            child
        };
        // SAFETY: the status is not asked for.
        let ended = unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        assert_eq!(ended, child);
        greenloop::sleep(SHORT);
        writer.write_all(b"x").unwrap();
        assert_eq!(waiter.join().unwrap().unwrap(), b'x');
    });
}

struct Semaphore(UnsafeCell<libc::sem_t>);

// SAFETY: that is what it is for.
unsafe impl Sync for Semaphore {}

// SAFETY: plain data, for which zeros are valid.
static POSTED: Semaphore = Semaphore(UnsafeCell::new(unsafe { std::mem::zeroed() }));
static IN_HANDLER: AtomicBool = AtomicBool::new(false);

extern "C" fn post(_: libc::c_int) {
    IN_HANDLER.store(true, Ordering::Relaxed);
    // SAFETY: initialised before the handler is installed.
    unsafe { libc::sem_post(POSTED.0.get()) };
    IN_HANDLER.store(false, Ordering::Relaxed);
}

#[test]
fn a_signal_handler_that_posts_is_not_left_in_its_middle() {
    in_hub(|| {
        // SAFETY: a new semaphore, and a handler that does what a handler may.
        unsafe {
            assert_eq!(libc::sem_init(POSTED.0.get(), 0, 0), 0);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = post as *const () as usize;
            assert_eq!(
                libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
                0
            );
        }
        let waiter = greenloop::spawn(|| {
            // SAFETY: initialised above.
            let result = unsafe { libc::sem_wait(POSTED.0.get()) };
            (result, IN_HANDLER.load(Ordering::Relaxed))
        });
        greenloop::sleep(SHORT);
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
        assert_eq!(waiter.join().unwrap(), (0, false));
    });
}
