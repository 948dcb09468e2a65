//! Prefork, by its example: processes that serve one port, through deaths, reloads and the end.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use greenloop::signal::{SIGHUP, SIGKILL, SIGTERM};

use crate::examples::command;
use crate::graceful::signal_to;
use crate::served::Served;
use crate::within::{LONG, until, within};

/// The example, with so many workers, all of which answer.
struct Site {
    served: Served,
}

impl Site {
    fn start(workers: usize) -> Site {
        let served = Served::start("prefork_server", &["--workers", &workers.to_string()]);
        let site = Site { served };
        until("all workers serve", || site.serving().len() == workers);
        site
    }

    fn master(&self) -> u32 {
        self.served.child.id()
    }

    /// Its children that are this program anew, and have taken their standard input, as workers do
    /// before they serve.
    fn serving(&self) -> Vec<u32> {
        let taken = |id: &u32| {
            let input = fs::read_link(format!("/proc/{id}/fd/0"));
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            input.is_ok_and(|input| input.as_os_str() == "/dev/null")
                && variables.any(|variable| variable.starts_with(b"GREENLOOP_PREFORK="))
        };
        children(self.master()).into_iter().filter(taken).collect()
    }

    fn get(&self) -> u32 {
        get(&self.served.address, "/").unwrap()
    }

    fn signal(&self, signal: i32) {
        signal_to(self.master(), signal);
    }

    /// Waits for the end of the master, which must be a good one, and of all workers.
    fn has_ended_well(mut self, workers: &[u32]) {
        assert_eq!(self.served.child.wait().unwrap().code(), Some(0));
        all_end(workers);
    }
}

fn all_end(workers: &[u32]) {
    until("all workers end", || !workers.iter().any(|id| lives(*id)));
}

/// Not gone, and no zombie: whoever inherits orphans may be slow to wait for them.
fn lives(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !"ZX".contains(state))
}

pub(crate) fn children(parent: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let read = |task: fs::DirEntry| fs::read_to_string(task.path().join("children"));
    let texts = tasks.map(|task| read(task.unwrap()).unwrap_or_default());
    let texts: Vec<String> = texts.collect();
    let ids = texts.iter().flat_map(|text| text.split_whitespace());
    ids.map(|id| id.parse().unwrap()).collect()
}

/// The number of the process that answers; an error if a connection fails or is cut.
fn get(address: &str, path: &str) -> std::io::Result<u32> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LONG))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let body = text.rsplit("\r\n").next().unwrap_or_default();
    let id = body.trim().parse();
    id.map_err(|_| std::io::Error::new(ErrorKind::UnexpectedEof, format!("{text:?}")))
}

/// Clients that connect, ask and close, over and over.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<std::io::Error>>>,
}

impl Load {
    fn start(address: &str, clients: usize) -> Load {
        let (stop, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let client = |_| {
            let (stop, answers) = (stop.clone(), answers.clone());
            let address = address.to_owned();
            thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match get(&address, "/") {
                        Ok(_) => _ = answers.fetch_add(1, Ordering::Relaxed),
                        Err(error) => failures.push(error),
                    }
                }
                failures
            })
        };
        let clients = (0..clients).map(client).collect();
        Load {
            stop,
            answers,
            clients,
        }
    }

    /// Waits for so many answers more.
    fn goes_on(&self, count: usize) {
        let before = self.answers.load(Ordering::Relaxed);
        until("the load goes on", || {
            self.answers.load(Ordering::Relaxed) >= before + count
        });
    }

    fn failures(self) -> Vec<std::io::Error> {
        self.stop.store(true, Ordering::Relaxed);
        let ends = self
            .clients
            .into_iter()
            .map(|client| client.join().unwrap());
        ends.flatten().collect()
    }
}

#[test]
fn a_killed_worker_is_replaced_and_costs_its_own_connections_alone() {
    within(LONG, || {
        let site = Site::start(3);
        let before = descriptors(site.master());
        let load = Load::start(&site.served.address, 4);
        for _ in 0..5 {
            load.goes_on(50);
            let victim = site.serving()[0];
            signal_to(victim, SIGKILL);
            until("another worker comes", || {
                let serving = site.serving();
                serving.len() == 3 && !serving.contains(&victim)
            });
        }
        load.goes_on(50);
        // At most what each client had under way with the victim.
        let failures = load.failures();
        assert!(failures.len() <= 5 * 4, "{failures:?}");
        let refused = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
        assert!(!failures.iter().any(refused), "{failures:?}");
        // One for each worker may have been still to come at first.
        until("the master keeps no descriptors", || {
            descriptors(site.master()) <= before + 3
        });
        let workers = site.serving();
        site.signal(SIGTERM);
        site.has_ended_well(&workers);
    });
}

fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

#[test]
fn a_reload_fails_no_client() {
    within(LONG, || {
        let site = Site::start(3);
        let load = Load::start(&site.served.address, 6);
        for _ in 0..5 {
            let old = site.serving();
            load.goes_on(50);
            site.signal(SIGHUP);
            until("all workers are new ones", || {
                let now = children(site.master());
                now.len() == 3 && !now.iter().any(|id| old.contains(id))
            });
        }
        load.goes_on(50);
        let failures = load.failures();
        assert!(failures.is_empty(), "{failures:?}");
    });
}

