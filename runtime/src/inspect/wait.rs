//! `Wait`: what a green thread waits for, as a dump says it.

use super::descriptor::Descriptor;
use super::holder::Holder;
use crate::reason::{self, Reason, Thing};
use std::fmt;
use std::time::Duration;

/// So many of a scope are named.
const NAMED: usize = 10;

/// What a green thread waits for. `Display` says it in words.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Wait {
    /// To be unparked: [`thread::park`](crate::thread::park).
    Unpark,
    /// For time to pass: so much is left.
    Sleep(Duration),
    /// That a descriptor has something to read, a listener a connection; that a process ends.
    Read(Descriptor),
    /// That a descriptor takes more.
    Write(Descriptor),
    /// For the end of the green thread with this id.
    Join(u64),
    /// For the end of the job of the blocking pool with this id.
    Job(u64),
    /// For the end of all that its scope has spawned.
    Scope {
        /// The ids of those that have not ended. Empty if the worker of the one that waits did not
        /// answer, and once the scope has killed them.
        left: Vec<u64>,
    },
    /// For one of several things: [`Select`](crate::Select), [`iwait`](crate::iwait()) and the like.
    Any,
    /// For something that lies in memory.
    On {
        /// What it is, and what is wanted of it.
        thing: Thing,
        /// Where it lies. What a lock or queue holds lies near by.
        address: usize,
        /// Who holds it, if it is a lock that one thread holds: a mutex, or an rwlock that is
        /// written; or who runs it, if it is a once. None if nobody did just then, or its waiter's
        /// worker did not answer.
        holder: Option<Holder>,
    },
}

impl Wait {
    /// As it was written down; a descriptor is only its number yet.
    pub(crate) fn new(wait: reason::Wait, now: u64) -> Wait {
        match wait.reason() {
            Reason::Unpark => Wait::Unpark,
            Reason::Sleep(end) => Wait::Sleep(Duration::from_nanos(end.saturating_sub(now))),
            Reason::Read(fd) => Wait::Read(Descriptor::unknown(fd)),
            Reason::Write(fd) => Wait::Write(Descriptor::unknown(fd)),
            Reason::Join(id) if wait.is_for_job() => Wait::Job(id),
            Reason::Join(id) => Wait::Join(id),
            Reason::Scope(_) => Wait::Scope { left: Vec::new() },
            Reason::Any => Wait::Any,
            Reason::On(thing, address) => Wait::On {
                thing,
                address,
                holder: None,
            },
        }
    }

    /// Of a lock.
    pub(super) fn set_holder(&mut self, who: Holder) {
        if let Wait::On { holder, .. } = self {
            *holder = Some(who);
        }
    }

    /// Of a scope.
    pub(super) fn set_left(&mut self, ids: Vec<u64>) {
        if let Wait::Scope { left } = self {
            *left = ids;
        }
    }

    pub(super) fn descriptor_mut(&mut self) -> Option<&mut Descriptor> {
        match self {
            Wait::Read(descriptor) | Wait::Write(descriptor) => Some(descriptor),
            _ => None,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Unpark => f.write_str("waiting to be unparked"),
            Wait::Sleep(left) => write!(f, "sleeping, {:.1} s left", left.as_secs_f64()),
            Wait::Read(from) if from.is_listener() => write!(f, "accepting at {from}"),
            Wait::Read(of) if of.process().is_some() => write!(f, "waiting for {of}"),
            Wait::Read(from) => {
                f.write_str("reading from ")?;
                from.write_with(f, "<-")
            }
            Wait::Write(to) => {
                f.write_str("writing to ")?;
                to.write_with(f, "->")
            }
            Wait::Join(id) => write!(f, "joining green thread {id}"),
            Wait::Job(id) => write!(f, "waiting for job {id} of the blocking pool"),
            Wait::Scope { left } => write_scope(f, left),
            Wait::Any => f.write_str("waiting for one of several things"),
            Wait::On {
                thing,
                address,
                holder,
            } => {
                write!(f, "{thing} at {address:#x}")?;
                let verb = owner_verb(*thing);
                let mut holder = holder.iter();
                holder.try_for_each(|it| write!(f, ", {verb} by {it}"))
            }
        }
    }
}

/// What the owner does to it, as a participle.
pub(crate) fn owner_verb(thing: Thing) -> &'static str {
    match thing {
        Thing::Once => "run",
        _ => "held",
    }
}

fn write_scope(f: &mut fmt::Formatter<'_>, left: &[u64]) -> fmt::Result {
    f.write_str("waiting for the end of its scope")?;
    let Some((first, rest)) = left.split_first() else {
        return Ok(());
    };
    let plural = if rest.is_empty() { "" } else { "s" };
    write!(f, ": of green thread{plural} {first}")?;
    let named = rest.iter().take(NAMED - 1);
    named.clone().try_for_each(|id| write!(f, ", {id}"))?;
    match rest.len() - named.len() {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
