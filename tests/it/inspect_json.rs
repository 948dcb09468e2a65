//! A dump as JSON: what there is of each green thread and worker, and of each kind of wait.
#![cfg(feature = "json")]

use std::sync::Arc;

use greenloop::inspect::{self, Dump};
use greenloop::net::UdpSocket;
use greenloop::sync::Mutex;
use greenloop::{Builder, sleep, spawn_blocking, thread};
use serde_json::{Value, json};

use crate::inspect::{dump_when_waiting, find, named, parks_for_ever, patient};
use crate::within::LONG;

fn json_of(dump: &Dump, name: &str) -> Value {
    let json: Value = serde_json::from_str(&dump.to_json()).unwrap();
    let mut all = json["green_threads"].as_array().unwrap().iter();
    all.find(|it| it["name"] == name).unwrap().clone()
}

/// The wait of the one with this name, which has `text` as the dump itself.
fn wait_of(name: &str) -> Value {
    let dump = dump_when_waiting(name);
    let text = find(&dump, name).unwrap().wait().unwrap().to_string();
    let mut wait = json_of(&dump, name)["wait"].take();
    assert_eq!(wait["text"], text);
    wait.as_object_mut().unwrap().remove("text");
    wait
}

#[test]
fn all_of_a_green_thread_is_told() {
    const NAME: &str = "told in\njson \u{1b}[31m \"ü漢\" \\";
    let parked = named(NAME, thread::park);
    let dump = dump_when_waiting(NAME);
    let it = find(&dump, NAME).unwrap();
    let place = it.spawned_at();
    let expected = json!({
        "id": it.id(),
        "name": NAME,
        "kind": "light",
        "state": "waiting",
        "wait": { "for": "unpark", "text": "waiting to be unparked" },
        "since": null,
        "home": it.home().unwrap(),
        "spawned_at": { "file": place.file(), "line": place.line(), "column": place.column() },
        "spawner": null,
        "stack_used": it.stack_used().unwrap(),
        "stack_reserved": it.stack_reserved(),
        "backtrace": null,
    });
    let mut json = json_of(&dump, NAME);
    let since = json["since"].take().as_f64().unwrap();
    assert!((since - it.since().unwrap().as_secs_f64()).abs() < 1e-6);
    assert_eq!(json, expected);
    let dump = inspect::dump_with(patient().backtraces(true).only(it.id()));
    let backtrace = json_of(&dump, NAME)["backtrace"].take();
    assert!(backtrace.as_str().unwrap().contains("park"), "{backtrace}");
    parked.kill();
}

#[test]
fn all_of_a_worker_is_told() {
    let parked = named("beside the workers", thread::park);
    let dump = dump_when_waiting("beside the workers");
    let json: Value = serde_json::from_str(&dump.to_json()).unwrap();
    assert_eq!(json.as_object().unwrap().len(), 2);
    let workers = dump.workers().iter().map(|it| {
        json!({
            "index": it.index(),
            "hub": it.is_hub(),
            "activity": it.activity().to_string(),
            "running": it.running(),
            "live": it.live(),
            "queued": it.queued(),
            "unstarted": it.unstarted(),
        })
    });
    assert_eq!(json["workers"], workers.collect::<Value>());
    parked.kill();
}

#[test]
fn each_kind_of_wait_has_its_fields() {
    let sleeper = named("json sleeper", || sleep(LONG));
    let wait = wait_of("json sleeper");
    assert_eq!(wait["for"], "sleep");
    assert!((0.0..LONG.as_secs_f64()).contains(&wait["left"].as_f64().unwrap()));

    let id = dump_when_waiting("json sleeper");
    let id = find(&id, "json sleeper").unwrap().id();
    let joiner = named("json joiner", move || drop(sleeper.join_timeout(LONG)));
    assert_eq!(wait_of("json joiner"), json!({ "for": "join", "id": id }));
    joiner.kill();

    let (release, released) = std::sync::mpsc::channel::<()>();
    let job = Builder::new().name("json waits for a job".into());
    let job = job.spawn(|| spawn_blocking(move || released.recv().is_err()).join());
    let wait = wait_of("json waits for a job");
    assert!(wait["id"].is_u64(), "{wait}");
    assert_eq!(wait, json!({ "for": "job", "id": wait["id"] }));
    drop(release);
    assert!(job.unwrap().join().unwrap().unwrap());
}

#[test]
fn a_lock_is_told_with_its_holder_and_a_socket_with_its_addresses() {
    let lock = Arc::new(Mutex::new(()));
    let held = Arc::clone(&lock);
    let holder = named("json holder", move || {
        let _guard = held.lock();
        parks_for_ever();
    });
    let id = dump_when_waiting("json holder");
    let id = find(&id, "json holder").unwrap().id();
    let waiter = named("json locker", move || drop(lock.lock()));
    let wait = wait_of("json locker");
    let address = &wait["address"];
    assert!(address.is_u64(), "{wait}");
    let expected = json!({ "for": "Mutex", "address": address, "holder": id });
    assert_eq!(wait, expected);
    holder.kill();
    waiter.join().unwrap();

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap().to_string();
    let reader = named("json reader", move || drop(socket.recv(&mut [0])));
    let wait = wait_of("json reader");
    let number = &wait["descriptor"]["number"];
    assert!(number.is_i64(), "{wait}");
    let descriptor = json!({ "number": number, "protocol": "UDP", "local": local, "peer": null });
    assert_eq!(wait, json!({ "for": "read", "descriptor": descriptor }));
    reader.kill();
}

#[test]
fn scopes_say_who_is_left_and_choices_have_a_word_alone() {
    let scope = named("json scope", || {
        greenloop::scope(|it| drop(it.spawn(parks_for_ever)));
    });
    let wait = wait_of("json scope");
    let left = wait["left"].as_array().unwrap();
    assert!(left.len() == 1 && left[0].is_u64(), "{wait}");
    assert_eq!(wait, json!({ "for": "scope", "left": left }));
    scope.kill();
    let chooser = named("json chooser", || {
        let parked = [0, 1].map(|_| greenloop::spawn(parks_for_ever));
        greenloop::wait_any(&[&parked[0], &parked[1]]);
    });
    assert_eq!(wait_of("json chooser"), json!({ "for": "any" }));
    chooser.kill();
}
