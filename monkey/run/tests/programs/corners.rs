//! A program that never heard of green threads: scopes, thread-locals, panics, stdin, names, exits.

use std::cell::RefCell;
use std::io::{BufRead, Write};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Counted(usize);

impl Drop for Counted {
    fn drop(&mut self) {
        thread::sleep(Duration::from_millis(1));
        DROPPED.fetch_add(self.0, Ordering::SeqCst);
    }
}

thread_local! {
    static LOCAL: RefCell<Vec<Counted>> = const { RefCell::new(Vec::new()) };
}

fn locals() {
    let threads: Vec<_> = (1..=20)
        .map(|number| {
            thread::spawn(move || {
                LOCAL.with_borrow_mut(|local| {
                    assert!(local.is_empty());
                    local.push(Counted(number));
                    thread::sleep(Duration::from_millis(5));
                });
            })
        })
        .collect();
    for it in threads {
        it.join().unwrap();
    }
    println!("dropped {}", DROPPED.load(Ordering::SeqCst));
}

fn scopes() {
    let words = Mutex::new(vec!["a"]);
    let count = thread::scope(|scope| {
        let all: Vec<_> = (0..10)
            .map(|_| scope.spawn(|| words.lock().unwrap().push("b")))
            .collect();
        all.len()
    });
    println!("scope {count} {}", words.into_inner().unwrap().len());
}

fn panics() {
    std::panic::set_hook(Box::new(|_| ()));
    let lock = Mutex::new(1);
    let failed = thread::scope(|scope| {
        let it = scope.spawn(|| {
            let _guard = lock.lock().unwrap();
            thread::sleep(Duration::from_millis(5));
            panic!("oh");
        });
        it.join().is_err()
    });
    println!("panicked {failed}, poisoned {}", lock.is_poisoned());
}

fn names() {
    let named = thread::Builder::new().name("a name".into());
    let it = named.spawn(|| {
        let own = thread::current().name().map(str::to_owned);
        let deep = deep(400);
        (own, deep)
    });
    println!("{:?}", it.unwrap().join().unwrap());
    let large = thread::Builder::new().stack_size(64 << 20);
    println!("{}", large.spawn(|| deep(40_000)).unwrap().join().unwrap());
}

fn deep(depth: usize) -> usize {
    let room = std::hint::black_box([depth; 64]);
    if depth == 0 {
        0
    } else {
        1 + deep(depth - 1) + room[0] - depth
    }
}

fn children() {
    let outputs: Vec<_> = (0..5)
        .map(|number| {
            thread::spawn(move || {
                Command::new("sh")
                    .args(["-c", &format!("sleep 0.02; echo {number}")])
                    .output()
            })
        })
        .collect();
    for it in outputs {
        print!(
            "{}",
            String::from_utf8(it.join().unwrap().unwrap().stdout).unwrap()
        );
    }
    let preload = std::env::vars()
        .filter(|(name, _)| name.contains("PRELOAD") || name.contains("GREENLOOP_RUN"));
    println!("{} variables", preload.count());
}

fn input() {
    let reader = thread::spawn(|| {
        let lines: Vec<_> = std::io::stdin()
            .lock()
            .lines()
            .map(Result::unwrap)
            .collect();
        lines.join("+")
    });
    println!("read {}", reader.join().unwrap());
}

fn main() {
    locals();
    scopes();
    panics();
    names();
    children();
    input();
    std::io::stdout().flush().unwrap();
    thread::spawn(|| std::process::exit(7));
    loop {
        thread::park();
    }
}
