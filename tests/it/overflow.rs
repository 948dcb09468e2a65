//! Full stacks: told with name, birthplace and size; every other fault is what it is without us.

use std::time::Duration;

use greenloop::{Builder, joinall, run, scope, spawn, spawn_later, thread};

use crate::child::{Child, End, this_test};

const SIGABRT: i32 = 6;

const SIGSEGV: i32 = 11;

/// Uses more stack than there is.
#[expect(unconditional_recursion, reason = "that is the point")]
pub(crate) fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 32]);
    1 + overflow(depth + 1) + frame[7]
}

/// Uses `bytes` of stack below `start`, and returns.
fn reach(start: usize, bytes: usize) -> usize {
    let frame = std::hint::black_box([0_u8; 512]);
    if start.saturating_sub(frame.as_ptr().addr()) >= bytes {
        return 0;
    }
    1 + reach(start, bytes) + usize::from(std::hint::black_box(frame)[1])
}

/// Fails unless the child has told the overflow of a stack of a green thread spawned there, and aborted.
pub(crate) fn assert_overflow(end: &End, name: &str, at: (&str, u32), kib: usize) {
    let (file, line) = at;
    let text = format!(
        "green thread '{name}' (spawned at {file}:{line}) has overflowed its stack ({kib} KiB)"
    );
    assert!(end.said(&text), "{text}\nexpected of\n{end}");
    assert_eq!(end.signal(), Some(SIGABRT), "{end}");
}

// gevent 1.2 `Greenlet`, `spawning_stack`: the birthplace is known.
#[test]
fn a_full_stack_on_a_worker_is_told() {
    let at = (file!(), line!() + 3);
    let end = Child::new(this_test!()).run(|| {
        let named = Builder::new().name("deep".into());
        drop(named.spawn(|| overflow(0)).unwrap().join());
    });
    assert_overflow(&end, "deep", at, 192);
}

#[test]
fn a_full_stack_of_an_unnamed_one_is_told() {
    let at = (file!(), line!() + 1);
    let end = Child::new(this_test!()).run(|| drop(spawn(|| overflow(0)).join()));
    assert_overflow(&end, "<unnamed>", at, 192);
}

#[test]
fn a_full_stack_of_another_size_is_told() {
    let at = (file!(), line!() + 3);
    let end = Child::new(this_test!()).run(|| {
        let large = Builder::new().name("large".into()).stack_size(1 << 20);
        drop(large.spawn(|| overflow(0)).unwrap().join());
    });
    // One megabyte and a guard take the next power of two.
    assert_overflow(&end, "large", at, 1984);
}

#[test]
fn a_full_smallest_stack_is_told() {
    let at = (file!(), line!() + 3);
    let end = Child::new(this_test!()).run(|| {
        let small = Builder::new().name("small".into()).stack_size(1);
        drop(small.spawn(|| overflow(0)).unwrap().join());
    });
    assert_overflow(&end, "small", at, 48);
}

#[test]
fn a_full_stack_in_a_hub_is_told() {
    let at = (file!(), line!() + 2);
    let end = Child::new(this_test!()).run(|| {
        run(|| drop(spawn(|| overflow(0)).join()));
    });
    assert_overflow(&end, "<unnamed>", at, 192);
}

#[test]
fn a_full_stack_in_a_hub_on_a_thread_of_std_is_told() {
    let at = (file!(), line!() + 4);
    let end = Child::new(this_test!()).run(|| {
        let thread = std::thread::spawn(|| {
            let named = Builder::new().name("inner".into());
            run(|| drop(named.spawn(|| overflow(0)).unwrap().join()));
        });
        drop(thread.join());
    });
    assert_overflow(&end, "inner", at, 192);
}

#[test]
fn a_full_stack_of_a_hub_s_first_one_is_told() {
    let at = (file!(), line!() + 1);
    let end = Child::new(this_test!()).run(|| assert_eq!(run(|| overflow(0)), 0));
    assert_overflow(&end, "main", at, 192);
}

#[test]
fn a_full_stack_of_a_late_one_is_told() {
    let at = (file!(), line!() + 2);
    let end = Child::new(this_test!()).run(|| {
        let late = spawn_later(Duration::from_millis(1), || overflow(0));
        drop(late.join());
    });
    assert_overflow(&end, "<unnamed>", at, 192);
}

#[test]
fn a_full_stack_in_a_scope_is_told() {
    let at = (file!(), line!() + 2);
    let end = Child::new(this_test!()).run(|| {
        scope(|s| drop(s.spawn(|| overflow(0)).join()));
    });
    assert_overflow(&end, "<unnamed>", at, 192);
}

