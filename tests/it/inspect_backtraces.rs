//! Backtraces begin with what the program called, and end where the program does; in full, they have
//! what the runtime does as well.

use std::io::Read;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use greenloop::inspect::{self, Backtrace};
use greenloop::net::{TcpListener, TcpStream};
use greenloop::queue::Queue;
use greenloop::sync::Mutex;
use greenloop::{spawn, thread};

use crate::child::{Child, this_test};
use crate::inspect::{dump_when_waiting, find, named, patient};
use crate::within::LONG;

const HOUR: Duration = Duration::from_secs(3600);

/// A call of a green thread that waits in it, and the files of which one has the function.
struct Waiting(&'static str, &'static str, Box<dyn Fn() + Send>);

fn waiting(name: &'static str, file: &'static str, f: impl Fn() + Send + 'static) -> Waiting {
    Waiting(name, file, Box::new(f))
}

fn waits() -> Vec<Waiting> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let read = move || {
        let _open = &server;
        let _ = (&client).read(&mut [0]);
    };
    let mutex = Arc::new(Mutex::new(()));
    std::mem::forget(mutex.lock().unwrap());
    let queue = Queue::<u8>::new();
    let get = move || assert!(queue.get().is_err());
    vec![
        waiting("sleeps", "runtime/src/thread.rs", || greenloop::sleep(HOUR)),
        waiting("locks", "runtime/src/sync/mutex.rs", move || {
            drop(mutex.lock());
        }),
        waiting("reads", "net/src/", read),
        waiting("joins", "runtime/src/join.rs", || {
            let _ = spawn(thread::park).join();
        }),
        waiting("gets", "runtime/src/queue/", get),
        waiting("accepts", "net/src/listener.rs", move || {
            let _ = listener.accept();
        }),
    ]
}

#[inline(never)]
fn waits_in_here(f: &dyn Fn()) {
    f();
    std::hint::black_box(());
}

/// The places in a text of std's form, the innermost first.
fn places(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim_start);
    lines.filter_map(|line| line.strip_prefix("at ")).collect()
}

/// What the runtime does for a wait, and around a green thread.
const INSIDES: [&str; 3] = ["src/coroutine.rs", "src/park.rs", "src/spawn.rs"];

#[test]
fn of_one_that_waits_it_begins_with_what_was_called() {
    Child::new(this_test!()).passes(|| {
        for Waiting(name, file, wait) in waits() {
            drop(named(name, move || waits_in_here(&*wait)));
            drop(dump_when_waiting(name));
            let dump = inspect::dump_with(patient().backtraces(true));
            let Backtrace::Taken(frames) = find(&dump, name).unwrap().backtrace() else {
                panic!("there is room for it");
            };
            let [short, full] = [frames.to_string(), format!("{frames:#}")];
            let places = places(&short);
            assert!(places[0].contains(file), "{name}: {short}");
            let own = places.iter().position(|it| it.contains(file!()));
            assert!(own.is_some_and(|it| it < 3), "{name}: {short}");
            assert!(places.last().unwrap().contains(file!()), "{name}: {short}");
            assert!(short.starts_with("   0: "), "{name}: {short}");
            assert!(short.contains("waits_in_here"), "{name}: {short}");
            for inside in INSIDES {
                assert!(!short.contains(inside), "{name}: {short}");
                assert!(full.contains(inside), "{name}: {full}");
            }
        }
    });
}

#[test]
fn of_a_dump_it_is_short_and_whole_in_the_alternate_form() {
    Child::new(this_test!()).passes(|| {
        drop(named("in a tree", || waits_in_here(&thread::park)));
        drop(dump_when_waiting("in a tree"));
        let dump = inspect::dump_with(patient().backtraces(true));
        let [short, full] = [dump.to_string(), format!("{dump:#}")];
        assert!(short.contains("waits_in_here") && full.contains("waits_in_here"));
        for inside in INSIDES {
            assert!(!short.contains(inside), "{short}");
            assert!(full.contains(inside), "{full}");
        }
    });
}

#[test]
fn of_one_that_is_all_the_librarys_nothing_is_left_out() {
    Child::new(this_test!()).passes(|| {
        drop(named("the library's", thread::park));
        drop(dump_when_waiting("the library's"));
        let dump = inspect::dump_with(patient().backtraces(true));
        let text = dump.to_string();
        for inside in INSIDES {
            assert!(text.contains(inside), "{text}");
        }
    });
}

#[test]
fn of_one_that_runs_it_begins_with_where_it_is() {
    Child::new(this_test!()).passes(|| {
        let (found, finds) = mpsc::channel();
        inspect::on_blocked(move |it| drop(found.send(it.clone())));
        inspect::monitor(Duration::from_millis(50)).unwrap();
        let sleeps = || std::thread::sleep(Duration::from_secs(1));
        let hog = named("hog", move || waits_in_here(&sleeps));
        let blocked = loop {
            let blocked = finds.recv_timeout(LONG).unwrap();
            if blocked.name() == Some("hog") {
                break blocked;
            }
        };
        let [short, full] = [blocked.to_string(), format!("{blocked:#}")];
        let calls: Vec<&str> = short.lines().skip(1).collect();
        assert!(calls[0].starts_with("  at "), "{short}");
        assert!(calls.last().unwrap().contains(file!()), "{short}");
        assert!(short.contains("waits_in_here"), "{short}");
        assert!(full.starts_with(short.trim_end()), "{full}");
        assert!(full.contains("src/spawn.rs"), "{full}");
        hog.join().unwrap();
    });
}
