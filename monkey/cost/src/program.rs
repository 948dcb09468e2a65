//! The command line of a sample, the same for `plain` and `linked`.

use crate::calls::{self, Call};
use crate::place::Place;
use crate::report::Report;
use crate::{echo, green, machine};
use clap::{Parser, ValueEnum};
use std::process::ExitCode;

/// Measures one thing, and prints it as a line of JSON; or serves, until a signal ends it
#[derive(Parser)]
struct Args {
    row: Row,
    /// The port of a server
    #[arg(default_value_t = 0)]
    port: u16,
    /// How many workers the green threads of a server have
    #[arg(default_value_t = 1)]
    workers: usize,
    #[arg(long, value_enum, default_value = "os")]
    on: Place,
    /// Calls `patch_all` first of all
    #[arg(long)]
    patched: bool,
    /// Stay on this CPU
    #[arg(long)]
    cpu: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Row {
    Send,
    Recv,
    Write,
    Read,
    Close,
    Mutex,
    StdPark,
    Yield,
    Park,
    SpawnSeq,
    #[value(name = "spawn_1k_new")]
    SpawnNew,
    #[value(name = "spawn_1k")]
    SpawnMany,
    Memory,
    /// An echo server on std's sockets
    Echo,
    /// The same on greenloop's
    OwnEcho,
}

/// Runs a program that patches itself by `patch`, if it is told to.
pub fn main(patch: fn()) -> ExitCode {
    let args = Args::parse();
    if let Some(cpu) = args.cpu {
        machine::pin_to(cpu).expect("a CPU of this machine");
    }
    if args.patched {
        patch();
    }
    match args.row {
        Row::Echo | Row::OwnEcho => serve(&args),
        row => {
            let report = args.on.drive(1, move || row.measure(args.on));
            println!("{}", serde_json::Value::from(report));
            // Those who hold memory are not joined.
            std::process::exit(0)
        }
    }
}

fn serve(args: &Args) -> ExitCode {
    let own = matches!(args.row, Row::OwnEcho);
    match echo::serve(args.port, args.workers, args.on, own) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Row {
    fn measure(self, place: Place) -> Report {
        match self {
            Row::Send => calls::run(Call::Send),
            Row::Recv => calls::run(Call::Recv),
            Row::Write => calls::run(Call::Write),
            Row::Read => calls::run(Call::Read),
            Row::Close => calls::run(Call::Close),
            Row::Mutex => calls::run(Call::Mutex),
            Row::StdPark => green::std_parks(place),
            Row::Yield => green::yields(place),
            Row::Park => green::parks(place),
            Row::SpawnSeq => green::spawns(place),
            Row::SpawnNew => green::first_spawns(place),
            Row::SpawnMany => green::later_spawns(place),
            Row::Memory => green::memory(place),
            Row::Echo | Row::OwnEcho => unreachable!("they print no figures"),
        }
    }
}
