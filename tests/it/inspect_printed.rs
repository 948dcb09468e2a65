//! What a dump or a report prints is its own: a name can't make up lines, nor command a terminal.

use std::panic::catch_unwind;
use std::sync::mpsc;
use std::time::Duration;

use greenloop::inspect;
use greenloop::net::unix::UnixListener;
use greenloop::sync::Mutex;

use crate::child::{Child, this_test};
use crate::inspect::{dump_when_waiting, named, parks_for_ever};
use crate::within::{LONG, until};

const EVIL: &str = "evil\ngreen thread 1 'forged': running\r\u{1b}[2J\u{85}\u{2028}\u{202e}";
const PRINTED: &str = r"'evil\ngreen thread 1 'forged': running\r\u{1b}[2J\u{85}\u{2028}\u{202e}'";
const ODD: &str = "it's \"ünï\" 漢字 👩\u{200d}🚀 \\";

/// All but the ends of lines, which are ours.
fn has_commands(text: &str) -> bool {
    let mut text = text.chars();
    text.any(|it| it.is_control() && it != '\n' || "\u{2028}\u{202e}".contains(it))
}

#[test]
fn a_name_makes_up_no_line_of_a_dump() {
    Child::new(this_test!()).passes(|| {
        let all = [EVIL, ODD].map(|name| named(name, parks_for_ever));
        drop(dump_when_waiting(EVIL));
        let dump = dump_when_waiting(ODD);
        let text = dump.to_string();
        let lines = 1 + dump.workers().len() + dump.len();
        assert_eq!(text.lines().count(), lines, "{text}");
        assert!(text.contains(PRINTED), "{text}");
        assert!(text.contains(&format!(" '{ODD}': ")), "{text}");
        assert!(!has_commands(&text), "{text:?}");
        all.iter().for_each(|it| it.kill());
    });
}

/// Two who wait for each other.
fn deadlock() {
    let mutex = Mutex::new(());
    let _held = mutex.lock();
    drop(mutex.lock());
}

#[test]
fn a_name_makes_up_no_line_of_a_report() {
    Child::new(this_test!()).passes(|| {
        let (found, finds) = mpsc::channel();
        let blocked = found.clone();
        inspect::on_deadlock(move |it| found.send(it.to_string()).unwrap());
        let stuck = named(EVIL, deadlock);
        let report = finds.recv_timeout(LONG).unwrap();
        let [_, member] = Vec::from_iter(report.lines())[..] else {
            panic!("{report:?}");
        };
        assert_eq!(
            member.matches(PRINTED).count(),
            2,
            "and as the holder: {report:?}"
        );
        assert!(!has_commands(&report), "{report:?}");
        stuck.kill();

        inspect::on_blocked(move |it| {
            if it.name() == Some(EVIL) {
                drop(blocked.send(it.to_string()));
            }
        });
        inspect::monitor(Duration::from_millis(50)).unwrap();
        let hog = named(EVIL, || std::thread::sleep(Duration::from_secs(1)));
        let report = finds.recv_timeout(LONG).unwrap();
        let first = report.lines().next().unwrap();
        assert!(
            first.contains(PRINTED) && first.contains(" has held worker "),
            "{report:?}"
        );
        assert!(!has_commands(&report), "{report:?}");
        hog.join().unwrap();
        until("none is left", || inspect::dump().is_empty());
    });
}

/// A path can have a line end, too.
#[test]
fn a_path_makes_up_no_line_of_a_dump() {
    Child::new(this_test!()).passes(|| {
        let path = std::env::temp_dir().join(format!("{EVIL} {}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let accepts = named("accepts", move || drop(listener.accept()));
        let dump = dump_when_waiting("accepts").to_string();
        std::fs::remove_file(path).unwrap();
        assert!(dump.contains(PRINTED.trim_matches('\'')), "{dump}");
        assert!(!has_commands(&dump), "{dump:?}");
        accepts.kill();
    });
}

#[test]
fn a_name_makes_up_no_line_of_a_panic_of_run() {
    let stuck = || {
        let stuck = greenloop::Builder::new().name(EVIL.into()).spawn(deadlock);
        stuck.unwrap().join().unwrap();
    };
    let payload = catch_unwind(|| greenloop::run(stuck)).unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert!(message.contains(PRINTED), "{message}");
    assert!(!has_commands(message), "{message:?}");
}