#[test]
fn a_full_stack_after_many_waits_and_among_many_is_told() {
    let at = (file!(), line!() + 8);
    let end = Child::new(this_test!()).run(|| {
        let parked = (0..1000).map(|_| spawn(thread::park));
        let parked: Vec<_> = parked.collect();
        let named = Builder::new().name("late".into());
        parked.iter().step_by(2).for_each(|it| it.thread().unpark());
        let late = named
            // The place of `spawn` itself is told.
            .spawn(|| {
                greenloop::sleep(Duration::from_millis(5));
                overflow(0)
            });
        drop(late.unwrap().join());
    });
    assert_overflow(&end, "late", at, 192);
}

#[test]
fn a_name_of_any_length_is_told() {
    let end = Child::new(this_test!()).run(|| {
        let named = Builder::new().name("long ".repeat(1000));
        drop(named.spawn(|| overflow(0)).unwrap().join());
    });
    assert_eq!(end.signal(), Some(SIGABRT), "{end}");
    let told = end.stderr.lines().any(|line| {
        line.starts_with("green thread 'long long") && line.ends_with("its stack (192 KiB)")
    });
    assert!(told, "{end}");
}

#[test]
fn a_full_stack_of_an_os_thread_is_std_s_to_tell() {
    let end = Child::new(this_test!()).run(|| {
        spawn(|| ()).join().unwrap();
        let builder = std::thread::Builder::new().name("os".into());
        drop(builder.spawn(|| overflow(0)).unwrap().join());
    });
    assert_eq!(end.signal(), Some(SIGABRT), "{end}");
    assert!(end.stderr.contains("thread 'os'"), "{end}");
    assert!(!end.stderr.contains("green thread"), "{end}");
}

/// Writes where nothing is.
fn fault() {
    let nowhere = std::ptr::without_provenance_mut::<u8>(8);
    // SAFETY: none: the process is to die of it.
    unsafe { nowhere.write_volatile(1) };
}

fn assert_fault(end: &End) {
    assert_eq!(end.signal(), Some(SIGSEGV), "{end}");
    assert!(!end.stderr.contains("overflowed"), "{end}");
}

#[test]
fn another_fault_on_a_worker_is_what_it_is() {
    let end = Child::new(this_test!()).run(|| drop(spawn(fault).join()));
    assert_fault(&end);
}

#[test]
fn another_fault_in_a_hub_is_what_it_is() {
    let end = Child::new(this_test!()).run(|| run(fault));
    assert_fault(&end);
}

#[test]
fn another_fault_on_an_os_thread_is_what_it_is() {
    let end = Child::new(this_test!()).run(|| {
        spawn(|| ()).join().unwrap();
        drop(std::thread::spawn(fault).join());
    });
    assert_fault(&end);
}

#[test]
fn a_stack_has_what_was_asked_for() {
    Child::new(this_test!()).passes(|| {
        for kib in [48, 192, 1_000, 8_000] {
            let bytes = kib << 10;
            let deep = Builder::new().stack_size(bytes).spawn(move || {
                let start = std::hint::black_box([0_u8; 64]);
                // The first frames and the last take a little, as on a thread of std.
                reach(start.as_ptr().addr(), bytes - (8 << 10))
            });
            assert!(deep.unwrap().join().unwrap() > 0);
        }
    });
}

#[test]
fn a_panic_with_a_backtrace_fits_on_a_default_stack() {
    let child = Child::new(this_test!()).variable("RUST_BACKTRACE", "full");
    let end = child.run(|| {
        let lost = spawn(|| -> () { panic!("with a backtrace") });
        assert!(lost.join().is_err());
    });
    assert!(end.status.success(), "{end}");
    assert!(end.stderr.contains("with a backtrace"), "{end}");
}

/// Makes guards of protected pages, as on a kernel without `MADV_GUARD_INSTALL`, before anything has a stack.
pub(crate) fn without_guard_markers() {
    assert!(greenloop::force_mprotect_guards());
}

#[test]
fn a_full_stack_is_told_on_an_older_kernel_too() {
    let at = (file!(), line!() + 5);
    let end = Child::new(this_test!()).run(|| {
        without_guard_markers();
        joinall((0..1_000).map(|_| spawn(|| ())));
        let named = Builder::new().name("old".into());
        drop(named.spawn(|| overflow(0)).unwrap().join());
    });
    assert_overflow(&end, "old", at, 192);
}

#[test]
fn a_full_stack_in_a_hub_is_told_on_an_older_kernel_too() {
    let at = (file!(), line!() + 3);
    let end = Child::new(this_test!()).run(|| {
        without_guard_markers();
        run(|| drop(spawn(|| overflow(0)).join()));
    });
    assert_overflow(&end, "<unnamed>", at, 192);
}
