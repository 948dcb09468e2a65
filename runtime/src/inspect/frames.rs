//! `Frames`: the calls that led a green thread to where it waits.

use super::whose::{Whose, worth_reading};
use crate::context;
use std::backtrace::Backtrace;
use std::env;
use std::fmt;

/// The calls that led a green thread to where it waits, the innermost first.
///
/// `Display` looks the symbols up, and begins with the function of greenloop that the program
/// called, as `Mutex::lock`; it ends with the outermost function of the program. What the runtime
/// does before and after is left out, unless nothing else is there. `{:#}` shows everything, with
/// the addresses.
///
/// # Examples
///
/// ```
/// use greenloop::inspect::{self, Backtrace, Options, State};
///
/// let parked = greenloop::spawn(|| greenloop::thread::park());
/// while !inspect::dump().iter().any(|it| it.state() == State::Waiting) {
///     greenloop::yield_now();
/// }
/// let dump = inspect::dump_with(Options::new().backtraces(true));
/// if let Backtrace::Taken(frames) = dump.iter().next().unwrap().backtrace() {
///     assert!(frames.to_string().lines().count() <= format!("{frames:#}").lines().count());
/// }
/// parked.thread().unpark();
/// ```
#[derive(Debug)]
pub struct Frames(Backtrace);

impl Frames {
    pub(crate) fn new(backtrace: Backtrace) -> Frames {
        Frames(backtrace)
    }

    /// As std writes it.
    fn text(&self, is_full: bool) -> String {
        // std takes a lock, for which the worker, not the green thread, has to wait.
        let _own = context::hooks_off();
        if is_full {
            format!("{:#}", self.0)
        } else {
            self.0.to_string()
        }
    }
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text(f.alternate());
        let Some(calls) = calls(&text).filter(|_| !f.alternate()) else {
            return f.write_str(&text);
        };
        let folder = env::current_dir().unwrap_or_default();
        let folder = folder.to_string_lossy();
        let whose: Vec<Whose> = calls.iter().map(|it| it.whose(&folder)).collect();
        for (number, call) in calls[worth_reading(&whose)].iter().enumerate() {
            writeln!(f, "{number:4}: {}", call.name)?;
            call.place
                .map_or(Ok(()), |place| writeln!(f, "             at {place}"))?;
        }
        Ok(())
    }
}

/// A call as std writes it: `12: name`, and perhaps `at file:line:column` on the next line.
struct Call<'a> {
    name: &'a str,
    place: Option<&'a str>,
}

/// None if it is not written so.
fn calls(text: &str) -> Option<Vec<Call<'_>>> {
    let mut calls: Vec<Call<'_>> = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if let Some(place) = line.strip_prefix("at ") {
            calls.last_mut()?.place = Some(place);
        } else {
            let (number, name) = line.split_once(": ")?;
            number.parse::<usize>().ok()?;
            calls.push(Call { name, place: None });
        }
    }
    Some(calls)
}

impl Call<'_> {
    fn whose(&self, folder: &str) -> Whose {
        let is_number = |it: char| it == ':' || it.is_ascii_digit();
        let file = self.place.map(|it| it.trim_end_matches(is_number));
        // std leaves the working directory out.
        let file = file.map(|it| match it.strip_prefix("./") {
            Some(rest) => format!("{folder}/{rest}"),
            None => it.to_owned(),
        });
        Whose::of(self.name, file.as_deref())
    }
}