/// Nothing is tested where it is not installed.
#[test]
fn a_reload_fails_no_request_of_wrk() {
    within(LONG, || {
        let site = Site::start(2);
        let url = format!("http://{}/", site.served.address);
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", "-c8", "-d4s", &url]);
        let wrk = wrk.stdout(Stdio::piped()).spawn();
        let Ok(wrk) = wrk else {
            return eprintln!("wrk is not installed");
        };
        for _ in 0..3 {
            let old = site.serving();
            site.signal(SIGHUP);
            until("all workers are new ones", || {
                !site.serving().iter().any(|id| old.contains(id))
            });
        }
        let said = wrk.wait_with_output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("requests in"), "{said}");
        assert!(
            !said.contains("Socket errors") && !said.contains("Non-2xx"),
            "{said}"
        );
    });
}

#[test]
fn the_end_waits_for_answers_under_way_and_refuses_new_ones() {
    within(LONG, || {
        for signal in [SIGTERM, greenloop::signal::SIGINT] {
            let site = Site::start(2);
            let workers = site.serving();
            let address = site.served.address.clone();
            let (under_way, asked) = (Arc::new(AtomicBool::new(false)), address.clone());
            let slow = {
                let under_way = under_way.clone();
                thread::spawn(move || slow_answer(&asked, &under_way))
            };
            until("the request is under way", || {
                under_way.load(Ordering::SeqCst)
            });
            site.signal(signal);
            assert!(workers.contains(&slow.join().unwrap()));
            site.has_ended_well(&workers);
            let error = TcpStream::connect(&address).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
    });
}

/// Asks for what takes a second, and says when that has been accepted.
fn slow_answer(address: &str, under_way: &AtomicBool) -> u32 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\n\r\n").unwrap();
    // What comes later is accepted later.
    get(address, "/").unwrap();
    under_way.store(true, Ordering::SeqCst);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.rsplit("\r\n").next().unwrap().trim().parse().unwrap()
}

#[test]
fn workers_without_a_master_end() {
    within(LONG, || {
        let site = Site::start(3);
        let workers = site.serving();
        signal_to(site.master(), SIGKILL);
        all_end(&workers);
    });
}

#[test]
fn workers_have_the_listener_in_common_and_nothing_else() {
    within(LONG, || {
        let site = Site::start(2);
        site.get();
        let workers = site.serving();
        // What a process that has not quite started yet has of its master's is closed in time.
        until("the listener alone is shared", || {
            let [one, other] = [workers[0], workers[1]].map(sockets);
            let of_master = sockets(site.master());
            let with = |those: &[PathBuf]| one.iter().filter(|it| those.contains(it)).count();
            with(&other) == 1 && with(&of_master) == 1
        });
    });
}

/// The sockets of a process other than its standard streams, each once, by their names.
fn sockets(id: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let own = paths.filter(|path| !["0", "1", "2"].iter().any(|name| path.ends_with(name)));
    let targets = own.filter_map(|path| fs::read_link(path).ok());
    let is_socket = |target: &PathBuf| target.to_string_lossy().starts_with("socket:");
    let mut sockets: Vec<_> = targets.filter(is_socket).collect();
    sockets.sort();
    sockets.dedup();
    sockets
}

#[test]
fn names_of_the_masters_own_sockets_are_not_handed_on() {
    within(LONG, || {
        let mut program = command("prefork_server", &["127.0.0.1:0", "--workers", "1"]);
        program.env("LISTEN_FDNAMES", "of:another:list");
        let site = Site {
            served: Served::run(program),
        };
        until("the worker serves", || site.serving().len() == 1);
        let environment = fs::read(format!("/proc/{}/environ", site.serving()[0])).unwrap();
        let variables: Vec<_> = environment.split(|byte| *byte == 0).collect();
        let has = |start: &[u8]| variables.iter().any(|it| it.starts_with(start));
        assert!(has(b"LISTEN_FDS=1") && !has(b"LISTEN_FDNAMES="));
    });
}

/// What systemd's own program hands over; nothing is tested where it is not installed.
#[test]
fn the_master_may_be_activated_by_its_first_client() {
    within(LONG, || {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let program = command("prefork_server", &[]);
        let activator = Command::new("systemd-socket-activate")
            .args(["-l", &address])
            .arg(program.get_program())
            .args(["127.0.0.1:1", "--workers", "2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut activator) = activator else {
            return eprintln!("systemd-socket-activate is not installed");
        };
        let mut said = BufReader::new(activator.stderr.take().unwrap());
        let mut line = String::new();
        while said.read_line(&mut line).unwrap() > 0 && !line.contains("Listening on") {}
        let answering = get(&address, "/").unwrap();
        let workers = children(activator.id()); // it has become the master
        assert!(workers.contains(&answering), "{workers:?}");
        signal_to(activator.id(), SIGTERM);
        assert!(activator.wait().unwrap().success());
        all_end(&workers);
    });
}
