//! Child processes: `waitpid` and its family, `system`, `pclose`; and `pause`, `fork`.
//!
//! One child is waited for by a descriptor of it (pidfd). There is no such thing for several, nor
//! for their stopping: those are looked at in intervals that grow, from 5 to 50 milliseconds.

use crate::descriptor;
use crate::kernel::{self, to_c};
use crate::offload::offload_wait_c;
use crate::patch::{self, Group, waits};
use crate::program;
use crate::real::hook;
use greenloop_runtime::foreign::{self, Interest, NEVER};
use libc::{FILE, c_char, c_int, id_t, idtype_t, pid_t, rusage, siginfo_t};
use std::ptr;
use std::time::Duration;

const CANCELED: isize = -(libc::ECANCELED as isize);

/// How the end of a child is waited for, between looking whether it has come.
enum Patience {
    Descriptor(c_int),
    /// Of a pidfd of this file's own, closed at the end.
    OwnDescriptor(c_int),
    Interval(Duration),
}

impl Patience {
    const SHORTEST: Patience = Patience::Interval(Duration::from_millis(5));
    const LONGEST: Duration = Duration::from_millis(50);

    /// For the end of the child `pid`.
    fn with(pid: pid_t) -> Patience {
        // SAFETY: no memory is passed.
        let fd = unsafe { kernel::call(libc::SYS_pidfd_open, [pid as usize, 0]) };
        if fd < 0 {
            return Patience::SHORTEST;
        }
        Patience::OwnDescriptor(fd as c_int)
    }

    /// Waits a while. The error is `-errno`.
    fn wait(&mut self) -> Result<(), isize> {
        match self {
            Patience::Descriptor(fd) | Patience::OwnDescriptor(fd) => {
                let end = Interest {
                    fd: *fd,
                    read: true,
                    write: false,
                };
                descriptor::wait(&[end], NEVER)
            }
            Patience::Interval(time) => {
                let until = foreign::before_wait(foreign::deadline(*time)).ok_or(CANCELED)?;
                foreign::park(until);
                *time = (*time * 2).min(Patience::LONGEST);
                Ok(())
            }
        }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if let Patience::OwnDescriptor(fd) = *self {
            descriptor::end(fd..=fd, || {
                // SAFETY: it was opened here, and nobody else knows it.
                unsafe { kernel::call(libc::SYS_close, [fd as usize]) }
            });
        }
    }
}

/// Calls `look`, which does not wait, until it finds a child or fails; 0 says that there is none.
fn until_found(patience: impl FnOnce() -> Patience, mut look: impl FnMut() -> isize) -> isize {
    let first = look();
    if first != 0 {
        return first;
    }
    let mut patience = patience();
    loop {
        if let Err(code) = patience.wait() {
            return code;
        }
        let found = look();
        if found != 0 {
            return found;
        }
    }
}

/// # Safety
///
/// The contract of `wait4`.
unsafe fn wait_for(pid: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
    let words = [
        pid as usize,
        status.expose_provenance(),
        (options | libc::WNOHANG) as usize,
        usage.expose_provenance(),
    ];
    let only_ends = pid > 0 && options & (libc::WUNTRACED | libc::WCONTINUED) == 0;
    let patience = || {
        if only_ends {
            Patience::with(pid)
        } else {
            Patience::SHORTEST
        }
    };
    // SAFETY: the caller's contract.
    let look = || unsafe { kernel::call(libc::SYS_wait4, words) };
    to_c(until_found(patience, look)) as pid_t
}

hook! {
    /// Waits for a child, and says what it has used.
    wait4(real; pid: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
        if !waits(Group::Process) || options & libc::WNOHANG != 0 {
            // SAFETY: the caller's contract.
            return unsafe { real()(pid, status, options, usage) };
        }
        // SAFETY: the caller's contract.
        unsafe { wait_for(pid, status, options, usage) }
    }
}

hook! {
    /// Waits for any child, and says what it has used.
    wait3(real; status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
        if !waits(Group::Process) || options & libc::WNOHANG != 0 {
            // SAFETY: the caller's contract.
            return unsafe { real()(status, options, usage) };
        }
        // SAFETY: the caller's contract.
        unsafe { wait_for(-1, status, options, usage) }
    }
}

