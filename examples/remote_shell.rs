//! Runs commands of a short list for others, and sends back what they say.
//!
//! ```text
//! cargo run --release --example remote_shell -- serve --allow ls --allow date     # 127.0.0.1:16022
//! cargo run --release --example remote_shell -- run 127.0.0.1:16022 ls -l
//! cargo run --release --example remote_shell -- run 127.0.0.1:16022               # reads commands
//! ```
//!
//! No shell is involved: a line is taken apart into words, the first is a name on the list. What a
//! command says is bounded, and so is its time; then it is ended, with all that it has started.
//! Ctrl-C or SIGTERM ends the server: commands have a while to end.
//! There is no password: so it listens on loopback addresses, unless it is told to be careless.

#[path = "common/frame.rs"]
mod frame;

use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, value_parser};
use greenloop::net::{StreamServer, TcpStream, wait_readable};
use greenloop::process::{Child, Command, Stdio};
use greenloop::signal::{SIGINT, SIGTERM, Shutdown};
use greenloop::{scope, timeout};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::{Deserialize, Serialize};

/// How long commands may go on once the server is to end.
const GRACE: Duration = Duration::from_secs(5);

/// Runs commands for others, or has them run.
#[derive(Parser)]
enum Shell {
    /// Listens, and runs what is on the list
    Serve(Rules),
    /// Sends one command, or those that standard input names, a line each
    Run {
        /// The server, as HOST:PORT
        #[arg(value_name = "ADDR")]
        address: String,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

#[derive(Args, Clone)]
struct Rules {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:16022")]
    address: String,
    /// A program that may be run, by its name; may be given again
    #[arg(long, value_name = "NAME", default_values = ["date", "echo", "ls", "uname"])]
    allow: Vec<String>,
    /// How many bytes a command may say on each of its two outputs
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    #[arg(value_parser = value_parser!(u64).range(1..=1 << 30))]
    limit: u64,
    /// How long a command may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    timeout: f64,
    /// How many clients at once; others wait to be accepted
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    clients: u32,
    /// Listen on an address that others than this machine may reach
    #[arg(long)]
    careless: bool,
}

/// The head of a request.
#[derive(Serialize, Deserialize)]
struct Request {
    command: String,
}

/// The head of an answer; `stdout` bytes of the one and `stderr` of the other output come behind it.
#[derive(Default, Serialize, Deserialize)]
struct Answer {
    /// The exit status, unless a signal ended it.
    code: Option<i32>,
    signal: Option<i32>,
    stdout: u64,
    stderr: u64,
    /// Why it was not run, or was ended.
    error: Option<String>,
}

fn main() -> ExitCode {
    let outcome = match Shell::parse() {
        Shell::Serve(rules) => serve(rules),
        Shell::Run { address, command } => run(&address, &command),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("remote_shell: {error}");
        ExitCode::FAILURE
    })
}

fn serve(rules: Rules) -> io::Result<ExitCode> {
    let (address, clients) = (rules.address.clone(), rules.clients as usize);
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    };
    let addresses: Vec<SocketAddr> = address.to_socket_addrs().map_err(named)?.collect();
    if !rules.careless && !addresses.iter().all(|it| it.ip().is_loopback()) {
        let what = "others could reach it; say --careless if they are to run commands here";
        return Err(named(io::Error::new(ErrorKind::InvalidInput, what)));
    }
    let shutdown = Shutdown::on([SIGTERM, SIGINT])?;
    let server = StreamServer::builder().limit(clients);
    let server = server.bind(&addresses[..], move |stream: TcpStream, _| {
        // What goes wrong with one client is its own affair, and it has been told if it listens.
        let _ = session(&rules, &stream);
    });
    let server = server.map_err(named)?;
    println!("listening on {}", server.local_addr());
    server.serve_until(shutdown.event(), GRACE)?;
    Ok(ExitCode::SUCCESS)
}

fn session(rules: &Rules, mut stream: &TcpStream) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    loop {
        let (answer, outputs) = match frame::receive(&mut input) {
            Ok(None) => return Ok(()),
            Ok(Some(Request { command })) => rules.run(&command),
            Err(error) => {
                frame::send(&mut stream, &refused(error))?;
                return Ok(()); // nothing that follows would be understood
            }
        };
        frame::send(&mut stream, &answer)?;
        stream.write_all(&outputs)?;
    }
}

