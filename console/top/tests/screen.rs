//! The screen in a real pseudo-terminal: driven by keys, resized, and left as it was found.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use greenloop::{Builder, JoinHandle, inspect, thread};
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::tcgetattr;

/// Long enough for everything that does not hang, on a slow and busy machine.
const LONG: Duration = Duration::from_secs(60);
const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const CTRL_C: &str = "\x03";

/// `greenloop-top` in a terminal.
struct Top {
    pty: Arc<Pty>,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Child,
    /// How the terminal was set before.
    before: String,
}

impl Top {
    fn start(address: SocketAddr, args: &[&str]) -> Top {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(24, 120)).unwrap();
        let before = settings(&pty);
        let command = Command::new(env!("CARGO_BIN_EXE_greenloop-top"));
        let command = command.arg(address.to_string()).args(args);
        let child = command.env_remove("GREENLOOP_TOKEN").spawn(pts).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(some(24), some(120), 0)));
        let pty = Arc::new(pty);
        let (from, to) = (Arc::clone(&pty), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It fails when the last one who has the terminal open has ended.
            while let Ok(count) = (&*from).read(&mut bytes) {
                to.lock().unwrap().process(&bytes[..count]);
            }
        });
        Top {
            pty,
            screen,
            child,
            before,
        }
    }

    fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    fn resize(&self, rows: u16, columns: u16) {
        let mut screen = self.screen.lock().unwrap();
        screen.screen_mut().set_size(some(rows), some(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// The line that is marked, if one is.
    fn marked(&self) -> Option<String> {
        let screen = self.screen.lock().unwrap();
        let screen = screen.screen();
        let is_marked = |row: &u16| screen.cell(*row, 1).is_some_and(|it| it.inverse());
        let (rows, columns) = screen.size();
        let row = (0..rows.get()).find(is_marked)?;
        screen.rows(0, columns.get()).nth(row.into())
    }

    #[track_caller]
    fn until(&self, what: &str, is: impl Fn(&Top) -> bool) {
        let start = Instant::now();
        while !is(self) {
            assert!(start.elapsed() < LONG, "never: {what}\n{}", self.text());
            sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        self.until(text, |it| it.text().contains(text));
    }

    /// Waits for its end, which leaves the terminal as it was.
    #[track_caller]
    fn ends(mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < LONG, "it does not end\n{}", self.text());
            sleep(Duration::from_millis(5));
        };
        assert_eq!(settings(&self.pty), self.before);
        self.until("the first screen is back", |it| {
            let screen = it.screen.lock().unwrap();
            !screen.screen().alternate_screen() && !screen.screen().hide_cursor()
        });
        (status, self.text())
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn some(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

fn settings(pty: &Pty) -> String {
    format!("{:?}", tcgetattr(pty).unwrap())
}

#[inline(never)]
fn where_it_waits() {
    thread::park();
}

fn parked(name: &str) -> JoinHandle<()> {
    let builder = Builder::new().name(name.into());
    builder.spawn(where_it_waits).unwrap()
}

fn unpark(all: Vec<JoinHandle<()>>) {
    all.iter().for_each(|it| it.thread().unpark());
    greenloop::joinall(all);
}

#[test]
fn rows_are_filtered_sorted_selected_and_looked_at() {
    let names = ["seen here: row 1", "seen here: row 2", "seen here: third"];
    let all: Vec<_> = names.map(parked).into();
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    let top = Top::start(serving.local_addr(), &["--filter", "seen here"]);
    for text in names
        .iter()
        .chain(&["worker 0: ", " switches/s", "by since desc", "q quit"])
    {
        top.shows(text);
    }

    top.press("/: ROW");
    top.shows("filter: seen here: ROW_");
    top.until("the third one is gone", |it| !it.text().contains("third"));
    top.press("\r");
    top.shows("[seen here: ROW]");
    top.shows("2 green threads, by since desc");
    for sort in [
        "home asc",
        "place asc",
        "stack desc",
        "children desc",
        "id asc",
        "name asc",
    ] {
        top.press("s");
        top.shows(&format!("2 green threads, by {sort}"));
    }
    top.press("r");
    top.shows("2 green threads, by name desc");
    let first = |it: &Top, name: &str| {
        let text = it.text();
        let at = |name| text.find(name).unwrap_or(usize::MAX);
        at(name) < at(if name == "row 1" { "row 2" } else { "row 1" })
    };
    top.until("the second one stands first", |it| first(it, "row 2"));

    assert_eq!(top.marked(), None);
    let marks =
        |name: &'static str| move |it: &Top| it.marked().is_some_and(|it| it.contains(name));
    top.press(DOWN);
    top.until("the first line is marked", marks("row 2"));
    top.press(&DOWN.repeat(3));
    top.until("the last line is marked", marks("row 1"));
    top.press("r");
    top.until("it is turned", |it| first(it, "row 1"));
    top.until("the same one is marked", marks("row 1"));
    top.press("\r");
    top.shows("spawned at  ");
    top.shows("name  seen here: row 1");
    top.resize(60, 120);
    top.shows("where_it_waits");
    let page = "\x1b[6~";
    top.press(page);
    top.until("its first lines are passed", |it| {
        !it.text().contains("name  seen here: row 1")
    });
    top.press(&page.repeat(20));
    top.until("that is passed, too", |it| {
        !it.text().contains("where_it_waits")
    });
    top.press(&format!("{UP}{}", "\x1b[5~".repeat(20)));
    top.shows("name  seen here: row 1");
    unpark(all);
    top.shows("it has ended");
    top.press("\x1b");
    top.shows("0 green threads, by name asc");
    top.press("\x1b");
    top.shows("  []");
    top.press("q");
    let (status, _) = top.ends();
    assert!(status.success(), "{status}");
}

#[test]
fn it_takes_the_size_of_the_terminal() {
    let all: Vec<_> = (0..50).map(|_| parked("one of fifty")).collect();
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    let top = Top::start(serving.local_addr(), &["--filter", "one of fifty"]);
    let rows = |it: &Top| it.text().matches("one of fifty  ").count();
    top.until("some rows", |it| (1..24).contains(&rows(it)));
    top.resize(80, 160);
    top.until("all rows", |it| rows(it) == 50);
    let right = |it: &Top| it.text().lines().next().map_or(0, |it| it.chars().count());
    top.until("the whole width", |it| right(it) == 160);
    top.resize(2, 5);
    top.until("next to nothing", |it| right(it) <= 5);
    top.resize(24, 80);
    top.until("some rows again", |it| {
        (1..24).contains(&rows(it)) && right(it) == 80
    });
    top.press(CTRL_C);
    let (status, _) = top.ends();
    assert!(status.success(), "{status}");
    unpark(all);
}

#[test]
fn a_program_that_ends_is_told_on_the_first_screen() {
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    let top = Top::start(serving.local_addr(), &[]);
    top.shows("worker 0: ");
    serving.stop(Duration::ZERO);
    let address = serving.local_addr();
    let (status, text) = top.ends();
    assert_eq!(status.code(), Some(1));
    let said = format!("greenloop-top: cannot ask {address}: ");
    assert!(text.contains(&said), "{text}");
}

#[test]
fn who_ends_it_by_a_signal_gets_the_terminal_back() {
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    let top = Top::start(serving.local_addr(), &[]);
    top.shows("worker 0: ");
    kill_process(Pid::from_child(&top.child), Signal::TERM).unwrap();
    let (status, _) = top.ends();
    assert!(status.success(), "{status}");
}

#[test]
fn keys_that_come_with_another_size_are_heard() {
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    let top = Top::start(serving.local_addr(), &[]);
    top.shows("worker 0: ");
    for round in 0..50 {
        top.resize(24 + round % 20, 120);
        top.press(&format!("/round {round}"));
        top.shows(&format!("filter: round {round}_"));
        top.press("\x1b");
        top.shows("  []");
    }
    top.press("q");
    let (status, _) = top.ends();
    assert!(status.success(), "{status}");
}

#[test]
fn it_ends_with_its_terminal() {
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    let (mut pty, pts) = open().unwrap();
    let command = Command::new(env!("CARGO_BIN_EXE_greenloop-top"));
    let command = command.arg(serving.local_addr().to_string());
    let mut child = command.env_remove("GREENLOOP_TOKEN").spawn(pts).unwrap();
    pty.read_exact(&mut [0; 100]).unwrap();
    drop(pty);
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > LONG {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end");
        }
        sleep(Duration::from_millis(5));
    }
}

/// Passes questions on until it is `stuck`, and then keeps them.
fn before(address: SocketAddr, stuck: &Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let door = listener.local_addr().unwrap();
    let stuck = Arc::clone(stuck);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(address).unwrap());
            let (to_client, from_server) = (client.try_clone(), server.try_clone());
            let (stuck, never) = (Arc::clone(&stuck), Arc::default());
            std::thread::spawn(move || pass_on(client, server, &stuck));
            std::thread::spawn(move || pass_on(from_server.unwrap(), to_client.unwrap(), &never));
        }
    });
    door
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, stuck: &AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        while stuck.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(5));
        }
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

#[test]
fn keys_are_heard_while_a_program_does_not_answer() {
    let serving = inspect::serve("127.0.0.1:0").unwrap();
    let stuck = Arc::default();
    let top = Top::start(before(serving.local_addr(), &stuck), &[]);
    top.shows("worker 0: ");
    stuck.store(true, Ordering::Relaxed);
    top.shows("no answer for ");
    stuck.store(false, Ordering::Relaxed);
    top.shows("q quit  ↑ ↓ select");
    stuck.store(true, Ordering::Relaxed);
    top.shows("no answer for ");
    top.press("q");
    let (status, _) = top.ends();
    assert!(
        status.success(),
        "it was not waited for the answer: {status}"
    );
}
