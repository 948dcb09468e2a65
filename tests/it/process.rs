//! Processes: starts, ends and pipes, of which no sibling notices anything.

use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use greenloop::process::{Child, Command, Stdio};
use greenloop::signal::{SIGKILL, SIGTERM};
use greenloop::{joinall, spawn, spawn_local, timeout, yield_now};

use crate::alone::{alone, assert_back_to, census};
use crate::everywhere::{everywhere, in_hub};
use crate::within::{LONG, until, within};

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn sleeper() -> Child {
    Command::new("sleep").arg("600").spawn().unwrap()
}

/// Does the process exist, be it as a zombie?
fn exists(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

/// How many processes this one waits for.
fn pidfds() -> usize {
    let targets = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = targets.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().contains("pidfd"))
        .count()
}

#[test]
fn outputs_and_statuses_come_back_everywhere() {
    everywhere(|| {
        let output = sh("echo out; echo err >&2; exit 3").output().unwrap();
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
        assert_eq!(output.status.code(), Some(3));
        assert!(sh("exit 0").status().unwrap().success());
        assert_eq!(sh("kill -9 $$").status().unwrap().signal(), Some(SIGKILL));
    });
}

#[test]
fn what_cannot_be_started_is_an_error_everywhere() {
    everywhere(|| {
        let kind = |mut command: Command| command.spawn().unwrap_err().kind();
        assert_eq!(kind(Command::new("no such program")), ErrorKind::NotFound);
        assert_eq!(
            kind(Command::new("/etc/passwd")),
            ErrorKind::PermissionDenied
        );
        assert_eq!(kind(Command::new("nul\0byte")), ErrorKind::InvalidInput);
        let mut nowhere = Command::new("true");
        nowhere.current_dir("/no such folder");
        assert_eq!(kind(nowhere), ErrorKind::NotFound);
    });
}

