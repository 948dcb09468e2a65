//! The example `process_pool`: what the course's processes say, and that none is left.

use crate::examples::run;
use crate::within::{LONG, within};

/// Its lines, of a run that must succeed.
fn said(arguments: &'static [&str]) -> Vec<String> {
    let output = within(LONG, || run("process_pool", arguments));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn has(lines: &[String], line: &str) {
    assert!(lines.iter().any(|said| said == line), "{line}\n{lines:#?}");
}

fn count(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

#[test]
fn every_part_says_what_it_should() {
    let lines = said(&[]);
    for line in [
        "process: one.iso is here",
        "process: two.iso is here",
        "pool: the squares of 1 to 8 make 204",
        "pipe: [2, 4, 6, 8, 10], then None (exit status: 0)",
        "queue: what was got makes 55",
        "value: four times a thousand is 4000",
        "array: [0, 1, 4, 9]",
    ] {
        has(&lines, line);
    }
    assert_eq!(lines.last().unwrap(), "children left: none");
}

#[test]
fn a_job_that_is_the_death_of_a_process_is_done_by_another_one() {
    let lines = said(&["pool", "--jobs", "50", "--processes", "4"]);
    assert_eq!(count(&lines, " died of job "), 2, "{lines:#?}");
    assert_eq!(count(&lines, "died of job 3 (exit status: 101)"), 1);
    assert_eq!(count(&lines, "died of job 6 (signal: 9 (SIGKILL))"), 1);
    assert_eq!(count(&lines, " squared is "), 50);
    for number in 1..=50 {
        let result = format!("pool: {number} squared is {}, says", number * number);
        assert_eq!(count(&lines, &result), 1, "{lines:#?}");
    }
    has(&lines, "pool: the squares of 1 to 50 make 42925");
    has(&lines, "children left: none");
}

#[test]
fn four_processes_do_the_jobs() {
    let lines = said(&["pool", "--jobs", "200", "--processes", "4"]);
    let ids = lines
        .iter()
        .filter_map(|line| line.split_once(", says process "));
    let mut ids: Vec<&str> = ids.map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert!((2..=6).contains(&ids.len()), "{ids:?}"); // two of them took the place of dead ones
}

#[test]
fn nonsense_is_refused() {
    for arguments in [
        &["pool", "--processes", "0"][..],
        &["pool", "--jobs", "many"],
        &["thread"],
    ] {
        assert_eq!(run("process_pool", arguments).status.code(), Some(2));
    }
}
