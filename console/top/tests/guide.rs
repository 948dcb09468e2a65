//! The guide, "What is my program doing?": each command in it is run against a program that does
//! what it is about, and has to answer as is shown there. `src/inspect.rs` has the guide, whose
//! examples are tests themselves.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use greenloop::net::TcpStream;
use greenloop::sync::{self, Event};
use greenloop::{Builder, JoinHandle, inspect, thread};

const MARK: &str = "GREENLOOP_GUIDE_PROGRAM";
const LONG: Duration = Duration::from_secs(60);

/// A command of the guide, and what it shows below.
struct Step {
    command: String,
    answers: Vec<String>,
}

/// All commands, in the order of the guide.
fn steps() -> Vec<Step> {
    let guide = std::fs::read_to_string(root().join("src/inspect.rs")).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let (mut is_answer, mut goes_on) = (false, false);
    for line in guide.lines().map_while(|it| it.strip_prefix("//!")) {
        let line = line.trim();
        let command = line.strip_prefix("$ ");
        if let Some(command) = command.or(goes_on.then_some(line)) {
            let part = command.trim_end_matches('\\');
            match steps.last_mut().filter(|_| goes_on) {
                Some(step) => step.command += part,
                None => steps.push(Step {
                    command: part.to_owned(),
                    answers: Vec::new(),
                }),
            }
            goes_on = command.ends_with('\\');
            is_answer = true;
        } else if line == "```" {
            is_answer = false;
        } else if is_answer {
            steps.last_mut().unwrap().answers.push(line.to_owned());
        }
    }
    steps
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Is it said in one line? Numbers may be others; `…` stands for anything.
fn is_said(answer: &str, said: &str) -> bool {
    let is_open = |it: char| it == '…' || it.is_ascii_digit();
    let parts: Vec<&str> = answer.split(is_open).filter(|it| !it.is_empty()).collect();
    said.lines().any(|line| {
        let mut rest = Some(line);
        for part in &parts {
            rest = rest.and_then(|it| it.split_once(part)).map(|it| it.1);
        }
        rest.is_some()
    })
}

/// The program that the commands look at.
struct Program {
    process: Child,
    address: String,
    /// Its standard error so far.
    said: Arc<Mutex<String>>,
}

impl Program {
    fn start() -> Program {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_program", "--nocapture"])
            .envs([(MARK, "bank"), ("GREENLOOP_WORKERS", "2")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let address = lines.find_map(|it| Some(it.split_once("listens at ")?.1.to_owned()));
        // Whatever else it says is read, so that it never fails for that.
        std::thread::spawn(move || lines.for_each(drop));
        let mut stderr = process.stderr.take().unwrap();
        let said = Arc::<Mutex<String>>::default();
        let to = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut bytes) {
                *to.lock().unwrap() += &String::from_utf8_lossy(&bytes[..count]);
            }
        });
        Program {
            process,
            address: address.expect("it listens"),
            said,
        }
    }

    /// What a command says, and the program with it.
    fn answers(&self, command: &str) -> String {
        let exe = env::current_exe().unwrap();
        let program = format!("'{}' --exact the_program --nocapture", exe.display());
        let command = command
            .replace("PID", &self.process.id().to_string())
            .replace("127.0.0.1:6060", &self.address)
            .replace("PROGRAM", &program);
        let top = Path::new(env!("CARGO_BIN_EXE_greenloop-top"))
            .parent()
            .unwrap();
        let path = env::var_os("PATH").unwrap();
        let path = [top.to_owned()].into_iter().chain(env::split_paths(&path));
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(root())
            .env("PATH", env::join_paths(path).unwrap())
            // As the guide says of lldb.
            .env(
                "PYTHONPATH",
                "/usr/lib/llvm-14/lib/python3.11/dist-packages:/usr/lib/python3/dist-packages",
            )
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env(MARK, "mine")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said + &self.said.lock().unwrap()
    }

    #[track_caller]
    fn check(&self, step: &Step) {
        let start = Instant::now();
        loop {
            let said = self.answers(&step.command);
            let missing = step.answers.iter().find(|it| !is_said(it, &said));
            let Some(missing) = missing else {
                return;
            };
            assert!(
                start.elapsed() < LONG,
                "`{}` does not say\n{missing}\nbut\n{said}",
                step.command
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Does this machine's architecture rule it out?
fn is_impossible(command: &str) -> bool {
    let is_debugger = command.starts_with("gdb ") || command.starts_with("lldb ");
    is_debugger && !cfg!(target_arch = "x86_64")
}

#[test]
fn each_command_of_the_guide_answers_as_it_shows() {
    let steps = steps();
    for (name, count) in [
        ("kill", 1),
        ("curl", 4),
        ("greenloop-top", 3),
        ("gdb", 1),
        ("lldb", 1),
    ] {
        let found = steps.iter().filter(|it| it.command.starts_with(name));
        assert!(found.count() >= count, "the guide runs {name}");
    }
    let program = Program::start();
    for step in &steps {
        assert!(!step.answers.is_empty(), "{} shows nothing", step.command);
        if !is_impossible(&step.command) {
            program.check(step);
        }
    }
}

#[test]
fn what_is_not_said_is_found_out() {
    let said = "worker 12: idle\nab 'teller': cd";
    assert!(is_said("worker 0: idle", said));
    assert!(is_said("… 'teller': …", said));
    assert!(!is_said("worker 0: busy", said));
    assert!(!is_said("worker 0: 'teller'", said));
}

/// Writes what the library has to say to standard error.
struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("greenloop") {
            eprintln!("{} {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

/// No test: what the commands look at, in a process of its own.
#[test]
fn the_program() {
    let Some(what) = env::var_os(MARK) else {
        return;
    };
    log::set_logger(&Log).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    if what == "mine" {
        // Several times: on a busy machine not each one can be looked at.
        let digs = || {
            for _ in 0..5 {
                dig();
                greenloop::yield_now();
            }
        };
        named("miner", digs).join().unwrap();
    } else {
        bank();
    }
}

fn named(name: &str, f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name.into()).spawn(f).unwrap()
}

#[inline(never)]
fn dig() {
    std::thread::sleep(Duration::from_millis(300));
    std::hint::black_box(()); // no jump in place of the call, which would take its frame away
}

/// Something of everything, until standard input ends.
fn bank() {
    inspect::on_signal().unwrap();
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    let account = Arc::new(sync::Mutex::new(0));
    let (held, is_held) = (Arc::clone(&account), Arc::new(Event::new()));
    let holds = Arc::clone(&is_held);
    let _manager = named("manager", move || {
        let _held = held.lock().unwrap();
        holds.set();
        loop {
            thread::park();
        }
    });
    is_held.wait();
    let _teller = named("teller", move || takes_the_account(&account));
    let _visitors: Vec<_> = (0..100).map(|_| named("visitor", thread::park)).collect();
    let [_ada, _bob] = philosophers();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let _patient = named("patient", move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.read(&mut [0]);
    });
    println!("listens at {}", serving.local_addr());
    let _ = std::io::stdin().read(&mut [0]);
}

#[inline(never)]
fn takes_the_account(account: &sync::Mutex<i32>) {
    *account.lock().unwrap() += 1;
}

fn philosophers() -> [JoinHandle<()>; 2] {
    let forks = Arc::new([sync::Mutex::new(()), sync::Mutex::new(())]);
    let both = Arc::new(sync::Barrier::new(2));
    let eats = |name: &str, mine: usize| {
        let (forks, both) = (Arc::clone(&forks), Arc::clone(&both));
        named(name, move || {
            let _mine = forks[mine].lock();
            both.wait();
            drop(forks[1 - mine].lock());
        })
    };
    [eats("Ada", 0), eats("Bob", 1)]
}
