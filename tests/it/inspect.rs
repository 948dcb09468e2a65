//! Dumps of a running program: from every thread, while green threads come and go, and while workers
//! hang. `inspect_waits` has every kind of wait.

use std::io::Read;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{self, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use greenloop::inspect::{
    self, Activity, Backtrace, Dump, GreenThread, Kind, Options, State, Wait,
};
use greenloop::{Builder, JoinHandle, run, spawn, spawn_blocking, thread};

use crate::child::{Child, this_test};
use crate::everywhere::everywhere;
use crate::within::{LONG, until, within};

/// Long enough that a worker of a busy machine never counts as hung.
pub(crate) fn patient() -> Options {
    Options::new().patience(LONG)
}

pub(crate) fn named(name: &str, f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name.into()).spawn(f).unwrap()
}

pub(crate) fn find<'a>(dump: &'a Dump, name: &str) -> Option<&'a GreenThread> {
    dump.iter().find(|it| it.name() == Some(name))
}

/// One that holds its worker until its end is wanted.
pub(crate) struct Hog {
    stop: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

impl Hog {
    /// Returns when it runs.
    pub(crate) fn start() -> Hog {
        let flag = || Arc::new(AtomicBool::new(false));
        let (running, stop) = (flag(), flag());
        let (runs, stopped) = (running.clone(), stop.clone());
        let handle = named("hog", move || {
            runs.store(true, Ordering::SeqCst);
            while !stopped.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        });
        until("it runs", || running.load(Ordering::SeqCst));
        Hog { stop, handle }
    }

    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.handle.join().unwrap();
    }
}

pub(crate) fn parks_for_ever() {
    loop {
        thread::park();
    }
}

/// A dump in which the one with this name waits.
pub(crate) fn dump_when_waiting(name: &str) -> Dump {
    let take = || inspect::dump_with(patient());
    let waits = |dump: &Dump| find(dump, name).is_some_and(|it| it.state() == State::Waiting);
    until("it waits", || waits(&take()));
    take()
}

#[test]
fn every_thread_can_take_one() {
    let parked = named("seen by everybody", parks_for_ever);
    drop(dump_when_waiting("seen by everybody"));
    everywhere(|| {
        for backtraces in [false, true] {
            let dump = inspect::dump_with(patient().backtraces(backtraces));
            let entry = find(&dump, "seen by everybody").unwrap();
            assert_eq!(entry.wait(), Some(&Wait::Unpark));
            assert_eq!(entry.kind(), Kind::Light);
            let (used, reserved) = (entry.stack_used().unwrap(), entry.stack_reserved());
            assert!(used > 0 && used < reserved, "{used} of {reserved}");
            let taken = matches!(entry.backtrace(), Backtrace::Taken(_));
            assert_eq!(taken, backtraces);
        }
    });
    parked.kill();
    assert!(find(&inspect::dump(), "seen by everybody").is_none());
}

#[test]
fn who_takes_it_runs_and_who_has_not_started_is_unstarted() {
    within(LONG, || {
        run(|| {
            let asker = named("asker", || {
                drop(named("child", || ()));
                let dump = inspect::dump_with(patient());
                let (asker, child) = (find(&dump, "asker"), find(&dump, "child"));
                let (asker, child) = (asker.unwrap(), child.unwrap());
                assert_eq!(asker.state(), State::Running);
                assert_eq!(child.state(), State::Unstarted);
                assert_eq!(child.spawner(), Some(asker.id()));
                assert_eq!(child.stack_reserved(), 0);
                let hub = dump.workers().iter();
                let mut hub = hub.filter(|it| Some(it.index()) == asker.home());
                assert!(hub.next().unwrap().is_hub());
                let text = dump.to_string();
                let line = text.lines().find(|line| line.contains("'child'")).unwrap();
                assert!(line.starts_with("    green thread"), "{text}");
            });
            let id = format!("{:?}", asker.thread().id());
            asker.join().unwrap();
            assert!(id.starts_with("ThreadId("));
        });
    });
}

#[test]
fn a_job_and_its_joiner() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = std::sync::mpsc::channel();
    let job = spawn_blocking(move || {
        begin.send(()).unwrap();
        let _ = released.recv();
    });
    begun.recv().unwrap();
    let joiner = named("joiner of a job", move || job.join().unwrap());
    let dump = dump_when_waiting("joiner of a job");
    let Some(Wait::Job(id)) = find(&dump, "joiner of a job").unwrap().wait() else {
        panic!("it joins: {dump}");
    };
    let job = dump.iter().find(|it| it.id() == *id).unwrap();
    assert_eq!((job.kind(), job.state()), (Kind::Job, State::Running));
    assert!(job.spawned_at().file().ends_with("inspect.rs"));
    drop(release);
    joiner.join().unwrap();
}

