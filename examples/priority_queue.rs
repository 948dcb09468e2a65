//! Three queues, three orders: first in first out, last in first out, and the smallest first.
//!
//! ```text
//! cargo run --release --example priority_queue
//! cargo run --release --example priority_queue -- 3:cough 1:heart 2:arm
//! ```
//!
//! The patients, each with an urgency (1 is the most urgent), come in the order given.

use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use greenloop::queue::{LifoQueue, PriorityQueue, Queue};
use greenloop::{scope, sleep};

/// Puts the same patients into a Queue, a LifoQueue and a PriorityQueue.
#[derive(Parser)]
struct Args {
    /// Who comes, and how urgently
    #[arg(value_name = "URGENCY:NAME")]
    #[arg(default_values = ["3:cough", "2:broken arm", "4:prescription", "1:heart", "2:burn"])]
    patients: Vec<Patient>,
}

/// Ordered by urgency, then by name: a priority queue gives the smallest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Patient {
    urgency: u8,
    name: String,
}

impl FromStr for Patient {
    type Err = String;

    fn from_str(text: &str) -> Result<Patient, String> {
        let (urgency, name) = text.split_once(':').ok_or("there is no ':'")?;
        let urgency = urgency
            .parse()
            .map_err(|error| format!("{urgency:?}: {error}"))?;
        Ok(Patient {
            urgency,
            name: name.into(),
        })
    }
}

fn main() {
    let Args { patients } = Args::parse();
    let queue = Queue::from_iter(patients.clone());
    let lifo = LifoQueue::from_iter(patients.clone());
    let priority = PriorityQueue::from_iter(patients.clone());
    println!("Queue:         {}", names(|| queue.try_get().ok()));
    println!("LifoQueue:     {}", names(|| lifo.try_get().ok()));
    println!("PriorityQueue: {}", names(|| priority.try_get().ok()));

    // Now they come while the doctor works, each a little after the one before.
    scope(|s| {
        s.spawn(|| treat(&priority));
        for patient in patients {
            println!("{} comes in ({})", patient.name, patient.urgency);
            priority.put(patient).expect("the door is open");
            sleep(Duration::from_millis(10));
        }
        println!("the door is closed");
        priority.shutdown(false);
    });
}

fn names(next: impl FnMut() -> Option<Patient>) -> String {
    let names: Vec<String> = std::iter::from_fn(next)
        .map(|patient| patient.name)
        .collect();
    names.join(", ")
}

/// Takes the most urgent of those who wait, until the door is closed and nobody is left.
fn treat(waiting: &PriorityQueue<Patient>) {
    for patient in waiting {
        println!(
            "    the doctor treats {} ({})",
            patient.name, patient.urgency
        );
        sleep(Duration::from_millis(30));
    }
    println!("    the doctor goes home");
}
