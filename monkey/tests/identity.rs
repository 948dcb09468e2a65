//! What a full green thread is to the C library: its stack, its end, and the ids of the process.

#[path = "../../tests/it/child.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod child;
#[path = "../../tests/it/within.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod within;

use child::{Child, this_test};
use greenloop::{Builder, monkey, run, spawn, spawn_local, yield_now};
use libc::{c_int, c_void, pthread_cond_t, pthread_mutex_t, pthread_t};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use within::{LONG, until, within};

// A cancelled thread unwinds, through these calls as well.
unsafe extern "C-unwind" {
    fn pthread_exit(value: *mut c_void) -> !;
    fn read(fd: c_int, buffer: *mut c_void, length: usize) -> isize;
    fn sleep(seconds: u32) -> u32;
    fn poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int;
    fn pause() -> c_int;
    fn pthread_cond_wait(c: *mut pthread_cond_t, m: *mut pthread_mutex_t) -> c_int;
    fn pthread_cond_timedwait(
        c: *mut pthread_cond_t,
        m: *mut pthread_mutex_t,
        time: *const libc::timespec,
    ) -> c_int;
}

type Start = extern "C" fn(*mut c_void) -> *mut c_void;

fn own_thread() -> pthread_t {
    // SAFETY: without arguments.
    unsafe { libc::pthread_self() }
}

/// The stack of the calling thread, as the C library says.
fn stack() -> Range<usize> {
    let mut attributes = MaybeUninit::uninit();
    let (mut low, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the first call initialises the attributes, and the last one destroys them.
    unsafe {
        let result = libc::pthread_getattr_np(own_thread(), attributes.as_mut_ptr());
        assert_eq!(result, 0);
        let result = libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut size);
        assert_eq!(result, 0);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
    }
    low as usize..low as usize + size
}

fn is_on(stack: &Range<usize>) -> bool {
    let here = 0u8;
    stack.contains(&(&raw const here).addr())
}

#[test]
fn the_stack_is_its_own() {
    monkey::patch_all().unwrap();
    within(LONG, || {
        let plain = stack();
        assert!(is_on(&plain));
        run(move || {
            let stacks = [(); 2].map(|()| {
                spawn_local(|| {
                    let stack = stack();
                    yield_now();
                    assert!(is_on(&stack));
                    stack
                })
            });
            let [one, other] = stacks.map(|it| it.join().unwrap());
            assert!(one.end <= other.start || other.end <= one.start);
            assert!(one.len() >= 192 << 10);
            let light = Builder::new().own_tls(false).spawn_local(stack);
            assert_eq!(light.unwrap().join().unwrap(), plain);
        });
        assert!(is_on(&stack()));
    });
}

#[test]
fn a_green_thread_can_not_exit_as_an_os_thread_does() {
    for full in [true, false] {
        let end = Child::new(this_test!()).variable("FULL", full).run(|| {
            monkey::patch_all().unwrap();
            let full = std::env::var("FULL").unwrap() == "true";
            // SAFETY: it does not return.
            let exit = || unsafe { pthread_exit(ptr::null_mut()) };
            let _ = Builder::new().own_tls(full).spawn(exit).unwrap().join();
        });
        assert_eq!(end.signal(), Some(libc::SIGABRT), "{end}");
        let said = "pthread_exit on a green thread";
        assert!(end.stderr.contains(said), "{end}");
    }
}

#[test]
fn a_green_thread_can_not_be_cancelled_as_an_os_thread_is() {
    monkey::patch_all().unwrap();
    within(LONG, || {
        run(|| {
            let sleeper = spawn_local(|| {
                thread::sleep(Duration::from_millis(50));
                own_thread()
            });
            // SAFETY: this green thread's own.
            assert_eq!(unsafe { libc::pthread_cancel(own_thread()) }, libc::ESRCH);
            thread::sleep(Duration::from_millis(1));
            let ended = sleeper.join().unwrap();
            // SAFETY: the number of a thread that is kept for others.
            assert_eq!(unsafe { libc::pthread_cancel(ended) }, libc::ESRCH);
        });
    });
}

