//! What is my program doing? Every green thread: what it waits for and since when, where it was
//! spawned and by whom, where it is now, and how much of its stack it uses.
//!
//! Nothing is stopped for a [`dump`], and nothing is kept for it while none is taken. So it shows
//! each green thread as it was at some moment while the dump was taken: who was there all the time
//! is in it, who came or went meanwhile may be.
//!
//! | symptom | look at |
//! |---|---|
//! | it does not go on, or does not end | [a dump](#it-does-not-go-on): `SIGQUIT`, or [`dump`] |
//! | `run` panics with a list, or some never go on | [a deadlock](#they-wait-for-each-other) |
//! | something is slow | [the oldest waits](#something-is-slow) |
//! | everything stutters, all are late now and then | [who holds a worker](#everything-stutters) |
//! | it would not do for this code to hold a worker | [a test of that](#it-must-not-stutter) |
//! | is there too much to do, or too little? | [the numbers](#how-busy-is-it) |
//! | what happened, and in which order? | [each step, as it happens](#what-happened) |
//! | it grows and grows | [the places that spawn](#it-grows-and-grows) |
//! | a stack overflows, or memory is short | [what stacks use](#how-large-a-stack) |
//! | it runs elsewhere, or in production | [the page](#it-runs-elsewhere), or `greenloop-top` |
//! | it is stopped, or dead, or answers nobody | [the debugger](#it-is-stopped-or-dead) |
//!
//! The commands ask a program that has called [`on_signal`], and `inspect::serve("127.0.0.1:6060")`
//! of the feature `console`: two lines of `main`.
//!
//! # It does not go on
//!
//! [`on_signal`], once in `main`, and `kill -QUIT PID` (Ctrl-\\ at a terminal) prints a dump to
//! standard error, also when no worker is free to do it. The same text is written by [`dump`]: the
//! workers, then the green threads as a tree, each below the one that spawned it. Who wants a lock
//! stands there with who holds it.
//!
//! ```text
//! $ kill -QUIT PID
//! worker 0: idle, … live, … unstarted
//! green thread 17 'teller': locking the mutex at 0x7f…, held by green thread 16 'manager', for …
//! ```
//!
//! ```
//! use greenloop::sync::Mutex;
//! use greenloop::{Builder, inspect};
//! use std::sync::Arc;
//!
//! inspect::on_signal()?;
//! let account = Arc::new(Mutex::new(0));
//! let held = account.lock().unwrap(); // and is never let go
//! let other = account.clone();
//! let stuck = Builder::new().name("teller".into()).spawn(move || *other.lock().unwrap() += 1)?;
//!
//! while !inspect::dump().to_string().contains("'teller': locking the mutex at 0x") {
//!     greenloop::yield_now();
//! }
//! # drop(held);
//! # stuck.join().unwrap();
//! # std::io::Result::Ok(())
//! ```
//!
//! Where in the code one waits, its backtrace says: it begins with what was called, and ends where
//! the program does ([`{:#}`](Frames) has the runtime's part, too). It is taken only when asked for,
//! of all, or of [one alone](Options::only):
//!
//! ```
//! use greenloop::inspect::{self, Backtrace, Options};
//! use greenloop::{Builder, thread};
//!
//! fn ask_the_oracle() {
//!     thread::park();
//! }
//!
//! let asking = Builder::new().name("pilgrim".into()).spawn(ask_the_oracle)?;
//! let place = || {
//!     let dump = inspect::dump_with(Options::new().backtraces(true));
//!     let pilgrim = dump.iter().find(|it| it.name() == Some("pilgrim"))?;
//!     match pilgrim.backtrace() {
//!         Backtrace::Taken(backtrace) => Some(backtrace.to_string()),
//!         _ => None, // it has not started yet
//!     }
//! };
//! while !place().is_some_and(|it| it.contains("ask_the_oracle")) {
//!     greenloop::yield_now();
//! }
//! asking.thread().unpark();
//! asking.join().unwrap();
//! # std::io::Result::Ok(())
//! ```
//!
//! # They wait for each other
//!
//! Two that want each other's locks, or join each other, never go on. Such a cycle is found by
//! itself, some 100 ms after it has formed: it is a WARN in the log, [`on_deadlock`] hears of it,
//! [`deadlocks`] keeps it, and the page shows it above everything for as long as it lasts.
//!
//! ```text
//! $ curl -s 127.0.0.1:6060/api/deadlocks
//! {"deadlocks":[{"ago":12.5,"count":2,"members":[{…"name":"Ada",…}…],"number":1,"present":true}…
//! $ greenloop-top 127.0.0.1:6060 --once
//! DEADLOCK of 2:
//!   green thread 18 'Ada' (spawned at …): locking the mutex at 0x7f…, held by … 19 'Bob'
//!   green thread 19 'Bob' (spawned at …): locking the mutex at 0x7f…, held by … 18 'Ada'
//! ```
//!
//! The cure is one order in which all take them. Killing one member frees the others meanwhile:
//!
//! ```
//! use greenloop::sync::{Arc, Barrier, Mutex};
//! use greenloop::{inspect, spawn};
//!
//! let (found, finds) = std::sync::mpsc::channel();
//! inspect::on_deadlock(move |it| found.send(it.clone()).unwrap());
//!
//! let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
//! let both = Arc::new(Barrier::new(2));
//! let eat = |mine: usize| {
//!     let (locks, both) = (locks.clone(), both.clone());
//!     spawn(move || {
//!         let _mine = locks[mine].lock();
//!         both.wait();
//!         drop(locks[1 - mine].lock());
//!     })
//! };
//! let [ada, bob] = [eat(0), eat(1)];
//!
//! let deadlock = finds.recv().unwrap();
//! println!("{deadlock}");
//! assert_eq!(deadlock.members().len(), 2);
//! assert!(deadlock.members().iter().all(|it| it.spawned_at().file() == file!()));
//! ada.kill();
//! bob.join().unwrap();
//! ```
//!
//! A [`run`](crate::run) whose green threads can never go on panics with the list of them: what it
//! shows is what each waits for.
//!
//! # Something is slow
//!
//! Who has waited longest, and for what? A read names the socket and its peer, a sleep the time
//! that is left.
//!
//! ```text
//! $ greenloop-top 127.0.0.1:6060 --once --sort since --rows 3 --filter reading
//! 17  patient  reading from TCP 127.0.0.1:41000 <- 127.0.0.1:5432  12.5 s  worker 0  …
//! ```
//!
//! ```
//! use greenloop::inspect;
//! use greenloop::net::{TcpListener, TcpStream};
//! use std::io::Read;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let reader = greenloop::spawn(move || TcpStream::connect(address)?.read(&mut [0]));
//! let (silent, _) = listener.accept()?; // accepts, and says nothing
//!
//! let oldest = || {
//!     let dump = inspect::dump();
//!     let oldest = dump.iter().max_by_key(|it| it.since());
//!     oldest.and_then(|it| it.wait().map(|wait| wait.to_string()))
//! };
//! let expected = format!("<- {address}");
//! while !oldest().is_some_and(|it| it.starts_with("reading from TCP") && it.contains(&expected)) {
//!     greenloop::yield_now();
//! }
//! drop(silent);
//! assert_eq!(reader.join().unwrap()?, 0);
//! # std::io::Result::Ok(())
//! ```
//!
//! # Everything stutters
//!
//! A green thread that computes without a wait, or calls what blocks its OS thread, holds up those
//! that have started on its worker. [`monitor`], or `GREENLOOP_MONITOR=1` without a change of the
//! program, says once in the log who has held one for longer than 100 ms, and where it was. Such
//! code wants [`yield_now`](crate::yield_now) now and then, or [`spawn_blocking`].
//!
//! [`spawn_blocking`]: crate::spawn_blocking
//!
//! ```text
//! $ GREENLOOP_MONITOR=1 PROGRAM
//! WARN greenloop: green thread 3 'miner' (spawned at …) has held worker 0 for 125 ms
//!   at …nanosleep …
//!   from …dig (…)
//! ```
//!
//! ```
//! use greenloop::{Builder, inspect};
//! use std::time::Duration;
//!
//! #[inline(never)]
//! fn dig() {
//!     std::thread::sleep(Duration::from_millis(500)); // std's: it blocks the worker
//! }
//!
//! let (found, finds) = std::sync::mpsc::channel();
//! inspect::on_blocked(move |it| drop(found.send(it.clone())));
//! inspect::monitor(Duration::from_millis(100))?;
//! let miner = Builder::new().name("miner".into()).spawn(dig)?;
//! let blocked = finds.iter().find(|it| it.name() == Some("miner")).unwrap();
//! println!("{blocked}");
//! assert!(blocked.held_for() >= Duration::from_millis(100));
//! assert!(inspect::offences() > 0);
//! # miner.join().unwrap();
//! # inspect::monitor(Duration::ZERO)?;
//! # std::io::Result::Ok(())
//! ```
//!
//! A dump shows such a worker, too: one that does not answer is [`Hung`](Activity::Hung), with what
//! it runs.
//!
//! ```
//! use greenloop::inspect::{self, Activity};
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicBool, Ordering};
//!
//! let enough = Arc::new(AtomicBool::new(false));
//! let until = enough.clone();
//! let hog = greenloop::spawn(move || while !until.load(Ordering::Relaxed) {});
//! let culprit = || {
//!     let dump = inspect::dump();
//!     let hung = dump.workers().iter().find(|it| it.activity() == Activity::Hung)?;
//!     let hog = dump.iter().find(|it| Some(it.id()) == hung.running())?;
//!     Some(hog.spawned_at())
//! };
//! while !culprit().is_some_and(|place| place.file() == file!()) {}
//! enough.store(true, Ordering::Relaxed);
//! hog.join().unwrap();
//! ```
//!
//! # It must not stutter
//!
//! [`assert_yields`] is for tests: it fails if the code holds its worker for too long at a time,
//! and says where.
//!
//! ```
//! use greenloop::{inspect, sleep, spawn};
//! use std::time::Duration;
//!
//! let bound = Duration::from_millis(200);
//! let polite = || (0..5).for_each(|_| sleep(Duration::from_millis(1)));
//! spawn(move || inspect::assert_yields(bound, polite)).join().unwrap();
//!
//! let rude = || std::thread::sleep(Duration::from_secs(2));
//! let failure = spawn(move || inspect::assert_yields(bound, rude)).join().unwrap_err();
//! let text = failure.downcast::<String>().unwrap();
//! assert!(text.starts_with("it does not yield: green thread"));
//! ```
//!
//! # How busy is it
//!
//! [`metrics`] counts what each worker has done, and how long green threads that could run had to
//! wait for their turn. Workers that are busy all the time, long queues and a high 99th percentile:
//! there is too much to do, or somebody [holds a worker](#everything-stutters). Idle workers and a
//! slow program: it waits for [something else](#something-is-slow). Many jobs that wait for the
//! blocking pool: that is too small, or its jobs are too long.
//!
//! ```
//! use greenloop::{inspect, joinall, spawn, yield_now};
//!
//! joinall((0..100).map(|_| spawn(|| (0..100).for_each(|_| yield_now()))));
//! let metrics = inspect::metrics();
//! for it in &metrics.workers {
//!     println!("worker {}: {:?} busy, {:?} idle", it.index, it.busy, it.idle);
//! }
//! let all = metrics.total();
//! assert!(all.started >= 100 && all.switches >= 100 * 100);
//! println!("99 of 100 waited for less than {:?}", all.latency.quantile(0.99));
//! assert_eq!(metrics.blocking_queued, 0);
//! ```
//!
//! The page draws them, `/api/metrics` is JSON of them, and with the feature `metrics` `/metrics`
//! is for Prometheus:
//!
//! ```text
//! $ curl -s 127.0.0.1:6060/api/metrics
//! {"blocking_idle":0,…"total":{"busy":0.1,"idle":4.2,"latency":{…"p99":…"switches":1250,…}
//! $ curl -s 127.0.0.1:6060/metrics
//! greenloop_switches_total{worker="0"} 1250
//! greenloop_latency_seconds_bucket{le="+Inf",worker="0"} 3
//! ```
//!
//! # What happened
//!
//! An [`Observer`] hears of each spawn, start, wait, wake-up and end; here, of who waits for long:
//!
//! ```
//! use greenloop::inspect::{self, Observed, Observer, Wait};
//! use std::sync::mpsc::{Sender, channel};
//!
//! struct Sleepers(Sender<String>);
//!
//! impl Observer for Sleepers {
//!     fn waits(&self, it: &Observed<'_>, wait: &Wait) {
//!         if matches!(wait, Wait::Sleep(left) if left.as_secs() > 5) {
//!             let _ = self.0.send(format!("{}: {wait}", it.name().unwrap_or("?")));
//!         }
//!     }
//! }
//!
//! let (told, heard) = channel();
//! inspect::observe(Sleepers(told));
//! let nap = || greenloop::sleep(std::time::Duration::from_secs(60));
//! let lazy = greenloop::Builder::new().name("lazy".into()).spawn(nap)?;
//! let said = heard.recv().unwrap(); // blocks this OS thread: no green thread of it waits
//! assert!(said.starts_with("lazy: sleeping, "));
//! lazy.kill();
//! # std::io::Result::Ok(())
//! ```
//!
//! A program that records by the crate `tracing` calls `inspect::trace_spans()` (feature
//! `tracing`): each green thread is a span then, entered while it runs, so that what it records is
//! told from what its siblings do meanwhile.
//!
//! # It grows and grows
//!
//! Green threads that nobody ends: the place that spawned most of them is where to look.
//!
//! ```text
//! $ curl -s '127.0.0.1:6060/api/sites?limit=1'
//! {"sites":[{"count":100,…"place":"…",…"states":{"waiting":100}}],"total":…}
//! ```
//!
//! ```
//! use greenloop::inspect;
//! use std::collections::HashMap;
//!
//! let leaked: Vec<_> = (0..100).map(|_| greenloop::spawn(greenloop::thread::park)).collect();
//! let dump = inspect::dump();
//! let mut places = HashMap::new();
//! for it in &dump {
//!     *places.entry(it.spawned_at().to_string()).or_insert(0) += 1;
//! }
//! let (place, count) = places.iter().max_by_key(|(_, count)| **count).unwrap();
//! assert!(place.starts_with(file!()));
//! assert_eq!(*count, 100);
//! # leaked.iter().for_each(|it| it.thread().unpark());
//! # greenloop::joinall(leaked);
//! ```
//!
//! # How large a stack
//!
//! [`measure_stacks`] measures one in so many; [`stacks`] says how much those of each place used at
//! most, to choose [`Builder::stack_size`](crate::Builder::stack_size) by.
//!
//! ```
//! use greenloop::inspect;
//!
//! inspect::measure_stacks(1); // in production rather one in 100
//! let deep = greenloop::spawn(|| std::hint::black_box([1_u8; 20_000]).len());
//! deep.join().unwrap();
//! let most = || inspect::stacks().iter().map(|it| it.high_water()).max();
//! while most().is_none() {
//!     greenloop::yield_now();
//! }
//! assert!(most().unwrap() > 20_000);
//! ```
//!
//! # It runs elsewhere
//!
//! With the feature `console`, `inspect::serve` shows all of that in a browser: the tree with
//! filter and sort, one green thread's story and backtrace, the workers over time and in numbers,
//! who waits for whom, deadlocks, the places that spawn, the stacks. It listens at a loopback
//! address; `ssh -L 6060:127.0.0.1:6060 HOST` brings it here. `greenloop-top 127.0.0.1:6060` shows
//! the same in a terminal, with `--once` as plain text; scripts ask `/api/threads` and the like for
//! JSON.
//!
//! ```text
//! $ greenloop-top 127.0.0.1:6060 --once --filter teller --rows 1
//! process 4711: … green threads: … waiting
//! worker 0: idle, … live, …; … % busy, … switches/s
//! 17  teller  locking the mutex at 0x7f…, held by green thread 16 'manager'  …
//! $ curl -s '127.0.0.1:6060/api/threads?q=teller&sort=since&order=desc&limit=10'
//! {"matching":1,"rows":[{…"name":"teller",…"state":"waiting",…}],"total":…}
//! ```
//!
//! ```
//! # #[cfg(feature = "console")]
//! # {
//! use greenloop::inspect;
//! use greenloop::net::TcpStream;
//! use std::io::{Read, Write};
//!
//! let console = inspect::serve("127.0.0.1:0")?; // or 127.0.0.1:6060
//!
//! let question = "GET /api/threads?sort=since HTTP/1.0\r\nHost: localhost\r\n\r\n";
//! let mut stream = TcpStream::connect(console.local_addr())?;
//! stream.write_all(question.as_bytes())?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert!(answer.contains("{\"matching\":"));
//! # }
//! # std::io::Result::Ok(())
//! ```
//!
//! # It is stopped, or dead
//!
//! `console/gdb/greenloop.py` and `console/lldb/greenloop.py`, in the source, teach the debuggers
//! green threads, in a live process and in a core. They need the debug information of a dev build,
//! or `debug = 2` in the profile, at least for the package `greenloop-runtime`.
//!
//! ```text
//! $ gdb -p PID -batch -ex 'source console/gdb/greenloop.py' \
//!       -ex 'greenloop threads' -ex 'greenloop bt teller'
//! green thread 17 'teller': waits for Mutex at 0x7f…, on worker 0; spawned at …
//! …takes_the_account …
//! $ lldb -p PID --batch -o 'command script import console/lldb/greenloop.py' \
//!       -o 'greenloop threads' -o 'greenloop bt teller'
//! green thread 17 'teller': waits for Mutex at 0x7f…, on worker 0; spawned at …
//! …takes_the_account…
//! ```
//!
//! Without `-batch` the same are commands at the prompt, and there are `greenloop switch ID`, after
//! which `bt`, `up` and the commands for variables speak of that one, and `greenloop back`.
//! `gdb PROGRAM CORE` and `lldb PROGRAM -c CORE` look at a core, which has to be the kernel's, or
//! written by `greenloop core FILE` in gdb: gdb's own `generate-core-file` gives the stacks up at
//! the first guard page, and lldb's `process save-core` knows only the stacks of OS threads.
//!
//! Debian 12's lldb does not find its own Python modules ("No module named
//! 'lldb.embedded_interpreter'", and "'six'" if another Python comes first in `PATH`) without
//! `PYTHONPATH=/usr/lib/llvm-14/lib/python3.11/dist-packages:/usr/lib/python3/dist-packages`.
#[doc(inline)]
pub use greenloop_runtime::inspect::*;

#[cfg(feature = "console")]
#[doc(inline)]
pub use greenloop_console::{Console, Serving, console, serve};
