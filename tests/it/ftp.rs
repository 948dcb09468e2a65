//! The examples `ftp_server` and `ftp_client`, by each other, by a client in Python, and by hand.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::examples::{last_line, run};
use crate::served::Served;
use crate::within::LONG;

#[test]
fn files_come_back_as_they_went() {
    let (served, there, here) = (start(&[]), Folder::new(), Folder::new());
    let ftp = |arguments: &[&str]| run("ftp_client", &[&[&*served.0.address], arguments].concat());
    for size in [0, 1, 65_536, 3_000_001] {
        let (sent, name) = (here.path("sent"), format!("{size} bytes"));
        fs::write(&sent, pattern(size)).unwrap();
        let output = ftp(&["put", text(&sent), &name]);
        assert!(output.status.success(), "{output:?}");
        assert!(last_line(&output).contains(&format!("{size} bytes, 0 of {size} were there")));
        assert_eq!(fs::read(served.1.path(&name)).unwrap(), pattern(size));
        let got = there.path("got");
        let output = ftp(&["get", &name, text(&got)]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(fs::read(got).unwrap(), pattern(size));
    }
    fs::create_dir(served.1.path("folder")).unwrap();
    let output = ftp(&["list"]);
    let listed = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines.contains(&"3000001 3000001 bytes"), "{listed}");
    assert!(
        lines.iter().any(|line| line.ends_with(" folder/")) && lines.len() == 5,
        "{listed}"
    );
}

