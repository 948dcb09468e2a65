//! A program that never heard of green threads: a hundred threads with sockets, locks, channels and
//! condition variables of std's. Its output says nothing of time or order.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock};
use std::thread;
use std::time::Duration;

const COUNT: usize = 100;

/// How many of this process's kernel threads have such a name.
fn kernel_threads(prefix: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

fn serve(listener: TcpListener) {
    for _ in 0..COUNT {
        let (mut stream, _) = listener.accept().unwrap();
        thread::spawn(move || {
            let mut line = [0; 4];
            stream.read_exact(&mut line).unwrap();
            stream.write_all(&line).unwrap();
        });
    }
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || serve(listener));
    let (sender, receiver) = mpsc::channel();
    let sum = Arc::new(Mutex::new(0));
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let all = Arc::new(Barrier::new(COUNT));
    let seen = Arc::new(RwLock::new(BTreeSet::new()));
    let threads: Vec<_> = (0..COUNT as u32)
        .map(|number| {
            let (sender, sum, gate) = (sender.clone(), sum.clone(), gate.clone());
            let (all, seen) = (all.clone(), seen.clone());
            let work = move || {
                let mut open = gate.0.lock().unwrap();
                while !*open {
                    open = gate.1.wait(open).unwrap();
                }
                drop(open);
                let mut stream = TcpStream::connect(address).unwrap();
                all.wait();
                stream.write_all(&number.to_be_bytes()).unwrap();
                let mut answer = [0; 4];
                stream.read_exact(&mut answer).unwrap();
                *sum.lock().unwrap() += u32::from_be_bytes(answer);
                seen.write()
                    .unwrap()
                    .insert(format!("{:?}", thread::current().id()));
                thread::sleep(Duration::from_millis(20));
                sender.send(number).unwrap();
                number * 2
            };
            thread::Builder::new()
                .name(format!("number {number}"))
                .spawn(work)
                .unwrap()
        })
        .collect();
    drop(sender);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let mut heard: Vec<u32> = receiver.iter().collect();
    heard.sort_unstable();
    let running = kernel_threads("greenloop-");
    let returned: u32 = threads.into_iter().map(|it| it.join().unwrap()).sum();
    server.join().unwrap();
    let ids = seen.read().unwrap().len();
    println!(
        "heard {}, sum {}, returned {returned}, {ids} ids",
        heard.len(),
        sum.lock().unwrap()
    );
    if let Some(file) = std::env::args().nth(1) {
        std::fs::write(file, format!("{running}")).unwrap();
    }
}
