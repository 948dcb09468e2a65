//! `Watch`: the memory and the descriptors of a process over time, and whether they stay flat.

use crate::report::held_by;
use std::fmt;

/// The share of all looks at the beginning that do not count: stacks and buffers are made then.
const WARM_UP: f64 = 0.2;
/// The share that is compared, after the warm-up and at the end.
const WINDOW: f64 = 0.2;
/// By how much the end may exceed the beginning: bytes, and descriptors.
const ROOM: u64 = 2 << 20;
const SPARE: u64 = 32;

/// What a process held, look by look.
#[derive(Debug)]
pub(super) struct Watch {
    name: &'static str,
    pid: u32,
    /// Bytes.
    resident: Vec<u64>,
    descriptors: Vec<u64>,
}

impl Watch {
    pub(super) fn own() -> Watch {
        Watch::named("the soak", std::process::id())
    }

    pub(super) fn of(pid: u32) -> Watch {
        Watch::named("http_server", pid)
    }

    fn named(name: &'static str, pid: u32) -> Watch {
        Watch {
            name,
            pid,
            resident: Vec::new(),
            descriptors: Vec::new(),
        }
    }

    pub(super) fn look(&mut self) {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid));
        self.resident.push(held_by(self.pid).resident());
        self.descriptors
            .push(open.map_or(0, |open| open.count() as u64));
    }

    /// What it held, if that was flat.
    pub(super) fn check(&self) -> Result<String, String> {
        let memory = growth(&self.resident);
        let open = growth(&self.descriptors);
        let text = format!(
            "{}: resident {} KiB, then {} KiB; descriptors {}, then {}",
            self.name,
            memory.0 >> 10,
            memory.1 >> 10,
            open.0,
            open.1
        );
        let is_flat = memory.1 <= memory.0 + memory.0 / 20 + ROOM && open.1 <= open.0 + SPARE;
        if is_flat {
            Ok(text)
        } else {
            Err(format!("{text}: not flat"))
        }
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resident = self.resident.last().unwrap_or(&0) >> 10;
        let open = self.descriptors.last().unwrap_or(&0);
        write!(f, "{resident} KiB, {open} descriptors")
    }
}

/// The most after the warm-up, and the most at the end.
fn growth(looks: &[u64]) -> (u64, u64) {
    let at = |share: f64| (looks.len() as f64 * share) as usize;
    let most = |looks: &[u64]| looks.iter().copied().max().unwrap_or(0);
    let begin = &looks[at(WARM_UP)..at(WARM_UP + WINDOW)];
    (most(begin), most(&looks[at(1.0 - WINDOW)..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_seen_and_the_warm_up_is_not() {
        let flat: Vec<u64> = [1, 50].into_iter().chain([100; 8]).collect();
        assert_eq!(growth(&flat), (100, 100));
        let grows: Vec<u64> = (0..10).map(|n| (n * 100) << 20).collect();
        let watch = Watch {
            resident: grows,
            descriptors: vec![3; 10],
            ..Watch::own()
        };
        assert!(watch.check().unwrap_err().contains("not flat"));
    }
}
