//! The suite: which competitors run which rows and scenes, and the tables and pictures of them.

mod growth;
mod micro;
mod servers;
mod watched;

use crate::Runtime;
use crate::machine;
use crate::peers::{self, Program};
use crate::plot::{self, Series};
use crate::sample::{Competitor, Sample, Whose};
use crate::table::{self, Results};
use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Measures Greenloop and its peers, and prints the tables
#[derive(Parser)]
pub struct Args {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    what: Vec<What>,
    /// How often each is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only rows and scenes with one of these in their names
    #[arg(long, value_delimiter = ',', default_value = "")]
    rows: Vec<String>,
    /// Only these competitors, by the beginnings of their names; ratios refer to the first
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long a server is loaded each time
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Draw the tables into this folder as well
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum What {
    /// Spawns, yields, sleeps, mutexes, channels
    Micro,
    /// What these cost with ten and with a million
    Growth,
    /// Waiters beside spinners, connections over workers
    Fairness,
    /// Echo servers, from 1 to 9,000 connections
    Echo,
    /// Datagrams
    Udp,
    /// Connect, one echo, close
    Churn,
    /// Plain text
    Http,
    /// 10,000 connections without a load
    Idle,
    /// System calls a request, by strace
    Calls,
    /// An earlier build (BENCH_BEFORE), this one, and this one with the monitor on
    Watched,
    All,
}

/// What measures it and prints its tables.
type Section = (What, fn(&Args));

/// Measures what is asked for; tables go to standard output as soon as they are complete.
pub fn run(args: &Args) {
    println!("Machine: {}\n", machine::describe());
    println!("Peers: {}\n", peers::versions());
    println!("Rounds: {}, interleaved\n", args.rounds);
    let sections: [Section; 10] = [
        (What::Micro, micro::tables),
        (What::Growth, growth::tables),
        (What::Fairness, growth::fairness_tables),
        (What::Echo, servers::echo_tables),
        (What::Udp, servers::udp_tables),
        (What::Churn, servers::churn_tables),
        (What::Http, servers::http_tables),
        (What::Idle, servers::idle_tables),
        (What::Calls, servers::calls_tables),
        (What::Watched, watched::tables),
    ];
    for (what, tables) in sections {
        if args.what.contains(&what) || args.what.contains(&What::All) {
            tables(args);
        }
    }
}

const fn own(name: &'static str, runtime: Runtime, workers: usize) -> Competitor {
    Competitor {
        name,
        whose: Whose::Own(runtime),
        workers,
        hub: false,
    }
}

const fn other(name: &'static str, whose: Whose, workers: usize) -> Competitor {
    Competitor {
        whose,
        ..own(name, Runtime::Greenloop, workers)
    }
}

impl Args {
    fn chosen<T: Copy>(&self, all: &[T], name: impl Fn(&T) -> &str) -> Vec<T> {
        let is_wanted = |name: &str| self.rows.iter().any(|row| name.contains(row));
        let wanted = all.iter().filter(|it| is_wanted(name(it)));
        wanted.copied().collect()
    }

    /// Those that are wanted and installed; a word says which are skipped.
    fn competitors(&self, all: &[Competitor], program: Program) -> Vec<Competitor> {
        let is_wanted = |name: &str| {
            let mut only = self.only.iter();
            self.only.is_empty() || only.any(|only| name.starts_with(only))
        };
        let mut skipped = Vec::new();
        let mut there = Vec::new();
        for competitor in all.iter().filter(|it| is_wanted(it.name)) {
            match competitor.command(program) {
                Ok(_) => there.push(*competitor),
                Err(why) if skipped.contains(&why) => {}
                Err(why) => {
                    println!("* {why}\n");
                    skipped.push(why);
                }
            }
        }
        there
    }

    /// As many rounds as asked for, at most `most`.
    fn rounds(
        &self,
        most: usize,
        rows: &[&str],
        competitors: &[Competitor],
        measure: impl Fn(usize, Competitor) -> Sample,
    ) -> Results {
        let names: Vec<&str> = competitors.iter().map(|it| it.name).collect();
        let rounds = most.min(self.rounds as usize);
        table::rounds(rounds, rows, &names, |row, at| {
            measure(row, competitors[at])
        })
    }

    /// A dot for each figure of all rows, if pictures are wanted.
    fn draw(&self, results: &Results, file: &str, title: &str, unit: &str, key: &str) {
        let Some(folder) = &self.svg else { return };
        let series = (0..results.competitors().len()).map(|competitor| {
            let rows = 0..results.rows().len();
            let points = rows.filter_map(|row| {
                let figure = results.figure(row, competitor, key)?;
                (figure > 0.0).then_some((row as f64, figure))
            });
            (results.competitors()[competitor].clone(), points.collect())
        });
        let series: Series = series.collect();
        let path = folder.join(file);
        let drawn = std::fs::create_dir_all(folder).map_err(Into::into);
        let drawn = drawn.and_then(|()| plot::dots(&path, title, unit, results.rows(), &series));
        if let Err(error) = drawn {
            eprintln!("compare: {}: {error}", path.display());
        }
    }
}

/// The text of a table whose cells hold words, one line a competitor.
fn words(results: &Results, row: usize, key: &str) -> String {
    let competitors = results.competitors().iter().enumerate();
    let lines = competitors.filter_map(|(at, name)| {
        let text = results.text(row, at, key)?;
        Some(format!("* {name}: {text}\n"))
    });
    lines.collect()
}
