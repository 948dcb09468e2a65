//! `Holder`: who holds a lock that somebody waits for; and who is left of a scope.

use super::census::Found;
use super::entry::write_name;
use crate::park::Unparker;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

/// Who holds a lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    pub(super) id: u64,
    pub(super) name: Option<Arc<str>>,
    pub(super) is_green: bool,
}

impl Holder {
    /// The number in its [`ThreadId`](crate::thread::ThreadId).
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name, if it is a green thread that was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Is it a green thread, and has it not ended? One that has leaked its guard may have.
    pub fn is_green(&self) -> bool {
        self.is_green
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_green {
            return write!(f, "thread {}, which is no living green thread", self.id);
        }
        write!(f, "green thread {}", self.id)?;
        write_name(f, self.name())
    }
}

/// Says for whom they wait: who holds the lock, who is left of the scope.
pub(super) fn enter(found: &mut [Found]) {
    enter_holders(found);
    enter_left(found);
}

fn enter_left(found: &mut [Found]) {
    if found.iter().all(|it| it.children.is_empty()) {
        return;
    }
    let slot = |it: &Found| Unparker::new(NonNull::from(it.header), it.generation);
    let in_scopes = found.iter().filter(|it| !it.is_out_of_scope);
    let ids = in_scopes.map(|it| (slot(it), it.entry.id));
    let ids: HashMap<Unparker, u64> = ids.collect();
    for it in found {
        let left = it.children.iter().filter_map(|child| ids.get(child));
        let left: Vec<u64> = left.copied().collect();
        if let Some(wait) = it.entry.wait.as_mut() {
            wait.set_left(left);
        }
    }
}

fn enter_holders(found: &mut [Found]) {
    let wanted = found.iter().map(|it| it.owner).filter(|id| *id != 0);
    let mut holders: BTreeMap<u64, Holder> = wanted.map(|id| (id, unknown(id))).collect();
    if holders.is_empty() {
        return;
    }
    for it in found.iter() {
        if let Some(holder) = holders.get_mut(&it.entry.id) {
            holder.name = it.entry.name.clone();
            holder.is_green = true;
        }
    }
    for it in found {
        if let (Some(holder), Some(wait)) = (holders.get(&it.owner), it.entry.wait.as_mut()) {
            wait.set_holder(holder.clone());
        }
    }
}

fn unknown(id: u64) -> Holder {
    Holder {
        id,
        name: None,
        is_green: false,
    }
}
