//! The examples that need a Redis server, each with one of its own; skipped if none is installed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use redis::Connection;

use crate::course::{errors, figures};
use crate::examples::{NOBODY, command, last_line, run};
use crate::within::LONG;

/// How many pages of the demo site are visited or fail.
const PAGES: f64 = 514.0;

#[test]
fn every_job_is_done_once() {
    let Some(server) = Server::start() else {
        return;
    };
    for (workers, jobs) in [("50", "5000"), ("20", "3"), ("1", "0"), ("300", "301")] {
        let flags = ["--workers", workers, "--jobs", jobs];
        let output = run(
            "redis_workers",
            &[&["--redis", &server.url], &flags[..]].concat(),
        );
        assert!(output.status.success(), "{output:?}");
        let said = format!("{jobs} of {jobs} jobs done by {workers} workers in ");
        assert!(last_line(&output).starts_with(&said), "{output:?}");
    }
    assert_eq!(server.keys(), 0, "nothing is left behind");
}

#[test]
fn a_missing_server_is_named() {
    let url = format!("redis://{NOBODY}/");
    let with_password = format!("redis://somebody:secret@{NOBODY}/");
    let site = Site::start();
    let cases: [(&str, &[&str]); 3] = [
        ("redis_workers", &["--redis", &url]),
        ("redis_workers", &["--redis", &with_password]),
        ("crawler", &["--redis", &url, &site.first]),
    ];
    for (program, arguments) in cases {
        let output = run(program, arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let errors = errors(&output);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].contains(NOBODY) && errors[0].contains("refused"),
            "{errors:?}"
        );
        assert!(!errors[0].contains("secret"), "{errors:?}");
    }
}

#[test]
fn wrong_flags_of_shared_programs_are_usage_errors() {
    let cases: [(&str, &[&str]); 5] = [
        ("redis_workers", &["--workers", "0"]),
        ("redis_workers", &["--jobs", "many"]),
        ("crawler", &["--redis", "redis://127.0.0.1/"]),
        ("crawler", &["--lease", "0"]),
        ("crawler", &["--serve", "127.0.0.1:0", "http://127.0.0.1/"]),
    ];
    for (program, arguments) in cases {
        let output = run(program, arguments);
        assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}");
    }
}

#[test]
fn two_processes_share_a_crawl() {
    let (Some(server), site) = (Server::start(), Site::start()) else {
        return;
    };
    for (pages, whole) in [("1000", PAGES), ("40", 40.0)] {
        let flags = ["--workers", "4", "--timeout", "5", "--pages", pages];
        let flags = server.flags(&flags, &site.first);
        let crawl = || run("crawler", &flags);
        let (one, other) = thread::scope(|scope| {
            let other = scope.spawn(crawl);
            (crawl(), other.join().unwrap())
        });
        let shares = [one, other].map(|output| share(&output, whole));
        assert_eq!(shares[0] + shares[1], whole, "{shares:?}");
        assert_eq!(server.keys(), 0, "the next crawl begins anew");
    }
}

#[test]
fn no_page_is_lost_with_a_killed_process() {
    let (Some(server), mut site) = (Server::start(), Site::start()) else {
        return;
    };
    let flags = ["--workers", "4", "--timeout", "5", "--lease", "2"];
    let first = site.first.clone();
    let flags = server.flags(&flags, &first);
    let mut killed = Running::start(command("crawler", &flags).stderr(Stdio::null()));
    site.wait_for(50);
    let survivor = thread::scope(|scope| {
        let survivor = scope.spawn(|| run("crawler", &flags));
        site.wait_for(100);
        killed.0.kill().unwrap();
        assert_eq!(
            killed.0.wait().unwrap().signal(),
            Some(9),
            "it ended before"
        );
        survivor.join().unwrap()
    });
    let own = share(&survivor, PAGES);
    assert!(own > 0.0 && own < PAGES, "{survivor:?}");
    let sums = figures(&last_line(&survivor));
    assert_eq!(
        [sums[0], sums[4], sums[5]],
        [503.0, 11.0, 1.0],
        "{survivor:?}"
    );
    site.wait_for(500);
    let put_back = errors(&survivor)
        .into_iter()
        .filter(|line| line.contains("silent processes"))
        .flat_map(figures)
        .sum::<f64>();
    assert!((1.0..=4.0).contains(&put_back), "{survivor:?}");
}

/// How many of `whole` pages this process says that it has done; the whole has to add up.
fn share(output: &Output, whole: f64) -> f64 {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let [first, last] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("{output:?}")
    };
    let (shares, sums) = (figures(first), figures(last));
    assert_eq!(shares[1], whole, "{output:?}");
    assert_eq!(sums[0] + sums[4], whole, "{output:?}");
    shares[0]
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        Running(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Redis server on a free port.
struct Server {
    url: String,
    _process: Running,
}

impl Server {
    /// Says so, and is none, if no server is installed.
    fn start() -> Option<Server> {
        let start = Instant::now();
        while start.elapsed() < LONG {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port().to_string();
            drop(free); // somebody else may take it before the server does
            match redis_server(&port).spawn() {
                Ok(child) => {
                    let server = Server {
                        url: format!("redis://127.0.0.1:{port}/"),
                        _process: Running(child),
                    };
                    if server.is_ready() {
                        return Some(server);
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    eprintln!("skipped: redis-server is not installed");
                    return None;
                }
                Err(error) => panic!("redis-server: {error}"),
            }
        }
        panic!("redis-server did not start");
    }

    fn is_ready(&self) -> bool {
        let tries = 0..500;
        tries.into_iter().any(|_| {
            thread::sleep(Duration::from_millis(10));
            self.connect().is_ok()
        })
    }

    fn connect(&self) -> redis::RedisResult<Connection> {
        redis::Client::open(self.url.as_str())?.get_connection()
    }

    fn keys(&self) -> u32 {
        let mut connection = self.connect().unwrap();
        redis::cmd("DBSIZE").query(&mut connection).unwrap()
    }

    /// The crawler's flags to share a crawl from this page.
    fn flags<'a>(&'a self, flags: &[&'a str], first: &'a str) -> Vec<&'a str> {
        [&["--redis", &self.url, first], flags].concat()
    }
}

fn redis_server(port: &str) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", port, "--save", ""]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The demo site, in a process of its own.
struct Site {
    first: String,
    asked: BTreeSet<String>,
    lines: Receiver<String>,
    _process: Running,
}

impl Site {
    fn start() -> Site {
        let serve = &mut command("crawler", &["--serve", "127.0.0.1:0"]);
        let mut process = Running::start(serve.stdout(Stdio::piped()));
        let output = BufReader::new(process.0.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        let said = lines.recv_timeout(LONG).unwrap();
        let first = said.strip_prefix("the demo site begins at ");
        Site {
            first: first.expect("its first line").into(),
            asked: BTreeSet::new(),
            lines,
            _process: process,
        }
    }

    /// Waits until so many of its five hundred pages have been asked for.
    fn wait_for(&mut self, pages: usize) {
        while self.asked.len() < pages {
            let line = self.lines.recv_timeout(LONG).expect("a page is asked for");
            if line.starts_with("GET /page/") {
                self.asked.insert(line);
            }
        }
    }
}
