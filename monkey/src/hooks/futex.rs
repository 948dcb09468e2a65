//! `syscall`: the futex, on which std's locks and those of most libraries stand; and the calls that
//! have a hook of their own.
//!
//! A wait of a green thread for a private futex is one in the lot. A wake-up goes to the lot and
//! to the kernel. For a futex that processes share, the wait ends for no reason every few
//! milliseconds, as a futex's may: another process's wake-up does not come to the lot.
//!
//! *No wake-up is lost.* The waker has changed the word before it calls. `lot::wake` fences between
//! that and its look at the count; the waiter is counted and fences before it looks at the word. So
//! either the waiter sees the new word, or the waker sees the waiter.
//!
//! *Nobody starves.* Greens are woken first, but every now and then the kernel's are; and a green
//! thread that wakes others lets them run now and then (`acquire.rs`).

use super::acquire::{PERIOD, bounded, give_way};
use super::until::Until;
use crate::kernel::{self, duration, to_c};
use crate::lot::{self, ANY, Key, Outcome};
use crate::observe::refused;
use crate::patch::{Group, is_any, waits};
use crate::real::hook;
use libc::{c_int, c_long, timespec};
use std::sync::atomic::{AtomicU32, Ordering};

const INVALID: isize = -(libc::EINVAL as isize);
const UNSUPPORTED: isize = -(libc::ENOSYS as isize);

/// Each so many wake-ups that find green waiters, those in the kernel come first.
const KERNEL_FIRST: u32 = 8;
/// Counts such wake-ups.
static TURN: AtomicU32 = AtomicU32::new(0);

/// The arguments of a futex call.
#[derive(Clone, Copy)]
struct Call {
    /// All of them, as the kernel takes them.
    words: [usize; 6],
}

impl Call {
    fn operation(self) -> c_int {
        self.words[1] as c_int
    }

    fn command(self) -> c_int {
        self.operation() & libc::FUTEX_CMD_MASK
    }

    fn key(self) -> Key {
        Key::Futex(self.words[0])
    }

    fn second_key(self) -> Key {
        Key::Futex(self.words[4])
    }

    /// Makes it, with room for `budget` wake-ups.
    fn in_kernel(mut self, budget: usize) -> isize {
        self.words[2] = budget;
        // SAFETY: the caller of `syscall` answers for its arguments.
        unsafe { kernel::call(libc::SYS_futex, self.words) }
    }

    /// When a wait ends, or `-errno`.
    ///
    /// # Safety
    ///
    /// The fourth word is null or points to a time.
    unsafe fn until(self) -> Result<Until, isize> {
        let time = std::ptr::with_exposed_provenance::<timespec>(self.words[3]);
        // SAFETY: the caller's word.
        let Some(time) = (unsafe { time.as_ref() }) else {
            return Ok(Until::NEVER);
        };
        let since = duration(time).ok_or(INVALID)?;
        if self.command() == libc::FUTEX_WAIT {
            return Ok(Until::after(since));
        }
        let clock = match self.operation() & libc::FUTEX_CLOCK_REALTIME {
            0 => libc::CLOCK_MONOTONIC,
            _ => libc::CLOCK_REALTIME,
        };
        // SAFETY: a reference.
        unsafe { Until::new(clock, time) }.map_err(|_| INVALID)
    }
}

/// A green thread's wait; returns what the kernel would.
///
/// # Safety
///
/// futex(2)'s contract.
unsafe fn wait(call: Call, bits: u32) -> isize {
    let word = std::ptr::with_exposed_provenance::<AtomicU32>(call.words[0]);
    if !word.is_aligned() || bits == 0 {
        return INVALID;
    }
    // SAFETY: the caller's word.
    let until = match unsafe { call.until() } {
        Ok(until) => until,
        Err(code) => return code,
    };
    let expected = call.words[2] as u32;
    // SAFETY: the caller's word: it is aligned, and lives while somebody waits for it.
    let still = || unsafe { &*word }.load(Ordering::SeqCst) == expected;
    let shared = call.operation() & libc::FUTEX_PRIVATE_FLAG == 0;
    let deadline = bounded(until, shared.then_some(PERIOD));
    match lot::wait(call.key(), bits, deadline, still) {
        Outcome::Refused => -(libc::EAGAIN as isize),
        Outcome::TimedOut if until.is_over() => -(libc::ETIMEDOUT as isize),
        // Or for no reason: a shared one, or a clock that was set back.
        Outcome::TimedOut | Outcome::Woken => 0,
    }
}

/// Wakes up to the call's number of waiters; returns how many, or `-errno`.
fn wake(call: Call, bits: u32) -> isize {
    // As the kernel: at least one.
    let count = (call.words[2] as c_int).max(1) as usize;
    let kernel_first = lot::is_waited_for(call.key())
        && TURN
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(KERNEL_FIRST);
    let woken = if kernel_first {
        wake_kernel_first(call, bits, count)
    } else {
        wake_greens_first(call, bits, count)
    };
    if woken > 0 {
        give_way();
    }
    woken
}

fn wake_greens_first(call: Call, bits: u32, count: usize) -> isize {
    let woken = lot::wake(call.key(), count, bits);
    if woken == count {
        return woken as isize;
    }
    match call.in_kernel(count - woken) {
        code if code < 0 && woken == 0 => code,
        more => woken as isize + more.max(0),
    }
}

fn wake_kernel_first(call: Call, bits: u32, count: usize) -> isize {
    let woken = call.in_kernel(count);
    if woken < 0 || woken as usize >= count {
        return woken;
    }
    woken + lot::wake(call.key(), count - woken as usize, bits) as isize
}

