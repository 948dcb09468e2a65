//! `Sample`: where an OS thread is at this moment, asked by a signal.
//!
//! The handler does only what a handler may: it copies two registers and the words of the stack that
//! the interrupted code has in use, whose end is found by address, into memory set aside; no unwinder
//! runs in it. What calls led there is guessed afterwards, from the words that could be return
//! addresses.

use crate::clock;
use crate::futex;
use crate::lock::Lock;
use crate::stack;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

/// What was found on the way to where it is.
#[derive(Debug)]
pub(crate) struct Sample {
    /// The instruction that was to be next.
    pub(crate) instruction: usize,
    /// The words of its stack, the innermost first; none if it is not that of a green thread.
    pub(crate) words: Vec<usize>,
}

/// 64 KiB of a stack.
const WORDS: usize = 8192;

/// The system's id of the thread that is to answer, or 0.
static WANTED: AtomicI32 = AtomicI32::new(0);
/// `ASKED` (the asker) -> `ANSWERED` (the handler).
static STATE: AtomicU32 = AtomicU32::new(ANSWERED);
static INSTRUCTION: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static STACK: [AtomicUsize; WORDS] = [const { AtomicUsize::new(0) }; WORDS];
/// One at a time asks. The signal, once the handler is installed.
static TURN: Lock<Option<libc::c_int>> = Lock::new(None);

const ASKED: u32 = 1;
const ANSWERED: u32 = 2;

/// How long an answer may take, in nanoseconds: a thread without a CPU gives none.
const PATIENCE: u64 = 50_000_000;

/// The system's id of the calling thread.
pub(crate) fn own_id() -> i32 {
    // SAFETY: it has no arguments, and always succeeds.
    unsafe { libc::gettid() }
}

/// Makes [`take`] possible.
///
/// # Errors
///
/// No real-time signal is free.
pub(crate) fn install() -> io::Result<()> {
    let mut turn = TURN.lock();
    if turn.is_some() {
        return Ok(());
    }
    let signals = (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev();
    for signal in signals {
        if is_free(signal) {
            set(signal)?;
            *turn = Some(signal);
            return Ok(());
        }
    }
    let what = "the monitor found no real-time signal without a handler";
    Err(io::Error::new(io::ErrorKind::ResourceBusy, what))
}

/// Where the thread with the system's id `thread` is; none if it does not answer.
///
/// A system call that it waits in may fail with `EINTR`.
pub(crate) fn take(thread: i32) -> Option<Sample> {
    let turn = TURN.lock();
    let signal = (*turn)?;
    STATE.store(ASKED, Ordering::Relaxed);
    WANTED.store(thread, Ordering::Release);
    // SAFETY: a signal to a thread of this process, with a handler that was installed before. One
    // that has ended is an error, and one that has its number by now does not answer.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
    let deadline = clock::now() + PATIENCE;
    while sent == 0 && STATE.load(Ordering::Acquire) == ASKED && clock::now() < deadline {
        futex::wait(&STATE, ASKED, deadline);
    }
    // Who answers late sees that nobody asks.
    WANTED.store(0, Ordering::Relaxed);
    (STATE.load(Ordering::Acquire) == ANSWERED).then(|| {
        let words = STACK.iter().take(COUNT.load(Ordering::Relaxed));
        Sample {
            instruction: INSTRUCTION.load(Ordering::Relaxed),
            words: words.map(|it| it.load(Ordering::Relaxed)).collect(),
        }
    })
}

extern "C" fn handler(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // One that comes late leaves the question to the one who is asked now.
    let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
    if WANTED
        .compare_exchange(own_id(), 0, acquire, relaxed)
        .is_err()
    {
        return;
    }
    // SAFETY: the kernel passes a valid ucontext_t to a handler with SA_SIGINFO.
    let (instruction, top) = registers(unsafe { &*context.cast::<libc::ucontext_t>() });
    // In a guard there is nothing to read: a large frame moves the pointer before it is used.
    let stack =
        stack::around(top).filter(|it| it.contains(&top) && top.is_multiple_of(size_of::<usize>()));
    let end = stack.map_or(top, |it| it.end);
    let count = ((end - top) / size_of::<usize>()).min(WORDS);
    for (index, place) in STACK.iter().enumerate().take(count) {
        let word = ptr::with_exposed_provenance::<usize>(top).wrapping_add(index);
        // SAFETY: between the stack pointer and the stack's end all is mapped, and this very thread
        // uses it, which is interrupted; any bytes are a number.
        place.store(unsafe { word.read_volatile() }, Ordering::Relaxed);
    }
    COUNT.store(count, Ordering::Relaxed);
    INSTRUCTION.store(instruction, Ordering::Relaxed);
    STATE.store(ANSWERED, Ordering::Release);
    futex::wake_one(&STATE);
}

#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> (usize, usize) {
    let registers = &context.uc_mcontext.gregs;
    let register = |number: libc::c_int| registers[number as usize] as usize;
    (register(libc::REG_RIP), register(libc::REG_RSP))
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &libc::ucontext_t) -> (usize, usize) {
    let registers = &context.uc_mcontext;
    (registers.pc as usize, registers.sp as usize)
}

fn is_free(signal: libc::c_int) -> bool {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: room for the answer, and nothing is changed.
    let asked = unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) };
    // SAFETY: all zeros is a valid sigaction.
    asked == 0 && unsafe { now.assume_init() }.sa_sigaction == libc::SIG_DFL
}

fn set(signal: libc::c_int) -> io::Result<()> {
    let ours: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = handler;
    // SAFETY: all zeros is a valid sigaction.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = ours as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the action is valid, and the handler does only what one may.
    match unsafe { libc::sigaction(signal, &action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
