//! Green threads that wait for each other: told by the page while that lasts, and afterwards. Each in a
//! process of its own: above every page there is a list of the deadlocks, so that a click misses what
//! it was meant for when another test has one.

use std::sync::{Arc, mpsc};

use greenloop::sync::{Event, Mutex};
use greenloop::{Builder, JoinHandle, inspect, scope, thread};
use serde_json::Value;

use crate::child::{Child, this_test};
use crate::client::Client;
use crate::within::{LONG, until};

/// Two that each hold a lock, and want the other's. A kill of one lets the other one go on.
pub(crate) fn two_locks(left: &str, right: &str) -> [JoinHandle<()>; 2] {
    let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
    let both_hold = Arc::new([Event::new(), Event::new()]);
    let member = |name: &str, mine: usize| {
        let (locks, both_hold) = (Arc::clone(&locks), Arc::clone(&both_hold));
        let builder = Builder::new().name(name.into());
        let takes_both = move || {
            let _first = locks[mine].lock().unwrap();
            both_hold[mine].set();
            both_hold[1 - mine].wait();
            drop(locks[1 - mine].lock());
        };
        builder.spawn(takes_both).unwrap()
    };
    [member(left, 0), member(right, 1)]
}

/// The one that has a member with this name.
fn with_member(answer: &Value, name: &str) -> Option<Value> {
    let deadlocks = answer["deadlocks"].as_array().unwrap();
    let has = |it: &&Value| {
        let members = it["members"].as_array().unwrap();
        members.iter().any(|it| it["name"] == name)
    };
    deadlocks.iter().find(has).cloned()
}

/// That, once it is told.
pub(crate) fn deadlock_of(client: Client, name: &str) -> Value {
    let ask = || with_member(&client.json("/api/deadlocks?limit=100"), name);
    until("it is found", || ask().is_some());
    ask().unwrap()
}

#[test]
fn two_locks_are_told_with_members_locks_and_places() {
    Child::new(this_test!()).limit(LONG).passes(|| {
        let client = Client::new();
        let all = two_locks("takes left first", "takes right first");
        let deadlock = deadlock_of(client, "takes left first");
        assert_eq!(
            (&deadlock["present"], &deadlock["count"]),
            (&true.into(), &2.into())
        );
        let members = deadlock["members"].as_array().unwrap();
        for (member, next) in [(&members[0], &members[1]), (&members[1], &members[0])] {
            assert_eq!(member["for"], "Mutex");
            assert_eq!(member["holder"]["id"], next["id"], "{deadlock}");
            assert_eq!(member["holder"]["name"], next["name"], "{deadlock}");
            let [wait, place] = ["wait", "place"].map(|it| member[it].as_str().unwrap());
            assert!(wait.starts_with("locking the mutex at 0x"), "{wait}");
            assert!(place.contains("deadlocks.rs:"), "{place}");
        }
        let summary = client.json("/api/summary");
        let present = summary["deadlocks"]["present"].as_u64().unwrap();
        let reported = summary["deadlocks"]["reported"].as_u64().unwrap();
        assert!(1 <= present && present <= reported, "{summary}");

        let story = client.json(&format!("/api/thread?id={}", members[0]["id"]));
        assert_eq!(story["row"]["deadlocked"], true);
        let waits = client.json("/api/waits?limit=1000");
        let things = waits["things"].as_array().unwrap();
        let marked = things.iter().filter(|it| it["deadlocked"] == true);
        let marked: Vec<_> = marked.map(|it| &it["first"][0]).collect();
        for member in members {
            let is_it = |it: &&&Value| it["id"] == member["id"] && it["deadlocked"] == true;
            assert!(marked.iter().any(|it| is_it(&it)), "{waits}");
        }
        let first_free = things.iter().position(|it| it["deadlocked"] == false);
        let after = &things[first_free.unwrap_or(things.len())..];
        assert!(after.iter().all(|it| it["deadlocked"] == false), "{waits}");

        all[0].kill();
        let [killed, freed] = all;
        assert!(killed.join().is_err());
        freed.join().unwrap();
        let deadlock = deadlock_of(client, "takes left first");
        assert_eq!(deadlock["present"], false, "it has ended: {deadlock}");
    });
}

