//! The course's processes: Process, Pool, Pipe, Queue, Value and Array.
//!
//! ```text
//! cargo run --release --example process_pool                  # all of them
//! cargo run --release --example process_pool -- pool --jobs 100 --processes 8
//! ```
//!
//! A process is this program once more, with a line to its parent that carries frames of JSON. Each
//! is looked after by a green thread, so that any number of them may work and talk at once. There
//! is no memory in common: the parent owns what is shared, and its children ask for it.

#[expect(dead_code, reason = "no data follows a head here")]
#[path = "common/frame.rs"]
mod frame;
#[path = "common/process.rs"]
mod process;

use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand, value_parser};
use greenloop::net::unix::UnixStream;
use greenloop::pool::Pool;
use greenloop::queue::Queue;
use greenloop::sync::Mutex;
use greenloop::{joinall, sleep, spawn};
use process::Process;
use rustix::process::{Signal, WaitOptions, getpid, kill_process, wait};
use serde::{Deserialize, Serialize};

/// How often a job is given to a process before it counts as hopeless.
const ATTEMPTS: u32 = 3;

/// Work for several processes.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, Subcommand)]
enum Part {
    /// Two processes that download at once
    Process,
    /// Jobs for a few processes, two of which die of one
    Pool {
        #[arg(long, value_name = "N", default_value_t = 8)]
        #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
        jobs: u32,
        #[arg(long, value_name = "N", default_value_t = 4)]
        #[arg(value_parser = value_parser!(u16).range(1..=1000))]
        processes: u16,
    },
    /// Numbers there and back, until there are no more
    Pipe,
    /// A process that puts, and two that get
    Queue,
    /// A number that four processes count up, and an array that they fill
    Value,
    /// What the processes themselves run
    #[command(hide = true)]
    Child {
        #[command(subcommand)]
        role: Role,
    },
}

#[derive(Clone, Subcommand)]
enum Role {
    Download { name: String },
    Square,
    Double,
    Put,
    Get,
    Count { place: usize },
}

