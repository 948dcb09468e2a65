//! What is patched: the groups of calls, and how they are put in force.

use crate::check;
use crate::error::{PatchError, PatchErrorKind};
use greenloop_runtime::foreign::{self, Lock};
use std::fmt;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// A group of calls that are patched together, as gevent has them.
///
/// # Examples
///
/// ```
/// use greenloop::monkey::{self, Group};
///
/// monkey::patch_time()?;
/// assert!(monkey::is_patched(Group::Time) && !monkey::is_patched(Group::Dns));
/// # Ok::<(), monkey::PatchError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Group {
    /// Sockets, pipes and terminals: `read`, `recv`, `accept`, `connect`, `poll`, `select`, …
    Socket,
    /// `sleep`, `nanosleep`, …
    Time,
    /// `getaddrinfo`, `getnameinfo`, `gethostbyname`, …: on the blocking pool.
    Dns,
    /// `waitpid` and its family, `system`, `pclose`, `pause`, `sigwait` and its family.
    Process,
    /// Mutexes, condition variables, semaphores, futexes, joins. Every other group brings it along.
    Sync,
    /// Regular files: on the blocking pool. Not part of [`patch_all`].
    Fs,
}

impl Group {
    const ALL: [Group; 6] = [
        Group::Socket,
        Group::Time,
        Group::Dns,
        Group::Process,
        Group::Sync,
        Group::Fs,
    ];

    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }

    const fn name(self) -> &'static str {
        match self {
            Group::Socket => "socket",
            Group::Time => "time",
            Group::Dns => "dns",
            Group::Process => "process",
            Group::Sync => "sync",
            Group::Fs => "fs",
        }
    }
}

/// The bits of the groups in force, and `PROBE`. 0: every hook is the plain call. Bits are added
/// under the lock of [`CHECKED`]; a forked child clears it.
static PATCHED: AtomicU32 = AtomicU32::new(0);

/// While the self-check runs: all groups, for the full green threads that it makes, which are the
/// only ones.
const PROBE: u32 = 1 << 31;

/// The process that was patched; 0 before.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// Is the caller in the process that was patched? A child of `vfork` uses its memory, but has
/// descriptors of its own.
pub(crate) fn is_own_process() -> bool {
    let known = PROCESS.load(Ordering::Relaxed);
    known == 0 || known == process()
}

#[cfg(patchable)]
fn process() -> i32 {
    // SAFETY: no memory is passed.
    unsafe { crate::kernel::call(libc::SYS_getpid, []) as i32 }
}

#[cfg(not(patchable))]
fn process() -> i32 {
    0
}

/// Has the self-check succeeded?
static CHECKED: Lock<bool> = Lock::new(false);

/// May the caller wait in a hook of this group?
#[inline]
pub(crate) fn waits(group: Group) -> bool {
    PATCHED.load(Ordering::Relaxed) & (group.bit() | PROBE) != 0 && foreign::may_wait()
}

/// Is anything patched, so that there may be green waiters to be woken?
#[inline]
pub(crate) fn is_any() -> bool {
    PATCHED.load(Ordering::Relaxed) != 0
}

/// Is any group in force for everybody, so that green threads may be full ones?
pub(crate) fn is_in_force() -> bool {
    PATCHED.load(Ordering::Acquire) & !PROBE != 0
}

/// A forked child has no workers: its hooks are the plain calls.
pub(crate) fn end_in_child() {
    PATCHED.store(0, Ordering::Relaxed);
    foreign::end_in_child();
}

/// Lets hooks wait on the self-check's own green threads, until the guard drops.
pub(crate) fn probe() -> Probing {
    PATCHED.fetch_or(PROBE, Ordering::SeqCst);
    Probing
}

/// See [`probe`].
#[derive(Debug)]
pub(crate) struct Probing;

impl Drop for Probing {
    fn drop(&mut self) {
        PATCHED.fetch_and(!PROBE, Ordering::SeqCst);
    }
}

/// Is this group patched?
///
/// # Examples
///
/// ```
/// use greenloop::monkey::{self, Group};
///
/// assert!(!monkey::is_patched(Group::Socket));
/// monkey::patch_all()?;
/// assert!(monkey::is_patched(Group::Socket));
/// # Ok::<(), monkey::PatchError>(())
/// ```
pub fn is_patched(group: Group) -> bool {
    PATCHED.load(Ordering::Relaxed) & group.bit() != 0
}

/// What is in force, as its [`Display`](fmt::Display) says.
///
/// # Examples
///
/// ```
/// let patched = greenloop::monkey::patch_time()?;
/// assert_eq!(patched.to_string(), "patched: time, sync");
/// # Ok::<(), greenloop::monkey::PatchError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patched {
    groups: u32,
}

impl Patched {
    /// Is this group in force?
    pub fn has(self, group: Group) -> bool {
        self.groups & group.bit() != 0
    }
}

impl fmt::Display for Patched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Group::ALL.into_iter().filter(|group| self.has(*group));
        let names: Vec<&str> = names.map(Group::name).collect();
        write!(f, "patched: {}", names.join(", "))
    }
}

