//! `Room`: who is in a chat, by unique names, and what everybody hears.

use std::collections::BTreeMap;

use greenloop::sync::{Mutex, MutexGuard};

/// The longest name, in bytes.
const LONGEST_NAME: usize = 20;

/// What belongs to nobody.
const RESERVED: &str = "administrator";

/// How a member hears of things.
pub(crate) trait Seat {
    /// Passes a line on, without waiting for the member to read it.
    fn tell(&self, line: &str);
}

pub(crate) struct Room<S> {
    seats: Mutex<BTreeMap<String, S>>,
    size: usize,
    longest: usize,
}

impl<S: Seat> Room<S> {
    /// A room for so many, whose lines have at most `longest` bytes.
    pub(crate) fn new(size: usize, longest: usize) -> Room<S> {
        Room {
            seats: Mutex::default(),
            size,
            longest,
        }
    }

    /// The error is for the one who wants to enter.
    pub(crate) fn enter(&self, name: &str, seat: S) -> Result<(), String> {
        check_name(name)?;
        let mut seats = self.seats();
        if seats.contains_key(name) {
            return Err(format!("the name {name} is taken, choose another one"));
        }
        if seats.len() >= self.size {
            return Err(format!("the room is full: {} are here", self.size));
        }
        seats.insert(name.to_owned(), seat);
        tell_all(&seats, &format!("{name} has entered"));
        Ok(())
    }

    pub(crate) fn leave(&self, name: &str) {
        let mut seats = self.seats();
        if seats.remove(name).is_some() {
            tell_all(&seats, &format!("{name} has left"));
        }
    }

    /// Everybody but `name` hears it. The error is for who said it.
    pub(crate) fn say(&self, name: &str, said: &[u8]) -> Result<(), String> {
        let text = self.check_text(said)?;
        let line = format!("{name}: {text}");
        let seats = self.seats();
        let others = seats.iter().filter(|(other, _)| *other != name);
        others.for_each(|(_, seat)| seat.tell(&line));
        Ok(())
    }

    pub(crate) fn announce(&self, text: &str) {
        tell_all(&self.seats(), &format!("{RESERVED}: {text}"));
    }

    /// Tells one member alone.
    pub(crate) fn tell(&self, name: &str, line: &str) {
        if let Some(seat) = self.seats().get(name) {
            seat.tell(line);
        }
    }

    /// What could do strange things to somebody's terminal is not passed on.
    fn check_text<'a>(&self, said: &'a [u8]) -> Result<&'a str, String> {
        if said.len() > self.longest {
            return Err(format!(
                "not passed on: a line has at most {} bytes",
                self.longest
            ));
        }
        let text = str::from_utf8(said).map_err(|_| "not passed on: a line is UTF-8")?;
        if text.contains(|c: char| c.is_control() && c != '\t') {
            return Err("not passed on: a line has no control characters".into());
        }
        Ok(text)
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<String, S>> {
        self.seats.lock().unwrap()
    }
}

fn tell_all<S: Seat>(seats: &BTreeMap<String, S>, line: &str) {
    seats.values().for_each(|seat| seat.tell(line));
}

fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_".contains(c);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
        return Err(format!(
            "a name has 1 to {LONGEST_NAME} bytes, all of them letters, digits, - or _"
        ));
    }
    if name.eq_ignore_ascii_case(RESERVED) {
        return Err(format!("the name {name} is reserved, choose another one"));
    }
    Ok(())
}
