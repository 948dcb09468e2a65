//! Links: what is run when a green thread has ended.

use crate::abort;
use crate::blocking;
use crate::context;
use crate::header::{Header, Links};
use crate::lock::Lock;
use crate::spawn::Builder;
use std::panic::Location;
use std::sync::Arc;

/// What is to be run, and who asked for it.
pub(crate) struct Link {
    f: Box<dyn FnOnce() + Send>,
    place: &'static Location<'static>,
}

impl Link {
    #[track_caller]
    pub(crate) fn new(f: impl FnOnce() + Send + 'static) -> Link {
        let (f, place) = (Box::new(f), Location::caller());
        Link { f, place }
    }
}

/// Has `link` run after the end of the green thread; at once if it has ended.
pub(crate) fn link(header: &Header, link: Link) {
    let mut end = header.end.lock();
    if header.word.watch() {
        end.links.get_or_insert_default().push(link);
    } else {
        drop(end);
        run_all(vec![link]);
    }
}

/// Wakes whoever waits for the end, and runs the links.
pub(crate) fn tell_of_end(header: &Header) {
    let mut end = header.end.lock();
    // Inside the lock, which they do not take again, and which nobody else wants any more.
    end.waiters.wake_all();
    let links = end.links.take();
    drop(end);
    if let Some(links) = links {
        run_all(*links);
    }
}

/// Runs the links in order, on a green thread of their own: they may wait. A hub that ends takes no
/// new ones, but the blocking pool does. The first one says where that is spawned.
fn run_all(links: Links) {
    let Some(place) = links.first().map(|it| it.place) else {
        return;
    };
    let links = Arc::new(Lock::new(links));
    let body = || {
        let links = links.clone();
        move || run_each(std::mem::take(&mut *links.lock()))
    };
    let builder = Builder::new().name("links".into()).at(place);
    if builder.spawn(body()).is_err() {
        // A green thread that has ended can neither wait any more nor have locals.
        let _apart = context::apart();
        abort::contain(|| run_elsewhere(body));
    }
}

fn run_elsewhere<F: FnOnce() + Send + 'static>(body: impl Fn() -> F) {
    if let Err(error) = blocking::submit(Box::new(body())) {
        body()();
        log::warn!("greenloop: links have run where one ended, for want of another: {error}");
    }
}

fn run_each(links: Links) {
    for link in links {
        abort::contain(link.f);
    }
}
