//! A dump as JSON.

use super::descriptor::Descriptor;
use super::dump::Dump;
use super::entry::{Backtrace, GreenThread};
use super::wait::Wait;
use super::worker::Worker;
use serde_json::{Value, json};

impl Dump {
    /// The dump as a JSON object: `green_threads` and `workers`, each an array. Times are in
    /// seconds, stacks in bytes. Symbols of backtraces are looked up for it. Needs the feature
    /// `json`.
    ///
    /// # Examples
    ///
    /// ```
    /// let json = greenloop::inspect::dump().to_json();
    /// assert!(json.starts_with("{\"green_threads\":["));
    /// ```
    pub fn to_json(&self) -> String {
        let green_threads: Vec<Value> = self.iter().map(green_thread).collect();
        let workers: Vec<Value> = self.workers().iter().map(Worker::to_value).collect();
        json!({ "green_threads": green_threads, "workers": workers }).to_string()
    }
}

fn green_thread(it: &GreenThread) -> Value {
    let place = it.spawned_at();
    let backtrace = match it.backtrace() {
        Backtrace::Taken(backtrace) => Some(backtrace.to_string()),
        _ => None,
    };
    json!({
        "id": it.id(),
        "name": it.name(),
        "kind": it.kind().to_string(),
        "state": it.state().to_string(),
        "wait": it.wait().map(wait),
        "since": it.since().map(|it| it.as_secs_f64()),
        "home": it.home(),
        "spawned_at": { "file": place.file(), "line": place.line(), "column": place.column() },
        "spawner": it.spawner(),
        "stack_used": it.stack_used(),
        "stack_reserved": it.stack_reserved(),
        "backtrace": backtrace,
    })
}

fn wait(wait: &Wait) -> Value {
    let text = wait.to_string();
    match wait {
        Wait::Unpark => json!({ "for": "unpark", "text": text }),
        Wait::Sleep(left) => json!({ "for": "sleep", "left": left.as_secs_f64(), "text": text }),
        Wait::Read(from) => json!({ "for": "read", "descriptor": descriptor(from), "text": text }),
        Wait::Write(to) => json!({ "for": "write", "descriptor": descriptor(to), "text": text }),
        Wait::Join(id) => json!({ "for": "join", "id": id, "text": text }),
        Wait::Job(id) => json!({ "for": "job", "id": id, "text": text }),
        Wait::Scope => json!({ "for": "scope", "text": text }),
        Wait::Any => json!({ "for": "any", "text": text }),
        Wait::On {
            thing,
            address,
            holder,
        } => json!({
            "for": format!("{thing:?}"),
            "address": address,
            "holder": holder.as_ref().map(|it| it.id()),
            "text": text,
        }),
    }
}

fn descriptor(it: &Descriptor) -> Value {
    let socket = it.socket();
    json!({
        "number": it.number(),
        "protocol": socket.map(|it| it.protocol()),
        "local": socket.map(|it| it.local()),
        "peer": socket.and_then(|it| it.peer()),
    })
}

impl Worker {
    /// As it stands in a dump; for the console alone.
    #[doc(hidden)]
    pub fn to_value(&self) -> Value {
        json!({
            "index": self.index(),
            "hub": self.is_hub(),
            "activity": self.activity().to_string(),
            "running": self.running(),
            "live": self.live(),
            "queued": self.queued(),
            "unstarted": self.unstarted(),
        })
    }
}
