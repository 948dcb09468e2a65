//! A forked child: it may exec or exit; a wait or a spawn of greenloop says that it can't be.

#[path = "../../tests/it/child.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod child;

use child::{Child, End, this_test};
use greenloop::monkey::{self, Group, PatchErrorKind};
use greenloop::{Builder, run, spawn};
use libc::c_int;
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Forks; the child ends with what `f` says. Returns its wait status.
fn forked(f: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: the child makes no call but those that are tested here, and leaves by `_exit`.
    match unsafe { libc::fork() } {
        // SAFETY: without memory.
        0 => unsafe { libc::_exit(f()) },
        pid => {
            let mut status = 0;
            // SAFETY: room for the status.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            status
        }
    }
}

/// Runs `f` in a child that a full green thread of a patched process has forked off.
fn in_child_of_green(test: &'static str, f: fn() -> c_int) -> End {
    Child::new(test).run(move || {
        monkey::patch_all().unwrap();
        let status = spawn(move || forked(f)).join().unwrap();
        eprintln!("status {status}");
        let status = run(move || forked(f));
        eprintln!("status {status}");
    })
}

#[test]
fn a_child_may_make_plain_calls() {
    let end = in_child_of_green(this_test!(), || {
        assert!(!monkey::is_patched(Group::Time));
        thread::sleep(Duration::from_millis(10));
        let mut pipe = [0; 2];
        // SAFETY: room for two descriptors, and memory for what is written and read.
        let (written, read) = unsafe {
            assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
            let written = libc::write(pipe[1], c"x".as_ptr().cast(), 1);
            let mut byte = 0u8;
            (written, libc::read(pipe[0], (&raw mut byte).cast(), 1))
        };
        writeln!(std::io::stderr(), "plain {written} {read}").unwrap();
        9
    });
    assert!(end.status.success(), "{end}");
    assert_eq!(end.stderr.matches("plain 1 1\n").count(), 2, "{end}");
    assert_eq!(end.stderr.matches("status 2304\n").count(), 2, "{end}");
}

#[test]
fn a_child_may_exec() {
    let end = in_child_of_green(this_test!(), || {
        let error = Command::new("sh").args(["-c", "exit 3"]).exec();
        panic!("{error}");
    });
    assert_eq!(end.stderr.matches("status 768\n").count(), 2, "{end}");
}

#[test]
fn a_child_can_not_spawn() {
    let end = in_child_of_green(this_test!(), || {
        let error = Builder::new().spawn(|| ()).unwrap_err();
        writeln!(std::io::stderr(), "{error}").unwrap();
        c_int::from(error.kind() != ErrorKind::Unsupported)
    });
    let said = "a spawn in a forked child process";
    assert_eq!(end.stderr.matches(said).count(), 2, "{end}");
    assert_eq!(end.stderr.matches("status 0\n").count(), 2, "{end}");
}

#[test]
fn a_child_can_not_wait() {
    let end = in_child_of_green(this_test!(), || {
        greenloop::sleep(Duration::from_millis(1));
        0
    });
    let said = "a wait of greenloop in a forked child process";
    assert_eq!(end.stderr.matches(said).count(), 2, "{end}");
    let aborted = format!("status {}\n", libc::SIGABRT);
    let dumped = format!("status {}\n", libc::SIGABRT | 0x80);
    let count = end.stderr.matches(&aborted).count() + end.stderr.matches(&dumped).count();
    assert_eq!(count, 2, "{end}");
}

#[test]
fn a_child_can_not_patch() {
    let end = in_child_of_green(this_test!(), || {
        let error = monkey::patch_all().unwrap_err();
        writeln!(std::io::stderr(), "{error}").unwrap();
        c_int::from(error.kind() != PatchErrorKind::Forked)
    });
    assert_eq!(end.stderr.matches("only exec or _exit").count(), 2, "{end}");
    assert_eq!(end.stderr.matches("status 0\n").count(), 2, "{end}");
}

#[test]
fn the_parent_goes_on() {
    Child::new(this_test!()).passes(|| {
        monkey::patch_all().unwrap();
        run(|| {
            assert_eq!(forked(|| 0), 0);
            assert!(monkey::is_patched(Group::Time));
            let others = [1, 2].map(|it| greenloop::spawn_local(move || it));
            assert_eq!(others.map(|it| it.join().unwrap()), [1, 2]);
            thread::sleep(Duration::from_millis(10));
            // SAFETY: without arguments; the child leaves at once.
            if unsafe { libc::fork() } == 0 {
                // SAFETY: without memory.
                unsafe { libc::_exit(0) };
            }
        });
    });
}