/// Patches every group but [`Fs`](Group::Fs), as gevent's `monkey.patch_all()`.
///
/// From then on code that never heard of greenloop, be it Rust's std, a crate or a C library that
/// the program links or loads, waits on green threads: where it would block, its worker runs
/// others.
/// Call it first of all in `main`. It may be called again, and from several threads at once.
///
/// Green threads that are spawned afterwards are *full* ones: each has thread-locals of its own, so
/// that to any library it is a thread. That begins with the first patch of any group, since code
/// that waits unknowingly must not share what it keeps per thread. Those that were spawned before,
/// and those whose builder says [`own_tls(false)`](greenloop_runtime::Builder::own_tls), are light
/// ones: for them, as for OS threads, every call is the plain one.
///
/// # Errors
///
/// Nothing is patched if the program can't be, and [`PatchError::kind`] says why: another platform
/// than Linux with glibc on x86_64 or aarch64; a call that would not arrive here, because the
/// program is a library that a foreign program has loaded, or another library defines it too; an
/// allocator that a green thread's own thread-locals would break; a forked child.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// greenloop::monkey::patch_all()?;
/// let start = Instant::now();
/// let sleepers = (0..100).map(|_| greenloop::spawn(|| {
///     std::thread::sleep(Duration::from_millis(50));
/// }));
/// greenloop::joinall(sleepers.collect::<Vec<_>>());
/// assert!(start.elapsed() < Duration::from_secs(4));
/// # Ok::<(), greenloop::monkey::PatchError>(())
/// ```
pub fn patch_all() -> Result<Patched, PatchError> {
    let all = [Group::Socket, Group::Time, Group::Dns, Group::Process];
    patch(all.into_iter().fold(0, |bits, group| bits | group.bit()))
}

/// Patches [`Group::Socket`], and with it [`Group::Sync`]: whoever waits for a socket may hold a
/// lock that others of the same worker want.
///
/// # Errors
///
/// As for [`patch_all`].
///
/// # Examples
///
/// ```
/// use greenloop::monkey::{self, Group};
///
/// assert!(monkey::patch_socket()?.has(Group::Sync));
/// # Ok::<(), monkey::PatchError>(())
/// ```
pub fn patch_socket() -> Result<Patched, PatchError> {
    patch(Group::Socket.bit())
}

/// Patches [`Group::Time`], and with it [`Group::Sync`], as [`patch_socket`] does.
///
/// # Errors
///
/// As for [`patch_all`].
///
/// # Examples
///
/// ```
/// assert_eq!(greenloop::monkey::patch_time()?.to_string(), "patched: time, sync");
/// # Ok::<(), greenloop::monkey::PatchError>(())
/// ```
pub fn patch_time() -> Result<Patched, PatchError> {
    patch(Group::Time.bit())
}

/// Patches [`Group::Dns`], and with it [`Group::Sync`], as [`patch_socket`] does.
///
/// A look-up runs on the blocking pool, in memory of its caller's: a kill or timeout can't cut it.
///
/// # Errors
///
/// As for [`patch_all`].
///
/// # Examples
///
/// ```
/// use std::net::ToSocketAddrs;
///
/// greenloop::monkey::patch_dns()?;
/// let found = greenloop::spawn(|| ("localhost", 80).to_socket_addrs().map(Iterator::count));
/// assert!(found.join().unwrap()? > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn patch_dns() -> Result<Patched, PatchError> {
    patch(Group::Dns.bit())
}

/// Patches [`Group::Process`], and with it [`Group::Sync`], as [`patch_socket`] does. What a child
/// process writes is read through [`Group::Socket`].
///
/// # Errors
///
/// As for [`patch_all`].
///
/// # Examples
///
/// ```
/// use std::process::Command;
///
/// greenloop::monkey::patch_process()?;
/// let status = greenloop::spawn(|| Command::new("true").status());
/// assert!(status.join().unwrap()?.success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn patch_process() -> Result<Patched, PatchError> {
    patch(Group::Process.bit())
}

/// Patches [`Group::Sync`] alone.
///
/// # Errors
///
/// As for [`patch_all`].
///
/// # Examples
///
/// ```
/// assert_eq!(greenloop::monkey::patch_sync()?.to_string(), "patched: sync");
/// # Ok::<(), greenloop::monkey::PatchError>(())
/// ```
pub fn patch_sync() -> Result<Patched, PatchError> {
    patch(Group::Sync.bit())
}

/// Patches [`Group::Fs`], and with it [`Group::Sync`], as [`patch_socket`] does.
///
/// The calls of regular files that may have to wait for a disk run on the blocking pool: right for
/// slow or remote file systems, while each call costs a few microseconds more. A kill or timeout
/// can't cut one.
///
/// # Errors
///
/// As for [`patch_all`].
///
/// # Examples
///
/// ```
/// greenloop::monkey::patch_fs()?;
/// let manifest = greenloop::spawn(|| std::fs::read_to_string("Cargo.toml"));
/// assert!(manifest.join().unwrap()?.contains("[package]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn patch_fs() -> Result<Patched, PatchError> {
    patch(Group::Fs.bit())
}

/// Puts groups in force, and what they depend on: whoever waits may hold a lock.
fn patch(groups: u32) -> Result<Patched, PatchError> {
    deny_in_forked_child()?;
    let wanted = groups | Group::Sync.bit();
    let mut checked = CHECKED.lock();
    if !*checked {
        check::prepare()?;
        *checked = true;
        PROCESS.store(process(), Ordering::Relaxed);
    }
    // A full green thread can be made from here on; those that are full by default come after.
    let before = PATCHED.fetch_or(wanted, Ordering::SeqCst);
    foreign::make_default();
    Ok(Patched {
        groups: before | wanted,
    })
}

fn deny_in_forked_child() -> Result<(), PatchError> {
    if !foreign::is_forked() {
        return Ok(());
    }
    let why = "this process was forked off a patched one, and has no workers: only exec or _exit \
               may follow a fork";
    Err(PatchError::new(PatchErrorKind::Forked, why.into()))
}