#[test]
fn a_hundred_children_sleep_at_once_in_one_hub() {
    let start = Instant::now();
    let statuses =
        in_hub(|| joinall((0..100).map(|_| spawn(|| Command::new("sleep").arg("0.5").status()))));
    for status in statuses {
        assert!(status.unwrap().unwrap().success());
    }
    // One after the other would take 50 s.
    assert!(
        start.elapsed() < Duration::from_secs(25),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn siblings_run_while_a_child_is_waited_for() {
    let turns = in_hub(|| {
        let turns = Rc::new(Cell::new(0));
        let counting = Rc::clone(&turns);
        spawn_local(move || {
            loop {
                counting.set(counting.get() + 1);
                greenloop::sleep(Duration::from_millis(1));
            }
        });
        sh("sleep 0.3").status().unwrap();
        turns.get()
    });
    assert!(turns > 10, "{turns}");
}

#[test]
fn much_on_both_pipes_at_once_is_read_everywhere() {
    const MUCH: usize = 3_000_000;
    everywhere(|| {
        let part = "head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero;";
        let output = sh(&part.repeat(3)).output().unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (MUCH, MUCH));
    });
}

#[test]
fn much_goes_in_and_comes_out_at_once() {
    everywhere(|| {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writing = spawn(move || stdin.write_all(&vec![7; 2_000_000]));
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap().unwrap();
        assert!(output.stdout == vec![7; 2_000_000]);
    });
}

#[test]
fn a_child_that_closes_its_input_is_a_broken_pipe() {
    everywhere(|| {
        let mut child = sh("exec <&-; echo closed; exec sleep 600")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 7];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut said)
            .unwrap();
        let written = child.stdin.as_mut().unwrap().write_all(&[0; 100_000]);
        assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe);
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn waiting_closes_the_input_first() {
    everywhere(|| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(child.wait().unwrap().success());
        assert!(child.wait().unwrap().success(), "once more");
        assert!(child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        child.send_signal(SIGTERM).unwrap();
    });
}

#[test]
fn streams_are_inherited_again_after_output() {
    let mut command = sh("cat; echo out");
    assert_eq!(command.output().unwrap().stdout, b"out\n");
    let mut child = command.spawn().unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn chosen_streams_stay_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let mut command = sh("cat; echo err >&2");
    command.stdin(File::open("/dev/null").unwrap());
    command.stdout(File::create(&path).unwrap());
    let output = command.output().unwrap();
    assert_eq!((output.stdout.len(), output.stderr), (0, b"err\n".into()));
}

#[test]
fn a_pipeline_of_three_processes() {
    everywhere(|| {
        let first = sh("echo b; echo a").stdout(Stdio::piped()).spawn().unwrap();
        let mut second = Command::new("sort");
        second.stdin(first.stdout.unwrap()).stdout(Stdio::piped());
        let second = second.spawn().unwrap();
        let mut third = Command::new("tr");
        third.args(["a-z", "A-Z"]).stdin(second.stdout.unwrap());
        assert_eq!(third.output().unwrap().stdout, b"A\nB\n");
    });
}

#[test]
fn a_timeout_cuts_a_wait_and_the_process_goes_on() {
    everywhere(|| {
        let mut child = sleeper();
        let wait = timeout(Duration::from_millis(20), || child.wait());
        assert!(wait.is_err());
        assert_eq!(child.try_wait().unwrap(), None);
        child.send_signal(SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(SIGTERM));
    });
}

#[test]
fn a_dropped_child_goes_on_and_leaves_no_zombie() {
    everywhere(|| {
        let child = sleeper();
        let id = child.id();
        drop(child);
        assert!(exists(id));
        let kill = Command::new("kill").arg(id.to_string()).status();
        assert!(kill.unwrap().success());
        until("the end of a dropped child", || !exists(id));
    });
}

#[test]
fn a_killed_waiter_leaves_no_zombie() {
    within(LONG, || {
        let child = sleeper();
        let id = child.id();
        let waiter = spawn(move || child.wait_with_output());
        waiter.kill();
        assert!(waiter.join().is_err());
        assert!(exists(id));
        sh(&format!("kill {id}")).status().unwrap();
        until("the end of an orphan", || !exists(id));
    });
}

#[test]
fn cut_waits_leave_no_descriptor() {
    alone(
        concat!(module_path!(), "::cut_waits_leave_no_descriptor"),
        "",
        || {
            fn cut() {
                let mut command = Command::new("sleep");
                let cut = timeout(Duration::from_millis(20), || command.arg("0.3").output());
                assert!(cut.is_err());
                cut_by_kill();
            }
            fn cut_by_kill() {
                let child = sleeper();
                let id = child.id();
                let waiter = spawn(move || child.wait_with_output());
                yield_now();
                waiter.kill();
                assert!(waiter.join().is_err());
                sh(&format!("kill {id}")).status().unwrap();
                until("the end of an orphan", || !exists(id));
            }
            spawn(cut).join().unwrap();
            in_hub(cut);
            until("the end of all orphans", || pidfds() == 0);
            let before = census();
            for _ in 0..5 {
                spawn(cut).join().unwrap();
                in_hub(cut);
            }
            until("the end of all orphans", || pidfds() == 0);
            assert_back_to(before);
        },
    );
}

#[test]
fn a_process_is_waited_for_without_a_descriptor_to_spare() {
    let name = "::a_process_is_waited_for_without_a_descriptor_to_spare";
    alone(&format!("{}{name}", module_path!()), "ulimit -n 64", || {
        in_hub(|| {
            let mut child = sh("sleep 0.2; exit 5").spawn().unwrap();
            // The reactor has what it needs before.
            sh("true").status().unwrap();
            let all: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            assert!(!all.is_empty());
            assert_eq!(child.wait().unwrap().code(), Some(5));
        });
    });
}

#[test]
fn a_kill_during_the_start_takes_effect_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("id");
    let written = path.clone();
    in_hub(move || {
        let starter = spawn(move || {
            let script = format!("echo $$ > '{}'; exec sleep 600", path.display());
            sh(&script).spawn().unwrap().wait()
        });
        yield_now();
        starter.kill();
        assert!(starter.join().unwrap_err().is::<greenloop::Killed>());
    });
    let id = || std::fs::read_to_string(&written).unwrap_or_default();
    until("the start of a process", || id().ends_with('\n'));
    sh(&format!("kill {}", id().trim())).status().unwrap();
    until("its end", || !exists(id().trim().parse().unwrap()));
}
