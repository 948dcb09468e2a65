//! The chat's example programs: over datagrams and connections, with Python, `nc` and their own
//! client, and with members who behave badly.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use socket2::SockRef;

use crate::course::errors;
use crate::examples::{NOBODY, command, run};
use crate::examples_net::{Serving, python, says};
use crate::within::{LONG, within};

fn server(flags: &[&str]) -> Serving {
    Serving::start("chat_server", &[&["127.0.0.1:0"], flags].concat())
}

#[test]
fn datagrams_are_told_to_all_who_entered() {
    within(LONG, || {
        let mut server = server(&["--clients", "3", "--line", "200"]);
        writeln!(server.input, "nobody hears this").unwrap();
        let script = "
def client():
    return socket.socket(type=socket.SOCK_DGRAM)
def tell(who, what):
    who.sendto(what if isinstance(what, bytes) else what.encode(), at)
def hears(who, what):
    said = who.recv(65535).decode()
    assert said.startswith(what), (said, what)
ann, ben, eve = client(), client(), client()
for early in ['say hello', 'quit']:
    tell(ann, early); hears(ann, 'enter first')
for name in ['', 'two words', 'x' * 21, 'a\\nb', '\\0', b'\\xff\\xfe']:
    tell(ann, b'enter ' + (name if isinstance(name, bytes) else name.encode()))
    hears(ann, 'a name has 1 to 20')
tell(ann, 'enter Administrator'); hears(ann, 'the name Administrator is reserved')
tell(ann, 'enter ann'); hears(ann, 'ann has entered')
tell(ann, 'enter ann'); hears(ann, 'ann has entered')
tell(ann, 'enter anna'); hears(ann, 'you are ann already')
tell(ben, 'enter ann'); hears(ben, 'the name ann is taken')
tell(ben, 'enter ben'); hears(ben, 'ben has entered'); hears(ann, 'ben has entered')
tell(ben, 'say hello, you'); hears(ann, 'ben: hello, you')
tell(ann, 'say \\u4f60\\u597d'); hears(ben, 'ann: \\u4f60\\u597d')
for strange in [b'', b'\\0', b'shout x', b'quit now', b'\\xff' * 100]:
    tell(ben, strange); hears(ben, 'not understood')
tell(ben, b'say \\xff'); hears(ben, 'not passed on: a line is UTF-8')
tell(ben, 'say \\x1b[2J'); hears(ben, 'not passed on: a line has no control')
tell(ben, 'say ' + 'x' * 201); hears(ben, 'not passed on: a line has at most 200 bytes')
tell(eve, 'enter eve')
for who in [eve, ann, ben]: hears(who, 'eve has entered')
late = client()
tell(late, 'enter late'); hears(late, 'the room is full')
tell(eve, 'quit'); hears(eve, 'you have left')
for who in [ann, ben]: hears(who, 'eve has left')
ben.close()
tell(ann, 'say is ben there?')
tell(late, 'enter late')
for who in [ann, late]: hears(who, 'late has entered')
";
        python(&server.address, script);
        server.still_runs();
    });
}

/// One who takes part by a plain connection.
struct Member {
    stream: TcpStream,
    heard: Lines<BufReader<TcpStream>>,
}

impl Member {
    fn connect(server: &Serving) -> Member {
        let stream = server.connect();
        let heard = BufReader::new(stream.try_clone().unwrap()).lines();
        Member { stream, heard }
    }

    fn enter(server: &Serving, name: &str) -> Member {
        let mut member = Member::connect(server);
        member.hears("your name?");
        member.says(name);
        member.hears(&format!("{name} has entered"));
        member
    }

    fn says(&mut self, line: &str) {
        writeln!(self.stream, "{line}").unwrap();
    }

    #[track_caller]
    fn hears(&mut self, line: &str) {
        let heard = self.heard.next().expect("it has ended").unwrap();
        assert!(heard.starts_with(line), "{heard:?} instead of {line:?}");
    }
}