#[inline(never)]
fn waits_in_here() {
    thread::park();
    std::hint::black_box(());
}

#[test]
fn a_backtrace_names_the_place() {
    let parked = named("with a place", waits_in_here);
    drop(dump_when_waiting("with a place"));
    let dump = inspect::dump_with(patient().backtraces(true));
    let Backtrace::Taken(backtrace) = find(&dump, "with a place").unwrap().backtrace() else {
        panic!("there is room for it");
    };
    let text = backtrace.to_string();
    assert!(text.contains("waits_in_here"), "{text}");
    parked.thread().unpark();
    parked.join().unwrap();
}

/// Calls `f` with at least so many bytes of the stack in use, and not many more.
fn fills(bytes: usize, f: &dyn Fn()) {
    let first = 0;
    fills_from(std::ptr::from_ref(&first).addr(), bytes, f);
}

#[inline(never)]
fn fills_from(top: usize, bytes: usize, f: &dyn Fn()) {
    let page = std::hint::black_box([1_u8; 1024]);
    if top - page.as_ptr().addr() < bytes {
        fills_from(top, bytes, f);
    } else {
        f();
    }
    std::hint::black_box(page);
}

#[test]
fn a_full_stack_has_no_room_for_a_backtrace() {
    let builder = Builder::new()
        .name("full stack".into())
        .stack_size(48 << 10);
    let parked = builder.spawn(|| fills(20 << 10, &thread::park)).unwrap();
    drop(dump_when_waiting("full stack"));
    let dump = inspect::dump_with(patient().backtraces(true));
    let entry = find(&dump, "full stack").unwrap();
    assert!(matches!(entry.backtrace(), Backtrace::NoRoom), "{entry}");
    assert!(entry.stack_used().unwrap() > 20 << 10, "{entry}");
    parked.kill();
}

#[test]
fn a_worker_that_hangs_is_told_with_what_it_runs() {
    let child = Child::new(this_test!()).variable("GREENLOOP_WORKERS", 1);
    child.passes(|| {
        let beside = named("beside", parks_for_ever);
        drop(dump_when_waiting("beside"));
        let hog = Hog::start();
        let dump = inspect::dump();
        let hog_entry = find(&dump, "hog").unwrap();
        assert_eq!(hog_entry.state(), State::Running);
        let worker = &dump.workers()[0];
        assert_eq!(worker.activity(), Activity::Hung);
        assert_eq!(worker.running(), Some(hog_entry.id()));
        let beside_entry = find(&dump, "beside").unwrap();
        assert_eq!(beside_entry.wait(), Some(&Wait::Unpark));
        assert_eq!(beside_entry.stack_used(), None);
        assert!(
            dump.to_string()
                .contains("worker 0: hung, runs green thread")
        );
        hog.end();
        let dump = inspect::dump_with(patient());
        assert_ne!(dump.workers()[0].activity(), Activity::Hung);
        assert!(find(&dump, "beside").unwrap().stack_used().is_some());
        beside.kill();
    });
}

