//! A few connections to PostgreSQL for many green threads: diesel over libpq, the C library, in a
//! pool of r2d2.
//!
//! ```text
//! cargo run --release --example pg_pool -- --database postgres://localhost/postgres
//! cargo run --release --example pg_pool -- --database … --connections 5 --queries 1000
//! ```
//!
//! Each query takes the server 50 ms. Green threads wait for libpq's sockets and, while all
//! connections are taken, for r2d2's lock; none of them holds up a worker.

use std::error::Error;
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::sql_types::Integer;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use greenloop::{joinall, monkey, spawn};

/// What a query takes the server.
const QUERY: Duration = Duration::from_millis(50);

/// Asks many questions over a few connections.
#[derive(Parser)]
struct Args {
    /// Where the database is, for libpq
    #[arg(
        long,
        value_name = "URL",
        env = "COMPAT_POSTGRES",
        hide_env_values = true
    )]
    database: String,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// How many queries, all at once
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = value_parser!(u32).range(..=100_000))]
    queries: u32,
}

type Connections = Pool<ConnectionManager<PgConnection>>;

/// What comes back: the number that was sent.
#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Integer)]
    number: i32,
}

fn main() -> ExitCode {
    run(&Args::parse()).unwrap_or_else(|error| {
        eprintln!("pg_pool: {error}");
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    monkey::patch_all()?;
    let pool = connect(args)?;
    let start = Instant::now();
    let queries = (0..args.queries).map(|number| {
        let pool = pool.clone();
        spawn(move || ask(&pool, number as i32))
    });
    let (right, wrong): (Vec<_>, Vec<_>) = joinall(queries.collect::<Vec<_>>())
        .into_iter()
        .map(|ended| ended.unwrap_or_else(|payload| resume_unwind(payload)))
        .partition(Result::is_ok);
    if let Some(Err(error)) = wrong.first() {
        eprintln!("pg_pool: the first of {} errors: {error}", wrong.len());
    }
    println!(
        "{} of {} queries of {QUERY:?} answered on {} connections in {:.2} s",
        right.len(),
        args.queries,
        args.connections,
        start.elapsed().as_secs_f64()
    );
    Ok(ExitCode::from(u8::from(!wrong.is_empty())))
}

/// Opens the connections; one is tried first, since the pool would try on for long.
fn connect(args: &Args) -> Result<Connections, Box<dyn Error>> {
    PgConnection::establish(&args.database)
        .map_err(|error| format!("no database answers: {}", error.to_string().trim_end()))?;
    // Nobody waits for longer than all queries take on one connection.
    let patience = Duration::from_secs(10) + QUERY * args.queries;
    let pool = Pool::builder()
        .max_size(args.connections)
        .connection_timeout(patience)
        .build(ConnectionManager::new(&args.database))?;
    Ok(pool)
}

/// Lets the server sleep, and checks that it answers this question.
fn ask(pool: &Connections, number: i32) -> Result<(), String> {
    let mut connection = pool.get().map_err(|error| error.to_string())?;
    let seconds = QUERY.as_secs_f64();
    let query = format!("select {number} as number from (select pg_sleep({seconds})) as slept");
    let answer: Answer = sql_query(query)
        .get_result(&mut connection)
        .map_err(|error| error.to_string())?;
    if answer.number == number {
        Ok(())
    } else {
        Err(format!("{} instead of {number}", answer.number))
    }
}
