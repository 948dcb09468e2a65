//! Signals: a handler on the alternate stack blocks as it always did; a wait for a signal that is
//! blocked lets others run.

mod common;

use common::{SHORT, c, errno, everywhere, in_hub};
use greenloop::{spawn_local, timeout};
use libc::{c_int, siginfo_t, sigset_t, timespec};
use std::cell::Cell;
use std::mem::{MaybeUninit, zeroed};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;

/// Signals are the process's: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

const MILLIS: timespec = timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// How many handlers run.
static INSIDE: AtomicU32 = AtomicU32::new(0);
static HANDLED: AtomicU32 = AtomicU32::new(0);

/// Sleeps, which a handler may do.
extern "C" fn sleeping(_: c_int) {
    INSIDE.fetch_add(1, Ordering::SeqCst);
    // SAFETY: a valid time.
    unsafe { libc::nanosleep(&MILLIS, ptr::null_mut()) };
    INSIDE.fetch_sub(1, Ordering::SeqCst);
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_handler_on_the_alternate_stack_blocks() {
    let _alone = alone();
    in_hub(|| {
        // SAFETY: the handler makes calls that one may make.
        unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = sleeping as *const () as usize;
            action.sa_flags = libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()), 0);
        }
        let done = Rc::new(Cell::new(false));
        let watch = Rc::clone(&done);
        let sibling = spawn_local(move || {
            while !watch.get() {
                assert_eq!(
                    INSIDE.load(Ordering::SeqCst),
                    0,
                    "another one ran in a handler"
                );
                thread::sleep(SHORT / 10);
            }
        });
        thread::sleep(SHORT / 10);
        // SAFETY: the signal is handled, on this OS thread.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
        done.set(true);
        assert_eq!(HANDLED.load(Ordering::SeqCst), 1);
        sibling.join().unwrap();
    });
}

/// A set of `SIGUSR2`, which this OS thread blocks from now on.
fn blocked() -> sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: initialised by the first call.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        let mut set = set.assume_init();
        libc::sigaddset(&mut set, libc::SIGUSR2);
        assert_eq!(
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut()),
            0
        );
        set
    }
}

fn wait_info(set: &sigset_t, time: Option<&timespec>) -> (std::io::Result<isize>, siginfo_t) {
    let time = time.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: a valid set and time, and room for the answer.
    unsafe {
        let mut info: siginfo_t = zeroed();
        (c(libc::sigtimedwait(set, &mut info, time)), info)
    }
}

#[test]
fn signals_are_taken_as_on_an_os_thread() {
    let _alone = alone();
    everywhere(|| {
        let set = blocked();
        let raise = || {
            // SAFETY: this OS thread blocks it.
            assert_eq!(unsafe { libc::raise(libc::SIGUSR2) }, 0);
        };
        assert_eq!(errno(wait_info(&set, Some(&MILLIS)).0), libc::EAGAIN);
        raise();
        let (taken, info) = wait_info(&set, Some(&MILLIS));
        assert_eq!(taken.unwrap() as c_int, libc::SIGUSR2);
        assert_eq!(
            (info.si_signo, info.si_code),
            (libc::SIGUSR2, libc::SI_USER)
        );
        raise();
        let mut signal = 0;
        // SAFETY: a valid set, and room for the signal.
        unsafe {
            assert_eq!(libc::sigwait(&set, &mut signal), 0);
            assert_eq!(signal, libc::SIGUSR2);
            raise();
            let info = ptr::null_mut();
            assert_eq!(libc::sigwaitinfo(&set, info), libc::SIGUSR2);
        }
        let wrong = timespec {
            tv_sec: 0,
            tv_nsec: -1,
        };
        assert_eq!(errno(wait_info(&set, Some(&wrong)).0), libc::EINVAL);
    });
}

#[test]
fn who_waits_for_a_signal_lets_others_run_and_can_be_cut() {
    let _alone = alone();
    in_hub(|| {
        let set = blocked();
        let sibling = spawn_local(|| {
            // SAFETY: this OS thread blocks it.
            assert_eq!(unsafe { libc::raise(libc::SIGUSR2) }, 0);
        });
        assert_eq!(wait_info(&set, None).0.unwrap() as c_int, libc::SIGUSR2);
        sibling.join().unwrap();
        let mut cut = Ok(0);
        let _ = timeout(SHORT, || cut = wait_info(&set, None).0);
        assert_eq!(errno(cut), libc::ECANCELED);
    });
}
