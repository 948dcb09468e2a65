//! The example programs about waiting for each other and for many: what they say, and how they take
//! bad input.

use std::collections::BTreeSet;
use std::process::Output;

use crate::examples::{NOBODY, last_line, run, stalled_site};

/// Runs it to its end, which must be a success, and returns what it said.
fn says(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn errors(output: &Output) -> Vec<&str> {
    std::str::from_utf8(&output.stderr)
        .unwrap()
        .lines()
        .collect()
}

/// The numbers in a line.
pub(crate) fn figures(line: &str) -> Vec<f64> {
    let words = line.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.filter_map(|word| word.parse().ok()).collect()
}

/// What stands after `mark` in the lines that have it.
fn after<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| Some(line.split_once(mark)?.1))
        .collect()
}

fn position(text: &str, part: &str) -> usize {
    text.find(part)
        .unwrap_or_else(|| panic!("no {part:?} in {text}"))
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let cases: [(&str, &[&str]); 27] = [
        ("producer_consumer", &["--cooks", "0"]),
        ("producer_consumer", &["--counter", "0"]),
        ("producer_consumer", &["--buns", "1001"]),
        ("joinable_queue", &["--workers", "0"]),
        ("joinable_queue", &["--producers", "many"]),
        ("priority_queue", &["nobody"]),
        ("priority_queue", &["1:heart", "urgent:arm"]),
        ("priority_queue", &["300:arm"]),
        ("event_wait", &["--interval", "0"]),
        ("event_wait", &["--ready-after", "soon"]),
        ("condition_shop", &["10", "much"]),
        ("semaphore_ktv", &["--rooms", "0"]),
        ("semaphore_ktv", &["--guests", "-1"]),
        ("reentrant_lock", &["--threads", "0"]),
        ("deadlock", &["--threads", "0"]),
        ("timer", &["--after", "-5"]),
        ("generator", &["91"]),
        ("generator", &["five"]),
        ("concurrent_download", &["--at-once", "0"]),
        ("concurrent_download", &["--timeout", "0"]),
        ("dns_mass_resolve", &["--at-once", "0"]),
        ("dns_mass_resolve", &["--times", "0"]),
        ("crawler", &["nonsense"]),
        ("crawler", &["ftp://127.0.0.1/"]),
        ("crawler", &["http://[::1"]),
        ("crawler", &["--pages", "0"]),
        ("crawler", &["--workers", "0"]),
    ];
    for (program, arguments) in cases {
        let output = run(program, arguments);
        assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}");
        let is_usage_error = output.stdout.is_empty() && output.stderr.starts_with(b"error: ");
        assert!(is_usage_error, "{program} {arguments:?}: {output:?}");
    }
}

#[test]
fn every_bun_is_eaten_once() {
    let text = says("producer_consumer", &[]);
    assert!(text.ends_with("\n20 buns baked, 20 eaten\n"), "{text}");
    let eaten = after(&text, " eats ");
    assert_eq!(eaten.len(), 20, "{text}");
    assert_eq!(eaten.into_iter().collect::<BTreeSet<_>>().len(), 20);
}

#[test]
fn a_full_counter_holds_the_cooks_up() {
    let flags = [
        "--cooks",
        "5",
        "--guests",
        "1",
        "--buns",
        "4",
        "--counter",
        "1",
    ];
    let text = says("producer_consumer", &flags);
    assert!(text.ends_with("\n20 buns baked, 20 eaten\n"), "{text}");
    assert!(text.contains("finds no room on the counter"), "{text}");
    let text = says("producer_consumer", &["--buns", "0"]);
    assert!(text.ends_with("0 buns baked, 0 eaten\n"), "{text}");
}

#[test]
fn all_jobs_are_done_when_the_join_says_so() {
    let text = says("joinable_queue", &[]);
    let done = position(&text, "all 15 jobs are done");
    let taken: BTreeSet<_> = after(&text[..done], " takes ").into_iter().collect();
    assert_eq!(taken.len(), 15, "{text}");
    assert!(text.contains("\nonce more is an error: "), "{text}");
    let text = says("joinable_queue", &["--jobs", "0"]);
    assert!(text.contains("all 0 jobs are done"), "{text}");
}

#[test]
fn each_queue_has_its_order() {
    let text = says("priority_queue", &["3:cough", "1:heart", "2:arm", "1:burn"]);
    let orders: Vec<&str> = text.lines().take(3).collect();
    assert_eq!(
        orders,
        [
            "Queue:         cough, heart, arm, burn",
            "LifoQueue:     burn, arm, heart, cough",
            "PriorityQueue: burn, heart, arm, cough",
        ]
    );
    assert_eq!(after(&text, "the doctor treats ").len(), 4, "{text}");
    assert!(text.ends_with("the doctor goes home\n"), "{text}");
}

#[test]
fn the_event_wakes_all_who_wait() {
    let text = says("event_wait", &[]);
    let (before, then) = text.split_at(position(&text, "main: redis is ready"));
    for worker in ["worker 1", "worker 2"] {
        assert!(
            before.contains(&format!("{worker}: redis is still not ready")),
            "{text}"
        );
        assert!(
            then.contains(&format!("{worker}: redis is ready, connecting")),
            "{text}"
        );
        assert!(
            !before.contains(&format!("{worker}: redis is ready, connecting")),
            "{text}"
        );
    }
    let last = text.rfind(" has come").unwrap();
    assert!(last < position(&text, " starts to eat"), "{text}");
    assert_eq!(after(&text, " starts to eat").len(), 5, "{text}");
}