/// Sends SIGQUIT, and returns what is said until `last`.
fn quit_says(last: &str) -> String {
    let (mut ours, theirs) = StdUnixStream::pair().unwrap();
    rustix::stdio::dup2_stderr(&theirs).unwrap();
    let pid = process::id().to_string();
    assert!(
        Command::new("kill")
            .args(["-QUIT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains(last) {
        let mut some = [0; 4096];
        let count = ours.read(&mut some).unwrap();
        said.extend_from_slice(&some[..count]);
    }
    String::from_utf8(said).unwrap()
}

#[test]
fn sigquit_prints_a_dump_even_when_all_workers_hang() {
    let child = Child::new(this_test!()).variable("GREENLOOP_WORKERS", 1);
    child.passes(|| {
        inspect::on_signal().unwrap();
        inspect::on_signal().unwrap();
        drop(named("the parked one", thread::park));
        drop(dump_when_waiting("the parked one"));
        let said = quit_says("'the parked one': waiting to be unparked");
        assert!(said.starts_with("1 green threads, 1 workers\n"), "{said}");
        let hog = Hog::start();
        let said = quit_says("'hog': running");
        assert!(said.contains("worker 0: hung"), "{said}");
        hog.end();
    });
}

#[test]
fn a_panic_of_main_prints_a_dump() {
    let end = Child::new(this_test!()).run(|| {
        drop(named("left behind", thread::park));
        drop(dump_when_waiting("left behind"));
        inspect::on_panic();
        assert!(spawn(|| panic!("of another one")).join().is_err());
        panic!("of main");
    });
    let (before, after) = end.stderr.split_once("of main").unwrap();
    assert!(!before.contains("'left behind'"), "{end}");
    assert!(
        after.contains("'left behind': waiting to be unparked"),
        "{end}"
    );
}

#[test]
fn dumps_beside_storms_of_spawns_and_kills() {
    let child = Child::new(this_test!()).limit(Duration::from_secs(120));
    child.passes(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let dumps = Arc::new(AtomicUsize::new(0));
        let askers: Vec<_> = (0..3)
            .map(|index| {
                let (stop, dumps) = (stop.clone(), dumps.clone());
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let options = patient().backtraces(index == 0);
                        let take = move || inspect::dump_with(options);
                        let dump = if index == 1 {
                            spawn(take).join().unwrap()
                        } else {
                            take()
                        };
                        for it in &dump {
                            assert!(it.name().is_none_or(|name| name == "storm"));
                            assert!(it.spawned_at().file().ends_with(".rs"));
                        }
                        dumps.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let storms: Vec<_> = (0..4)
            .map(|_| {
                let stop = stop.clone();
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        storm()
                    }
                })
            })
            .collect();
        let start = Instant::now();
        until("there were dumps", || {
            dumps.load(Ordering::Relaxed) > 100 && start.elapsed() > Duration::from_secs(2)
        });
        stop.store(true, Ordering::Relaxed);
        for it in storms.into_iter().chain(askers) {
            it.join().unwrap();
        }
        until("all have ended", || {
            inspect::dump_with(patient()).is_empty()
        });
    });
}

/// Some that end, are joined, detached, killed before their start or in a wait.
fn storm() {
    let end = || named("storm", || ());
    let parked = || named("storm", thread::park);
    drop(end());
    end().join().unwrap();
    let killed: Vec<_> = (0..20).map(|_| parked()).collect();
    killed.iter().for_each(JoinHandle::kill_nowait);
    let woken: Vec<_> = (0..20).map(|_| parked()).collect();
    woken.iter().for_each(|it| it.thread().unpark());
    drop(killed);
    drop(spawn_blocking(|| ()));
    for it in woken {
        it.join().unwrap();
    }
    spawn(|| {
        let local: Vec<_> = (0..20).map(|_| greenloop::spawn_local(|| ())).collect();
        greenloop::joinall(local);
    })
    .join()
    .unwrap();
}

#[test]
fn stacks_are_measured_by_place() {
    let child = Child::new(this_test!());
    child.passes(|| {
        let deep = |bytes: usize| spawn(move || fills(bytes, &|| ()));
        deep(150 << 10).join().unwrap();
        inspect::measure_stacks(1);
        // Of the stack that was used before, and is taken again.
        for bytes in [1 << 10, 20 << 10] {
            deep(bytes).join().unwrap();
        }
        let shallow = spawn(|| ());
        shallow.join().unwrap();
        let count = || inspect::stacks().iter().map(|it| it.count()).sum::<u64>();
        until("all are measured", || count() == 3);
        inspect::measure_stacks(0);
        let mut stacks = inspect::stacks();
        stacks.sort_by_key(|it| it.high_water());
        let [shallow, deep] = stacks[..] else {
            panic!("two places: {stacks:?}");
        };
        assert_eq!((shallow.count(), deep.count()), (1, 2));
        assert!((1..20 << 10).contains(&shallow.high_water()), "{shallow:?}");
        assert!(
            (20 << 10..40 << 10).contains(&deep.high_water()),
            "{deep:?}"
        );
        assert_eq!(deep.reserved(), 192 << 10);
        assert!(deep.location().file().ends_with("inspect.rs"));
    });
}

#[cfg(feature = "json")]
#[test]
fn json_tells_the_same() {
    let parked = named("in json", thread::park);
    let dump = dump_when_waiting("in json");
    let json: serde_json::Value = serde_json::from_str(&dump.to_json()).unwrap();
    let all = json["green_threads"].as_array().unwrap();
    assert_eq!(all.len(), dump.len());
    let ours = all.iter().find(|it| it["name"] == "in json").unwrap();
    assert_eq!(ours["wait"]["for"], "unpark");
    assert_eq!(ours["state"], "waiting");
    assert!(ours["stack_used"].as_u64().unwrap() > 0);
    assert_eq!(
        json["workers"].as_array().unwrap().len(),
        dump.workers().len()
    );
    parked.kill();
}
