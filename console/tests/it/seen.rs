//! What the page says is what the program does.

use std::sync::Arc;

use greenloop::sync::{Event, Mutex};
use greenloop::{Builder, JoinHandle, inspect, thread};
use serde_json::Value;

use crate::client::Client;

fn named<T: Send + 'static>(name: &str, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().name(name.into()).spawn(f).unwrap()
}

fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|it| it["id"].as_u64().unwrap()).collect()
}

#[test]
fn a_list_is_filtered_sorted_and_paged() {
    let client = Client::new();
    let end = Arc::new(Event::new());
    let waiting = |nth: usize| {
        let end = Arc::clone(&end);
        named(&format!("listed {nth:02}"), move || end.wait())
    };
    let all: Vec<_> = (0..25).map(waiting).collect();
    let rows = client.rows(
        "q=LISTED&for=Event&state=waiting&sort=name&order=desc&limit=10&offset=5",
        25,
    );
    let names: Vec<&str> = rows.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 10);
    assert_eq!((names[0], names[9]), ("listed 19", "listed 10"));
    assert!(
        rows[0]["wait"]
            .as_str()
            .unwrap()
            .starts_with("waiting for the event at 0x")
    );
    assert!(rows[0]["since"].as_f64().unwrap() >= 0.0);
    assert!(rows[0]["stack_used"].as_u64().unwrap() > 0);

    let place = rows[0]["place"].as_str().unwrap();
    assert!(place.contains("seen.rs:"), "{place}");
    let query = format!("place={place}&q=listed+07");
    assert_eq!(client.rows(&query, 1)[0]["name"], "listed 07");
    client.rows("q=listed&state=running", 0);
    client.rows("q=listed&for=read", 0);
    client.rows("q=listed&kind=full", 0);
    // A port or an address may have the same digits.
    let found = client.json(&format!("/api/threads?q={}&for=Event", rows[3]["id"]));
    let mut found = found["rows"].as_array().unwrap().iter();
    assert!(found.any(|it| it["id"] == rows[3]["id"]));
    end.set();
    greenloop::joinall(all);
    client.rows("q=listed", 0);
}

#[test]
fn a_tree_goes_from_spawners_to_spawned() {
    let client = Client::new();
    let end = Arc::new(Event::new());
    let (inner, outer) = (Arc::clone(&end), Arc::clone(&end));
    let root = named("tree root", move || {
        let leaves: Vec<_> = (0..3)
            .map(|_| {
                let inner = Arc::clone(&inner);
                named("tree leaf", move || inner.wait())
            })
            .collect();
        outer.wait();
        greenloop::joinall(leaves);
    });
    let leaves = client.rows("q=tree+leaf&state=waiting", 3);
    let parent = &client.rows("q=tree+root&parent=none", 1)[0];
    assert_eq!(parent["children"], 3);
    let below = client.rows(&format!("parent={}", parent["id"]), 3);
    assert_eq!(ids(&below), ids(&leaves));
    client.rows("q=tree+leaf&parent=none", 0);

    let story = client.json(&format!("/api/thread?id={}", leaves[0]["id"]));
    assert_eq!(story["ancestors"][0]["name"], "tree root");
    assert_eq!(story["backtrace"], Value::Null);
    end.set();
    root.join().unwrap();
}

#[inline(never)]
fn where_it_waits() {
    thread::park();
}

#[test]
fn a_story_has_a_backtrace_and_an_end() {
    let client = Client::new();
    let parked = named("of the story", where_it_waits);
    let unpark = parked.thread().clone();
    let joiner = named("joiner of the story", move || parked.join());
    let id = client.rows("q=of+the+story&for=unpark", 1)[0]["id"].clone();
    let waiter = client.rows("q=joiner+of+the+story&for=join", 1)[0]["id"].clone();

    let path = format!("/api/thread?id={id}&backtrace=1");
    let story = client.json(&path);
    assert!(
        story["backtrace"]
            .as_str()
            .unwrap()
            .contains("where_it_waits"),
        "{story}"
    );
    let [short, full] = ["1", "full"].map(|wanted| {
        let path = format!("/api/thread?id={id}&backtrace={wanted}");
        client.json(&path)["backtrace"].as_str().unwrap().to_owned()
    });
    assert!(
        short.contains("where_it_waits") && !short.contains("coroutine.rs"),
        "{short}"
    );
    assert!(
        full.contains("where_it_waits") && full.contains("coroutine.rs"),
        "{full}"
    );
    assert_eq!(story["joiners"], Value::Array(vec![waiter]));
    assert_eq!(story["row"]["wait"], "waiting to be unparked");

    unpark.unpark();
    joiner.join().unwrap().unwrap();
    let reply = client.ask(&path);
    assert_eq!(reply.status, 404);
    assert!(reply.body.contains("has ended"), "{}", reply.body);
}

