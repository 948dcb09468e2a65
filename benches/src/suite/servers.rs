//! The tables of the servers.

use super::{Args, other, own, words};
use crate::peers::Program;
use crate::sample::{Competitor, Sample, Whose};
use crate::server::{self, Scene};
use crate::table::Results;
use crate::{Runtime, machine};

const ECHO: [Competitor; 8] = [
    own("epoll", Runtime::Epoll, 0),
    own("greenloop", Runtime::Greenloop, 0),
    own("tokio", Runtime::Tokio, 0),
    own("tokio-ct", Runtime::TokioCt, 0),
    own("may", Runtime::May, 0),
    other("go", Whose::Go, 0),
    other("gevent", Whose::Gevent, 0),
    own("threads", Runtime::Threads, 0),
];

const HTTP: [Competitor; 7] = [
    own("epoll", Runtime::Epoll, 0),
    own("greenloop", Runtime::Greenloop, 0),
    own("hyper", Runtime::Tokio, 0),
    own("hyper-ct", Runtime::TokioCt, 0),
    own("may", Runtime::May, 0),
    other("go", Whose::Go, 0),
    other("gevent", Whose::Gevent, 0),
];

const ECHO_SCENES: [Scene; 8] = [
    pinned("1 worker, pinned, 1 connection", &["--connections=1"]),
    pinned("1 worker, pinned, 64 connections", &[]),
    pinned(
        "1 worker, pinned, 2000 connections",
        &["--connections=2000"],
    ),
    pinned(
        "1 worker, pinned, 9000 connections",
        &["--connections=9000"],
    ),
    floating("2 workers, 1 connection", &["--connections=1"]),
    floating("2 workers, 64 connections", &[]),
    floating("2 workers, 2000 connections", &["--connections=2000"]),
    floating("2 workers, 9000 connections", &["--connections=9000"]),
];

const UDP_SCENES: [Scene; 2] = [
    pinned("1 worker, pinned, 1 client", &["--udp", "--connections=1"]),
    pinned("1 worker, pinned, 64 clients", &["--udp"]),
];

const CHURN_SCENES: [Scene; 2] = [
    pinned("1 worker, pinned, 64 at a time", &["--churn"]),
    floating("2 workers, 64 at a time", &["--churn"]),
];

const HTTP_SCENES: [Scene; 3] = [
    pinned("1 worker, pinned, 64 connections", &["--http"]),
    pinned(
        "1 worker, pinned, 64 connections, 16 requests at a time",
        &["--http", "--depth=16"],
    ),
    floating("2 workers, 64 connections", &["--http"]),
];

const CALLS_SCENES: [Scene; 2] = [
    pinned("echo, 64 connections", &[]),
    pinned("churn, 16 at a time", &["--churn", "--connections=16"]),
];

const IDLE: usize = 10_000;

const SERVED: [(&str, &str); 7] = [
    ("rate", "requests/s"),
    ("cpu_us", "server CPU µs/request"),
    ("cpu_us ratio", "ratio to the first"),
    ("p50_us", "p50 µs"),
    ("p99_us", "p99 µs"),
    ("p999_us", "p99.9 µs"),
    ("errors", "errors"),
];

const HELD: [(&str, &str); 4] = [
    ("rss_bytes_per_task", "RSS, B each"),
    ("pte_bytes_per_task", "page tables, B each"),
    ("vmas_per_task", "mappings each"),
    ("idle_cpu_ms_per_s", "idle, CPU ms/s"),
];

const fn pinned(name: &'static str, load: &'static [&'static str]) -> Scene {
    Scene {
        name,
        workers: 1,
        pinned: true,
        load,
    }
}

const fn floating(name: &'static str, load: &'static [&'static str]) -> Scene {
    Scene {
        name,
        workers: 2,
        pinned: false,
        load,
    }
}

pub(super) fn echo_tables(args: &Args) {
    let results = loaded(args, "Echo, 64 B", &ECHO_SCENES, &ECHO, Program::Echo);
    draw(args, &results, "echo.svg", "Echo: server CPU for a request");
}

pub(super) fn udp_tables(args: &Args) {
    let title = "UDP echo, 64 B";
    let results = loaded(args, title, &UDP_SCENES, &ECHO, Program::Udp);
    draw(
        args,
        &results,
        "udp.svg",
        "UDP echo: server CPU for a datagram",
    );
}

pub(super) fn churn_tables(args: &Args) {
    let title = "Churn: connect, one echo, close";
    let results = loaded(args, title, &CHURN_SCENES, &ECHO, Program::Echo);
    draw(
        args,
        &results,
        "churn.svg",
        "Churn: server CPU for a connection",
    );
}

pub(super) fn http_tables(args: &Args) {
    let results = loaded(args, "HTTP, plain text", &HTTP_SCENES, &HTTP, Program::Http);
    draw(args, &results, "http.svg", "HTTP: server CPU for a request");
}

fn draw(args: &Args, results: &Results, file: &str, title: &str) {
    let unit = "ratio to a raw loop over epoll";
    args.draw(results, file, title, unit, "cpu_us ratio");
}

fn loaded(
    args: &Args,
    title: &str,
    scenes: &[Scene],
    competitors: &[Competitor],
    program: Program,
) -> Results {
    let scenes = args.chosen(scenes, |scene| scene.name);
    let names: Vec<&str> = scenes.iter().map(|scene| scene.name).collect();
    let competitors = args.competitors(competitors, program);
    let cpus = machine::cpus();
    let results = args.rounds(
        usize::MAX,
        &names,
        &competitors,
        |row, competitor| match competitor.command(program) {
            Ok(command) => server::loaded(|| command, scenes[row], &cpus, args.seconds),
            Err(why) => Sample::Failed(why),
        },
    );
    for (at, name) in names.iter().enumerate() {
        println!(
            "{}",
            results.by_key(&format!("{title}: {name}"), at, &SERVED)
        );
    }
    println!("{}", results.notes());
    results
}

pub(super) fn idle_tables(args: &Args) {
    let competitors = args.competitors(&ECHO, Program::Echo);
    let cpus = machine::cpus();
    let rows = ["10,000 idle connections"];
    let results = args.rounds(2, &rows, &competitors, |_, competitor| {
        match competitor.command(Program::Echo) {
            Ok(command) => server::idle(|| command, IDLE, &cpus),
            Err(why) => Sample::Failed(why),
        }
    });
    println!("{}", results.by_key(rows[0], 0, &HELD));
    println!("{}", results.notes());
    let title = "10,000 idle connections";
    args.draw(
        &results,
        "idle.svg",
        title,
        "RSS, B each",
        "rss_bytes_per_task",
    );
}

pub(super) fn calls_tables(args: &Args) {
    let scenes = args.chosen(&CALLS_SCENES, |scene| scene.name);
    let names: Vec<&str> = scenes.iter().map(|scene| scene.name).collect();
    let competitors = args.competitors(&ECHO, Program::Echo);
    let results = args.rounds(1, &names, &competitors, |row, competitor| match competitor
        .command(Program::Echo)
    {
        Ok(command) => server::calls(|| command, scenes[row]),
        Err(why) => Sample::Failed(why),
    });
    for (at, name) in names.iter().enumerate() {
        let title = format!("System calls a request: {name}");
        println!("{}", results.by_key(&title, at, &[("calls", "all")]));
        println!("{}", words(&results, at, "parts"));
    }
    println!("{}", results.notes());
}