#[test]
fn the_shop_sells_what_the_money_buys() {
    for (money, cakes) in [(vec![], [5, 3]), (vec!["0", "9"], [0, 4])] {
        let text = says("condition_shop", &money);
        for (customer, cakes) in (1..).zip(cakes) {
            let bought = after(&text, &format!("customer {customer}: a cake, please"));
            assert_eq!(bought.len(), cakes, "{text}");
        }
        assert!(
            text.contains("baker: nobody is left, the shop closes"),
            "{text}"
        );
        let sums = figures(text.lines().last().unwrap());
        assert_eq!((sums.len(), sums[0]), (4, 10.0), "{text}");
        assert_eq!(sums[1], sums[2] + sums[3], "{text}");
    }
}

#[test]
fn no_more_guests_than_rooms() {
    let text = says("semaphore_ktv", &[]);
    let line = text
        .lines()
        .find(|line| line.contains("have sung"))
        .unwrap();
    let [guests, most] = figures(line)[..] else {
        panic!("{line}")
    };
    assert_eq!(guests, 13.0);
    assert!((1.0..=4.0).contains(&most), "{line}");
    assert_eq!(after(&text, " leaves").len(), 13, "{text}");
    assert!(text.contains("one room too many given back: "), "{text}");
    assert!(says("semaphore_ktv", &["--guests", "0"]).starts_with("0 guests"));
}

#[test]
fn only_locks_count_right() {
    for threads in ["10", "300"] {
        let text = says("reentrant_lock", &["--threads", threads]);
        assert!(
            text.contains(&format!("without a lock: 1 of {threads}\n")),
            "{text}"
        );
        assert!(
            text.contains(&format!("with a Mutex: {threads} of {threads}\n")),
            "{text}"
        );
        let last = format!("taken twice: {threads} of {threads}\n");
        assert!(text.ends_with(&last), "{text}");
    }
}

#[test]
fn a_timer_runs_once_unless_it_is_cancelled() {
    let text = says("timer", &[]);
    assert!(
        figures(after(&text, "hello, after ")[0])[0] >= 200.0,
        "{text}"
    );
    assert!(!text.contains("never"), "{text}");
    for line in [
        "cancelled in time: true",
        "tick 1",
        "tick 3",
        "the timer returned \"world\"",
        "2 more killed",
    ] {
        assert_eq!(
            text.lines().filter(|said| *said == line).count(),
            1,
            "{line} in {text}"
        );
    }
}

#[test]
fn generator_and_consumer_take_turns() {
    let turns = "[producer] producing 1\n\
                 [consumer] consuming 1\n\
                 [producer] the consumer says 200 OK\n\
                 [producer] producing 2\n\
                 [consumer] consuming 2\n\
                 [producer] the consumer says 200 OK\n\
                 [consumer] closed\n\
                 [producer] done\n\
                 fibonacci: 0 1\n";
    assert_eq!(says("generator", &["2"]), turns);
    assert_eq!(says("generator", &["0"]), "[producer] done\nfibonacci: \n");
    let text = says("generator", &[]);
    assert_eq!(after(&text, "the consumer says 200 OK").len(), 5, "{text}");
    assert!(text.ends_with("fibonacci: 0 1 1 2 3\n"), "{text}");
    assert!(says("generator", &["90"]).ends_with(" 1779979416004714189\n"));
}

#[test]
fn a_stalled_download_costs_its_own_time_alone() {
    let output = run("concurrent_download", &["--timeout", "1"]);
    assert!(output.status.success(), "{output:?}");
    let line = last_line(&output);
    assert!(line.starts_with("downloaded 12 of 14 in "), "{line}");
    assert!(figures(&line)[2] < 10.0, "{line}");
    let [one, other] = errors(&output)[..] else {
        panic!("{output:?}")
    };
    assert!(
        one.contains("/missing: ") && one.contains("404"),
        "{output:?}"
    );
    assert!(other.contains("/stalled: the time ran out"), "{output:?}");
}

#[test]
fn failed_downloads_are_lines_and_an_exit_code() {
    let (refused, stalled) = (format!("http://{NOBODY}/"), stalled_site());
    let output = run(
        "concurrent_download",
        &[
            "--timeout",
            "1",
            "--at-once",
            "1",
            &refused,
            "nonsense",
            &stalled,
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(last_line(&output).starts_with("downloaded 0 of 3 in "));
    let errors = errors(&output);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(
        errors[0].starts_with(&refused) && errors[2].starts_with(&stalled),
        "{errors:?}"
    );
}

#[test]
fn names_are_resolved_until_the_time_is_up() {
    let text = says("dns_mass_resolve", &["--timeout", "60000"]);
    assert!(text.starts_with("finished 1000 of 1000 in "), "{text}");
    assert!(text.ends_with(": all done\n"), "{text}");
    let text = says(
        "dns_mass_resolve",
        &["--timeout", "0", "--times", "1000000"],
    );
    assert!(
        text.contains(" of 1000000 in ") && text.ends_with(": time is up\n"),
        "{text}"
    );
}

#[test]
fn a_name_that_is_none_is_a_line() {
    let name = "x".repeat(300);
    let output = run(
        "dns_mass_resolve",
        &[&name, "127.0.0.1", "--timeout", "20000"],
    );
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("127.0.0.1 = [127.0.0.1]\n"), "{text}");
    assert!(text.contains("finished 2 of 2 in "), "{text}");
    let errors = errors(&output);
    assert!(
        errors.len() == 1 && errors[0].starts_with(&name),
        "{errors:?}"
    );
}

#[test]
fn a_deadlock_is_named_and_ends_by_a_kill() {
    for threads in ["1", "2", "50"] {
        let text = says("deadlock", &["--threads", threads]);
        let lines = text
            .lines()
            .filter(|line| line.contains("locking the mutex at 0x"));
        assert_eq!(lines.count(), threads.parse::<usize>().unwrap(), "{text}");
        assert!(text.ends_with("all of them have ended\n"), "{text}");
    }
}