static mut LOCK: pthread_mutex_t = libc::PTHREAD_MUTEX_INITIALIZER;
static mut CONDITION: pthread_cond_t = libc::PTHREAD_COND_INITIALIZER;

/// For a signal that never comes.
unsafe fn wait_for_condition(timed: bool) -> c_int {
    let far = libc::timespec {
        tv_sec: libc::time_t::MAX,
        tv_nsec: 0,
    };
    // SAFETY: both live as long as the process.
    unsafe {
        libc::pthread_mutex_lock(&raw mut LOCK);
        loop {
            if timed {
                pthread_cond_timedwait(&raw mut CONDITION, &raw mut LOCK, &far);
            } else {
                pthread_cond_wait(&raw mut CONDITION, &raw mut LOCK);
            }
        }
    }
}

/// A thread that was cancelled in a wait for a condition has the mutex.
fn unlock_for_the_cancelled() {
    // SAFETY: nobody waits for it; a new one in its place.
    unsafe {
        assert_eq!(libc::pthread_mutex_trylock(&raw mut LOCK), libc::EBUSY);
        (&raw mut LOCK).write(libc::PTHREAD_MUTEX_INITIALIZER);
    }
}

/// Waits in hooked calls, until it is cancelled.
extern "C-unwind" fn wait_for_cancellation(call: *mut c_void) -> *mut c_void {
    WAITING.fetch_add(1, Ordering::SeqCst);
    let mut pipe = [0; 2];
    // SAFETY: room for what is asked for.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let mut byte = 0u8;
        match call as usize {
            0 => read(pipe[0], (&raw mut byte).cast(), 1) as c_int,
            1 => sleep(600) as c_int,
            2 => poll(ptr::null_mut(), 0, -1),
            3 => pause(),
            timed => wait_for_condition(timed == 5),
        };
    }
    ptr::null_mut()
}

static WAITING: AtomicUsize = AtomicUsize::new(0);

#[test]
fn an_os_thread_is_cancelled_in_a_hook_as_without() {
    monkey::patch_all().unwrap();
    within(LONG, || {
        for (call, soon) in (0..6).flat_map(|call| [(call, true), (call, false)]) {
            let mut thread = 0;
            let mut result = ptr::null_mut();
            let argument = ptr::without_provenance_mut(call);
            WAITING.store(0, Ordering::SeqCst);
            // SAFETY: it is a thread's function, of the same ABI but for unwinding, which the C
            // library is ready for; the thread is joined once.
            unsafe {
                let start = wait_for_cancellation as *const ();
                let start = std::mem::transmute::<*const (), Start>(start);
                let made = libc::pthread_create(&mut thread, ptr::null(), start, argument);
                assert_eq!(made, 0);
                until("it begins", || WAITING.load(Ordering::SeqCst) == 1);
                if !soon {
                    thread::sleep(Duration::from_millis(20)); // it waits by now, most likely
                }
                assert_eq!(libc::pthread_cancel(thread), 0);
                assert_eq!(libc::pthread_join(thread, &mut result), 0);
            }
            // PTHREAD_CANCELED
            assert_eq!(result.addr(), usize::MAX, "call {call}");
            if call >= 4 {
                unlock_for_the_cancelled();
            }
        }
    });
}

struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        eprintln!("farewell");
    }
}

#[test]
fn an_exit_runs_the_destructors_of_the_calling_thread() {
    thread_local!(static LOCAL: Farewell = const { Farewell });
    let use_and_exit = || {
        LOCAL.with(|_| ());
        std::process::exit(7);
    };
    let exits = || {
        monkey::patch_all().unwrap();
        spawn(use_and_exit).join().unwrap();
    };
    let end = Child::new(this_test!()).run(exits);
    assert_eq!(end.status.code(), Some(7), "{end}");
    assert_eq!(end.stderr.matches("farewell").count(), 1, "{end}");
}

const NOBODY: u32 = 65534;

