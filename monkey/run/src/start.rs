//! The start of the program: its `main` becomes a green thread, with the storage of the process's
//! first thread, which sleeps from then on.

use crate::attributes::Attributes;
use crate::children;
use crate::create;
use crate::front::front;
use crate::handover::{PRELOAD, REFUSED, WORKERS};
use crate::mask;
use crate::shim::{self, Main, Program, greenloop_run_main};
use crate::signals;
use crate::threads::{Like, Name, Thread, Threads};
use greenloop_monkey::program::{self, Storage, call, set_mask};
use greenloop_runtime::{Runtime, foreign};
use libc::{c_char, c_int, c_void, pthread_t};
use std::env;
use std::fmt::Display;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::thread;

/// The program's `main`, until ours calls it.
static MAIN: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

type Hook = Option<unsafe extern "C" fn()>;

front! {
    /// What a program's first instructions call, with its `main`.
    __libc_start_main(
        real; main: Main, count: c_int, arguments: *mut *mut c_char, init: Hook, fini: Hook,
        loader_fini: Hook, stack_end: *mut c_void
    ) -> c_int {
        let main = if env::var_os(WORKERS).is_some() {
            MAIN.store(main as *mut c_void, Ordering::Relaxed);
            our_main
        } else {
            main
        };
        // SAFETY: the caller's contract; ours calls the program's.
        unsafe { real()(main, count, arguments, init, fini, loader_fini, stack_end) }
    }
}

/// The process's first thread, as another one needs it.
struct First {
    thread: pthread_t,
    pointer: usize,
    number: c_int,
    like: Like,
    program: Program,
    workers: usize,
}

// SAFETY: whoever has it is the only one, and stands for that thread.
unsafe impl Send for First {}

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// 1 as soon as the process's first thread does nothing but sleep.
static ASLEEP: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn our_main(
    count: c_int,
    arguments: *mut *mut c_char,
    _environment: *mut *mut c_char,
) -> c_int {
    let mask = set_mask(mask::OF_OS_THREADS);
    let workers = take_over();
    // SAFETY: stored from a function of this type.
    let main: Main = unsafe { std::mem::transmute(MAIN.load(Ordering::Relaxed)) };
    let first = First {
        // SAFETY: without arguments.
        thread: unsafe { libc::pthread_self() },
        pointer: foreign::thread_pointer(),
        // SAFETY: no memory is passed.
        number: unsafe { call(libc::SYS_gettid, []) } as c_int,
        like: Like { mask, name: name() },
        program: Program {
            main,
            count,
            arguments,
            // It may have moved.
            // SAFETY: there is nobody yet who changes it.
            environment: unsafe { environ },
        },
        workers,
    };
    let started = thread::Builder::new().name("greenloop-run".into());
    if let Err(error) = started.spawn(move || launch(first)) {
        refuse(&error);
    }
    sleep()
}

/// The calling thread's name.
fn name() -> Name {
    let mut name = Name::default();
    let place = name.as_mut_ptr().expose_provenance();
    // SAFETY: as much room as a name takes.
    unsafe { call(libc::SYS_prctl, [libc::PR_GET_NAME as usize, place]) };
    name
}

/// The number of workers; the environment becomes what it was without the command.
fn take_over() -> usize {
    let workers = env::var(WORKERS).ok().and_then(|text| text.parse().ok());
    let preload = env::var_os(PRELOAD).unwrap_or_default();
    let preload = preload.to_string_lossy();
    let rest = preload.split_once(':').map(|(_, rest)| rest);
    // SAFETY: there is no other thread yet but those that the program's libraries have started, at
    // their own risk.
    unsafe {
        env::remove_var(WORKERS);
        match rest {
            Some(rest) => env::set_var(PRELOAD, rest),
            None => env::remove_var(PRELOAD),
        }
    }
    workers.unwrap_or_else(|| refuse(&format_args!("{WORKERS} is no number of workers")))
}

