//! `Footprint`: what the process holds of the system.

use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    resident_kib: usize,
    descriptors: usize,
    threads: usize,
    mappings: usize,
}

impl Footprint {
    pub(crate) fn now() -> Footprint {
        let maps = fs::read("/proc/self/maps").unwrap();
        Footprint {
            resident_kib: status("VmRSS:"),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            threads: status("Threads:"),
            mappings: maps.iter().filter(|&&byte| byte == b'\n').count(),
        }
    }

    /// The most of each that is seen within that time: all of it comes and goes.
    pub(crate) fn most_within(time: Duration) -> Footprint {
        let start = Instant::now();
        let mut most = Footprint::now();
        while start.elapsed() < time {
            thread::sleep(Duration::from_millis(20));
            let now = Footprint::now();
            most = Footprint {
                resident_kib: most.resident_kib.max(now.resident_kib),
                descriptors: most.descriptors.max(now.descriptors),
                threads: most.threads.max(now.threads),
                mappings: most.mappings.max(now.mappings),
            };
        }
        most
    }

    /// Fails for what has grown, beyond what a busy machine makes of it.
    pub(crate) fn check_against(&self, early: &Footprint) {
        let bound = |early: usize, room: usize| early + early / 4 + room;
        let text = format!("{early}, then {self}");
        assert!(
            self.resident_kib <= bound(early.resident_kib, 8 << 10),
            "memory: {text}"
        );
        assert!(
            self.descriptors <= bound(early.descriptors, 20),
            "descriptors: {text}"
        );
        assert!(self.threads <= bound(early.threads, 20), "threads: {text}");
        assert!(
            self.mappings <= bound(early.mappings, 60),
            "mappings: {text}"
        );
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} KiB resident, {} descriptors, {} kernel threads, {} mappings",
            self.resident_kib, self.descriptors, self.threads, self.mappings
        )
    }
}

fn status(key: &str) -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