/// The ids of each thread of the process: user and group, real, effective and saved.
fn ids() -> BTreeSet<Vec<String>> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .map(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let lines = status.lines();
            let lines = lines.filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"));
            lines.map(str::to_owned).collect()
        })
        .collect()
}

fn of_all(user: u32, group: u32) -> BTreeSet<Vec<String>> {
    let line = |name, id| format!("{name}:\t{id}\t{id}\t{id}\t{id}");
    BTreeSet::from([vec![line("Uid", user), line("Gid", group)]])
}

/// Can this process change its ids?
fn is_root() -> bool {
    // SAFETY: without arguments.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("skipped: only root may change ids");
    }
    root
}

/// Makes all the calls that change ids.
fn become_nobody() {
    // SAFETY: the list has one group, and the name is a C string.
    let results = unsafe {
        [
            libc::setgroups(1, &NOBODY),
            libc::initgroups(c"nobody".as_ptr(), NOBODY),
            libc::setegid(NOBODY),
            libc::setgid(NOBODY),
            libc::setregid(NOBODY, NOBODY),
            libc::setresgid(NOBODY, NOBODY, NOBODY),
            libc::seteuid(0),
            libc::setreuid(0, 0),
            libc::setresuid(0, 0, 0),
            libc::setuid(NOBODY),
        ]
    };
    assert_eq!(results, [0; 10], "{}", io::Error::last_os_error());
}

#[test]
fn ids_change_on_the_only_full_green_thread() {
    if !is_root() {
        return;
    }
    Child::new(this_test!()).passes(|| {
        monkey::patch_all().unwrap();
        within(LONG, || {
            run(|| {
                // Its block and others of the same batch belong to threads that have ids, too.
                assert_eq!(ids(), of_all(0, 0));
                become_nobody();
                assert_eq!(ids(), of_all(NOBODY, NOBODY));
                // SAFETY: without memory.
                let back = unsafe { libc::setuid(0) };
                let error = io::Error::last_os_error();
                assert_eq!((back, error.raw_os_error()), (-1, Some(libc::EPERM)));
            });
        });
    });
}

#[test]
fn ids_change_on_a_worker_and_on_an_os_thread() {
    if !is_root() {
        return;
    }
    Child::new(this_test!()).passes(|| {
        monkey::patch_all().unwrap();
        within(LONG, || {
            // SAFETY: without memory.
            let result = spawn(|| unsafe { libc::setegid(NOBODY) }).join().unwrap();
            assert_eq!(result, 0);
            // SAFETY: without memory.
            assert_eq!(unsafe { libc::setegid(0) }, 0);
            become_nobody();
            assert_eq!(ids(), of_all(NOBODY, NOBODY));
        });
    });
}

struct Errors;

static REFUSED: AtomicBool = AtomicBool::new(false);

impl log::Log for Errors {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let said = record.args().to_string();
        if record.target() == "greenloop::monkey" && record.level() == log::Level::Error {
            assert!(said.starts_with("setuid was refused: "), "{said}");
            REFUSED.store(true, Ordering::SeqCst);
        }
    }

    fn flush(&self) {}
}

#[test]
fn ids_do_not_change_beside_other_full_green_threads() {
    if !is_root() {
        return;
    }
    Child::new(this_test!()).passes(|| {
        log::set_logger(&Errors).unwrap();
        log::set_max_level(log::LevelFilter::Error);
        monkey::patch_all().unwrap();
        within(LONG, || {
            let (release, released) = mpsc::channel::<()>();
            let other = spawn(move || released.recv().unwrap());
            let ask = || {
                // SAFETY: without memory.
                let result = unsafe { libc::setuid(NOBODY) };
                (result, io::Error::last_os_error().raw_os_error())
            };
            let refused = (-1, Some(libc::EPERM));
            assert_eq!(spawn(ask).join().unwrap(), refused);
            assert!(REFUSED.load(Ordering::SeqCst));
            assert_eq!(ask(), refused);
            assert_eq!(ids(), of_all(0, 0));
            release.send(()).unwrap();
            other.join().unwrap();
        });
    });
}
