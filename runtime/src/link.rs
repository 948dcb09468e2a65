//! Links: what is run when a green thread has ended.

use crate::abort;
use crate::header::{Header, Links};
use crate::spawn::Builder;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Link = Box<dyn FnOnce() + Send>;

/// Has `f` run after the end of the green thread; at once if it has ended.
pub(crate) fn link(header: &Header, f: Link) {
    let mut end = header.end.lock();
    if header.word.watch() {
        end.links.get_or_insert_default().push(f);
    } else {
        drop(end);
        run_all(vec![f]);
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

/// Runs the links in order, on a green thread of their own: they may wait. A panic of one is
/// reported by the hook, and stops no other.
fn run_all(links: Links) {
    let links = std::sync::Arc::new(crate::lock::Lock::new(links));
    let body = {
        let links = links.clone();
        move || run_each(std::mem::take(&mut *links.lock()))
    };
    let spawned = Builder::new().name("links".into()).spawn(body);
    if let Err(error) = spawned {
        log::warn!(
            "greenloop: links run on the thread that has ended, for want of another: {error}"
        );
        run_each(std::mem::take(&mut *links.lock()));
    }
}

fn run_each(links: Links) {
    for link in links {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(link)) {
            abort::forget(payload);
        }
    }
}
