//! What is my program doing? Every green thread: what it waits for and since when, where it was
//! spawned and by whom, where it is now, and how much of its stack it uses.
//!
//! Nothing is stopped for a [`dump`], and nothing is kept for it while none is taken. So it shows
//! each green thread as it was at some moment while the dump was taken: who was there all the time
//! is in it, who came or went meanwhile may be.
//!
//! | symptom | look at |
//! |---|---|
//! | it does not go on, or does not end | [a dump](#it-does-not-go-on): on `SIGQUIT`, or by [`dump`] |
//! | something is slow | [the oldest waits](#something-is-slow) |
//! | everything stutters | [the workers](#everything-stutters) |
//! | it grows and grows | [the places that spawn](#it-grows-and-grows) |
//! | a stack overflows, or memory is short | [what stacks use](#how-large-a-stack) |
//! | it runs elsewhere | [the page](#it-runs-elsewhere), or `greenloop-top` |
//! | it is stopped, or dead | [the debugger](#it-is-stopped-or-dead) |
//!
//! # It does not go on
//!
//! [`on_signal`], once in `main`, and `kill -QUIT PID` (Ctrl-\\ at a terminal) prints a dump to
//! standard error, also when no worker is free to do it. The same text is written by [`dump`]: the
//! workers, then the green threads as a tree, each below the one that spawned it.
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
//! Two that join each other, or want each other's locks, stand there with the same addresses. Where
//! in the code one waits, its backtrace says; it is taken only when asked for:
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
//! # Something is slow
//!
//! Who has waited longest, and for what? A read names the socket and its peer, a sleep the time
//! that is left.
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
//! A green thread that computes without a wait holds up those that have started on its worker. A
//! worker that does not answer is [`Hung`](Activity::Hung), and the dump says what it runs. Such
//! code wants [`yield_now`](crate::yield_now) now and then, or [`spawn_blocking`].
//!
//! [`spawn_blocking`]: crate::spawn_blocking
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
//! # It grows and grows
//!
//! Green threads that nobody ends: the place that spawned most of them is where to look.
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
//! With the feature `console`, `inspect::serve` shows all of that in a browser: the tree with filter
//! and sort, one green thread's story and backtrace, the workers over time, who waits for whom, the
//! places that spawn, the stacks. It listens at a loopback address; `ssh -L 6060:127.0.0.1:6060
//! HOST` brings it here. `greenloop-top 127.0.0.1:6060` shows the same in a terminal, with `--once`
//! as plain text, and scripts ask `/api/threads` and the like for JSON.
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
//! // curl 'http://127.0.0.1:6060/api/threads?sort=since&order=desc&limit=10'
//! let question = "GET /api/threads?sort=since&order=desc&limit=10 HTTP/1.0\r\nHost: localhost\r\n\r\n";
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
//! `console/gdb/greenloop.py`, in the source, teaches gdb green threads, in a live process and in a
//! core of the system's. It needs the debug information of a dev build, or `debug = 2` in the
//! profile.
//!
//! ```text
//! $ gdb -p PID                            # or: gdb PROGRAM CORE
//! (gdb) source console/gdb/greenloop.py
//! (gdb) greenloop threads
//! green thread 17 'teller': waits for Mutex at 0x7ffff0001a10, on worker 0; spawned at src/main.rs:9
//! (gdb) greenloop bt 17
//! ```
#[doc(inline)]
pub use greenloop_runtime::inspect::*;

#[cfg(feature = "console")]
#[doc(inline)]
pub use greenloop_console::{Console, Serving, console, serve};