#[test]
fn connections_are_told_what_is_said() {
    within(LONG, || {
        let mut server = server(&["--tcp", "--clients", "4", "--line", "100"]);
        let mut ann = Member::enter(&server, "ann");
        let mut ben = Member::connect(&server);
        ben.hears("your name?");
        for (name, answer) in [
            ("", "a name has 1 to 20"),
            ("administrator", "the name administrator is reserved"),
            ("ann", "the name ann is taken"),
        ] {
            ben.says(name);
            ben.hears(answer);
        }
        ben.says("ben\r");
        ben.hears("ben has entered");
        ann.hears("ben has entered");
        ben.says("hello");
        ann.hears("ben: hello");
        ann.stream
            .write_all(b"\x00\n\xff\nhello yourself\n")
            .unwrap();
        ann.hears("not passed on: a line has no control characters");
        ann.hears("not passed on: a line is UTF-8");
        ben.hears("ann: hello yourself");
        writeln!(server.input, "the tea is ready").unwrap();
        ann.hears("administrator: the tea is ready");
        ben.hears("administrator: the tea is ready");

        let mut long = Member::enter(&server, "long");
        ann.hears("long has entered");
        ben.hears("long has entered");
        long.says(&"x".repeat(100));
        ann.hears("long: xxx");
        ben.hears("long: xxx");
        for length in [101, 102, 103, 1_000_000] {
            long.says(&"x".repeat(length));
            long.hears("not passed on: a line has at most 100 bytes");
        }
        long.stream.write_all(b"no end of the line").unwrap();
        drop(long);
        for member in [&mut ann, &mut ben] {
            member.hears("long: no end of the line");
            member.hears("long has left");
        }

        let cut = Member::enter(&server, "cut");
        ann.hears("cut has entered");
        SockRef::from(&cut.stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(cut);
        ann.hears("cut has left");
        server.still_runs();
    });
}

#[test]
fn a_full_room_says_so_and_has_room_again() {
    within(LONG, || {
        let server = server(&["--tcp", "--clients", "2"]);
        let mut ann = Member::enter(&server, "ann");
        let silent = Member::connect(&server);
        let mut late = Member::connect(&server);
        late.hears("the room is full: 2");
        assert!(late.heard.next().is_none());
        drop(silent);
        // The server learns of the end in its own time.
        let ben = || {
            let mut ben = Member::connect(&server);
            let heard = ben.heard.next().unwrap().unwrap();
            (heard == "your name?").then_some(ben)
        };
        let mut ben = std::iter::repeat_with(ben).flatten().next().unwrap();
        ben.says("ben");
        ann.hears("ben has entered");
    });
}

#[test]
fn who_never_reads_is_dropped_and_holds_up_nobody() {
    within(LONG, || {
        let server = server(&["--tcp"]);
        let deaf = Member::enter(&server, "deaf");
        let mut ann = Member::enter(&server, "ann");
        let mut talker = Member::enter(&server, "talker");
        ann.hears("talker has entered");
        let line = "x".repeat(990);
        for count in 0.. {
            assert!(count < 100_000, "it is never dropped");
            talker.says(&line);
            let heard = ann.heard.next().unwrap().unwrap();
            if heard == "deaf has left" {
                break;
            }
            assert!(heard == format!("talker: {line}"), "{heard}");
        }
        talker.hears("deaf has left");
        talker.says("at last");
        drop(deaf);
        server.still_runs();
    });
}

#[test]
fn nc_takes_part() {
    within(LONG, || {
        let server = server(&["--tcp"]);
        let mut ann = Member::enter(&server, "ann");
        let (host, port) = server.address.rsplit_once(':').unwrap();
        let flags = ["-N", "-w", "60", host, port];
        let Some(said) = says("nc", &flags, "ben\nhello by nc\n") else {
            return;
        };
        assert_eq!(said, "your name?\nben has entered\n");
        ann.hears("ben has entered");
        ann.hears("ben: hello by nc");
        ann.hears("ben has left");
    });
}

/// A running `chat_client`.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    heard: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn start(server: &Serving, flags: &[&str]) -> Client {
        let flags = [&["--address", &server.address], flags].concat();
        let mut command = command("chat_client", &flags);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        Client {
            input: child.stdin.take(),
            heard: BufReader::new(stdout).lines(),
            child,
        }
    }

    fn says(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    #[track_caller]
    fn hears(&mut self, line: &str) {
        assert_eq!(self.heard.next().expect("it has ended").unwrap(), line);
    }

    /// Its end, and whether that was a success.
    fn ends(mut self) -> bool {
        drop(self.input.take());
        self.child.wait().unwrap().success()
    }

    /// Its end while its input is open.
    fn ends_by_itself(mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

#[test]
fn the_client_says_what_is_typed_and_prints_what_is_heard() {
    within(LONG, || {
        for tcp in [false, true] {
            let flags: &[&str] = if tcp { &["--tcp"] } else { &[] };
            let mut server = server(flags);
            let client = |name| Client::start(&server, &[&[name], flags].concat());
            let mut ann = client("ann");
            ann.hears("ann has entered");
            let mut ben = client("ben");
            ben.hears("ben has entered");
            ann.hears("ben has entered");
            let flags = [&["ann", "--address", &server.address], flags].concat();
            let second = run("chat_client", &flags);
            assert_eq!(second.status.code(), Some(1));
            assert!(
                errors(&second)[0].contains("the name ann is taken"),
                "{second:?}"
            );
            ben.says("hello");
            ann.hears("ben: hello");
            ann.says("hello yourself");
            ben.hears("ann: hello yourself");
            ben.says("last words");
            assert!(ben.ends());
            ann.hears("ben: last words");
            ann.hears("ben has left");
            writeln!(server.input, "good night").unwrap();
            ann.hears("administrator: good night");
            if tcp {
                drop(server);
                assert!(!ann.ends_by_itself(), "the server has gone");
            } else {
                assert!(ann.ends());
            }
        }
        let output = run("chat_client", &["--tcp", "ann", "--address", NOBODY]);
        assert!(errors(&output)[0].contains("refused"), "{output:?}");
        let output = run("chat_client", &["ann", "--address", NOBODY]);
        assert!(errors(&output)[0].contains("refused"), "{output:?}");
    });
}
