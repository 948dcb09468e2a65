//! What the stacks promise, observed from outside: a test that needs a fresh process runs itself
//! again in one.

mod credits;
mod overflows;

use super::*;
use std::collections::HashSet;
use std::io;
use std::process::{Command, Output};

const CHILD: &str = "GREENLOOP_STACK_TEST";

/// Runs `body`, a closure of a test that calls this first thing, in a process of its own.
fn in_child<F: FnOnce()>(body: F) -> Output {
    if std::env::var_os(CHILD).is_some() {
        body();
        std::process::exit(0);
    }
    let (_, path) = std::any::type_name::<F>().split_once("::").unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", path.trim_end_matches("::{{closure}}")])
        .args(["--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap()
}

#[track_caller]
fn assert_passed(output: Output) {
    assert!(output.status.success(), "{output:?}");
}

fn class(kib: usize) -> SizeClass {
    SizeClass::for_size(kib << 10).unwrap()
}

/// Whether the kernel may write one byte there on our behalf.
fn writable(address: usize) -> bool {
    let (reader, mut writer) = io::pipe().unwrap();
    io::Write::write_all(&mut writer, b"x").unwrap();
    let target = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: the kernel checks the address; it writes one byte to a stack of this test that nobody
    // runs on, or fails.
    let read = unsafe { libc::read(std::os::fd::AsRawFd::as_raw_fd(&reader), target, 1) };
    assert!(read == 1 || io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT));
    read == 1
}

fn assert_guarded(stack: &Stack) {
    let (guard, top) = (stack.0.guard(), stack.0.top());
    assert!(
        [guard.start, guard.start + guard.len() / 2, guard.end - 1]
            .into_iter()
            .all(|at| !writable(at))
    );
    assert!(writable(guard.end) && writable(top - 1));
}

fn takes_guarded_stacks() {
    let mut cache = StackCache::new();
    for kib in [0, 192, 1024] {
        let stacks: Vec<_> = (0..200).map(|_| taken(&mut cache, class(kib))).collect();
        stacks.iter().for_each(assert_guarded);
        stacks
            .into_iter()
            .for_each(|stack| given_back(&mut cache, stack));
    }
}

fn taken(cache: &mut StackCache, class: SizeClass) -> Stack {
    cache.credit(class).unwrap();
    cache.take(class)
}

fn given_back(cache: &mut StackCache, stack: Stack) {
    let class = stack.0.class();
    cache.put(stack);
    cache.refund(class);
}

#[test]
fn the_low_end_of_each_stack_is_a_guard() {
    takes_guarded_stacks();
}

#[test]
fn guards_are_pages_where_the_kernel_has_no_markers() {
    assert_passed(in_child(|| {
        assert!(force_mprotect_guards());
        takes_guarded_stacks();
        assert!(guard::are_scarce() && !force_mprotect_guards());
    }));
}

#[test]
fn guards_are_pages_in_memory_that_is_locked_later() {
    assert_passed(in_child(|| {
        let mut cache = StackCache::new();
        let stack = taken(&mut cache, class(192));
        // SAFETY: locks memory, touches none.
        if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } == 0 {
            takes_guarded_stacks();
        }
        given_back(&mut cache, stack);
    }));
}

#[test]
fn a_stack_stays_guarded_when_it_is_trimmed_and_taken_again() {
    let size = class(3 << 10);
    let mut cache = StackCache::new();
    for _ in 0..2 {
        let stacks: Vec<_> = (0..100).map(|_| taken(&mut cache, size)).collect();
        stacks.iter().for_each(assert_guarded);
        stacks
            .into_iter()
            .for_each(|stack| given_back(&mut cache, stack));
        drop(std::mem::replace(&mut cache, StackCache::new()));
        trim_all(&mut cache);
    }
}

fn trim_all(cache: &mut StackCache) {
    while cache.has_surplus() {
        cache.trim();
    }
}

fn resident_kib() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * guard::page_size() / 1024
}

#[test]
fn an_idle_worker_gives_the_memory_of_a_burst_back() {
    assert_passed(in_child(|| {
        let mut cache = StackCache::new();
        let before = resident_kib();
        let stacks: Vec<_> = (0..20_000).map(|_| taken(&mut cache, class(192))).collect();
        // SAFETY: the line is the top of a stack that nobody runs on.
        stacks
            .iter()
            .for_each(|stack| unsafe { stack.prefetch_address().cast_mut().write(1) });
        let burst = resident_kib() - before;
        stacks
            .into_iter()
            .for_each(|stack| given_back(&mut cache, stack));
        trim_all(&mut cache);
        let after = resident_kib() - before;
        assert!(
            burst > 80_000 && after < 4_000,
            "{burst} KiB in the burst, {after} KiB after it"
        );
    }));
}

#[test]
fn large_stacks_are_not_kept_with_their_memory() {
    let mut cache = StackCache::new();
    let stack = taken(&mut cache, class(100 << 10));
    let bottom = std::ptr::with_exposed_provenance_mut::<u8>(stack.0.body().start);
    // SAFETY: the lowest byte of a stack that nobody runs on.
    unsafe { bottom.write(7) };
    given_back(&mut cache, stack);
    trim_all(&mut cache);
    // SAFETY: as above; stacks are never unmapped.
    assert_eq!(unsafe { bottom.read() }, 0);
}

#[test]
fn tops_are_aligned_and_coloured() {
    // In a fresh process the slots come in order.
    assert_passed(in_child(|| {
        let mut cache = StackCache::new();
        let stacks: Vec<_> = (0..64).map(|_| taken(&mut cache, class(0))).collect();
        let offsets: HashSet<_> = stacks.iter().map(|stack| stack.0.top() % 4096).collect();
        assert_eq!(offsets.len(), 16);
        for stack in &stacks {
            let (top, line) = (stack.0.top(), stack.prefetch_address().addr());
            assert!(top % corosensei::stack::STACK_ALIGNMENT == 0 && line % 64 == 0);
            assert!(line < top && top < line + 64 && stack.0.body().contains(&top));
        }
        stacks
            .into_iter()
            .for_each(|stack| given_back(&mut cache, stack));
    }));
}
