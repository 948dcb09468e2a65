//! The numbers of the workers, as JSON and for Prometheus.

use greenloop::{joinall, spawn, spawn_blocking, yield_now};

use crate::client::Client;

const TOKEN: &str = "0123456789abcdef";

#[test]
fn what_was_done_is_counted() {
    let client = Client::new();
    let before = client.json("/api/metrics");
    joinall((0..100).map(|_| spawn(|| (0..100).for_each(|_| yield_now()))));
    spawn_blocking(|| ()).join().unwrap();
    let after = client.json("/api/metrics");
    let grown = |key: &str| {
        let [after, before] = [&after, &before].map(|it| it["total"][key].as_u64().unwrap());
        after - before
    };
    assert!(grown("started") >= 100, "{after}");
    assert!(grown("switches") >= 100 * 100, "{after}");
    assert!(after["total"]["busy"].as_f64().unwrap() > 0.0, "{after}");
    assert!(after["blocking_threads"].as_u64().unwrap() >= 1, "{after}");
    for key in [
        "live",
        "full",
        "stacks_hot",
        "stacks_cold",
        "blocking_idle",
        "blocking_queued",
    ] {
        assert!(after[key].is_u64(), "{key}: {after}");
    }
    assert!(after["offences"].is_u64(), "{after}");

    let workers = after["workers"].as_array().unwrap();
    assert!(workers.iter().any(|it| it["hub"] == false), "{after}");
    for key in [
        "steals",
        "woken",
        "polls",
        "live",
        "queued",
        "unstarted",
        "timers",
    ] {
        let sum: u64 = workers.iter().map(|it| it[key].as_u64().unwrap()).sum();
        assert_eq!(after["total"][key], sum, "{key}");
    }
    let latency = &after["total"]["latency"];
    let buckets = latency["buckets"].as_array().unwrap();
    let samples: u64 = buckets.iter().map(|it| it[1].as_u64().unwrap()).sum();
    assert_eq!(latency["count"], samples);
    assert!(
        samples > 0 && latency["sum"].as_f64().unwrap() > 0.0,
        "{latency}"
    );
    assert!(latency["p50"].as_f64().unwrap() > 0.0, "{latency}");
    assert_eq!(
        (&buckets[0][0], &buckets[23][0]),
        (&1e-6.into(), &().into())
    );
}

#[test]
fn prometheus_gets_its_text_with_the_token_alone() {
    let serving = greenloop::inspect::console().token(TOKEN);
    let client = Client::of(&serving.serve("127.0.0.1:0").unwrap());
    assert_eq!(client.ask("/metrics").status, 401);
    let token = format!("Authorization: Bearer {TOKEN}");
    let reply = client.ask_with("/metrics", &["Host: localhost", &token]);
    let kind = reply.line("Content-Type").unwrap();
    assert!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
    assert!(
        reply
            .body
            .contains("\ngreenloop_switches_total{worker=\"0\"} "),
        "{reply:?}"
    );
    assert!(reply.body.ends_with("# EOF\n"), "{reply:?}");
    let reply = client.ask_with("/metrics?limit=1", &["Host: localhost", &token]);
    assert_eq!(reply.status, 400);
}
