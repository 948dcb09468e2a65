//! The repo's own rules, those that are absences: what must not stand somewhere in the tree.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code, without comments and unit tests, past which a file needs a reason.
const LONG: usize = 400;

#[test]
fn the_stack_switch_is_named_only_by_coroutines_and_stacks() {
    let allowed = [
        "runtime/src/coroutine.rs",
        "runtime/src/stack.rs",
        "runtime/src/stack/",
    ];
    let rule = "`corosensei` belongs to the coroutine and stack files";
    only_in(&allowed, rule, |line| has_word(line, "corosensei"));
}

#[test]
fn the_poller_is_named_only_by_the_reactor() {
    let rule = "`mio` belongs to the reactor";
    only_in(&["runtime/src/reactor.rs"], rule, |line| {
        has_word(line, "mio")
    });
}

#[test]
fn the_thread_locals_are_the_context_and_the_storage_itself() {
    let allowed = [
        "runtime/src/context.rs",
        "monkey/src/block.rs",
        "monkey/src/own.rs",
        "monkey/src/hooks/acquire.rs",
    ];
    let rule = "`thread_local!` belongs to the files that know the current worker and storage";
    only_in(&allowed, rule, |line| has_word(line, "thread_local"));
}

#[test]
fn unsafe_stays_in_the_runtime_and_the_monkey_patch() {
    let rule = "no `unsafe` outside the runtime and the monkey patch";
    only_in(&["runtime/src/", "monkey/src/"], rule, |line| {
        has_word(line, "unsafe")
    });
}

#[test]
fn the_library_never_prints() {
    let prints = ["print", "println", "eprint", "eprintln", "dbg"];
    let rule = "the library speaks through `log`, never on standard output or error";
    only_in(&[], rule, |line| {
        prints
            .iter()
            .any(|name| has_word(line, name) && line.contains('!'))
    });
}

#[test]
fn the_runtime_has_no_foreign_locks() {
    const LOCKS: [&str; 7] = [
        "Mutex", "RwLock", "Condvar", "Once", "OnceLock", "LazyLock", "Barrier",
    ];
    let mut found = Vec::new();
    for file in rust_files()
        .filter(|file| file.is_library() && (file.is_under("runtime/") || file.is_under("monkey/")))
    {
        let mut importing = false;
        for (number, line) in file.code() {
            importing |= line.trim_start().starts_with("use std::");
            let from_std = importing || line.contains("std::sync::");
            let lock = LOCKS.iter().any(|lock| has_word(line, lock));
            if from_std && lock || has_word(line, "parking_lot") {
                found.push(file.at(*number));
            }
            importing &= !line.contains(';');
        }
    }
    report(
        "the runtime locks by its own lock: std's will be interposed",
        found,
    );
}

#[test]
fn every_file_says_what_it_owns() {
    let silent = rust_files().filter(|file| !file.text.starts_with("//! "));
    report(
        "a file opens with a `//!` sentence",
        silent.map(|file| file.at(1)).collect(),
    );
}

#[test]
fn no_file_is_long_without_a_reason() {
    let long = rust_files().filter(|file| {
        let lines = file
            .code()
            .iter()
            .filter(|(_, line)| !line.trim().is_empty());
        lines.count() > LONG && !file.text.contains("\n//! Long because")
    });
    let rule = format!("a file over {LONG} lines of code has a `//! Long because …` line");
    report(&rule, long.map(|file| file.at(1)).collect());
}