#[test]
fn fifty_clients_put_and_get_at_once() {
    let (served, here) = (start(&[]), Folder::new());
    thread::scope(|scope| {
        for client in 0..50 {
            let (served, here) = (&served, &here);
            scope.spawn(move || {
                let mut stream = served.connect();
                for round in 0..5 {
                    let bytes = pattern(10_000 * round + client);
                    let name = format!("{client}-{round}");
                    put(&mut stream, &name, &bytes);
                    ask(
                        &mut stream,
                        &format!(r#"{{"command":"get","path":"{name}"}}"#),
                    );
                    let size = number(&answer(&mut stream).unwrap(), "size");
                    let mut got = vec![0; size];
                    stream.read_exact(&mut got).unwrap();
                    assert!(got == bytes, "{name}");
                }
                let _ = here;
            });
        }
    });
    assert_eq!(served.1.names().len(), 250);
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let (served, outside) = (start(&[]), Folder::new());
    fs::write(outside.path("secret"), "secret").unwrap();
    symlink(outside.path("secret"), served.1.path("link")).unwrap();
    symlink(outside.0.path(), served.1.path("door")).unwrap();
    let mut stream = served.connect();
    let above = format!(
        "../{}",
        outside.0.path().file_name().unwrap().to_str().unwrap()
    );
    let absolute = outside.path("secret");
    let ways = [
        &format!("{above}/secret"),
        &format!("folder/../{above}/secret"),
        text(&absolute),
        "link",
        "door/secret",
        ".hidden",
        "..",
        "",
        "a\\u0000b",
    ];
    for path in ways {
        for command in [
            format!(r#"{{"command":"get","path":"{path}"}}"#),
            format!(r#"{{"command":"put","path":"{path}","size":1}}"#),
        ] {
            if path == "link" && command.contains("put") {
                continue; // it replaces the link, and leaves alone what it led to
            }
            ask(&mut stream, &command);
            let said = answer(&mut stream).unwrap();
            assert!(said.contains(r#""status":"error""#), "{command}: {said}");
        }
    }
    assert_eq!(fs::read(outside.path("secret")).unwrap(), b"secret");
    assert_eq!(outside.names(), ["secret"]);
}

#[test]
fn a_broken_upload_leaves_nothing_behind() {
    let served = start(&[]);
    fs::write(served.1.path("old"), "old").unwrap();
    let mut stream = served.connect();
    ask(
        &mut stream,
        r#"{"command":"put","path":"old","size":1000000}"#,
    );
    answer(&mut stream).unwrap();
    ask(&mut stream, r#"{"from":0}"#);
    stream.write_all(&[7; 300_000]).unwrap();
    served.1.wait_for(2); // the part
    stream.shutdown(Shutdown::Write).unwrap();
    let said = answer(&mut stream).expect("the server says why");
    assert!(said.contains("ended 700000 bytes early"), "{said}");
    assert_eq!(served.1.names(), ["old"]);
    assert_eq!(fs::read(served.1.path("old")).unwrap(), b"old");
}

#[test]
fn an_upload_goes_on_where_it_was_cut() {
    let (served, here) = (start(&[]), Folder::new());
    let bytes = pattern(1_000_000);
    let mut stream = served.connect();
    ask(
        &mut stream,
        r#"{"command":"put","path":"big","size":1000000,"resume":true}"#,
    );
    answer(&mut stream).unwrap();
    ask(&mut stream, r#"{"from":0}"#);
    stream.write_all(&bytes[..400_000]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    answer(&mut stream).unwrap();
    let sent = here.path("big");
    fs::write(&sent, &bytes).unwrap();
    let output = run(
        "ftp_client",
        &[&served.0.address, "put", "--resume", text(&sent)],
    );
    let line = last_line(&output);
    assert!(
        line.contains("600000 bytes, 400000 of 1000000 were there"),
        "{output:?}"
    );
    assert!(fs::read(served.1.path("big")).unwrap() == bytes);
    assert_eq!(served.1.names(), ["big"]);
}

#[test]
fn a_download_goes_on_unless_the_file_is_another_one() {
    let (served, here) = (start(&[]), Folder::new());
    let bytes = pattern(500_000);
    fs::write(served.1.path("big"), &bytes).unwrap();
    let to = here.path("big");
    for (part, line) in [
        (
            &bytes[..200_000],
            "300000 bytes, 200000 of 500000 were there",
        ),
        (&[1; 200_000][..], "500000 bytes, 0 of 500000 were there"),
        (&[1; 700_000][..], "500000 bytes, 0 of 500000 were there"),
        (&bytes[..], "0 bytes, 500000 of 500000 were there"),
    ] {
        fs::write(here.path("big.part"), part).unwrap();
        let output = run("ftp_client", &[&served.0.address, "get", "big", text(&to)]);
        assert!(last_line(&output).contains(line), "{output:?}");
        assert!(fs::read(&to).unwrap() == bytes);
        assert_eq!(here.names(), ["big"]);
    }
}

#[test]
fn two_do_not_send_the_same_file() {
    let served = start(&[]);
    let (mut one, mut other) = (served.connect(), served.connect());
    ask(&mut one, r#"{"command":"put","path":"x","size":3}"#);
    answer(&mut one).unwrap();
    ask(&mut other, r#"{"command":"put","path":"x","size":3}"#);
    let said = answer(&mut other).unwrap();
    assert!(said.contains("somebody else is sending it"), "{said}");
    ask(&mut one, r#"{"from":0}"#);
    one.write_all(b"one").unwrap();
    assert!(answer(&mut one).unwrap().contains(r#""status":"ok""#));
    put(&mut other, "x", b"other");
    assert_eq!(fs::read(served.1.path("x")).unwrap(), b"other");
}

#[test]
fn what_is_no_frame_gets_an_error_and_an_end() {
    let served = start(&[]);
    let frame = |head: &str| [&(head.len() as u32).to_be_bytes()[..], head.as_bytes()].concat();
    let cases: [(Vec<u8>, &str); 8] = [
        (b"GET / HTTP/1.1\r\n\r\n".into(), "where 65536 is the most"),
        (vec![255; 4], "where 65536 is the most"),
        (vec![0, 0], ""),
        (vec![0, 0, 0, 9, b'{'], ""),
        (frame("{}"), "missing field `command`"),
        (frame("\u{1}"), "not a head"),
        (
            frame(r#"{"command":"delete","path":"x"}"#),
            "unknown variant `delete`",
        ),
        (frame(r#"{"command":"get"}"#), "missing field `path`"),
    ];
    for (bytes, reason) in cases {
        let mut stream = served.connect();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let said = answer(&mut stream).expect("an error");
        assert!(
            said.contains(r#""status":"error""#) && said.contains(reason),
            "{said}"
        );
        // Behind it comes the end, or a reset if there was more than was read.
        assert!(stream.read(&mut [0]).unwrap_or(0) == 0);
    }
    for from in ["5", "1000000000000"] {
        let mut stream = served.connect();
        ask(&mut stream, r#"{"command":"put","path":"x","size":10}"#);
        answer(&mut stream).unwrap();
        ask(&mut stream, &format!(r#"{{"from":{from}}}"#));
        let said = answer(&mut stream).unwrap();
        assert!(
            said.contains(&format!("an upload from {from}, where 0")),
            "{said}"
        );
    }
    assert!(served.1.names().is_empty());
}

#[test]
fn who_does_not_take_what_it_asked_for_is_let_go() {
    let served = start(&["--idle", "1", "--clients", "1"]);
    fs::write(served.1.path("big"), pattern(32_000_000)).unwrap();
    let mut deaf = served.connect();
    ask(&mut deaf, r#"{"command":"get","path":"big"}"#);
    let mut next = served.connect(); // is served only once the other one is gone
    ask(&mut next, r#"{"command":"list"}"#);
    let said = answer(&mut next).unwrap();
    assert!(said.contains(r#""status":"ok""#), "{said}");
}

#[test]
fn commands_are_read_from_standard_input() {
    let (served, here) = (start(&[]), Folder::new());
    fs::write(served.1.path("x"), "12345").unwrap();
    let script = "printf 'list\\nget nothing\\nnonsense\\nget x y\\n' | \"$0\" \"$1\"";
    let client = crate::examples::command("ftp_client", &[]);
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(client.get_program())
        .arg(&served.0.address)
        .current_dir(here.0.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let (said, errors) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert!(said.starts_with(b"5 x\n"), "{said:?}");
    assert!(
        errors.contains("nothing: No such file") && errors.contains("nonsense"),
        "{errors}"
    );
    assert_eq!(fs::read(here.path("y")).unwrap(), b"12345");
}

#[test]
fn a_client_in_python_is_understood() {
    let served = start(&[]);
    let output = Command::new("python3")
        .args(["-c", PYTHON, &served.0.address])
        .output()
        .expect("python3");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "ok 100000\n100000 data\n"
    );
}

const PYTHON: &str = r#"
import json, socket, struct, sys
host, port = sys.argv[1].split(":")
stream = socket.create_connection((host, int(port)), timeout=30)
file = stream.makefile("rwb")
def send(head):
    head = json.dumps(head).encode()
    file.write(struct.pack(">I", len(head)) + head)
    file.flush()
def receive():
    return json.loads(file.read(struct.unpack(">I", file.read(4))[0]))
data = bytes(range(250)) * 400
send({"command": "put", "path": "data", "size": len(data)})
assert receive()["have"] == {"size": 0, "checksum": 0}
send({"from": 0})
file.write(data)
file.flush()
assert receive()["status"] == "ok"
send({"command": "get", "path": "data"})
head = receive()
assert file.read(head["size"] - head["offset"]) == data
print(head["status"], head["size"])
send({"command": "list"})
print(file.read(receive()["size"]).decode(), end="")
"#;

/// A server, and the folder that it serves.
struct Ftp(Served, Folder);

fn start(flags: &[&str]) -> Ftp {
    let root = Folder::new();
    let served = Served::start(
        "ftp_server",
        &[&["--root", text(root.0.path())], flags].concat(),
    );
    Ftp(served, root)
}

impl Ftp {
    fn connect(&self) -> TcpStream {
        self.0.connect()
    }
}

/// A folder that is gone with its test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }

    fn wait_for(&self, count: usize) {
        let start = Instant::now();
        while self.names().len() != count {
            assert!(start.elapsed() < LONG, "{:?}", self.names());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 / 7) as u8).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn ask(stream: &mut TcpStream, head: &str) {
    stream
        .write_all(&(head.len() as u32).to_be_bytes())
        .unwrap();
    stream.write_all(head.as_bytes()).unwrap();
}

/// The next head; none if the stream ends before.
fn answer(stream: &mut TcpStream) -> Option<String> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut head = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut head).ok()?;
    Some(String::from_utf8(head).unwrap())
}

fn put(stream: &mut TcpStream, name: &str, bytes: &[u8]) {
    let size = bytes.len();
    ask(
        stream,
        &format!(r#"{{"command":"put","path":"{name}","size":{size}}}"#),
    );
    answer(stream).unwrap();
    ask(stream, r#"{"from":0}"#);
    stream.write_all(bytes).unwrap();
    let said = answer(stream).unwrap();
    assert!(said.contains(r#""status":"ok""#), "{said}");
}

fn number(head: &str, key: &str) -> usize {
    let (_, rest) = head.split_once(&format!("\"{key}\":")).unwrap();
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
    rest[..end].parse().unwrap()
}
