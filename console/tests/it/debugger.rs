//! `gdb/greenloop.py`, `lldb/greenloop.py`: debuggers list green threads and look at one's stack.

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use greenloop::{Builder, inspect, spawn_blocking, thread};

use crate::within::{LONG, until, within};

const MARK: &str = "GREENLOOP_CONSOLE_DEBUGGED";

/// A debugger, and how it says what the tests are about.
struct Debugger {
    name: &'static str,
    packages: &'static str,
    options: &'static [&'static str],
    /// What comes before a command, and before the program with its arguments.
    command: &'static str,
    program: &'static str,
    load_script: &'static str,
    load_core: &'static str,
    start_and_stop: &'static str,
    variables: &'static str,
    above_the_switch: &'static str,
    ended: &'static str,
}

const GDB: Debugger = Debugger {
    name: "gdb",
    packages: "gdb",
    options: &["-nx", "-batch", "-iex", "set debuginfod enabled off"],
    command: "-ex",
    program: "--args",
    load_script: "source",
    load_core: "core-file",
    start_and_stop: "starti",
    variables: "info args",
    above_the_switch: "#2 ",
    ended: "exited normally",
};

const LLDB: Debugger = Debugger {
    name: "lldb",
    packages: "lldb python3-lldb-14",
    // It launches nothing where the system forbids to take randomness out of addresses.
    options: &[
        "--no-lldbinit",
        "--batch",
        "-o",
        "settings set target.disable-aslr false",
    ],
    command: "-o",
    program: "--",
    load_script: "command script import",
    load_core: "target create --core",
    start_and_stop: "process launch --stop-at-entry",
    variables: "frame variable",
    above_the_switch: "frame #1: ",
    ended: "exited with status = 0",
};

impl Debugger {
    /// What it says to these commands. lldb ends at the first one that fails.
    #[track_caller]
    fn says(&self, program: &Path, commands: &[&str]) -> String {
        let script = format!(
            "{} {}/{}/greenloop.py",
            self.load_script,
            env!("CARGO_MANIFEST_DIR"),
            self.name
        );
        let mut debugger = Command::new(self.name);
        debugger.args(self.options).args([self.command, &script]);
        for command in commands {
            debugger.args([self.command, command]);
        }
        debugger.arg(self.program).arg(program);
        debugger.args(["--exact", "debugger::debugged", "--test-threads=1"]);
        debugger.env(MARK, "1").env("GREENLOOP_WORKERS", "2");
        // Debian 12's lldb looks for its module elsewhere, and by the first Python of the path.
        debugger.env(
            "PYTHONPATH",
            "/usr/lib/llvm-14/lib/python3.11/dist-packages:/usr/lib/python3/dist-packages",
        );
        debugger.env("PYTHONDONTWRITEBYTECODE", "1");
        let output = within(3 * LONG, move || debugger.output()).unwrap_or_else(|error| {
            let (name, packages) = (self.name, self.packages);
            panic!("{name}: {error}; on Debian, `apt-get install {packages}` brings it")
        });
        let [out, err] =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        format!("{out}\n{err}")
    }

    /// What it says to these commands about a core of this program.
    #[track_caller]
    fn says_of(&self, core: &Path, commands: &[&str]) -> String {
        let load = format!("{} {}", self.load_core, core.display());
        self.says(&this(), &[&[&*load], commands].concat())
    }

    #[track_caller]
    fn looks_at_a_live_process(&self) {
        let said = self.says(
            &this(),
            &[
                "b it::debugger::ready",
                "run",
                "greenloop threads",
                "greenloop bt debugged",
                "greenloop switch debugged",
                "up",
                "greenloop back",
                "continue",
            ],
        );
        check(&said);
        for expected in [self.above_the_switch, self.ended] {
            assert!(said.contains(expected), "no {expected:?} in\n{said}");
        }
    }

    #[track_caller]
    fn looks_at_a_core(&self, core: &Path) {
        let said = self.says_of(
            core,
            &[
                "greenloop threads",
                "greenloop bt debugged",
                "greenloop bt busy",
            ],
        );
        check(&said);
        let refusal = "has no stack to look at: it is running";
        assert!(said.contains(refusal), "{said}");

        let frame = format!("f {}", number_of_frame(&said));
        let commands = [
            "greenloop switch debugged",
            &frame,
            self.variables,
            "greenloop switch nobody",
        ];
        let said = self.says_of(core, &commands);
        for expected in ["secret = 4711", "there is no green thread nobody"] {
            assert!(said.contains(expected), "no {expected:?} in\n{said}");
        }
    }
}

