//! The rows for coroutines without a scheduler: what any runtime on corosensei can at best reach.

use super::{Outcome, Row, SPAWNS, YIELDS};
use crate::report::{self, Memory, Meter, Report};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, Yielder};
use std::hint::black_box;
use std::mem::ManuallyDrop;

const STACK: usize = 64 << 10;
/// By how much the rows are longer: they are short.
const FACTOR: usize = 10;

/// Coroutines that are never unwound: the process ends with them.
type Fleet = ManuallyDrop<Vec<Coroutine<(), (), (), DefaultStack>>>;

pub(super) fn run(name: &str, row: Row) -> Outcome {
    Ok(Some(match row {
        Row::Switch => switches(name, 1)?,
        Row::Yield(count) => switches(name, count)?,
        Row::SpawnSeq => spawns(name)?,
        Row::Park(count) => park(name, count)?,
        _ => return Ok(None),
    }))
}

fn fleet(count: usize) -> Result<Fleet, String> {
    let mut fleet = Fleet::default();
    for n in 0..count {
        let stack = DefaultStack::new(STACK).map_err(|error| format!("stack {n}: {error}"))?;
        let mut coroutine = Coroutine::with_stack(stack, suspend_for_ever);
        coroutine.resume(());
        fleet.push(coroutine);
    }
    Ok(fleet)
}

fn suspend_for_ever(yielder: &Yielder<(), ()>, _: ()) {
    loop {
        yielder.suspend(());
    }
}

/// A resume and a suspend: two switches.
fn switches(name: &str, count: usize) -> Result<Report, String> {
    let mut fleet = fleet(count)?;
    let rounds = FACTOR * YIELDS / count;
    let meter = Meter::start();
    for _ in 0..rounds {
        for coroutine in fleet.iter_mut() {
            coroutine.resume(());
        }
    }
    Ok(report::report(name, rounds * count, meter.stop()))
}

/// Creation, one run, and the stack used again.
fn spawns(name: &str) -> Result<Report, String> {
    let mut stack = DefaultStack::new(STACK).map_err(|error| error.to_string())?;
    let meter = Meter::start();
    for n in 0..FACTOR * SPAWNS {
        let run = move |_: &Yielder<(), ()>, ()| black_box(n);
        let mut coroutine = Coroutine::with_stack(stack, run);
        coroutine.resume(());
        stack = coroutine.into_stack();
    }
    Ok(report::report(name, FACTOR * SPAWNS, meter.stop()))
}

fn park(name: &str, count: usize) -> Result<Report, String> {
    let before = Memory::now();
    let meter = Meter::start();
    let _fleet = fleet(count)?;
    let mut report = report::report(name, count, meter.stop());
    before.add_growth(&mut report, count);
    Ok(report)
}