#[test]
fn a_scope_waits_for_the_one_that_waits_for_its_owner() {
    Child::new(this_test!()).limit(LONG).passes(|| {
        let client = Client::new();
        let builder = Builder::new().name("owner of a scope".into());
        let owns = || {
            let mutex = Mutex::new(());
            let _held = mutex.lock();
            scope(|s| {
                s.spawn(|| drop(mutex.lock()));
                s.spawn(thread::park);
            });
        };
        let owner = builder.spawn(owns).unwrap();
        let deadlock = deadlock_of(client, "owner of a scope");
        let members = deadlock["members"].as_array().unwrap();
        assert_eq!((members.len(), &deadlock["present"]), (2, &true.into()));
        let is_owner = |it: &&Value| it["name"] == "owner of a scope";
        let told = members.iter().find(is_owner).unwrap();
        let child = members.iter().find(|it| !is_owner(it)).unwrap();
        assert_eq!(told["for"], "scope");
        let waits = client.json("/api/waits?limit=1000");
        let things = waits["things"].as_array().unwrap();
        let of_scopes = things.iter().filter(|it| it["for"] == "scope");
        let thing = of_scopes
            .clone()
            .find(|it| it["target"]["id"] == child["id"]);
        let thing = thing.unwrap_or_else(|| panic!("no edge to the child: {waits}"));
        assert_eq!(thing["deadlocked"], true);
        assert_eq!(thing["first"][0]["id"], told["id"]);
        let owners = of_scopes.filter(|it| it["first"][0]["id"] == told["id"]);
        assert_eq!(owners.count(), 1, "the one that parks is no part of it");
        let story = client.json(&format!("/api/thread?id={}", child["id"]));
        assert_eq!(story["joiners"], serde_json::json!([told["id"]]));
        owner.kill();
    });
}

#[test]
fn whoever_waits_for_a_deadlock_is_no_member_of_it() {
    Child::new(this_test!()).limit(LONG).passes(|| {
        let client = Client::new();
        let [left, right] = two_locks("joined left", "joined right");
        let deadlock = deadlock_of(client, "joined left");
        let members = deadlock["members"].as_array().unwrap();
        let joined = members.iter().find(|it| it["name"] == "joined left");
        let id = &joined.unwrap()["id"];
        let builder = Builder::new().name("joins the left".into());
        let joiner = builder.spawn(move || left.join()).unwrap();
        let row = client.rows("q=joins+the+left&for=join", 1)[0].clone();
        assert_eq!(row["deadlocked"], false);
        let waits = client.json("/api/waits?limit=1000");
        let things = waits["things"].as_array().unwrap();
        let join = things.iter().find(|it| it["target"]["id"] == *id).unwrap();
        assert_eq!(join["deadlocked"], false, "{join}");
        assert_eq!(join["first"][0]["name"], "joins the left");
        right.kill();
        joiner.join().unwrap().unwrap();
    });
}

#[test]
fn the_last_hundred_are_kept() {
    Child::new(this_test!()).limit(LONG).passes(|| {
        let client = Client::new();
        let all: Vec<_> = (0..120).flat_map(|_| two_locks("one", "other")).collect();
        let reported = || client.json("/api/deadlocks?limit=0")["reported"] == 120;
        until("all are found", reported);
        let kept = deadlocks(client);
        assert_eq!(kept.len(), 100);
        assert_eq!(
            (&kept[0]["number"], &kept[99]["number"]),
            (&120.into(), &21.into())
        );
        greenloop::killall(&all, None).unwrap();
        assert!(deadlocks(client).iter().all(|it| it["present"] == false));
    });
}

fn deadlocks(client: Client) -> Vec<Value> {
    let answer = client.json("/api/deadlocks?limit=1000");
    answer["deadlocks"].as_array().unwrap().clone()
}

#[test]
fn one_that_was_found_before_the_page_was_served_is_told() {
    Child::new(this_test!()).passes(|| {
        let (found, finds) = mpsc::channel();
        inspect::on_deadlock(move |_| found.send(()).unwrap());
        let [left, right] = two_locks("left before the page", "right before the page");
        finds.recv_timeout(LONG).unwrap();
        let client = Client::new();
        let told = deadlocks(client);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            (&told[0]["number"], &told[0]["present"]),
            (&1.into(), &true.into())
        );
        let names = told[0]["members"].as_array().unwrap().iter();
        assert!(
            names
                .map(|it| &it["name"])
                .any(|it| it == "left before the page")
        );
        let counted = client.json("/api/summary")["deadlocks"].clone();
        assert_eq!(
            (&counted["present"], &counted["reported"]),
            (&1.into(), &1.into())
        );
        left.kill();
        right.join().unwrap();
    });
}