/// What the kernel does alone, and then those in the lot look again.
fn move_waiters(call: Call) -> isize {
    let result = call.in_kernel(call.words[2]);
    if result < 0 {
        return result;
    }
    let mut woken = lot::wake_all(call.key());
    if call.command() == libc::FUTEX_WAKE_OP {
        woken += lot::wake_all(call.second_key());
    }
    result + woken as isize
}

/// A futex call once anything is patched; none if it is left to the kernel.
///
/// # Safety
///
/// futex(2)'s contract.
unsafe fn futex(call: Call) -> Option<isize> {
    let bits = call.words[5] as u32;
    let green = waits(Group::Sync);
    Some(match call.command() {
        // SAFETY: the caller's word.
        libc::FUTEX_WAIT if green => unsafe { wait(call, ANY) },
        // SAFETY: the caller's word.
        libc::FUTEX_WAIT_BITSET if green => unsafe { wait(call, bits) },
        libc::FUTEX_WAKE => wake(call, ANY),
        libc::FUTEX_WAKE_BITSET if bits != 0 => wake(call, bits),
        libc::FUTEX_REQUEUE | libc::FUTEX_CMP_REQUEUE | libc::FUTEX_WAKE_OP => move_waiters(call),
        libc::FUTEX_LOCK_PI
        | libc::FUTEX_TRYLOCK_PI
        | FUTEX_LOCK_PI2
        | libc::FUTEX_WAIT_REQUEUE_PI
            if green =>
        {
            refuse()
        }
        _ => return None,
    })
}

const FUTEX_LOCK_PI2: c_int = 13;

#[cold]
fn refuse() -> isize {
    let why = "a green thread can't hold a futex with priority inheritance";
    refused("futex", why);
    UNSUPPORTED
}

/// The other calls that have a hook: through it.
///
/// # Safety
///
/// The contract of that call.
unsafe fn other(number: c_long, words: [usize; 6]) -> Option<c_long> {
    let [a, b, c, d, e, f] = words;
    let fd = a as c_int;
    let at = std::ptr::with_exposed_provenance_mut::<libc::c_void>;
    // SAFETY: the kernel's arguments are those of the C library's function, whose hook is called.
    Some(unsafe {
        match number {
            libc::SYS_read => libc::read(fd, at(b), c) as c_long,
            libc::SYS_write => libc::write(fd, at(b), c) as c_long,
            libc::SYS_readv => libc::readv(fd, at(b).cast(), c as c_int) as c_long,
            libc::SYS_writev => libc::writev(fd, at(b).cast(), c as c_int) as c_long,
            libc::SYS_recvfrom => {
                libc::recvfrom(fd, at(b), c, d as c_int, at(e).cast(), at(f).cast()) as c_long
            }
            libc::SYS_sendto => {
                let length = f as libc::socklen_t;
                libc::sendto(fd, at(b), c, d as c_int, at(e).cast(), length) as c_long
            }
            libc::SYS_recvmsg => libc::recvmsg(fd, at(b).cast(), c as c_int) as c_long,
            libc::SYS_sendmsg => libc::sendmsg(fd, at(b).cast(), c as c_int) as c_long,
            libc::SYS_accept => libc::accept(fd, at(b).cast(), at(c).cast()).into(),
            libc::SYS_accept4 => libc::accept4(fd, at(b).cast(), at(c).cast(), d as c_int).into(),
            libc::SYS_connect => libc::connect(fd, at(b).cast(), c as libc::socklen_t).into(),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_poll => libc::poll(at(a).cast(), b as libc::nfds_t, c as c_int).into(),
            libc::SYS_ppoll => {
                libc::ppoll(at(a).cast(), b as libc::nfds_t, at(c).cast(), at(d).cast()).into()
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_epoll_wait => {
                libc::epoll_wait(fd, at(b).cast(), c as c_int, d as c_int).into()
            }
            libc::SYS_epoll_pwait => {
                libc::epoll_pwait(fd, at(b).cast(), c as c_int, d as c_int, at(e).cast()).into()
            }
            libc::SYS_clock_nanosleep => {
                let result = libc::clock_nanosleep(fd, b as c_int, at(c).cast(), at(d).cast());
                to_c(-(result as isize)) as c_long
            }
            libc::SYS_flock => libc::flock(fd, b as c_int).into(),
            libc::SYS_nanosleep => libc::nanosleep(at(a).cast(), at(b).cast()).into(),
            libc::SYS_wait4 => libc::wait4(fd, at(b).cast(), c as c_int, at(d).cast()).into(),
            libc::SYS_gettid => libc::gettid().into(),
            libc::SYS_sched_yield => libc::sched_yield().into(),
            _ => return None,
        }
    })
}

hook! {
    /// Makes a system call. Variadic in C; its words come in the same registers.
    syscall(
        real; number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long
    ) -> c_long {
        if is_any() {
            let words = [a, b, c, d, e, f].map(|word| word as usize);
            // SAFETY: the caller's contract.
            let result = unsafe {
                match number {
                    libc::SYS_futex => futex(Call { words }).map(|result| to_c(result) as c_long),
                    libc::SYS_close => Some(libc::close(a as c_int).into()),
                    _ if waits(Group::Sync) => other(number, words),
                    _ => None,
                }
            };
            if let Some(result) = result {
                return result;
            }
        }
        // SAFETY: the caller's contract.
        unsafe { real()(number, a, b, c, d, e, f) }
    }
}
