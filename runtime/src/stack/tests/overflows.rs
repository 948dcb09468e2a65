//! Overflows: told with the name, and every other fault is left to whom it belonged before.

use super::*;
use crate::thread::Thread;
use corosensei::{Coroutine, CoroutineResult};
use std::os::unix::process::ExitStatusExt;
use std::ptr::NonNull;

/// Runs `f` on a stack whose label is `label`.
fn run_labelled(label: Option<&Label>, f: impl FnOnce() + 'static) {
    let mut cache = StackCache::new();
    let stack = taken(&mut cache, class(192));
    let label = label.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the label outlives the run, after which `put` takes it off.
    unsafe { stack.set_label(label) };
    let mut coroutine = Coroutine::<(), (), (), Stack>::with_stack(stack, |_, ()| f());
    assert!(matches!(coroutine.resume(()), CoroutineResult::Return(())));
    given_back(&mut cache, coroutine.into_stack());
}

#[expect(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    std::hint::black_box(recurse(std::hint::black_box(depth) + 1)) + 1
}

#[track_caller]
fn assert_signalled(output: &Output, signal: i32, text: &str) {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.signal(), Some(signal), "{told}");
    assert!(told.contains(text), "{told}");
}

fn named(name: &str) -> Thread {
    Thread::new(NonNull::dangling(), 0, Some(name.into()))
}

#[test]
fn an_overflow_names_the_green_thread() {
    let output = in_child(|| {
        overflow::install();
        let label = Label {
            thread: Some(named("digger")),
            location: Location::caller(),
        };
        run_labelled(Some(&label), || _ = recurse(0));
    });
    let start = format!("green thread 'digger' (spawned at {}:", file!());
    assert_signalled(&output, libc::SIGABRT, &start);
    assert_signalled(
        &output,
        libc::SIGABRT,
        ") has overflowed its stack (192 KiB)\n",
    );
}

#[test]
fn an_overflow_of_a_nameless_green_thread_in_page_guards_is_told_too() {
    let output = in_child(|| {
        assert!(force_mprotect_guards());
        overflow::install();
        overflow::install();
        let label = Label {
            thread: None,
            location: Location::caller(),
        };
        run_labelled(Some(&label), || _ = recurse(0));
    });
    assert_signalled(
        &output,
        libc::SIGABRT,
        "green thread '<unnamed>' (spawned at ",
    );
}

#[test]
fn a_long_name_is_cut() {
    let output = in_child(|| {
        overflow::install();
        let label = Label {
            thread: Some(named(&"é".repeat(5000))),
            location: Location::caller(),
        };
        run_labelled(Some(&label), || _ = recurse(0));
    });
    assert_signalled(&output, libc::SIGABRT, "é' (spawned at ");
    assert_signalled(&output, libc::SIGABRT, "(192 KiB)\n");
}

extern "C" fn exit_with_seven(_: libc::c_int) {
    // SAFETY: _exit may be called from a signal handler.
    unsafe { libc::_exit(7) }
}

#[test]
fn other_faults_go_to_the_handler_that_was_there_before() {
    let output = in_child(|| {
        let handler: extern "C" fn(libc::c_int) = exit_with_seven;
        // SAFETY: the handler only ends the process.
        unsafe { libc::signal(libc::SIGSEGV, handler as usize) };
        overflow::install();
        // SAFETY: not sound: this is the fault.
        unsafe { std::hint::black_box(8 as *const u8).read_volatile() };
    });
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

#[test]
fn a_fault_in_the_guard_of_a_stack_that_nobody_runs_on_is_a_plain_one() {
    let output = in_child(|| {
        overflow::install();
        run_labelled(None, || _ = recurse(0));
    });
    assert_signalled(&output, libc::SIGSEGV, "");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("green thread"));
}

#[test]
fn a_signal_that_was_sent_kills_as_before() {
    let output = in_child(|| {
        // SAFETY: restores the default action, in place of that of the test harness.
        unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
        overflow::install();
        // SAFETY: raise has no preconditions.
        unsafe { libc::raise(libc::SIGBUS) };
    });
    assert_signalled(&output, libc::SIGBUS, "");
}

#[test]
fn a_thread_without_an_alternate_stack_gets_one_for_a_while() {
    let output = in_child(|| {
        std::thread::spawn(on_a_thread_without_an_alternate_stack)
            .join()
            .unwrap();
    });
    assert_signalled(&output, libc::SIGABRT, "green thread 'deep'");
}

fn on_a_thread_without_an_alternate_stack() {
    let off = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    };
    // SAFETY: takes std's alternate stack away, which std unmaps at the end of the thread as if it
    // was in place.
    assert_eq!(unsafe { libc::sigaltstack(&off, std::ptr::null_mut()) }, 0);
    overflow::install();
    let first = overflow::ensure_alternate_stack();
    assert!(first.is_installed() && !overflow::ensure_alternate_stack().is_installed());
    drop(first);
    let _alternate = overflow::ensure_alternate_stack();
    assert!(_alternate.is_installed());
    let label = Label {
        thread: Some(named("deep")),
        location: Location::caller(),
    };
    run_labelled(Some(&label), || _ = recurse(0));
}

#[test]
fn a_stack_that_is_dropped_ends_the_process() {
    let output = in_child(|| {
        drop(taken(&mut StackCache::new(), class(0)));
    });
    assert_signalled(
        &output,
        libc::SIGABRT,
        "a stack was dropped rather than put back",
    );
}
