//! Generators: a consumer that is sent numbers and answers each, and a series without end.
//!
//! ```text
//! cargo run --release --example generator
//! cargo run --release --example generator -- 10    # ten numbers
//! ```

use clap::{Parser, value_parser};
use greenloop::Generator;

/// A producer and a consumer that take turns, without a queue.
#[derive(Parser)]
struct Args {
    /// How many numbers
    #[arg(value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(..=90))]
    count: u32,
}

/// Says so when the consumer ends, however it ends.
struct Closed;

impl Drop for Closed {
    fn drop(&mut self) {
        println!("[consumer] closed");
    }
}

fn main() {
    let Args { count } = Args::parse();
    produce(count, consumer());

    // Where nothing is sent, a generator is an iterator.
    let series: Vec<String> = fibonacci()
        .take(count as usize)
        .map(|n| n.to_string())
        .collect();
    println!("fibonacci: {}", series.join(" "));
}

/// The body runs until its next `yield_`, which gives the answer and waits for the next number.
fn consumer() -> Generator<u32, &'static str> {
    Generator::new(|yielder, first| {
        let _closed = Closed;
        let mut number = first;
        loop {
            println!("[consumer] consuming {number}");
            number = yielder.yield_("200 OK");
        }
    })
}

fn produce(count: u32, mut consumer: Generator<u32, &'static str>) {
    for number in 1..=count {
        println!("[producer] producing {number}");
        match consumer.send(number) {
            Some(answer) => println!("[producer] the consumer says {answer}"),
            None => return println!("[producer] the consumer has gone"),
        }
    }
    consumer.close(); // unwinds the body, wherever it waits
    println!("[producer] done");
}

fn fibonacci() -> Generator<(), u64> {
    Generator::new(|yielder, ()| {
        let (mut this, mut next) = (0, 1);
        loop {
            yielder.yield_(this);
            (this, next) = (next, this + next);
        }
    })
}