/// The number of the frame in which the green thread waits.
fn number_of_frame(said: &str) -> &str {
    let line = said.lines().find(|it| it.contains("where_it_waits"));
    let (_, number) = line.unwrap().split_once('#').unwrap();
    let end = number.find(|it: char| !it.is_ascii_digit()).unwrap();
    &number[..end]
}

#[track_caller]
fn check(said: &str) {
    for expected in [
        " 'debugged': waits to be unparked, on worker ",
        " 'busy': running, on worker ",
        " 'joiner': waits for the end of job ",
        " of the blocking pool, on worker ",
        "debugger.rs:",
        "\n4 green threads\n",
        "stack_init_trampoline",
    ] {
        assert!(said.contains(expected), "no {expected:?} in\n{said}");
    }
    let mut frames = said.lines().filter(|it| it.contains('#'));
    assert!(
        frames
            .any(|it| it.contains("it::debugger::where_it_waits") && it.contains("(secret=4711)")),
        "its function and what was passed to it:\n{said}"
    );
}

/// Is there debug information, and of which the scripts know the registers?
fn is_possible() -> bool {
    let is_possible = cfg!(all(target_arch = "x86_64", debug_assertions));
    if !is_possible {
        println!("skipped: for a dev build, on x86-64");
    }
    is_possible
}

fn this() -> PathBuf {
    env::current_exe().unwrap()
}

#[test]
fn a_suspended_green_thread_is_seen_by_gdb() {
    if is_possible() {
        GDB.looks_at_a_live_process();
    }
}

#[test]
fn a_suspended_green_thread_is_seen_by_lldb() {
    if is_possible() {
        LLDB.looks_at_a_live_process();
    }
}

#[test]
fn a_suspended_green_thread_is_seen_in_a_core() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if !is_possible() || pattern.trim() != "core" {
        return println!("skipped: cores go elsewhere: {pattern}");
    }
    let folder = folder("core");
    let mut dying = Command::new("sh");
    dying.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""]);
    dying.arg(this()).args(["--exact", "debugger::debugged"]);
    dying.env(MARK, "dies").env("GREENLOOP_WORKERS", "2");
    dying.current_dir(&folder).output().unwrap();

    let mut files = fs::read_dir(&folder).unwrap();
    let core = files.next().expect("a core").unwrap().path();
    GDB.looks_at_a_core(&core);
    LLDB.looks_at_a_core(&core);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_core_that_gdb_writes_has_the_stacks() {
    if !is_possible() {
        return;
    }
    let folder = folder("core_by_gdb");
    let core = folder.join("core");
    let write = format!("greenloop core {}", core.display());
    GDB.says(&this(), &["b it::debugger::ready", "run", &write, "kill"]);
    GDB.looks_at_a_core(&core);
    LLDB.looks_at_a_core(&core);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_program_without_green_threads_is_told() {
    if !is_possible() {
        return;
    }
    for debugger in [GDB, LLDB] {
        let list = "greenloop threads";
        let said = debugger.says(Path::new("/bin/true"), &[debugger.start_and_stop, list]);
        assert!(said.contains("this is no Greenloop program"), "{said}");
        let said = debugger.says(&this(), &[list]);
        assert!(said.contains("there is no process"), "{said}");
    }
}

/// A folder that is empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("debugger_{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// No test: the program that is looked at.
#[test]
fn debugged() {
    let Some(what) = env::var_os(MARK) else {
        return;
    };
    let named = |name: &str| Builder::new().name(name.into());
    let waiting = named("debugged").spawn(|| where_it_waits(4711)).unwrap();
    until("it waits", || {
        inspect::dump()
            .to_string()
            .contains("waiting to be unparked")
    });
    let (release, released) = mpsc::channel::<()>();
    let job = spawn_blocking(move || released.recv().is_err());
    let joiner = named("joiner").spawn(|| job.join().unwrap()).unwrap();
    until("it waits for the job", || {
        inspect::dump().to_string().contains("of the blocking pool")
    });
    let [is_busy, is_enough] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let (begun, end) = (Arc::clone(&is_busy), Arc::clone(&is_enough));
    let busy = named("busy").spawn(move || {
        begun.store(true, Ordering::Relaxed);
        while !end.load(Ordering::Relaxed) {}
    });
    until("it is busy", || is_busy.load(Ordering::Relaxed));
    if what == "dies" {
        std::process::abort();
    }
    ready();
    is_enough.store(true, Ordering::Relaxed);
    busy.unwrap().join().unwrap();
    drop(release);
    assert!(joiner.join().unwrap());
    waiting.thread().unpark();
    assert_eq!(waiting.join().unwrap(), 4711);
}

#[inline(never)]
fn where_it_waits(secret: u64) -> u64 {
    thread::park();
    black_box(secret)
}

#[inline(never)]
fn ready() {
    black_box(());
}
