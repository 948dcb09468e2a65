//! Child processes: their ends are waited for while others run, as on an OS thread otherwise.

#[path = "../../tests/it/child.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod child;
#[path = "../../tests/it/within.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod within;

use child::{Child, this_test};
use greenloop::{monkey, run, spawn_local, yield_now};
use libc::{c_int, pid_t};
use std::cell::Cell;
use std::ffi::CStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Command};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};
use within::{LONG, within};

unsafe extern "C" {
    fn wait3(status: *mut c_int, options: c_int, usage: *mut libc::rusage) -> pid_t;
}

/// Runs `f` on a full green thread, and asserts that another one ran meanwhile.
fn cooperates<T: 'static>(f: impl FnOnce() -> T + 'static) -> T {
    monkey::patch_all().unwrap();
    run(|| {
        let ran = Rc::new(Cell::new(0));
        let witness = Rc::clone(&ran);
        let counter = spawn_local(move || {
            loop {
                witness.set(witness.get() + 1);
                thread::sleep(Duration::from_millis(1));
                greenloop::sleep(Duration::from_millis(1));
            }
        });
        let result = spawn_local(f).join().unwrap();
        counter.kill();
        assert!(ran.get() > 5, "nobody else ran meanwhile: {}", ran.get());
        result
    })
}

fn sleeper(seconds: &str) -> process::Child {
    Command::new("sleep").arg(seconds).spawn().unwrap()
}

fn shell(script: &str) -> process::Child {
    Command::new("sh").args(["-c", script]).spawn().unwrap()
}

fn errno() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap()
}

fn waitpid(pid: pid_t, options: c_int) -> (pid_t, c_int) {
    let mut status = 0;
    // SAFETY: room for the status.
    let found = unsafe { libc::waitpid(pid, &mut status, options) };
    (found, status)
}

