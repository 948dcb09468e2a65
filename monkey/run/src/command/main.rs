//! `greenloop-run`: runs a program with its threads as green threads.
//!
//! It looks at the program first, and refuses what can't be run. Then it becomes the program, with
//! the library of this package preloaded: so input, output, signals and exit status are the
//! program's own.

#[path = "../handover.rs"]
mod handover;
mod program;

use clap::Parser;
use clap::builder::RangedI64ValueParser;
use handover::{PRELOAD, REFUSED, WORKERS};
use program::Refusal;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;

/// The status of a failure of this command's own, as of env(1).
const OWN_FAILURE: u8 = 125;
/// The status of a program that was not found.
const NOT_FOUND: u8 = 127;
/// What the workers' runtime takes at most.
const MOST_WORKERS: u16 = 256;

/// Runs an unmodified program with its threads as green threads on a few OS threads. Experimental:
/// see README.md for what it refuses.
#[derive(Parser, Debug)]
#[command(
    name = "greenloop-run",
    version,
    override_usage = "greenloop-run [--workers N] PROGRAM [ARG]..."
)]
struct Flags {
    /// How many OS threads run the green threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = counts())]
    workers: Option<u16>,
    /// The program, as a shell finds it, and its arguments
    #[arg(
        value_name = "PROGRAM",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    program: Vec<OsString>,
}

/// The numbers of workers that there can be.
fn counts() -> RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=i64::from(MOST_WORKERS))
}

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(text) => {
            // There is nobody to tell if it can't be said.
            let _ = text.print();
            return ExitCode::from(if text.use_stderr() { OWN_FAILURE } else { 0 });
        }
    };
    let (name, arguments) = flags.program.split_first().expect("required");
    let failure = run(flags.workers, name, arguments);
    eprintln!("greenloop-run: {}", failure.text);
    ExitCode::from(failure.status)
}

/// Why the program does not run.
struct Failure {
    status: u8,
    text: String,
}

/// Becomes the program; returns only if that fails.
fn run(workers: Option<u16>, name: &OsStr, arguments: &[OsString]) -> Failure {
    let refused = |why: &dyn std::fmt::Display| Failure {
        status: REFUSED as u8,
        text: format!("can't run {}: {why}", name.to_string_lossy()),
    };
    if !cfg!(patchable) {
        return refused(&"only on Linux with glibc, on x86_64 and aarch64");
    }
    let Some(path) = find(name) else {
        let text = format!("{}: no such program", name.to_string_lossy());
        let status = NOT_FOUND;
        return Failure { status, text };
    };
    if let Err(Refusal(why)) = program::check(&path) {
        return refused(&why);
    }
    let preload = match preload() {
        Ok(preload) => preload,
        Err(text) => {
            return Failure {
                status: OWN_FAILURE,
                text,
            };
        }
    };
    let count = workers.map_or_else(processors, usize::from);
    let error = Command::new(&path)
        .arg0(name)
        .args(arguments)
        .env(WORKERS, count.to_string())
        .env(PRELOAD, preload)
        .exec();
    refused(&error)
}

fn processors() -> usize {
    let all = thread::available_parallelism().map_or(1, usize::from);
    all.min(MOST_WORKERS.into())
}

/// The program's file, as execvp(3) finds it.
fn find(name: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(name.into()).filter(|path: &PathBuf| path.exists());
    }
    let folders = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let candidates: Vec<PathBuf> = env::split_paths(&folders)
        .map(|folder| {
            if folder.as_os_str().is_empty() {
                ".".into()
            } else {
                folder
            }
        })
        .map(|folder| folder.join(name))
        .filter(|path| path.is_file())
        .collect();
    let executable = candidates.iter().find(|path| program::is_executable(path));
    executable.or(candidates.first()).cloned()
}

/// What the dynamic loader is to load first: our library, then what it was to load anyway.
fn preload() -> Result<OsString, String> {
    let library = library().map_err(|error| format!("its own library: {error}"))?;
    let bytes = library.as_os_str().as_bytes();
    // The loader splits its list there, and knows `$ORIGIN` and the like.
    if bytes.iter().any(|byte| b" :;$\n\t".contains(byte)) {
        let path = library.display();
        return Err(format!(
            "{path}: its own library can't lie in a folder with such a name"
        ));
    }
    let mut preload = library.into_os_string();
    if let Some(others) = env::var_os(PRELOAD).filter(|others| !others.is_empty()) {
        preload.push(":");
        preload.push(others);
    }
    Ok(preload)
}

const LIBRARY: &str = "libgreenloop_run.so";

/// The library of this package: where Cargo leaves the newest, or beside this command.
fn library() -> io::Result<PathBuf> {
    let command = fs::canonicalize(env::current_exe()?)?;
    let folder = command.parent().unwrap_or(Path::new("/"));
    let places = [folder.join("deps").join(LIBRARY), folder.join(LIBRARY)];
    let found = places.into_iter().find(|place| place.is_file());
    found.ok_or_else(|| {
        let what = format!("{LIBRARY} is not beside {}", command.display());
        io::Error::new(io::ErrorKind::NotFound, what)
    })
}
