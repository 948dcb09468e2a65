//! The crawler, on its demo site and on sites made to mislead it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::course::{errors, figures};
use crate::examples::{NOBODY, last_line, run, stalled_site};

#[test]
fn the_demo_site_is_crawled_whole() {
    let output = run("crawler", &[]);
    assert!(output.status.success(), "{output:?}");
    let line = last_line(&output);
    let [pages, bytes, seconds, per_second, failed, forbidden] = figures(&line)[..] else {
        panic!("{line}")
    };
    // Five hundred, two that redirect to each other, and the beginning of the one without end.
    assert_eq!([pages, failed, forbidden], [503.0, 11.0, 1.0], "{line}");
    assert!(
        bytes > f64::from(1 << 20) && bytes < 2.0 * f64::from(1 << 20),
        "{line}"
    );
    assert!(
        (pages / seconds - per_second).abs() < 0.1 * per_second,
        "{line}"
    );
    let errors = errors(&output);
    assert_eq!(
        errors.iter().filter(|line| line.contains("404")).count(),
        10,
        "{errors:?}"
    );
    let stalled = errors.iter().find(|line| line.contains("/stalled: "));
    assert!(stalled.unwrap().ends_with("the time ran out"), "{errors:?}");
}

#[test]
fn the_crawler_visits_so_many_pages_and_no_more() {
    let output = run(
        "crawler",
        &["--timeout", "1", "--pages", "40", "--workers", "3"],
    );
    let line = last_line(&output);
    let sums = figures(&line);
    assert_eq!(sums[0] + sums[4], 40.0, "{line}");
}

#[test]
fn the_crawler_stays_on_its_site_and_keeps_to_its_rules() {
    let elsewhere = Site::start(|_| Some("<a href=/more>more</a>".into()));
    let link = format!("<a href={}>elsewhere</a>", elsewhere.url);
    let site = Site::start(move |path| {
        let page = match path {
            "/robots.txt" => {
                "User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /no".into()
            }
            "/" => {
                format!("{link} <a href='a#1'>a<a href='./a?#2'>b</a><a href=/nobody><A HREF=b>")
            }
            "/b" => "<!-- <a href=/comment> --> <script>'<a href=/script>'</script>".into(),
            "/a" | "/a?" => {
                "<a href=' / '>again</a> <a href=//[> <a href=mailto:a@b> <a name=c>".into()
            }
            _ => return None,
        };
        Some(page)
    });
    let output = run("crawler", &[&site.url]);
    let line = last_line(&output);
    assert!(output.status.success(), "{output:?}");
    let asked = site.asked();
    let paths: Vec<&str> = asked.keys().map(String::as_str).collect();
    assert_eq!(paths, ["/", "/a", "/a?", "/b", "/robots.txt"], "{line}");
    assert!(asked.values().all(|count| *count == 1), "{asked:?}");
    assert!(elsewhere.asked().is_empty());
    assert_eq!(figures(&line)[4..], [0.0, 1.0], "{line}");
}

#[test]
fn a_site_that_cannot_be_crawled_is_told_and_fails() {
    let refused = format!("http://{NOBODY}/");
    for url in [refused, stalled_site()] {
        let output = run("crawler", &[&url, "--timeout", "1"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let errors = errors(&output);
        assert!(
            errors.len() == 1 && errors[0].starts_with("crawler: "),
            "{errors:?}"
        );
        assert!(errors[0].contains(&url), "{errors:?}");
    }
    let empty = Site::start(|_| None);
    let forbidden = Site::start(|_| Some("User-agent: *\nDisallow: /".into()));
    for (site, sums) in [(&empty, [1.0, 0.0]), (&forbidden, [0.0, 1.0])] {
        let output = run("crawler", &[&site.url]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(figures(&last_line(&output))[4..], sums, "{output:?}");
    }
}

#[cfg(not(feature = "monkey"))]
#[test]
fn a_shared_crawl_says_which_feature_it_needs() {
    let site = Site::start(|_| None);
    let output = run("crawler", &["--redis", "redis://127.0.0.1/", &site.url]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = errors(&output);
    assert!(
        errors.len() == 1 && errors[0].contains("--features monkey --example crawler"),
        "{errors:?}"
    );
}

/// A site that counts how often each path is asked for; 404 for what `page` has none for.
struct Site {
    url: String,
    asked: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Site {
    fn start(page: impl Fn(&str) -> Option<String> + Send + 'static) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(BTreeMap::new()));
        let counts = asked.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let head = BufReader::new(stream.try_clone().unwrap()).lines();
                let head = head
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty());
                let request: Vec<String> = head.collect();
                let path = request[0].split(' ').nth(1).unwrap();
                *counts.lock().unwrap().entry(path.to_owned()).or_insert(0) += 1;
                let (status, body) = match page(path) {
                    Some(body) => ("200 OK", body),
                    None => ("404 Not Found", String::new()),
                };
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\
                     Content-Length: {length}\r\n\r\n{body}"
                );
            }
        });
        Site { url, asked }
    }

    fn asked(&self) -> BTreeMap<String, u32> {
        self.asked.lock().unwrap().clone()
    }
}