fn main() -> ExitCode {
    let outcome = match Args::parse().part {
        Some(Part::Child { role }) => work(role),
        part => show(part),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("process_pool: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(part: Option<Part>) -> io::Result<()> {
    let (jobs, processes) = (8, 4);
    let all = vec![
        Part::Process,
        Part::Pool { jobs, processes },
        Part::Pipe,
        Part::Queue,
        Part::Value,
    ];
    for part in part.map_or(all, |one| vec![one]) {
        match part {
            Part::Process => downloads()?,
            Part::Pool { jobs, processes } => pool(jobs, processes.into())?,
            Part::Pipe => pipe()?,
            Part::Queue => queue()?,
            Part::Value => value()?,
            Part::Child { .. } => unreachable!("its own way"),
        }
    }
    // Neither a process nor a zombie: there is nothing to wait for.
    let left = if wait(WaitOptions::NOHANG).is_err() {
        "none"
    } else {
        "some"
    };
    println!("children left: {left}");
    Ok(())
}

/// What a child does.
fn work(role: Role) -> io::Result<()> {
    let mut line = process::parent()?;
    match role {
        Role::Download { name } => {
            sleep(Duration::from_millis(100)); // the network is slow
            frame::send(&mut line, &format!("{name} is here"))
        }
        Role::Square => {
            while let Some(job) = frame::receive(&mut line)? {
                frame::send(&mut line, &square(&job))?;
            }
            Ok(())
        }
        Role::Double => {
            while let Some(number) = frame::receive::<u64>(&mut line)? {
                frame::send(&mut line, &(number * 2))?;
            }
            Ok(())
        }
        Role::Put => (1..=10).try_for_each(|number| ask(&mut line, &Ask::Put(number)).map(drop)),
        Role::Get => {
            while let Some(number) = ask(&mut line, &Ask::Get)? {
                ask(&mut line, &Ask::Add(number))?;
            }
            Ok(())
        }
        Role::Count { place } => {
            (0..1000).try_for_each(|_| ask(&mut line, &Ask::Add(1)).map(drop))?;
            let value = (place * place) as u64;
            ask(&mut line, &Ask::Set { place, value }).map(drop)
        }
    }
}

fn downloads() -> io::Result<()> {
    let names = ["one.iso", "two.iso"];
    let downloads = names.map(|name| {
        spawn(move || {
            let mut process = Process::start(&["child", "download", name])?;
            let said: Option<String> = process.receive()?;
            process.wait()?;
            io::Result::Ok(said)
        })
    });
    for said in joinall(downloads) {
        println!("process: {}", said.unwrap()?.unwrap_or_default());
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct Job {
    number: u32,
    attempt: u32,
}

/// A job; some are the death of the first process that gets them.
fn square(job: &Job) -> u64 {
    match job {
        Job {
            number: 3,
            attempt: 1,
        } => panic!("job 3 is too much for me"),
        Job {
            number: 6,
            attempt: 1,
        } => _ = kill_process(getpid(), Signal::KILL),
        _ => {}
    }
    u64::from(job.number).pow(2)
}

/// Processes that are waiting for a job.
struct Workers {
    idle: Queue<Process>,
}

impl Workers {
    fn start(count: usize) -> io::Result<Workers> {
        let idle = Queue::new();
        for _ in 0..count {
            idle.put(Workers::one()?).expect("it stays open");
        }
        Ok(Workers { idle })
    }

    fn one() -> io::Result<Process> {
        Process::start(&["child", "square"])
    }

    /// Has a process do a job; if it dies meanwhile, another one.
    fn apply(&self, number: u32) -> io::Result<(u32, u64)> {
        let mut process = self.idle.get().expect("it stays open");
        for attempt in 1..=ATTEMPTS {
            match process.ask(&Job { number, attempt }) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    let (id, status) = (process.id(), process.wait()?);
                    println!("pool: process {id} died of job {number} ({status})");
                    process = Workers::one()?;
                }
                answer => {
                    let id = process.id();
                    self.idle.put(process).expect("it stays open");
                    return Ok((id, answer?));
                }
            }
        }
        self.idle.put(process).expect("it stays open");
        let what = format!("job {number} was the death of {ATTEMPTS} processes");
        Err(io::Error::other(what))
    }

    /// Lets all end.
    fn close(&self) -> io::Result<()> {
        while let Ok(mut process) = self.idle.try_get() {
            process.finish()?;
            process.wait()?;
        }
        Ok(())
    }
}

fn pool(jobs: u32, processes: usize) -> io::Result<()> {
    let workers = Arc::new(Workers::start(processes)?);
    let pool = Pool::new(processes);
    let shared = workers.clone();
    let done = pool.map(1..=jobs, move |number| {
        let (id, result) = shared.apply(number)?;
        called_back(number, id, result);
        io::Result::Ok(result)
    });
    let mut sum = 0;
    for result in done {
        sum += result.expect("it does not panic")?;
    }
    println!("pool: the squares of 1 to {jobs} make {sum}");
    workers.close()
}

/// Hears of each result as it comes.
fn called_back(number: u32, id: u32, result: u64) {
    println!("pool: {number} squared is {result}, says process {id}");
}

fn pipe() -> io::Result<()> {
    let mut process = Process::start(&["child", "double"])?;
    let mut answers = Vec::new();
    for number in 1..=5_u64 {
        let answer: u64 = process.ask(&number)?;
        answers.push(answer);
    }
    process.finish()?; // the child finds no more, and ends
    let rest: Option<u64> = process.receive()?;
    let status = process.wait()?;
    println!("pipe: {answers:?}, then {rest:?} ({status})");
    Ok(())
}

/// What children ask of what the parent owns. The answer is a number, or none.
#[derive(Serialize, Deserialize)]
enum Ask {
    Put(u64),
    Get,
    Add(u64),
    Set { place: usize, value: u64 },
}

fn ask(line: &mut UnixStream, what: &Ask) -> io::Result<Option<u64>> {
    frame::send(line, what)?;
    let answer = frame::receive(line)?;
    answer.ok_or_else(|| io::Error::new(ErrorKind::BrokenPipe, "the parent has gone"))
}

/// What the children share, and this process owns.
struct Shared {
    queue: Queue<u64>,
    value: Mutex<u64>,
    array: Mutex<[u64; 4]>,
}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            queue: Queue::bounded(2),
            value: Mutex::default(),
            array: Mutex::default(),
        })
    }

    /// Starts a child, and answers it until it has ended.
    fn serve(&self, arguments: &[&str]) -> io::Result<()> {
        let mut process = Process::start(&[&["child"], arguments].concat())?;
        while let Some(what) = process.receive()? {
            process.send(&self.answer(what))?;
        }
        process.wait()?;
        Ok(())
    }

    fn answer(&self, what: Ask) -> Option<u64> {
        match what {
            Ask::Put(number) => self.queue.put(number).ok().map(|()| number),
            Ask::Get => self.queue.get().ok(), // waits for one, or for the end
            Ask::Add(number) => {
                let mut value = self.value.lock().unwrap();
                *value += number;
                Some(*value)
            }
            Ask::Set { place, value } => {
                let mut array = self.array.lock().unwrap();
                array.get_mut(place).map(|at| std::mem::replace(at, value))
            }
        }
    }
}

fn queue() -> io::Result<()> {
    let shared = Shared::new();
    let takers = [0, 1].map(|_| {
        let shared = shared.clone();
        spawn(move || shared.serve(&["get"]))
    });
    shared.serve(&["put"])?;
    shared.queue.shutdown(false); // what is inside can still be got
    for taker in takers {
        taker.join().unwrap()?;
    }
    println!("queue: what was got makes {}", shared.value.lock().unwrap());
    Ok(())
}

fn value() -> io::Result<()> {
    let shared = Shared::new();
    let counters = ["0", "1", "2", "3"].map(|place| {
        let shared = shared.clone();
        spawn(move || shared.serve(&["count", place]))
    });
    for counter in counters {
        counter.join().unwrap()?;
    }
    println!(
        "value: four times a thousand is {}",
        shared.value.lock().unwrap()
    );
    println!("array: {:?}", shared.array.lock().unwrap());
    Ok(())
}