#[test]
fn many_commands_run_at_once() {
    monkey::patch_all().unwrap();
    let took = within(LONG, || {
        run(|| {
            let start = Instant::now();
            let all: Vec<_> = (0..20)
                .map(|number| {
                    spawn_local(move || {
                        let script = format!("sleep 0.5; echo {number}");
                        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
                        assert_eq!(output.stdout, format!("{number}\n").into_bytes());
                    })
                })
                .collect();
            all.into_iter().for_each(|it| it.join().unwrap());
            start.elapsed()
        })
    });
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn statuses_are_those_of_the_children() {
    let seen = within(LONG, || {
        cooperates(|| {
            let exit = shell("sleep 0.1; exit 3").wait().unwrap();
            let signal = shell("sleep 0.1; kill -9 $$").wait().unwrap();
            (exit.code(), signal.signal())
        })
    });
    assert_eq!(seen, (Some(3), Some(9)));
}

#[test]
#[allow(clippy::zombie_processes)] // it is waited for, by the call itself
fn a_child_that_has_ended_is_found_at_once() {
    within(LONG, || {
        monkey::patch_all().unwrap();
        run(|| {
            let child = shell("exit 4");
            thread::sleep(Duration::from_millis(100));
            let (found, status) = waitpid(child.id() as pid_t, 0);
            assert_eq!(found, child.id() as pid_t);
            assert_eq!(libc::WEXITSTATUS(status), 4);
        });
    });
}

#[test]
fn what_is_no_child_is_an_error() {
    within(LONG, || {
        monkey::patch_all().unwrap();
        let ask = || {
            let own = process::id();
            // SAFETY: null is allowed.
            let id = unsafe { libc::waitid(libc::P_PID, own, std::ptr::null_mut(), libc::WEXITED) };
            let id = (id, errno());
            (
                waitpid(own as pid_t, 0).0,
                errno(),
                id,
                waitpid(1, 1 << 20).0,
                errno(),
            )
        };
        let plain = ask();
        assert_eq!(plain.1, libc::ECHILD);
        assert_eq!(run(ask), plain);
    });
}

#[test]
fn any_child_will_do() {
    Child::new(this_test!()).passes(|| {
        within(LONG, || {
            cooperates(|| {
                let (slow, fast) = (sleeper("0.4"), sleeper("0.1"));
                let mut status = 0;
                // SAFETY: room for the status; null is allowed.
                let (first, second, none) = unsafe {
                    (
                        libc::wait(&mut status),
                        wait3(&mut status, 0, std::ptr::null_mut()),
                        libc::wait(std::ptr::null_mut()),
                    )
                };
                assert_eq!((none, errno()), (-1, libc::ECHILD));
                assert_eq!([first, second], [fast.id() as pid_t, slow.id() as pid_t]);
            });
        });
    });
}

#[test]
fn a_stopped_child_is_found() {
    within(LONG, || {
        cooperates(|| {
            let mut child = shell("sleep 0.1; kill -STOP $$; exit 5");
            let pid = child.id() as pid_t;
            let (found, status) = waitpid(pid, libc::WUNTRACED);
            assert!(found == pid && libc::WIFSTOPPED(status));
            // SAFETY: no memory is passed.
            unsafe { libc::kill(pid, libc::SIGCONT) };
            assert_eq!(child.wait().unwrap().code(), Some(5));
        });
    });
}

#[test]
fn waitid_says_who_and_how_and_may_leave_it() {
    within(LONG, || {
        cooperates(|| {
            let mut child = shell("sleep 0.1; exit 6");
            // SAFETY: plain data, for which zeros are valid.
            let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
            let options = libc::WEXITED | libc::WNOWAIT;
            // SAFETY: room for what is found.
            let result = unsafe { libc::waitid(libc::P_PID, child.id(), &mut info, options) };
            // SAFETY: filled for a child.
            let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
            assert_eq!((result, pid, status), (0, child.id() as pid_t, 6));
            assert_eq!(info.si_code, libc::CLD_EXITED);
            assert_eq!(child.wait().unwrap().code(), Some(6));
        });
    });
}

#[test]
fn a_kill_cuts_the_wait() {
    within(LONG, || {
        monkey::patch_all().unwrap();
        run(|| {
            for options in [0, libc::WUNTRACED] {
                let mut child = sleeper("600");
                let pid = child.id() as pid_t;
                let seen = Rc::new(Cell::new((0, 0)));
                let result = Rc::clone(&seen);
                let waiter = spawn_local(move || {
                    let (found, _) = waitpid(pid, options);
                    result.set((found, errno()));
                });
                yield_now();
                waiter.kill();
                assert_eq!(seen.get(), (-1, libc::ECANCELED));
                child.kill().unwrap();
                child.wait().unwrap();
            }
        });
    });
}

#[test]
fn a_kill_ends_a_pause() {
    within(LONG, || {
        monkey::patch_all().unwrap();
        run(|| {
            let seen = Rc::new(Cell::new((0, 0)));
            let result = Rc::clone(&seen);
            let waiter = spawn_local(move || {
                // SAFETY: without arguments.
                let paused = unsafe { libc::pause() };
                result.set((paused, errno()));
            });
            yield_now();
            waiter.kill();
            assert_eq!(seen.get(), (-1, libc::ECANCELED));
        });
    });
}

#[test]
fn a_shells_command_runs_beside() {
    let run_shell = |script: &'static CStr| {
        // SAFETY: a C string.
        cooperates(move || unsafe { libc::system(script.as_ptr()) })
    };
    let status = within(LONG, move || run_shell(c"sleep 0.2; exit 7"));
    assert_eq!(libc::WEXITSTATUS(status), 7);
}

#[test]
fn a_pipes_end_is_waited_for() {
    let status = within(LONG, || {
        cooperates(|| {
            // SAFETY: both are C strings, and the stream is closed once.
            unsafe {
                let stream = libc::popen(c"sleep 0.2; exit 8".as_ptr(), c"r".as_ptr());
                assert!(!stream.is_null());
                libc::pclose(stream)
            }
        })
    });
    assert_eq!(libc::WEXITSTATUS(status), 8);
}
