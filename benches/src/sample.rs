//! `Sample`: one measurement, in processes of its own, so that nothing is left over from the one before.

use crate::Runtime;
use crate::machine::Activity;
use crate::report::{Report, add, cpu_of};
use clap::ValueEnum;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A runtime with so many workers, under the name that it has in the tables.
#[derive(Clone, Copy, Debug)]
pub struct Competitor {
    pub name: &'static str,
    pub runtime: Runtime,
    pub workers: usize,
    /// Inside `greenloop::run`.
    pub hub: bool,
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

/// How an echo server is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub name: &'static str,
    pub workers: usize,
    /// The server on the first CPU, the load on the last; else both where the kernel likes.
    pub pinned: bool,
    pub load: &'static [&'static str],
}

/// What no benchmark needs.
const LIMIT: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(5);

/// Runs one micro benchmark.
pub fn micro(row: &str, competitor: Competitor) -> Sample {
    let mut command = program("micro", competitor.runtime);
    command
        .arg(row)
        .args(["--workers", &competitor.workers.to_string()]);
    if competitor.hub {
        command.arg("--hub");
    }
    one_line(command)
}

/// Runs a program that prints its figures as a line of JSON.
pub fn one_line(command: Command) -> Sample {
    with_noise(|| finish(command))
}

/// Starts an echo server and loads it for `seconds`.
pub fn echo(scene: Scene, competitor: Competitor, cpus: &[usize], seconds: f64) -> Sample {
    let server = || program("echo", competitor.runtime);
    loaded(server, scene, cpus, seconds)
}

/// The same for any server that takes a port, the number of its workers, and `--cpu N`.
pub fn loaded(
    server: impl FnOnce() -> Command,
    scene: Scene,
    cpus: &[usize],
    seconds: f64,
) -> Sample {
    let pins = scene.pinned.then_some((cpus[0], cpus[cpus.len() - 1]));
    let measure = || -> io::Result<Sample> {
        let port = free_port()?;
        let mut server = server();
        server.args([port.to_string(), scene.workers.to_string()]);
        let mut load = Command::new(beside("load"));
        load.arg(port.to_string()).args(scene.load);
        load.args(["--seconds", &seconds.to_string()]);
        if let Some((first, last)) = pins {
            server.args(["--cpu", &first.to_string()]);
            load.args(["--cpu", &last.to_string()]);
        }
        let server = Server::start(server, port)?;
        let before = cpu_of(server.0.id());
        let mut sample = finish(load);
        let cpu = cpu_of(server.0.id()) - before;
        if let Sample::Figures(figures) = &mut sample {
            let total = figures["total"].as_f64().unwrap_or(0.0);
            add(figures, "cpu_us", cpu as f64 / 1e3 / total.max(1.0));
        }
        Ok(sample)
    };
    with_noise(|| measure().unwrap_or_else(|error| Sample::Failed(error.to_string())))
}

fn program(name: &str, runtime: Runtime) -> Command {
    let mut command = Command::new(beside(name));
    let runtime = runtime.to_possible_value().expect("no runtime is hidden");
    command.args(["--of", runtime.get_name()]);
    command
}

/// The program of that name that lies beside this one.
pub fn beside(name: &str) -> std::path::PathBuf {
    std::env::current_exe()
        .expect("the path of this program")
        .with_file_name(name)
}

/// Adds the share of the machine that others used meanwhile.
fn with_noise(measure: impl FnOnce() -> Sample) -> Sample {
    let (activity, own) = (Activity::now(), Activity::of_children());
    let mut sample = measure();
    if let Sample::Figures(figures) = &mut sample {
        let noise = activity.noise_since(Activity::of_children() - own);
        add(figures, "noise", noise);
    }
    sample
}

/// Runs a program that prints one line of JSON; it is killed when it takes too long.
fn finish(mut command: Command) -> Sample {
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

/// A server that ends with this value.
struct Server(Child);

impl Server {
    /// Returns once it accepts connections.
    fn start(mut command: Command, port: u16) -> io::Result<Server> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Server(command.spawn()?);
        let end = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if server.0.try_wait()?.is_some() || Instant::now() > end {
                return Err(io::Error::other("the server did not start"));
            }
            sleep(STEP);
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
