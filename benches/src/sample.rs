//! `Sample`: one measurement, in processes of its own, so that nothing is left over from others.

use crate::Runtime;
use crate::machine::Activity;
use crate::peers::{self, Program};
use crate::report::{Report, add};
use clap::ValueEnum;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use crate::server::{Scene, loaded};

/// A runtime with so many workers, under the name that it has in the tables.
#[derive(Clone, Copy, Debug)]
pub struct Competitor {
    pub name: &'static str,
    pub whose: Whose,
    pub workers: usize,
    /// Inside `greenloop::run`.
    pub hub: bool,
}

/// Whose programs run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// Those of this suite.
    Own(Runtime),
    /// Greenloop's, with the monitor on.
    Monitored,
    /// Greenloop's of an earlier build.
    Before,
    Go,
    Gevent,
}

impl Competitor {
    /// The command without its arguments; or a word why there is none.
    pub fn command(&self, program: Program) -> Result<Command, String> {
        match self.whose {
            Whose::Go => peers::go(program),
            Whose::Gevent => peers::gevent(program),
            Whose::Own(runtime) => Ok(own(runtime, program)),
            Whose::Before => peers::before(program),
            Whose::Monitored => {
                let mut command = own(Runtime::Greenloop, program);
                command.env("GREENLOOP_MONITOR", "1");
                Ok(command)
            }
        }
    }
}

fn own(runtime: Runtime, program: Program) -> Command {
    let mut command = Command::new(beside(match program {
        Program::Micro => "micro",
        Program::Echo | Program::Udp => "echo",
        Program::Http => "http",
    }));
    if program == Program::Udp {
        command.arg("--udp");
    }
    let runtime = runtime.to_possible_value().expect("no runtime is hidden");
    command.args(["--of", runtime.get_name()]);
    command
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Sample {
    Figures(Report),
    /// A limit was met, or time ran out.
    Failed(String),
    /// There is no such benchmark for this runtime.
    Missing,
}

/// What no benchmark needs.
const LIMIT: Duration = Duration::from_secs(40);
const STEP: Duration = Duration::from_millis(5);

/// Runs one micro benchmark.
pub fn micro(row: &str, competitor: Competitor) -> Sample {
    let mut command = match competitor.command(Program::Micro) {
        Ok(command) => command,
        Err(why) => return Sample::Failed(why),
    };
    command.arg(row);
    command.args(["--workers", &competitor.workers.to_string()]);
    if competitor.hub {
        command.arg("--hub");
    }
    one_line(command)
}

/// Runs a program that prints its figures as a line of JSON.
pub fn one_line(command: Command) -> Sample {
    with_noise(|| finish(command))
}

/// The program of that name that lies beside this one.
pub fn beside(name: &str) -> std::path::PathBuf {
    std::env::current_exe()
        .expect("the path of this program")
        .with_file_name(name)
}

/// Adds the share of the machine that others used meanwhile.
pub(crate) fn with_noise(measure: impl FnOnce() -> Sample) -> Sample {
    let (activity, own) = (Activity::now(), Activity::of_children());
    let mut sample = measure();
    if let Sample::Figures(figures) = &mut sample {
        let noise = activity.noise_since(Activity::of_children() - own);
        add(figures, "noise", noise);
    }
    sample
}

/// Runs a program that prints one line of JSON; it is killed when it takes too long.
pub(crate) fn finish(mut command: Command) -> Sample {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Sample::Failed(format!("{command:?}: {error}")),
    };
    let status = match wait(&mut child) {
        Ok(Some(status)) => status,
        Ok(None) => return Sample::Failed(format!("not done after {} s", LIMIT.as_secs())),
        Err(error) => return Sample::Failed(error.to_string()),
    };
    let (mut out, mut errors) = (String::new(), String::new());
    // What they hold fits into a pipe, so both can be read when it has ended.
    let _ = child
        .stdout
        .take()
        .map(|mut pipe| pipe.read_to_string(&mut out));
    let _ = child
        .stderr
        .take()
        .map(|mut pipe| pipe.read_to_string(&mut errors));
    match serde_json::from_str::<Report>(&out) {
        Ok(figures) => match figures.get("error") {
            Some(why) => Sample::Failed(why.as_str().unwrap_or_default().to_owned()),
            None => Sample::Figures(figures),
        },
        Err(_) if status.code() == Some(2) => Sample::Missing,
        Err(_) => Sample::Failed(format!("{status}: {}", last_line(&errors))),
    }
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().next_back().unwrap_or_default()
}

fn wait(child: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        sleep(STEP);
    }
    child.kill()?;
    child.wait().map(|_| None)
}
