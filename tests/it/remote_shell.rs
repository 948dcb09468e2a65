//! The example `remote_shell`, by its own client, by one in Python, and by hand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::Instant;

use crate::examples::{command, run};
use crate::served::Served;
use crate::within::LONG;

#[test]
fn a_command_says_what_it_says_here() {
    let served = start(&[]);
    for words in [
        &["echo", "a b", "c"][..],
        &["sh", "-c", "echo out; echo err >&2; exit 7"],
        &["sh", "-c", "kill -9 $$"],
        &["true"],
        &["sh", "-c", "head -c 1000000 /dev/zero"],
    ] {
        let output = ask(&served, words);
        let here = Command::new(words[0]).args(&words[1..]).output().unwrap();
        assert_eq!(
            (&output.stdout, &output.stderr),
            (&here.stdout, &here.stderr),
            "{words:?}"
        );
        let code = here.status.code().unwrap_or(128 + 9);
        assert_eq!(output.status.code(), Some(code), "{words:?}");
    }
}

#[test]
fn what_is_not_on_the_list_is_not_run() {
    let served = start(&[]);
    for (words, reason) in [
        (
            &["rm", "-rf", "x"][..],
            r#""rm" is not on the list, which is: echo, sh, true"#,
        ),
        (&["/bin/echo", "x"], r#""/bin/echo" is not on the list"#),
        (&["echo;sh"], r#""echo;sh" is not on the list"#),
        (&[""], r#""" is not on the list"#),
    ] {
        let output = ask(&served, words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains(reason) && output.status.code() == Some(1),
            "{output:?}"
        );
    }
    let absent = Served::start_as("remote_shell", "serve", &["--allow", "greenloop-no-such"]);
    let said = ask(&absent, &["greenloop-no-such"]);
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("No such file"),
        "{said:?}"
    );
}

#[test]
fn a_command_that_takes_too_long_is_ended_with_its_children() {
    let served = start(&["--timeout", "0.3"]);
    let start = Instant::now();
    // The grandchild holds the pipe open.
    let output = ask(
        &served,
        &["sh", "-c", "echo begun; sleep 987654 & sleep 987654"],
    );
    assert!(start.elapsed() < LONG);
    assert_eq!(output.stdout, b"begun\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("it took longer than 300ms"), "{said}");
    let left = Command::new("pgrep")
        .args(["-f", "sleep 987654"])
        .output()
        .unwrap();
    assert!(left.stdout.is_empty(), "{left:?}");
}

#[test]
fn a_command_that_says_too_much_is_ended() {
    let served = start(&["--limit", "1000", "--timeout", "60"]);
    for redirect in ["", " >&2"] {
        let output = ask(&served, &["sh", "-c", &format!("yes{redirect}")]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("it said more than 1000 bytes"), "{said}");
        let kept = if redirect.is_empty() {
            output.stdout
        } else {
            output.stderr
        };
        assert!(
            kept.starts_with(&b"y\n".repeat(500)) && kept.len() < 1100,
            "{}",
            kept.len()
        );
    }
}

#[test]
fn several_commands_come_in_a_row_and_from_many_at_once() {
    let served = start(&[]);
    thread::scope(|scope| {
        for client in 0..30 {
            let served = &served;
            scope.spawn(move || {
                let mut stream = served.connect();
                let mut all = Vec::new();
                for number in 0..5 {
                    let line = format!(r#"{{"command":"echo {client} {number}"}}"#);
                    all.extend((line.len() as u32).to_be_bytes());
                    all.extend(line.into_bytes());
                }
                stream.write_all(&all).unwrap(); // sticky packets
                for number in 0..5 {
                    let (head, data) = answer(&mut stream).unwrap();
                    assert_eq!(data, format!("{client} {number}\n"), "{head}");
                }
            });
        }
    });
}

#[test]
fn commands_are_read_from_standard_input() {
    let served = start(&[]);
    let program = command("remote_shell", &[]);
    let output = Command::new("sh")
        .args([
            "-c",
            "printf 'echo one\\necho \"2  3\"\\nsh -c \"exit 3\"\\n' | \"$0\" run \"$1\"",
        ])
        .arg(program.get_program())
        .arg(&served.address)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\n2  3\n");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn what_is_no_command_gets_an_error() {
    let served = start(&[]);
    let frame = |head: &str| [&(head.len() as u32).to_be_bytes()[..], head.as_bytes()].concat();
    for (bytes, reason) in [
        (
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            "where 65536 is the most",
        ),
        (frame("[]"), "not a head"),
        (frame(r#"{"command":7}"#), "not a head"),
        (frame(r#"{"command":""}"#), "no command"),
        (frame(r#"{"command":"echo 'a"}"#), "missing closing quote"),
    ] {
        let mut stream = served.connect();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let (head, _) = answer(&mut stream).expect("an error");
        assert!(head.contains(reason), "{head}");
    }
}

#[test]
fn it_listens_to_this_machine_alone_unless_told_otherwise() {
    let output = run("remote_shell", &["serve", "0.0.0.0:0"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("cannot listen on 0.0.0.0:0: others could reach it"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));
    let careless = Served::start_as("remote_shell", "serve", &["--careless"]);
    assert!(careless.address.starts_with("127.0.0.1:"));
    for flags in [
        &["serve", "--timeout", "0"][..],
        &["serve", "--limit", "x"],
        &["run"],
        &[],
    ] {
        assert_eq!(
            run("remote_shell", flags).status.code(),
            Some(2),
            "{flags:?}"
        );
    }
}

#[test]
fn a_client_in_python_is_understood() {
    let served = start(&[]);
    let output = Command::new("python3")
        .args(["-c", PYTHON, &served.address])
        .output();
    let output = output.expect("python3");
    assert!(output.status.success(), "{output:?}");
}

const PYTHON: &str = r#"
import json, socket, struct, sys
host, port = sys.argv[1].split(":")
stream = socket.create_connection((host, int(port)), timeout=30)
file = stream.makefile("rwb")
for command, code, out, err in [
    ("echo hello", 0, b"hello\n", b""),
    ("sh -c 'echo oops >&2; exit 2'", 2, b"", b"oops\n"),
]:
    head = json.dumps({"command": command}).encode()
    file.write(struct.pack(">I", len(head)) + head)
    file.flush()
    head = json.loads(file.read(struct.unpack(">I", file.read(4))[0]))
    assert head["code"] == code, head
    assert file.read(head["stdout"]) == out
    assert file.read(head["stderr"]) == err
"#;

fn start(flags: &[&str]) -> Served {
    let allow = ["--allow", "echo", "--allow", "sh", "--allow", "true"];
    Served::start_as("remote_shell", "serve", &[&allow, flags].concat())
}

fn ask(served: &Served, words: &[&str]) -> Output {
    run("remote_shell", &[&["run", &served.address], words].concat())
}

/// The next head, and the data behind it; none if the stream ends before.
fn answer(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut head = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut head).ok()?;
    let head = String::from_utf8(head).unwrap();
    let size = |key: &str| -> usize {
        let (_, rest) = head.split_once(&format!("\"{key}\":")).unwrap();
        rest[..rest.find([',', '}']).unwrap()].parse().unwrap()
    };
    let mut data = vec![0; size("stdout") + size("stderr")];
    stream.read_exact(&mut data).ok()?;
    Some((head, String::from_utf8(data).unwrap()))
}
