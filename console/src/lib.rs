//! The page of [`serve`]: what the green threads of a running program do, in a browser.
//!
//! One line in `main`, and <http://127.0.0.1:6060/> shows the live tree of green threads with
//! filter and sort, the story and the backtrace of each, the workers over time, who waits for whom,
//! the places that spawn most, how much stack they use, what the workers do in numbers, and at the
//! top of all who waits for each other for ever. `greenloop-top` shows the same in a terminal.
//!
//! ```
//! let console = greenloop::inspect::serve("127.0.0.1:0")?;
//! println!("look at http://{}/", console.local_addr());
//! # std::io::Result::Ok(())
//! ```
//!
//! It runs on green threads of the program itself; to look around it takes an OS thread for a
//! moment, so that no worker is held up. Nothing is measured or kept while nobody asks. A program
//! whose workers are all held by code that never waits can't answer: there is
//! [`on_signal`](greenloop_runtime::inspect::on_signal) for that, and the debugger.
//!
//! # Who may look
//!
//! Whoever reaches the page reads names, addresses and backtraces. Therefore it listens on loopback
//! addresses alone, unless a [token](Console::token) is set, which each question has to carry:
//! `Authorization: Bearer TOKEN`. A browser gets it by `http://HOST:PORT/#token=TOKEN`, a part of
//! the address that is never sent. There is no TLS: on a network that others read use a tunnel.
//!
//! 64 connections may stay. When more come, those go whose clients have been waited for longest, so
//! that nobody is kept out by others who connect and say nothing.
//!
//! A question has to name the host by an address, by `localhost`, or by a
//! [name that was allowed](Console::host), so that no foreign page can ask through a name of its
//! own that suddenly means this machine (DNS rebinding). Answers allow no other origin to read
//! them, and forbid the browser all but the page's own script and style.
//!
//! # As JSON
//!
//! Each question is a `GET`; each answer is an object. Times are in seconds, stacks in bytes. What
//! is unknown or does not apply is `null`. A parameter that is not named here, or whose value
//! makes no sense, is an error 400 that says so in plain text.
//!
//! * `/api/summary`: `green_threads`, how many; `states`, `kinds`, `waits`, how many of each;
//!   `workers`, as in a dump; `took`, how long the look took; `process`, its id; `deadlocks`, how
//!   many are `present`, and how many were `reported`.
//! * `/api/threads`, with the parameters below: `total` and `matching`, how many; `rows`, one page
//!   of them.
//! * `/api/thread?id=ID`, and perhaps `&backtrace=1`, or `=full` with what the runtime itself does
//!   there: `row`; `ancestors`, those that spawned it, nearest first; `joiners`, ids of
//!   those that wait for its end, or for that of its scope; `backtrace`, as text; `note`, why there is
//!   none.
//! * `/api/waits`, perhaps with `limit`: `total`, how many things are waited for; `things`, first
//!   those of a deadlock, then those with most waiters: `for`, `text`, `target` (the green thread
//!   that is joined; of a scope, each that is in a deadlock), `waiters` (how many), `first` (twenty
//!   of them, each with `id`, `name` and `deadlocked`), `deadlocked`.
//! * `/api/deadlocks`, perhaps with `limit`: `reported`, how many since the program began;
//!   `deadlocks`, of the last hundred those that last, then the newest: `number`, `ago`, `present`
//!   (does it last?), `count`, and `members` (200 of them): `id`, `name`, `place`, `wait`, `for`,
//!   `holder` (of the lock, with `id` and `name`). Each waits for the next one, the last one for
//!   the first.
//! * `/api/metrics`: the fields of [`Metrics`](greenloop_runtime::inspect::Metrics), with the sums
//!   over all workers as `total`; of each `latency` the `count`, `sum`, `p50`, `p99` and `buckets`,
//!   pairs of an upper bound (`null`: none) and a count.
//! * `/metrics`: the same as text for Prometheus, with the feature `metrics`. A scraper that names
//!   the host has to be allowed to, and to send the token, if there is one.
//! * `/api/sites`, perhaps with `limit`: `total`; `sites`, the places that spawned most: `place`,
//!   `count`, `states`, and `measured`, `high_water` and `reserved` by
//!   [`stacks`](greenloop_runtime::inspect::stacks).
//! * `/api/dump.json`, `/api/dump.txt`: all of it, by
//!   [`to_json`](greenloop_runtime::inspect::Dump::to_json), and as text.
//!
//! A row has `id`, `name`, `kind`, `state`, `wait` (in words), `for` (one word), `since`, `home`,
//! `place`, `spawner`, `children` (how many), `stack_used`, `stack_reserved` and `deadlocked`.
//! `/api/threads` takes:
//!
//! | parameter | chooses |
//! |---|---|
//! | `q` | those whose name, wait or place contains the text, or whose id it is |
//! | `state`, `kind`, `for`, `home`, `place` | those that have it |
//! | `parent` | those that were spawned by the one with this id; `none`: by none that still lives |
//! | `sort` | `id`, `name`, `state`, `wait`, `since`, `home`, `place`, `stack`, `children` |
//! | `order` | `asc` (the default) or `desc` |
//! | `offset`, `limit` | the page: 100 rows at most by default, 1000 at the most |
#![forbid(unsafe_code)]

mod answer;
mod connection;
mod console;
mod deadlocks;
mod gate;
mod guests;
mod list;
mod metrics;
mod query;
mod request;
mod routes;
mod row;
mod serving;
mod sites;
mod snapshot;
mod story;
mod summary;
mod waits;

pub use console::{Console, console, serve};
pub use serving::Serving;
