//! The machine: which it is, how busy others keep it, and pinning to one of its CPUs.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// One line for above a table: CPU, kernel, memory, compiler.
pub fn describe() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.map_or("?".into(), |value| {
            value.trim_start_matches([' ', '\t', ':']).to_owned()
        })
    };
    let memory: u64 = field(&read("/proc/meminfo"), "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    format!(
        "{} x {}, {} GiB, Linux {}",
        cpus().len(),
        field(&read("/proc/cpuinfo"), "model name"),
        (memory + (1 << 19)) >> 20,
        read("/proc/sys/kernel/osrelease").trim(),
    )
}

/// The CPUs that this process may use.
pub fn cpus() -> Vec<usize> {
    let set = sched_getaffinity(None).expect("the CPUs of this process");
    (0..CpuSet::MAX_CPU)
        .filter(|&cpu| set.is_set(cpu))
        .collect()
}

/// Keeps the calling thread, and those that it will start, on one CPU.
///
/// # Errors
///
/// The kernel's, for a CPU that is not there.
pub fn pin_to(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// What `start` starts stays on that CPU; the calling thread does not.
///
/// # Errors
///
/// The kernel's, for a CPU that is not there.
pub fn while_pinned_to<T>(cpu: usize, start: impl FnOnce() -> T) -> io::Result<T> {
    let before = sched_getaffinity(None)?;
    pin_to(cpu)?;
    let started = start();
    sched_setaffinity(None, &before)?;
    Ok(started)
}

/// What all CPUs have done since boot.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    /// In ticks of a hundredth of a second, those that a hypervisor took away included.
    busy: u64,
    all: u64,
}

impl Activity {
    pub fn now() -> Activity {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks = line.split_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = ticks.map(|tick| tick.parse().unwrap_or(0)).collect();
        let all = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Activity {
            busy: all - idle,
            all,
        }
    }

    /// Seconds of CPU that the children of this process have taken which have ended.
    pub fn of_children() -> f64 {
        let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name, in brackets, may hold spaces; `cutime` and `cstime` are fields 16 and 17.
        let fields = text.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(13).take(2);
        ticks.map(|tick| tick.parse().unwrap_or(0.0)).sum::<f64>() / 100.0
    }

    /// The share of the machine that others than a sample have used since `self`, which took `own`
    /// seconds of CPU.
    pub fn noise_since(self, own: f64) -> f64 {
        let now = Activity::now();
        let (busy, all) = ((now.busy - self.busy) as f64, (now.all - self.all) as f64);
        ((busy - own * 100.0) / all.max(1.0)).max(0.0)
    }
}
