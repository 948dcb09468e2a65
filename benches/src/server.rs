//! One measurement of a server: under load, with idle connections, or of its system calls.

use crate::machine;
use crate::report::{Report, add, cpu_of, held_by};
use crate::sample::{Sample, beside, finish, with_noise};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How a server is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub name: &'static str,
    pub workers: usize,
    /// The server on the first CPU, the load on the last; else both where the kernel likes.
    pub pinned: bool,
    pub load: &'static [&'static str],
}

/// How often it is tried whether something has begun.
const STEP: Duration = Duration::from_millis(5);
/// How long idle connections are watched.
const IDLE: Duration = Duration::from_secs(1);

/// Starts a server and loads it for `seconds`.
///
/// `command` is any that takes a port of 127.0.0.1 and the number of its workers.
pub fn loaded(
    command: impl FnOnce() -> Command,
    scene: Scene,
    cpus: &[usize],
    seconds: f64,
) -> Sample {
    with_noise(|| {
        measured(|| {
            let server = Server::start(command(), scene.workers, scene.first(cpus))?;
            let mut load = load(server.port, scene.load, seconds);
            if let Some(cpu) = scene.last(cpus) {
                load.args(["--cpu", &cpu.to_string()]);
            }
            let before = cpu_of(server.child.id());
            let mut sample = finish(load);
            let cpu = cpu_of(server.child.id()) - before;
            if let Sample::Figures(figures) = &mut sample {
                let total = figures["total"].as_f64().unwrap_or(0.0);
                add(figures, "cpu_us", cpu as f64 / 1e3 / total.max(1.0));
            }
            Ok(sample)
        })
    })
}

/// Starts a server, holds `count` idle connections to it, and looks at what they take.
pub fn idle(command: impl FnOnce() -> Command, count: usize, cpus: &[usize]) -> Sample {
    with_noise(|| {
        measured(|| {
            let server = Server::start(command(), 1, cpus.first().copied())?;
            server.with_idle(count).map(Sample::Figures)
        })
    })
}

/// Counts a server's system calls for each request, by strace: exact, where times are noisy.
///
/// It slows the server down, so that more is ready at each wait: waits are a lower bound.
pub fn calls(command: impl FnOnce() -> Command, scene: Scene) -> Sample {
    measured(|| {
        let server = Server::start(command(), scene.workers, None)?;
        let counts = beside("strace.txt");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-c", "-U", "calls,name", "-o"]);
        strace
            .arg(&counts)
            .args(["-p", &server.child.id().to_string()]);
        let Ok(strace) = strace.stderr(Stdio::null()).spawn() else {
            return Ok(Sample::Failed("strace is not installed".into()));
        };
        let mut strace = Ended(strace);
        server.wait_for_tracer()?;
        let load = finish(load(server.port, scene.load, 1.0));
        let pid = Pid::from_child(&strace.0);
        kill_process(pid, Signal::INT)?;
        strace.0.wait()?;
        let Sample::Figures(figures) = load else {
            return Ok(load);
        };
        let total = figures["total"].as_f64().unwrap_or(0.0).max(1.0);
        Ok(Sample::Figures(calls_of(
            &std::fs::read_to_string(&counts)?,
            total,
        )))
    })
}

/// From lines `count name`.
fn calls_of(text: &str, total: f64) -> Report {
    let mut each: Vec<(f64, &str)> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let count: f64 = words.next()?.parse().ok()?;
            Some((count / total, words.next()?))
        })
        .filter(|(_, name)| *name != "total")
        .collect();
    each.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut report = Report::new();
    add(
        &mut report,
        "calls",
        each.iter().map(|(count, _)| count).sum(),
    );
    let parts = each.iter().filter(|(count, _)| *count >= 0.005);
    let parts = parts.map(|(count, name)| format!("{name} {count:.2}"));
    let parts: Vec<String> = parts.collect();
    report.insert("parts".into(), parts.join(", ").into());
    report
}

fn load(port: u16, args: &[&str], seconds: f64) -> Command {
    let mut load = Command::new(beside("load"));
    load.arg(port.to_string()).args(args);
    load.args(["--seconds", &seconds.to_string()]);
    load
}

impl Scene {
    fn first(&self, cpus: &[usize]) -> Option<usize> {
        cpus.first().copied().filter(|_| self.pinned)
    }

    fn last(&self, cpus: &[usize]) -> Option<usize> {
        cpus.last().copied().filter(|_| self.pinned)
    }
}

fn measured(measure: impl FnOnce() -> io::Result<Sample>) -> Sample {
    measure().unwrap_or_else(|error| Sample::Failed(error.to_string()))
}

/// A process that ends with this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Returns once it accepts connections.
    fn start(mut command: Command, workers: usize, cpu: Option<usize>) -> io::Result<Server> {
        let port = free_port()?;
        command.args([port.to_string(), workers.to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = match cpu {
            Some(cpu) => machine::while_pinned_to(cpu, || command.spawn())?,
            None => command.spawn(),
        }?;
        let mut server = Server { child, port };
        let end = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if server.child.try_wait()?.is_some() || Instant::now() > end {
                return Err(io::Error::other("the server did not start"));
            }
            sleep(STEP);
        }
        sleep(10 * STEP); // it has seen that connection end
        Ok(server)
    }

    /// What so many idle connections take.
    fn with_idle(&self, count: usize) -> io::Result<Report> {
        let pid = self.child.id();
        let before = held_by(pid);
        let mut load = Command::new(beside("load"));
        load.args([&self.port.to_string(), "--idle", &count.to_string()]);
        load.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut load = Ended(load.spawn()?);
        let out = load.0.stdout.take().expect("it is piped");
        let mut figures = String::new();
        BufReader::new(out).read_line(&mut figures)?;
        let mut report: Report = serde_json::from_str(&figures).map_err(io::Error::other)?;
        sleep(IDLE / 2);
        held_by(pid).add_growth_since(&before, &mut report, count);
        let (cpu, start) = (cpu_of(pid), Instant::now());
        sleep(IDLE);
        let cpu = (cpu_of(pid) - cpu) as f64 / 1e6;
        let each = cpu / start.elapsed().as_secs_f64();
        add(&mut report, "idle_cpu_ms_per_s", each);
        Ok(report)
    }

    /// Returns once somebody traces it.
    fn wait_for_tracer(&self) -> io::Result<()> {
        let place = format!("/proc/{}/status", self.child.id());
        let end = Instant::now() + Duration::from_secs(5);
        while std::fs::read_to_string(&place)?.contains("TracerPid:\t0\n") {
            if Instant::now() > end {
                return Err(io::Error::other("strace cannot trace it"));
            }
            sleep(STEP);
        }
        sleep(20 * STEP); // its other threads follow
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_a_request() {
        let text = " calls syscall\n----- ----\n 200 read\n 100 sendto\n ---- ----\n 300 total\n";
        let report = calls_of(text, 100.0);
        assert_eq!(report["calls"], 3.0);
        assert_eq!(report["parts"], "read 2.00, sendto 1.00");
    }
}
