//! A dump as JSON. It is written as it is walked: to build a tree of values took twenty times as
//! long as all of that.

use super::descriptor::Descriptor;
use super::dump::Dump;
use super::entry::{Backtrace, GreenThread};
use super::wait::Wait;
use super::worker::Worker;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use std::fmt::Display;
use std::panic::Location;

impl Dump {
    /// The dump as a JSON object: `green_threads` and `workers`, each an array. Times are in
    /// seconds, stacks in bytes. Symbols of backtraces are looked up for it. Needs the feature
    /// `json`, with which a dump and its parts are `serde::Serialize` as well.
    ///
    /// # Examples
    ///
    /// ```
    /// let json = greenloop::inspect::dump().to_json();
    /// assert!(json.starts_with("{\"green_threads\":["));
    /// ```
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("every key is text, and nothing is read or written")
    }
}

impl Serialize for Dump {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Dump", 2)?;
        fields.serialize_field("green_threads", &self.green_threads)?;
        fields.serialize_field("workers", self.workers())?;
        fields.end()
    }
}

impl Serialize for GreenThread {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let backtrace = match self.backtrace() {
            Backtrace::Taken(frames) => Some(Text(frames)),
            _ => None,
        };
        let mut fields = to.serialize_struct("GreenThread", 12)?;
        fields.serialize_field("id", &self.id())?;
        fields.serialize_field("name", &self.name())?;
        fields.serialize_field("kind", &Text(self.kind()))?;
        fields.serialize_field("state", &Text(self.state()))?;
        fields.serialize_field("wait", &self.wait())?;
        fields.serialize_field("since", &self.since().map(|it| it.as_secs_f64()))?;
        fields.serialize_field("home", &self.home())?;
        fields.serialize_field("spawned_at", &Source(self.spawned_at()))?;
        fields.serialize_field("spawner", &self.spawner())?;
        fields.serialize_field("stack_used", &self.stack_used())?;
        fields.serialize_field("stack_reserved", &self.stack_reserved())?;
        fields.serialize_field("backtrace", &backtrace)?;
        fields.end()
    }
}

impl Serialize for Wait {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_map(None)?;
        match self {
            Wait::Unpark => fields.serialize_entry("for", "unpark")?,
            Wait::Sleep(left) => {
                fields.serialize_entry("for", "sleep")?;
                fields.serialize_entry("left", &left.as_secs_f64())?;
            }
            Wait::Read(from) => {
                fields.serialize_entry("for", "read")?;
                fields.serialize_entry("descriptor", from)?;
            }
            Wait::Write(to) => {
                fields.serialize_entry("for", "write")?;
                fields.serialize_entry("descriptor", to)?;
            }
            Wait::Join(id) => {
                fields.serialize_entry("for", "join")?;
                fields.serialize_entry("id", id)?;
            }
            Wait::Job(id) => {
                fields.serialize_entry("for", "job")?;
                fields.serialize_entry("id", id)?;
            }
            Wait::Scope { left } => {
                fields.serialize_entry("for", "scope")?;
                fields.serialize_entry("left", left)?;
            }
            Wait::Any => fields.serialize_entry("for", "any")?,
            Wait::On {
                thing,
                address,
                holder,
            } => {
                fields.serialize_entry("for", &Text(format_args!("{thing:?}")))?;
                fields.serialize_entry("address", address)?;
                fields.serialize_entry("holder", &holder.as_ref().map(|it| it.id()))?;
            }
        }
        fields.serialize_entry("text", &Text(self))?;
        fields.end()
    }
}

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let socket = self.socket();
        let mut fields = to.serialize_struct("Descriptor", 4)?;
        fields.serialize_field("number", &self.number())?;
        fields.serialize_field("protocol", &socket.map(|it| it.protocol()))?;
        fields.serialize_field("local", &socket.map(|it| it.local()))?;
        fields.serialize_field("peer", &socket.and_then(|it| it.peer()))?;
        fields.end()
    }
}

impl Serialize for Worker {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Worker", 7)?;
        fields.serialize_field("index", &self.index())?;
        fields.serialize_field("hub", &self.is_hub())?;
        fields.serialize_field("activity", &Text(self.activity()))?;
        fields.serialize_field("running", &self.running())?;
        fields.serialize_field("live", &self.live())?;
        fields.serialize_field("queued", &self.queued())?;
        fields.serialize_field("unstarted", &self.unstarted())?;
        fields.end()
    }
}

/// What is written as it is displayed.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// A place in the source.
struct Source(&'static Location<'static>);

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Location", 3)?;
        fields.serialize_field("file", self.0.file())?;
        fields.serialize_field("line", &self.0.line())?;
        fields.serialize_field("column", &self.0.column())?;
        fields.end()
    }
}