/// Sleeps for ever, without a touch of the thread's storage, which belongs to `main` from now on.
fn sleep() -> ! {
    ASLEEP.store(1, Ordering::Release);
    let word = (&raw const ASLEEP).expose_provenance();
    let operation = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize;
    loop {
        // SAFETY: the word lives for ever; there is no time.
        unsafe { call(libc::SYS_futex, [word, operation, 1, 0]) };
    }
}

/// Starts the workers and `main`, and then handles signals.
fn launch(first: First) {
    let descriptors = occupy_descriptors();
    let patched = greenloop_monkey::patch_all();
    patched.unwrap_or_else(|error| refuse(&error));
    let runtime = Runtime::builder().workers(first.workers).start();
    runtime.unwrap_or_else(|error| refuse(&error));
    let prepared = signals::prepare().and_then(|()| children::prepare());
    prepared.unwrap_or_else(|error| refuse(&error));
    keep_descriptors(&descriptors);
    drop(descriptors);
    while ASLEEP.load(Ordering::Acquire) == 0 {
        thread::yield_now();
    }
    program::register(&Threads);
    start_main(first);
    signals::serve()
}

fn start_main(first: First) {
    // SAFETY: that thread sleeps for ever, and this is the only call for it.
    let storage = unsafe { Storage::adopt(first.thread, first.pointer, first.number) };
    let main = Thread::new(storage, &first.like, false, true);
    mask::apply_first();
    let size = Attributes::default().stack_size;
    let started = create::spawn(storage, size, main, move |_| {
        let first = first;
        run_main(first.program);
    });
    started.unwrap_or_else(|error| refuse(&error));
}

/// Runs `main`, and ends the process if it returns.
fn run_main(mut program: Program) {
    let argument = (&raw mut program).cast();
    // SAFETY: the shim's own function, with what it expects.
    if let Some(status) = unsafe { shim::call(greenloop_run_main, argument) } {
        // SAFETY: what the C library does when `main` returns.
        unsafe { libc::exit(status.addr() as c_int) };
    }
    if foreign::is_forked() {
        // SAFETY: the only thread of a forked child has ended.
        unsafe { libc::exit(0) };
    }
}

/// Takes the lowest descriptors, so that those of the runtime are not in the program's way, which
/// expects to get the lowest ones, and may close all that it does not know.
fn occupy_descriptors() -> Vec<OwnedFd> {
    const ENOUGH: c_int = 512;
    let mut all = Vec::new();
    loop {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if fd < 0 {
            // The limit is low: leave half of what there is.
            all.truncate(all.len() / 2);
            return all;
        }
        // SAFETY: opened just now.
        all.push(unsafe { OwnedFd::from_raw_fd(fd) });
        if all.last().is_some_and(|last| last.as_raw_fd() >= ENOUGH) {
            return all;
        }
    }
}

/// Hides the runtime's descriptors, those above `occupied`, from the program.
fn keep_descriptors(occupied: &[OwnedFd]) {
    let top = occupied.last().map_or(0, AsRawFd::as_raw_fd);
    let open = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // All of them first: reading the folder takes a descriptor, too.
    let numbers: Vec<c_int> = numbers.collect();
    let ours = numbers
        .into_iter()
        .filter(|fd| *fd > top && is_made_here(*fd));
    program::keep(ours.collect());
}

/// Is it closed on exec, as all of the runtime's are? One that the program has inherited is not.
fn is_made_here(fd: c_int) -> bool {
    // SAFETY: no memory is passed; the one by which the folder was read is closed by now.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC != 0
}

/// Ends the process before the program has begun.
fn refuse(why: &dyn Display) -> ! {
    let program = env::args_os().next().unwrap_or_default();
    let program = program.to_string_lossy();
    let line = format!("greenloop-run: can't run {program}: {why}\n");
    // There is nobody to tell if that fails.
    let _ = std::io::stderr().write_all(line.as_bytes());
    // SAFETY: it ends the process; nothing of the program has run.
    unsafe { libc::_exit(REFUSED) }
}
