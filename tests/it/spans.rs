//! Spans of the crate `tracing`: what is recorded on a green thread belongs to it. A subscriber
//! stays for ever, so the test is a process of its own.

use crate::alone::alone;
use crate::within::within;
use greenloop::{Builder, inspect, joinall, thread, yield_now};
use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// What was recorded in each span, by its number.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<BTreeMap<u64, String>>>);

impl Recorded {
    fn add(&self, span: Option<u64>, what: &str) {
        let mut all = self.0.lock().unwrap();
        *all.entry(span.unwrap_or(0)).or_default() += what;
    }

    /// All that belongs to the span whose record says `name`, once it is closed.
    fn closed(&self, name: &str) -> String {
        loop {
            let all = self.0.lock().unwrap().clone();
            let mut all = all.into_values();
            if let Some(found) = all.find(|it| it.contains(name) && it.ends_with("closed")) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?};", field.name()).unwrap();
    }
}

impl<S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>> Layer<S> for Recorded {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut text = Text(format!("{}: ", attributes.metadata().name()));
        attributes.record(&mut text);
        self.add(Some(id.into_u64()), &text.0);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let span = context.event_span(event).map(|span| span.id().into_u64());
        self.add(span, &text.0);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.add(Some(id.into_u64()), "closed");
    }
}

#[test]
fn what_is_recorded_on_a_green_thread_belongs_to_it() {
    let name = "what_is_recorded_on_a_green_thread_belongs_to_it";
    alone(&format!("{}::{name}", module_path!()), "", || {
        within(Duration::from_secs(100), || {
            let recorded = Recorded::default();
            let subscriber = Registry::default().with(recorded.clone());
            tracing::subscriber::set_global_default(subscriber).unwrap();
            inspect::trace_spans();
            inspect::trace_spans(); // and no second span
            let record = |number: u32| {
                move || {
                    for step in 0..3 {
                        tracing::info!(step, number);
                        yield_now();
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            };
            let spawn = |number| {
                let name = format!("writer {number}");
                Builder::new().name(name).spawn(record(number)).unwrap()
            };
            joinall((0..50).map(spawn));
            for number in 0..50 {
                let text = recorded.closed(&format!("name=\"writer {number}\";"));
                assert!(text.starts_with("green_thread: id="), "{text}");
                assert!(text.contains("kind=light;"), "{text}");
                assert!(text.contains("tests/it/spans.rs:"), "{text}");
                assert_eq!(text.matches("green_thread").count(), 1, "{text}");
                let own = format!("number={number};");
                assert_eq!(text.matches(&own).count(), 3, "{text}");
                assert_eq!(text.matches("number=").count(), 3, "only its own: {text}");
                assert_eq!(
                    text.matches("message=waits;wait=sleeping").count(),
                    3,
                    "{text}"
                );
                assert_eq!(text.matches("message=woken;").count(), 3, "{text}");
            }
            let outside = recorded.0.lock().unwrap().get(&0).cloned();
            assert_eq!(outside, None, "nothing is recorded outside of a span");
        })
    });
}
