//! `greenloop-top`: what the green threads of a running program do, in a terminal.
//!
//! ```text
//! greenloop-top 127.0.0.1:6060                 # q ends; / filters; s sorts; Enter opens
//! greenloop-top 127.0.0.1:6060 --once          # one frame as plain text, for pipes
//! GREENLOOP_TOKEN=… greenloop-top HOST:6060    # a page that wants a token
//! ```
//!
//! The program serves its page: `greenloop::inspect::serve("127.0.0.1:6060")`, feature `console`.

mod ask;
mod asker;
mod keys;
mod once;
mod screen;
mod story;
mod view;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use ask::Source;
use clap::Parser;
use once::printable;
use view::View;

/// Shows what the green threads of a running program do.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where the program serves its page, as HOST:PORT
    #[arg(value_name = "ADDR")]
    address: String,
    /// The page's token, if it wants one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GREENLOOP_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// Only those whose name, wait or place contains the text
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// By what they are sorted: id, name, state, wait, since, home, place, stack, children
    #[arg(long, value_name = "COLUMN", default_value = "since")]
    sort: String,
    /// Prints one frame as plain text, and ends
    #[arg(long)]
    once: bool,
    /// How many green threads that frame has
    #[arg(long, value_name = "N", default_value_t = 40)]
    rows: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match show(&args) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the pipe has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // A part of it may be what the other side has said.
            eprintln!("greenloop-top: {}", printable(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn show(args: &Args) -> io::Result<()> {
    let source = Source::new(&args.address, args.token.as_deref())?;
    let view = View::new(&args.filter, &args.sort)?;
    // What is wrong with the address or the token is said before the screen is taken.
    let seen = source.ask(&view, args.rows)?;
    if args.once {
        return once::print(&mut io::stdout().lock(), &seen);
    }
    if !io::stdout().is_terminal() {
        return Err(io::Error::other(
            "standard output is no terminal; use --once",
        ));
    }
    screen::run(source, view, seen)
}
