//! A Unix socket: a server that answers each line with its length, and its client.
//!
//! ```text
//! cargo run --release --example unix_socket -- /tmp/lengths.sock                        # serves
//! cargo run --release --example unix_socket -- /tmp/lengths.sock --client one three     # asks it
//! nc -NU /tmp/lengths.sock
//! ```

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use greenloop::net::unix::{UnixListener, UnixStream};
use greenloop::spawn;

/// The longest line, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Answers lines with their lengths on a Unix socket, or sends some to who does.
#[derive(Parser)]
struct Args {
    /// The socket's path
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Send these lines, and print the answers
    #[arg(long, value_name = "LINE", num_args = 1..)]
    client: Option<Vec<String>>,
}

fn main() -> ExitCode {
    let Args { path, client } = Args::parse();
    let outcome = match client {
        Some(lines) => ask(&path, &lines),
        None => serve(&path),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unix_socket: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn serve(path: &Path) -> io::Result<()> {
    remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    println!("listening on {}", path.display());
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => drop(spawn(move || answer(&stream))),
            Err(error) => eprintln!("unix_socket: cannot accept: {error}"),
        }
    }
    Ok(())
}

/// A socket's file outlives its server. One at which nobody listens any more is in the way.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused && is_socket => {
            fs::remove_file(path)
        }
        _ => Ok(()), // if it is in use, the bind says so
    }
}

/// Answers until the client has said all; an error ends this connection alone.
fn answer(stream: &UnixStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader
        .by_ref()
        .take(LONGEST + 1)
        .read_until(b'\n', &mut line)?
        > 0
    {
        if line.len() as u64 > LONGEST {
            reader.skip_until(b'\n')?;
            writeln!(&*stream, "a line has at most {LONGEST} bytes")?;
        } else {
            writeln!(&*stream, "{}", line.trim_ascii_end().len())?;
        }
        line.clear();
    }
    Ok(())
}

fn ask(path: &Path, lines: &[String]) -> io::Result<()> {
    let stream = UnixStream::connect(path)?;
    let mut answers = BufReader::new(&stream).lines();
    for line in lines {
        writeln!(&stream, "{line}")?;
        let answer = answers
            .next()
            .unwrap_or(Err(ErrorKind::UnexpectedEof.into()))?;
        println!("{answer}\t{line}");
    }
    Ok(())
}