#[test]
fn those_who_wait_for_one_thing_are_told_together() {
    let client = Client::new();
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let address = format!("{:#x}", Arc::as_ptr(&lock).addr());
    let wanting = |_| {
        let lock = Arc::clone(&lock);
        named("wants the lock", move || drop(lock.lock().unwrap()))
    };
    let all: Vec<_> = (0..30).map(wanting).collect();
    let rows = client.rows("q=wants+the+lock&for=Mutex", 30);
    assert!(
        rows[0]["wait"]
            .as_str()
            .unwrap()
            .starts_with("locking the mutex at "),
        "{}",
        rows[0]
    );

    let waits = client.json("/api/waits?limit=1000");
    let is_it = |it: &&Value| it["waiters"] == 30 && it["for"] == "Mutex";
    let lock_of_ours = waits["things"]
        .as_array()
        .unwrap()
        .iter()
        .find(is_it)
        .unwrap();
    assert_eq!(
        lock_of_ours["first"].as_array().unwrap().len(),
        20,
        "at {address}"
    );
    assert_eq!(lock_of_ours["first"][0]["name"], "wants the lock");
    assert_eq!(lock_of_ours["target"], Value::Null);
    drop(held);
    greenloop::joinall(all);
}

#[test]
fn a_place_that_spawns_much_is_told_with_its_stacks() {
    let client = Client::new();
    let end = Arc::new(Event::new());
    inspect::measure_stacks(1);
    let spawn = |deep: bool| {
        let end = Arc::clone(&end);
        named("sited", move || {
            if deep {
                return std::hint::black_box([1_u8; 30_000]).len();
            }
            end.wait();
            0
        })
    };
    assert_eq!(spawn(true).join().unwrap(), 30_000);
    let all: Vec<_> = (0..40).map(|_| spawn(false)).collect();
    let place = client.rows("q=sited&state=waiting", 40)[0]["place"].clone();
    inspect::measure_stacks(0);
    let sites = client.json("/api/sites?limit=1000");
    let sites = sites["sites"].as_array().unwrap();
    let site = sites.iter().find(|it| it["place"] == place).unwrap();
    assert!(site["count"].as_u64().unwrap() >= 40, "{site}");
    assert!(site["states"]["waiting"].as_u64().unwrap() >= 40, "{site}");
    assert!(site["high_water"].as_u64().unwrap() > 30_000, "{site}");
    end.set();
    greenloop::joinall(all);
}

#[test]
fn names_do_no_harm() {
    let client = Client::new();
    let end = Arc::new(Event::new());
    let waits = Arc::clone(&end);
    let name = "</script><script>alert('\"&')</script>";
    let harmful = named(name, move || waits.wait());
    let rows = client.rows("q=alert(", 1);
    assert_eq!(rows[0]["name"], name, "JSON has it as it is");
    let reply = client.ask("/api/threads?q=alert(");
    assert_eq!(reply.line("Content-Type"), Some("application/json"));
    assert!(
        !client.ask("/").body.contains("alert("),
        "and the page has no names"
    );
    let dump = client.ask("/api/dump.txt");
    assert_eq!(dump.line("Content-Type"), Some("text/plain; charset=utf-8"));
    assert!(dump.body.contains(name));
    end.set();
    harmful.join().unwrap();
}

#[test]
fn the_whole_dump_is_there_too() {
    let client = Client::new();
    let dump = client.json("/api/dump.json");
    assert!(!dump["workers"].as_array().unwrap().is_empty());
    let summary = client.json("/api/summary");
    assert_eq!(summary["process"], std::process::id());
    let states = summary["states"].as_object().unwrap().values();
    let sum: u64 = states.map(|it| it.as_u64().unwrap()).sum();
    assert_eq!(summary["green_threads"], sum);
}
