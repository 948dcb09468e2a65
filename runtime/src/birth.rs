//! `Birth`: what a green thread, or a job of the blocking pool, has from its first moment.

use crate::header::{Header, Kind};
use crate::spawn::{Body, take_slot};
use crate::stack::{Label, SizeClass};
use crate::thread::Thread;
use crate::word::UNSTARTED;
use crate::worker::Worker;
use std::io;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

/// What a new one has from its first moment, when others may look at it already.
pub(crate) struct Birth {
    pub(crate) name: Option<Arc<str>>,
    /// Who knows it.
    pub(crate) flags: u64,
    pub(crate) home: usize,
    pub(crate) place: &'static Location<'static>,
    pub(crate) class: SizeClass,
    pub(crate) kind: Kind,
    /// The id of the green thread that spawns it, or 0.
    pub(crate) spawner: u64,
}

/// A slot with `f` in it, unstarted.
#[inline]
pub(crate) fn new_header<F, T>(birth: Birth, f: F) -> io::Result<NonNull<Header>>
where
    F: FnOnce() -> T,
{
    let slot = take_slot()?;
    // SAFETY: slots live for ever.
    let header = unsafe { slot.as_ref() };
    header.body.set(Some(Body::<F, T>::TYPE));
    header.class.set(birth.class);
    header.set_kind(birth.kind);
    header.spawner.set(birth.spawner);
    let generation = header.word.load().generation();
    // SAFETY: the slot was free, so it is the caller's alone and its room is empty.
    unsafe {
        // Without a look at the label that was there: `clear` has emptied it.
        header.label.get().write(Label {
            thread: Some(Thread::new(slot, generation, birth.name)),
            location: birth.place,
        });
        header.store(f);
    }
    header.word.begin(UNSTARTED, birth.flags, birth.home);
    Ok(slot)
}

/// The id of the green thread that `worker` runs, or 0.
#[inline]
pub(crate) fn running_on(worker: Option<&Worker>) -> u64 {
    let green = worker.and_then(|worker| worker.context().green.get());
    // SAFETY: the slot of a running green thread is in use.
    green.map_or(0, |it| unsafe { it.as_ref().number() })
}
