//! `alone`: runs a test in a process of its own, where it may count descriptors and meet limits.

use std::env;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const CHILD: &str = "GREENLOOP_TEST_ALONE";

/// Runs `body` in a child process, as the only test of it; `limits` is shell code that runs before.
///
/// `name` is the whole path of the calling test: `concat!(module_path!(), "::its_name")`.
pub(crate) fn alone(name: &str, limits: &str, body: fn()) {
    if env::var_os(CHILD).is_some() {
        return body();
    }
    let (_, test) = name.split_once("::").unwrap();
    let script = format!("{limits}\nexec timeout 300 \"$0\" --exact \"$1\" --nocapture");
    let child = Command::new("sh")
        .args(["-c", &script])
        .arg(env::current_exe().unwrap())
        .arg(test)
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = [child.stdout, child.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(child.status.success(), "{}\n{text}", child.status);
    assert!(text.contains("1 passed"), "no test is named {test}\n{text}");
}

/// How many descriptors this process has, and how many of them its reactors know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Census {
    pub(crate) descriptors: usize,
    pub(crate) registrations: usize,
}

pub(crate) fn census() -> Census {
    let names = || {
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .map(|fd| fd.unwrap().file_name())
    };
    let registrations = names().filter_map(|fd| {
        let target = fs::read_link(format!("/proc/self/fd/{}", fd.display())).ok()?;
        target.to_str()?.contains("eventpoll").then_some(())?;
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.display())).ok()?;
        Some(info.lines().filter(|line| line.starts_with("tfd:")).count())
    });
    Census {
        descriptors: names().count(),
        registrations: registrations.sum(),
    }
}

/// Waits, for half a minute at most, until the counts are those of `before`.
pub(crate) fn assert_back_to(before: Census) {
    let start = Instant::now();
    while census() != before && start.elapsed() < Duration::from_secs(30) {
        thread::yield_now();
    }
    assert_eq!(census(), before);
}
