//! Who may look: addresses, tokens, host names, and what a browser may do with the page.

use std::io::ErrorKind;
use std::time::Duration;

use greenloop::inspect;

use crate::client::Client;
use crate::within::{LONG, within};

const TOKEN: &str = "0123456789abcdef";

#[test]
fn other_machines_need_a_token() {
    for addr in ["0.0.0.0:0", "[::]:0"] {
        let error = inspect::serve(addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("a token is needed"), "{error}");
        inspect::console().token(TOKEN).serve(addr).unwrap();
    }
    // It is not tried: whether it would be free is another question.
    let busy = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let addr = busy.local_addr().unwrap();
    let error = inspect::serve(addr).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let loopback = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    for addrs in [[loopback, addr], [addr, loopback]] {
        let error = inspect::serve(&addrs[..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    inspect::serve("[::1]:0").unwrap();
    inspect::serve("[::ffff:127.0.0.1]:0").unwrap();
}

#[test]
fn a_token_that_is_no_good_is_refused() {
    let tokens = [
        "",
        "123456789012345",
        "0123456789abcde\n",
        "0123456789abcdeé",
        " 0123456789abcdef",
    ];
    for token in tokens {
        let error = inspect::console()
            .token(token)
            .serve("127.0.0.1:0")
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{token:?}");
    }
}

#[test]
fn a_token_is_asked_for_and_never_told() {
    let console = inspect::console().token(TOKEN);
    assert!(!format!("{console:?}").contains(TOKEN));
    let serving = console.serve("127.0.0.1:0").unwrap();
    let client = Client::of(&serving);
    let ask = |path: &str, line: &str| client.ask_with(path, &["Host: localhost", line]);

    let right = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(ask("/api/summary", &right).status, 200);
    let wrong = [
        "X: none".to_owned(),
        right.replace('f', "e"),
        right.replace("def", ""),
        format!("{right}0"),
        right.replace("Bearer", "Basic"),
        "Authorization: Bearer".to_owned(),
    ];
    for line in wrong {
        let reply = ask("/api/summary", &line);
        assert_eq!(reply.status, 401, "{line}");
        assert_eq!(reply.line("WWW-Authenticate"), Some("Bearer"));
        assert!(!reply.body.contains(TOKEN));
    }
    assert_eq!(
        client.ask(&format!("/api/summary?token={TOKEN}")).status,
        401
    );
    assert_eq!(
        client.ask("/api/nothing").status,
        401,
        "nor is told what there is"
    );
    assert_eq!(
        client.ask("/").status,
        200,
        "the page itself takes the token"
    );
}

#[test]
fn a_foreign_name_of_this_machine_is_refused() {
    let serving = inspect::console()
        .host("Build.example")
        .serve("127.0.0.1:0")
        .unwrap();
    let client = Client::of(&serving);
    let status = |host: &str| {
        client
            .ask_with("/api/summary", &[&format!("Host: {host}")])
            .status
    };
    let good = [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1",
        "127.0.0.1:6060",
        "[::1]:1",
        "build.example:7",
    ];
    for host in good {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:6060",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
    ] {
        assert_eq!(status(host), 403, "{host}");
    }
    assert_eq!(client.ask_with("/", &["Host: evil.example"]).status, 403);
    assert_eq!(client.ask_with("/", &[]).status, 400);
    assert_eq!(
        client
            .ask_with("/", &["Host: localhost", "Host: evil.example"])
            .status,
        400
    );
}

#[test]
fn a_browser_may_do_nothing_else_with_it() {
    let client = Client::new();
    for path in [
        "/",
        "/page.js",
        "/page.css",
        "/api/summary",
        "/api/dump.txt",
        "/nothing",
    ] {
        let reply = client.ask_with(path, &["Host: localhost", "Origin: http://evil.example"]);
        let policy = reply.line("Content-Security-Policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"));
        assert!(
            !reply.head.to_lowercase().contains("access-control"),
            "{path}: {}",
            reply.head
        );
        assert_eq!(reply.line("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(
            reply.line("Cross-Origin-Resource-Policy"),
            Some("same-origin")
        );
        assert_eq!(reply.line("Cache-Control"), Some("no-store"));
    }
}

#[test]
fn a_page_that_is_stopped_is_gone() {
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    assert_eq!(Client::of(&serving).ask("/").status, 200);
    assert!(serving.stop(LONG));
    assert!(std::net::TcpStream::connect(serving.local_addr()).is_err());
}

#[test]
fn a_hub_serves_its_own_page_and_ends_with_it() {
    let addr = within(LONG, || {
        greenloop::run(|| {
            let serving = inspect::serve("127.0.0.1:0").unwrap();
            let client = Client::of(&serving);
            // The hub is this thread: another one has to ask.
            let asking = greenloop::spawn_blocking(move || client.json("/api/summary"));
            let summary = asking.join().unwrap();
            let is_hub = |it: &serde_json::Value| it["hub"] == true;
            assert!(
                summary["workers"].as_array().unwrap().iter().any(is_hub),
                "{summary}"
            );
            serving.local_addr()
        })
    });
    assert!(std::net::TcpStream::connect_timeout(&addr, Duration::from_secs(5)).is_err());
}