#[test]
fn every_dependency_has_its_reason() {
    let mut found = Vec::new();
    for file in files().filter(|file| file.name.ends_with("Cargo.toml")) {
        let mut in_dependencies = false;
        for (number, line) in (1..).zip(file.text.lines()) {
            if line.starts_with('[') {
                in_dependencies = line.ends_with("dependencies]") && !line.contains("workspace");
            } else if in_dependencies && !line.trim().is_empty() && !line.contains('#') {
                found.push(file.at(number));
            }
        }
    }
    report("a dependency has its reason on its line", found);
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    // Put together here, so that this file passes its own rule.
    let places = ["work", "root", "home"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for file in files() {
        for (number, line) in (1..).zip(file.text.lines()) {
            if places.iter().any(|place| names_path(line, place)) {
                found.push(file.at(number));
            }
        }
    }
    report("no path of somebody's machine", found);
}

#[test]
fn every_example_is_shown_and_run() {
    let readers = ["README.md", ".ci/run"].map(|name| File::read(root().join(name)).unwrap());
    let mut found = Vec::new();
    let examples = rust_files().filter(|file| file.is_under("examples/"));
    for example in examples.filter(|file| !file.is_under("examples/common/")) {
        let stem = example
            .name
            .trim_start_matches("examples/")
            .trim_end_matches(".rs");
        for reader in readers
            .iter()
            .filter(|reader| !has_word(&reader.text, stem))
        {
            found.push(format!("{}: does not name {}", reader.name, example.name));
        }
    }
    report(
        "every example is named in README.md and run by .ci/run",
        found,
    );
}

/// Fails for each line of the library's code outside of `allowed` for which `is_met` holds.
fn only_in(allowed: &[&str], rule: &str, is_met: impl Fn(&str) -> bool) {
    let mut found = Vec::new();
    for file in rust_files().filter(File::is_library) {
        if !allowed.iter().any(|place| file.is_under(place)) {
            let lines = file.code().iter().filter(|(_, line)| is_met(line));
            found.extend(lines.map(|(number, _)| file.at(*number)));
        }
    }
    report(rule, found);
}

fn report(rule: &str, found: Vec<String>) {
    assert!(
        found.is_empty(),
        "rule broken: {rule}\n{}",
        found.join("\n")
    );
}

/// A text file of the repo, by its name from the root.
struct File {
    name: String,
    text: String,
    code: Vec<(usize, String)>,
}

impl File {
    fn read(path: PathBuf) -> Option<File> {
        let name = path.strip_prefix(root()).ok()?.to_str()?.to_owned();
        let text = fs::read_to_string(path).ok()?;
        let code = numbered_code(&text);
        Some(File { name, text, code })
    }

    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }

    fn is_under(&self, place: &str) -> bool {
        self.name.starts_with(place)
    }

    fn is_library(&self) -> bool {
        let places = [
            "src/",
            "runtime/src/",
            "net/src/",
            "os/src/",
            "console/src/",
            "monkey/src/",
        ];
        places.iter().any(|place| self.is_under(place)) && !self.name.ends_with("/tests.rs")
    }

    /// The lines, each with its number, without comments, strings and the unit tests at the end.
    fn code(&self) -> &[(usize, String)] {
        &self.code
    }
}

fn numbered_code(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let unit_tests = lines
        .iter()
        .position(|line| *line == "mod tests {")
        .unwrap_or(lines.len());
    (1..)
        .zip(lines[..unit_tests].iter().map(|line| code_of(line)))
        .collect()
}

/// The line without strings and `//` comments; the house style has no other comments.
fn code_of(line: &str) -> String {
    let (mut code, mut quoted, mut last) = (String::new(), false, ' ');
    for next in line.replace("'\"'", "' '").chars() {
        match (last, next) {
            ('/', '/') if !quoted => {
                code.pop();
                break;
            }
            (before, '"') if before != '\\' => quoted = !quoted,
            _ if !quoted => code.push(next),
            _ => {}
        }
        last = if last == '\\' { ' ' } else { next };
    }
    code
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let around = [
            text[..at].chars().next_back(),
            text[at + word.len()..].chars().next(),
        ];
        !around
            .iter()
            .flatten()
            .any(|next| next.is_alphanumeric() || *next == '_')
    })
}

/// Whether `place` stands in the line as the start of an absolute path.
fn names_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "._-/".contains(before))
    })
}

fn rust_files() -> impl Iterator<Item = File> {
    files().filter(|file| file.name.ends_with(".rs"))
}

fn files() -> impl Iterator<Item = File> {
    let mut paths = Vec::new();
    collect(&root(), &mut paths);
    paths.sort();
    paths.into_iter().filter_map(File::read)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let skipped = [".git", "target", "Cargo.lock"]
            .iter()
            .any(|name| path.ends_with(name));
        match entry.file_type().unwrap().is_dir() {
            _ if skipped => {}
            true => collect(&path, paths),
            false => paths.push(path),
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
