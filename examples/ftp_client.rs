//! The client of `ftp_server`.
//!
//! ```text
//! cargo run --release --example ftp_client -- 127.0.0.1:16021 list
//! cargo run --release --example ftp_client -- 127.0.0.1:16021 get big.iso        # goes on where it was cut
//! cargo run --release --example ftp_client -- 127.0.0.1:16021 put --resume big.iso
//! cargo run --release --example ftp_client -- 127.0.0.1:16021                    # reads commands
//! ```
//!
//! A file that was received in part lies beside its place as `NAME.part`; the next `get` goes on with
//! it, if it still is the beginning of the server's file.

#[path = "common/frame.rs"]
mod frame;
#[path = "common/ftp.rs"]
mod ftp;

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use ftp::{Answer, From, Part, Request};
use greenloop::fs::{self, File};
use greenloop::net::TcpStream;
use indicatif::{ProgressBar, ProgressStyle};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lists, gets and puts files of an `ftp_server`.
#[derive(Parser)]
struct Args {
    /// The server, as HOST:PORT
    #[arg(value_name = "ADDR")]
    address: String,
    /// Without one, commands are read from standard input, a line each
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Lists a folder of the server
    List {
        #[arg(default_value = "")]
        path: String,
    },
    /// Gets a file, and goes on with a part of it that is already here
    Get { path: String, to: Option<PathBuf> },
    /// Puts a file
    Put {
        file: PathBuf,
        path: Option<String>,
        /// Have the server keep a part of it, and go on with that one
        #[arg(long)]
        resume: bool,
    },
}

/// A line of standard input.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let Args { address, command } = Args::parse();
    let outcome = Client::connect(&address).and_then(|mut client| match command {
        Some(command) => client.run(command),
        None => client.converse(),
    });
    if let Err(error) = &outcome {
        eprintln!("ftp_client: {error}");
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

struct Client {
    input: BufReader<TcpStream>,
    output: TcpStream,
}

impl Client {
    fn connect(address: &str) -> io::Result<Client> {
        let stream = TcpStream::connect(address).map_err(|error| named(address, error))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client {
            output: stream.try_clone()?,
            input: BufReader::new(stream),
        })
    }

    /// Reads commands until the input ends; what the server refuses is said, and the next one read.
    fn converse(&mut self) -> io::Result<()> {
        let stdin = io::stdin();
        let prompt = || {
            if stdin.is_terminal() {
                print_now("ftp> ")
            } else {
                Ok(())
            }
        };
        prompt()?;
        for line in stdin.lock().lines() {
            match Line::try_parse_from(line?.split_whitespace()) {
                Ok(Line { command }) => self.run_or_say(command)?,
                Err(error) => eprintln!("{error}"),
            }
            prompt()?;
        }
        Ok(())
    }

    fn run_or_say(&mut self, command: Command) -> io::Result<()> {
        match self.run(command) {
            Err(error) if error.get_ref().is_some_and(|it| it.is::<Refused>()) => {
                eprintln!("{error}");
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn run(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::List { path } => self.list(path),
            Command::Get { path, to } => {
                let name = Path::new(&path)
                    .file_name()
                    .unwrap_or(OsStr::new("download"));
                let to = to.unwrap_or_else(|| name.into());
                self.get(path, &to)
            }
            Command::Put { file, path, resume } => {
                let name = || file.file_name().map(|it| it.to_string_lossy().into_owned());
                let path = path.or_else(name).unwrap_or_default();
                self.put(&file, path, resume)
            }
        }
    }

    fn list(&mut self, path: String) -> io::Result<()> {
        let (size, ..) = self.ask(&Request::List { path })?;
        frame::copy(&mut self.input, &mut io::stdout(), size, |_| ())
    }

    fn get(&mut self, path: String, to: &Path) -> io::Result<()> {
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let mut options = File::options();
        let opened = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part);
        let mut file = opened.map_err(|error| named(to.display(), error))?;
        let have = Part::of(&mut file, u64::MAX)?;
        let asked = self.ask(&Request::Get { path, have });
        let (size, offset, _) = asked.inspect_err(|_| {
            if have.size == 0 {
                let _ = fs::remove_file(&part);
            }
        })?;
        file.set_len(offset)?;
        file.seek(SeekFrom::Start(offset))?;
        let bar = progress(to.display().to_string(), size, offset);
        frame::copy(&mut self.input, &mut file, size - offset, |count| {
            bar.inc(count)
        })?;
        bar.finish_and_clear();
        file.sync_all()?;
        fs::rename(&part, to)?;
        say_done(to.display(), size, offset);
        Ok(())
    }

    fn put(&mut self, file: &Path, path: String, resume: bool) -> io::Result<()> {
        let mut source = File::open(file).map_err(|error| named(file.display(), error))?;
        let size = source.metadata()?.len();
        let (.., have) = self.ask(&Request::Put { path, size, resume })?;
        let is_ours = have.size <= size && Part::of(&mut source, have.size)? == have;
        let from = if is_ours { have.size } else { 0 };
        source.seek(SeekFrom::Start(from))?;
        frame::send(&mut self.output, &From { from })?;
        let bar = progress(file.display().to_string(), size, from);
        frame::copy(&mut source, &mut self.output, size - from, |count| {
            bar.inc(count)
        })?;
        bar.finish_and_clear();
        self.answer()?;
        say_done(file.display(), size, from);
        Ok(())
    }

    fn ask(&mut self, request: &Request) -> io::Result<(u64, u64, Part)> {
        frame::send(&mut self.output, request)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<(u64, u64, Part)> {
        match frame::receive(&mut self.input)? {
            Some(Answer::Ok { size, offset, have }) => Ok((size, offset, have)),
            Some(Answer::Error { message }) => Err(io::Error::other(Refused(message))),
            None => Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "the server closed the connection",
            )),
        }
    }
}

/// What the server said instead of doing it.
#[derive(Debug)]
struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server says: {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// A bar that is drawn only on a terminal.
fn progress(name: String, size: u64, from: u64) -> ProgressBar {
    let style = "{msg} {bar:40} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).expect("a fixed template");
    let bar = ProgressBar::new(size).with_style(style).with_message(name);
    bar.set_position(from);
    bar
}

fn say_done(name: impl std::fmt::Display, size: u64, from: u64) {
    println!("{name}: {} bytes, {from} of {size} were there", size - from);
}

fn print_now(text: &str) -> io::Result<()> {
    print!("{text}");
    io::stdout().flush()
}

fn named(what: impl std::fmt::Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
