//! A program that never heard of green threads: an echo server with a thread for each connection,
//! and its clients.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 1000];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return,
            count => stream.write_all(&buffer[..count]).unwrap(),
        }
    }
}

fn ask(address: std::net::SocketAddr, number: usize) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        for _ in 0..20 {
            writer.write_all(&vec![number as u8; 5000]).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    sender.join().unwrap();
    assert!(all.iter().all(|byte| *byte == number as u8));
    all.len()
}

struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        println!("the main thread's local is dropped");
    }
}

thread_local! {
    static LAST: Last = const { Last };
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(|| echo(stream));
        }
    });
    let clients: Vec<_> = (0..50)
        .map(|number| thread::spawn(move || ask(address, number)))
        .collect();
    let total: usize = clients.into_iter().map(|it| it.join().unwrap()).sum();
    println!("echoed {total}");
    LAST.with(|_| ());
}