impl Rules {
    /// Runs a line; the answer, and both outputs.
    fn run(&self, line: &str) -> (Answer, Vec<u8>) {
        let words = match shell_words::split(line) {
            Ok(words) => words,
            Err(error) => return (refused(format!("{line:?}: {error}")), Vec::new()),
        };
        let Some((name, arguments)) = words.split_first() else {
            return (refused("no command"), Vec::new());
        };
        if !self.allow.contains(name) {
            let list = self.allow.join(", ");
            let what = format!("{name:?} is not on the list, which is: {list}");
            return (refused(what), Vec::new());
        }
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0); // to be ended with all that it starts
        match command.spawn().and_then(|child| self.attend(child)) {
            Ok(done) => done,
            Err(error) => (refused(format!("{name}: {error}")), Vec::new()),
        }
    }

    /// Reads what a command says, until it ends or has to.
    fn attend(&self, mut child: Child) -> io::Result<(Answer, Vec<u8>)> {
        let id = Pid::from_raw(child.id() as i32).expect("a process has a number");
        let group = Group(id);
        // Readable at its end, which leaves its number taken until the whole group has been ended.
        let end = pidfd_open(id, PidfdFlags::empty())?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let time = Duration::from_secs_f64(self.timeout);
        let ended = timeout(time, || {
            // Both on their own: the end of the time meets the wait for them, and cuts both.
            scope(|scope| {
                scope.spawn(|| self.read(err, &mut stderr, &group));
                scope.spawn(|| self.read(out, &mut stdout, &group));
            });
            wait_readable(&end, None)
        });
        drop(group);
        let status = child.wait()?;
        let is_long = [&mut stdout, &mut stderr].map(|output| {
            let is_long = output.len() as u64 > self.limit;
            output.truncate(self.limit as usize);
            is_long
        });
        let error = match ended {
            Err(_) => Some(format!("it took longer than {time:?}")),
            Ok(_) if is_long.contains(&true) => {
                Some(format!("it said more than {} bytes", self.limit))
            }
            Ok(_) => None,
        };
        let answer = Answer {
            code: status.code(),
            signal: status.signal(),
            stdout: stdout.len() as u64,
            stderr: stderr.len() as u64,
            error,
        };
        stdout.append(&mut stderr);
        Ok((answer, stdout))
    }

    /// Reads an output to its end; ends the command if there is too much.
    fn read(&self, pipe: Option<impl Read>, to: &mut Vec<u8>, group: &Group) {
        let pipe = pipe.expect("it was piped");
        // An error of a pipe is its end.
        let _ = pipe.take(self.limit + 1).read_to_end(to);
        if to.len() as u64 > self.limit {
            group.end();
        }
    }
}

/// A command and all that it has started, which end with it, also if the server cuts its session.
struct Group(Pid);

impl Group {
    fn end(&self) {
        let _ = kill_process_group(self.0, Signal::KILL); // an error: it has ended
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

fn refused(why: impl ToString) -> Answer {
    let error = Some(why.to_string());
    Answer {
        error,
        ..Answer::default()
    }
}

fn run(address: &str, command: &[String]) -> io::Result<ExitCode> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let stream = TcpStream::connect(address).map_err(named)?;
    let mut input = BufReader::new(&stream);
    if !command.is_empty() {
        return ask(&stream, &mut input, shell_words::join(command));
    }
    let stdin = io::stdin();
    let mut last = ExitCode::SUCCESS;
    prompt(&stdin)?;
    for line in stdin.lock().lines() {
        last = ask(&stream, &mut input, line?)?;
        prompt(&stdin)?;
    }
    Ok(last)
}

fn prompt(stdin: &io::Stdin) -> io::Result<()> {
    if stdin.is_terminal() {
        print!("$ ");
    }
    io::stdout().flush()
}

/// Has one command run, and shows what it said; its exit status.
fn ask(mut output: &TcpStream, input: &mut impl Read, command: String) -> io::Result<ExitCode> {
    frame::send(&mut output, &Request { command })?;
    let Some(answer) = frame::receive::<Answer>(input)? else {
        return Err(io::Error::new(
            ErrorKind::UnexpectedEof,
            "the server closed the connection",
        ));
    };
    frame::copy(input, &mut io::stdout(), answer.stdout, |_| ())?;
    frame::copy(input, &mut io::stderr(), answer.stderr, |_| ())?;
    if let Some(error) = answer.error {
        eprintln!("remote_shell: {error}");
        return Ok(ExitCode::FAILURE);
    }
    let code = answer
        .code
        .unwrap_or_else(|| 128 + answer.signal.unwrap_or(0)); // as a shell's
    Ok(ExitCode::from(code as u8))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds from 0.001 to 86400".into()),
    }
}
