//! `Meter` and `Memory`: what a benchmark measures of its own process, and the line that says so.

use serde_json::{Map, Value, json};
use std::time::Instant;

/// Wall and CPU time since its start.
#[derive(Debug)]
pub struct Meter {
    cpu: u64,
    wall: Instant,
}

/// Nanoseconds of a section.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    pub wall: u64,
    /// User and system time of all threads of the process, those that have ended included.
    pub cpu: u64,
}

impl Meter {
    pub fn start() -> Meter {
        Meter {
            cpu: own_cpu(),
            wall: Instant::now(),
        }
    }

    pub fn stop(self) -> Took {
        Took {
            wall: self.wall.elapsed().as_nanos() as u64,
            cpu: own_cpu() - self.cpu,
        }
    }
}

/// A benchmark's result: `{name, ops, wall_ns_per_op, cpu_ns_per_op, maxrss_kb, ...}`.
pub type Report = Map<String, Value>;

/// Starts a report with the times of `ops` operations.
pub fn report(name: &str, ops: usize, took: Took) -> Report {
    let mut report = Report::new();
    report.insert("name".into(), json!(name));
    report.insert("ops".into(), json!(ops));
    add(&mut report, "wall_ns_per_op", took.wall as f64 / ops as f64);
    add(&mut report, "cpu_ns_per_op", took.cpu as f64 / ops as f64);
    report.insert("maxrss_kb".into(), json!(status_kb("self", "VmHWM")));
    report
}

/// The report of a benchmark that met a limit.
pub fn failure(name: &str, why: &str) -> Report {
    let mut report = Report::new();
    report.insert("name".into(), json!(name));
    report.insert("error".into(), json!(why));
    report
}

/// Adds a figure, to three decimals.
pub fn add(report: &mut Report, key: &str, value: f64) {
    report.insert(key.into(), json!((value * 1000.0).round() / 1000.0));
}

/// What a process holds now.
#[derive(Debug)]
pub struct Memory {
    resident: u64,
    page_tables: u64,
    mappings: u64,
}

impl Memory {
    pub fn now() -> Memory {
        Memory::of("self")
    }

    fn of(process: &str) -> Memory {
        let maps = std::fs::read(format!("/proc/{process}/maps")).unwrap_or_default();
        Memory {
            resident: status_kb(process, "VmRSS") * 1024,
            page_tables: status_kb(process, "VmPTE") * 1024,
            mappings: maps.iter().filter(|&&byte| byte == b'\n').count() as u64,
        }
    }

    /// Bytes.
    pub fn resident(&self) -> u64 {
        self.resident
    }

    /// Adds what each of `count` tasks has taken since `self` was measured.
    pub fn add_growth(&self, report: &mut Report, count: usize) {
        Memory::now().add_growth_since(self, report, count);
    }

    /// Adds what each of `count` has taken since `before`.
    pub fn add_growth_since(&self, before: &Memory, report: &mut Report, count: usize) {
        let mut each = |key: &str, now: u64, before: u64| {
            add(
                report,
                key,
                now.saturating_sub(before) as f64 / count as f64,
            );
        };
        each("rss_bytes_per_task", self.resident, before.resident);
        each("pte_bytes_per_task", self.page_tables, before.page_tables);
        each("vmas_per_task", self.mappings, before.mappings);
    }
}

/// What another process holds, while it runs.
pub fn held_by(pid: u32) -> Memory {
    Memory::of(&pid.to_string())
}

/// Adds the distribution of how late sleepers woke.
pub fn add_overshoot(report: &mut Report, mut micros: Vec<u64>, took: Took) {
    micros.sort_unstable();
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share).round() as usize] as f64;
    add(report, "overshoot_p50_us", at(0.5));
    add(report, "overshoot_p99_us", at(0.99));
    add(report, "overshoot_max_us", at(1.0));
    add(report, "wall_ms", took.wall as f64 / 1e6);
    add(report, "cpu_ms", took.cpu as f64 / 1e6);
}

/// CPU time of another process in nanoseconds, while it runs.
pub fn cpu_of(pid: u32) -> u64 {
    // The kernel's way to name the CPU clock of a process by its id: see `clock_getcpuclockid(3)`.
    clock((!(pid as i32) << 3) | 2)
}

fn own_cpu() -> u64 {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid and writable; an unknown clock is an error, which leaves it as it is.
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A line `key:  123 kB` of the process's `status`.
fn status_kb(process: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
