//! `Whose`: which part of a program a function belongs to, and by that which calls of a backtrace
//! are worth to be read.
//!
//! Told by the file of the function where the debug information has one: names of inlined and of
//! private functions are often without their path there. Without debug information there are the
//! symbols of the linker, which have it.

use std::ops::Range;

/// Of two that a function belongs to, the first one counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Whose {
    /// The program's, or of a library that it uses.
    Programs,
    /// Of one of greenloop's crates.
    Ours,
    /// Of the switch between stacks: where a green thread's own ends.
    Switch,
    Std,
}

const OURS: [&str; 5] = ["console", "monkey", "net", "os", "runtime"];
const STD: [&str; 4] = ["std", "core", "alloc", "__rust_try"];
const SWITCH: [&str; 2] = ["corosensei", "stack_init_trampoline"];

/// From the function of ours that the program called to the program's outermost one; all of the
/// green thread's if in doubt. The innermost comes first.
pub(super) fn worth_reading(calls: &[Whose]) -> Range<usize> {
    let is_programs = |it: &Whose| *it == Whose::Programs;
    let end = calls.iter().position(|it| *it == Whose::Switch);
    let Some(end) = end.filter(|it| *it > 0) else {
        return 0..calls.len();
    };
    let own = &calls[..end];
    let Some(first) = own.iter().position(is_programs) else {
        return 0..end;
    };
    let called = own[..first].iter().rposition(|it| *it == Whose::Ours);
    let last = own.iter().rposition(is_programs).unwrap_or(first);
    called.unwrap_or(0)..last + 1
}

impl Whose {
    pub(super) fn of(name: &str, file: Option<&str>) -> Whose {
        file.map_or_else(|| Whose::by_name(name), Whose::by_file)
    }

    fn by_file(file: &str) -> Whose {
        let is_std = |root: &str| file.contains(root) && file.contains("/library/");
        if is_ours(file) {
            Whose::Ours
        } else if is_std("/rustc/") || is_std("/rustlib/") {
            Whose::Std
        } else if file.contains("/corosensei-") {
            Whose::Switch
        } else {
            Whose::Programs
        }
    }

    /// `<a::B as c::D>::e` is the program's if either is.
    fn by_name(name: &str) -> Whose {
        let (of, what) = name.split_once(" as ").unwrap_or((name, ""));
        let crates = [of, what].into_iter().filter_map(crate_of);
        crates.map(Whose::of_crate).min().unwrap_or(Whose::Programs)
    }

    fn of_crate(name: &str) -> Whose {
        let is_ours = |it: &str| OURS.contains(&it);
        match name {
            it if STD.contains(&it) => Whose::Std,
            it if SWITCH.contains(&it) => Whose::Switch,
            it if it.strip_prefix("greenloop_").is_some_and(is_ours) => Whose::Ours,
            _ => Whose::Programs,
        }
    }
}

/// The crates lie side by side: `…/runtime/src/…`, or `…/greenloop-runtime-0.1.0/src/…`.
fn is_ours(file: &str) -> bool {
    let own = file!().strip_suffix("/src/inspect/whose.rs");
    let around = own.and_then(|it| it.rsplit_once("runtime"));
    let (before, after) = around.unwrap_or(("greenloop-", ""));
    let before = if before.is_empty() { "/" } else { before };
    let root = |name: &str| format!("{before}{name}{after}/src/");
    OURS.iter().any(|it| file.contains(&root(it)))
}

/// None for a parameter or a type without a path.
fn crate_of(path: &str) -> Option<&str> {
    let bare = path.trim_start_matches(['<', '&', '*', '[', '(']);
    let bare = ["mut ", "const ", "dyn "]
        .iter()
        .fold(bare, |it, word| it.strip_prefix(word).unwrap_or(it));
    let end = bare.find(|it: char| !it.is_alphanumeric() && it != '_');
    let (name, rest) = bare.split_at(end.unwrap_or(bare.len()));
    let is_path = rest.starts_with("::") || rest.is_empty() && bare == path;
    Some(name).filter(|it| is_path && !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_whose_they_are() {
        let told = [
            ("probe::main::{{closure}}", Whose::Programs),
            ("main", Whose::Programs),
            ("<unknown>", Whose::Programs),
            (
                "<alloc::vec::Vec<T> as probe::Drain>::drain",
                Whose::Programs,
            ),
            (
                "<probe::Guard as core::ops::drop::Drop>::drop",
                Whose::Programs,
            ),
            (
                "greenloop_runtime::sync::mutex::Mutex<T>::lock",
                Whose::Ours,
            ),
            (
                "<&greenloop_net::tcp::TcpStream as std::io::Read>::read",
                Whose::Ours,
            ),
            (
                "<T as greenloop_runtime::waitable::Waitable>::wait",
                Whose::Ours,
            ),
            ("greenloop_of_mine::run", Whose::Programs),
            ("<&mut I as core::iter::Iterator>::next", Whose::Std),
            ("<std::sys::thread::Thread>::new::thread_start", Whose::Std),
            ("__rust_try", Whose::Std),
            (
                "corosensei::coroutine::Coroutine<I,Y,R,S>::resume",
                Whose::Switch,
            ),
            ("stack_init_trampoline", Whose::Switch),
        ];
        for (name, whose) in told {
            assert_eq!(Whose::of(name, None), whose, "{name}");
        }
    }

    #[test]
    fn files_tell_whose_they_are() {
        let root = std::path::absolute("..").unwrap();
        let file = |rest: &str| format!("{}/{rest}", root.display());
        let told = [
            (file!().to_owned(), Whose::Ours),
            (file("tests/it/inspect.rs"), Whose::Programs),
            (
                "/rustc/59807616/library/std/src/panic.rs".to_owned(),
                Whose::Std,
            ),
            (
                "/crates/corosensei-0.3.4/src/unwind.rs".to_owned(),
                Whose::Switch,
            ),
            ("./nptl/pthread_create.c".to_owned(), Whose::Programs),
        ];
        for (file, whose) in told {
            assert_eq!(
                Whose::of("suspend", Some(&format!("/{file}"))),
                whose,
                "{file}"
            );
        }
    }

    #[test]
    fn from_what_was_called_to_the_programs_last_is_worth_reading() {
        use Whose::{Ours, Programs, Std, Switch};
        let all = [
            Ours, Ours, Std, Ours, Std, Programs, Ours, Programs, Std, Ours, Switch, Programs,
        ];
        assert_eq!(worth_reading(&all), 3..8);
        assert_eq!(worth_reading(&[Programs, Ours, Switch]), 0..1);
        assert_eq!(worth_reading(&[Std, Programs, Switch]), 0..2);
        let doubtful: [(&[Whose], usize); 4] = [
            (&[Ours, Std, Ours, Switch, Programs], 3),
            (&[Ours, Programs, Ours], 3),
            (&[Switch, Ours, Programs], 3),
            (&[], 0),
        ];
        for (calls, count) in doubtful {
            assert_eq!(worth_reading(calls), 0..count, "{calls:?}");
        }
    }
}