hook! {
    /// Waits for a child.
    waitpid(real; pid: pid_t, status: *mut c_int, options: c_int) -> pid_t {
        if !waits(Group::Process) || options & libc::WNOHANG != 0 {
            // SAFETY: the caller's contract.
            return unsafe { real()(pid, status, options) };
        }
        // SAFETY: the caller's contract.
        unsafe { wait_for(pid, status, options, ptr::null_mut()) }
    }
}

hook! {
    /// Waits for any child.
    wait(real; status: *mut c_int) -> pid_t {
        if !waits(Group::Process) {
            // SAFETY: the caller's contract.
            return unsafe { real()(status) };
        }
        // SAFETY: the caller's contract.
        unsafe { wait_for(-1, status, 0, ptr::null_mut()) }
    }
}

hook! {
    /// Waits for a change of a child, of a group of them, or of any.
    waitid(real; kind: idtype_t, id: id_t, info: *mut siginfo_t, options: c_int) -> c_int {
        if !waits(Group::Process) || options & libc::WNOHANG != 0 {
            // SAFETY: the caller's contract.
            return unsafe { real()(kind, id, info, options) };
        }
        // SAFETY: plain data, for which zeros are valid.
        let mut found: siginfo_t = unsafe { std::mem::zeroed() };
        let place = (&raw mut found).expose_provenance();
        let words = [kind as usize, id as usize, place, (options | libc::WNOHANG) as usize, 0];
        let only_ends = options & (libc::WSTOPPED | libc::WCONTINUED) == 0;
        let patience = || match kind {
            libc::P_PID if only_ends => Patience::with(id as pid_t),
            libc::P_PIDFD if only_ends => Patience::Descriptor(id as c_int),
            _ => Patience::SHORTEST,
        };
        let result = until_found(patience, || {
            // SAFETY: there is room for what is found; without it the pid says so.
            let result = unsafe { kernel::call(libc::SYS_waitid, words) };
            if result < 0 {
                return result;
            }
            // SAFETY: filled by the call, or zeros.
            unsafe { ptr::with_exposed_provenance::<siginfo_t>(place).read().si_pid() as isize }
        });
        if result > 0 && !info.is_null() {
            // SAFETY: the caller's contract.
            unsafe { info.write(found) };
        }
        to_c(result.min(0)) as c_int
    }
}

hook! {
    /// Runs a shell's command, on a helper: it may need what other green threads do.
    system(real; command: *const c_char) -> c_int {
        // SAFETY: the caller's contract, which binds it to no thread.
        let call = || unsafe { real()(command) };
        if !waits(Group::Process) {
            return call();
        }
        let mask = program::registered().map(|program| program.mask());
        let call = || program::with_mask(mask, call);
        // SAFETY: the command stays valid while the caller waits.
        unsafe { offload_wait_c(call, |result| *result == -1) }
    }
}

hook! {
    /// Waits for the end of what `popen` has started, on a helper, as `system` does.
    pclose(real; stream: *mut FILE) -> c_int {
        // SAFETY: the caller's contract, which binds it to no thread.
        let call = || unsafe { real()(stream) };
        if !waits(Group::Process) {
            return call();
        }
        // SAFETY: the stream stays valid until the call ends it.
        unsafe { offload_wait_c(call, |result| *result == -1) }
    }
}

hook! {
    /// Waits for a signal. None is ever handled for a green thread, so it waits for a kill.
    pause(real;) -> c_int {
        if !waits(Group::Process) {
            // SAFETY: without arguments.
            return unsafe { real()() };
        }
        if let Some(program) = program::registered() {
            program.pause();
            return to_c(-(libc::EINTR as isize)) as c_int;
        }
        while let Some(until) = foreign::before_wait(NEVER) {
            foreign::park(until);
        }
        to_c(CANCELED) as c_int
    }
}

hook! {
    /// `fork` without its handlers, of which ours is called all the same.
    _Fork(real;) -> pid_t {
        // SAFETY: the caller's contract.
        let child = unsafe { real()() };
        if child == 0 && patch::is_any() {
            patch::end_in_child();
        }
        child
    }
}
