//! Runtimes inside of green threads: tokio's two flavours, rayon.

use crate::backend::addresses;
use rayon::prelude::*;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Waits for a timer and for a socket.
async fn job(number: usize) -> String {
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut stream = TcpStream::connect(("127.0.0.1", addresses().echo))
        .await
        .unwrap();
    let text = format!("number {number}\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

pub fn tokio_current_thread(number: usize) -> String {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(job(number))
}

pub fn tokio_multi_thread(number: usize) -> String {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(job(number)).await.unwrap() })
}

/// One runtime for all, and a channel back to each.
pub fn tokio_shared(number: usize) -> String {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_multi_thread().enable_all().build().unwrap());
    let (answer, answers) = std::sync::mpsc::channel();
    runtime.spawn(async move { answer.send(job(number).await) });
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    answers.recv().unwrap()
}

pub fn rayon(number: usize) -> String {
    std::thread::sleep(Duration::from_millis(190));
    let sum: u64 = (0..20_000u64).into_par_iter().map(|value| value * 3).sum();
    let (left, right) = rayon::join(|| number * 2, || number * 3);
    format!("{sum} {left} {right}")
}
