//! The network's example programs, each with clients that know nothing of this library: Python's
//! sockets, `nc`, `socat`. A client that is not installed is said to be, and left out.

use std::env;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Deref;
use std::process::{self, ChildStdin, Command, Stdio};
use std::time::Duration;

use socket2::SockRef;

use crate::course::errors;
use crate::examples::{NOBODY, command, last_line, run};
use crate::served::Served;
use crate::within::{LONG, within};

/// A running server of this name, whose standard input is open.
pub(crate) struct Serving {
    served: Served,
    pub(crate) input: ChildStdin,
}

impl Serving {
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Serving {
        let mut command = command(program, arguments);
        command.stdin(Stdio::piped());
        let mut served = Served::run(command);
        let input = served.child.stdin.take().unwrap();
        Serving { served, input }
    }

    pub(crate) fn still_runs(mut self) {
        assert_eq!(self.served.child.try_wait().unwrap(), None);
    }
}

impl Deref for Serving {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

/// Gives the program `input`, and returns what it says; none if it is not installed.
pub(crate) fn says(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            return None;
        }
        child => child.unwrap(),
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Runs a script, which knows the server's `host` and `port`.
pub(crate) fn python(address: &str, script: &str) {
    let (host, port) = address.rsplit_once(':').unwrap();
    let script = format!(
        "import socket, struct\nsocket.setdefaulttimeout(60)\nat = ({host:?}, {port})\n{script}"
    );
    says("python3", &["-c", &script], "");
}

/// Says the lines by `nc` and by `socat`, if they are installed; returns what comes back.
fn by_other_programs(address: &str, lines: &str) -> Vec<String> {
    let (host, port) = address.rsplit_once(':').unwrap();
    let to = format!("TCP:{address}");
    let said = [
        says("nc", &["-N", "-w", "60", host, port], lines),
        says("socat", &["-t", "60", "-", &to], lines),
    ];
    said.into_iter().flatten().collect()
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

const LOUD: [&str; 2] = ["select_server", "selector_server"];

#[test]
fn capitals_come_back_to_many_at_once() {
    within(LONG, || {
        for program in LOUD {
            let server = Serving::start(program, &["127.0.0.1:0"]);
            let script = "
clients = [socket.create_connection(at) for _ in range(100)]
for part in ['some ', 'words of ', '']:
    for number, client in enumerate(clients):
        client.sendall((part or f'{number}\\n').encode())
for client in reversed(clients):
    client.shutdown(socket.SHUT_WR)
for number, client in enumerate(clients):
    said = b''.join(iter(lambda: client.recv(7), b''))
    assert said == f'SOME WORDS OF {number}\\n'.encode(), said
";
            python(&server.address, script);
            for said in by_other_programs(&server.address, "one\nTwo\n") {
                assert_eq!(said, "ONE\nTWO\n");
            }
            server.still_runs();
        }
    });
}

#[test]
fn a_bad_client_of_a_loud_server_harms_no_other() {
    within(LONG, || {
        for program in LOUD {
            let server = Serving::start(program, &["127.0.0.1:0"]);
            for _ in 0..20 {
                drop(server.connect());
                let mut cut = server.connect();
                cut.write_all(&[b'a'; 10_000]).unwrap();
                reset(cut);
            }
            // It never reads: at some time the server reads no more of it.
            let mut deaf = server.connect();
            deaf.set_nonblocking(true).unwrap();
            while deaf.write(&[b'a'; 65_536]).is_ok() {}
            let mut good = server.connect();
            let (all, mut echoed) = (vec![b'a'; 3_000_000], Vec::new());
            let mut writer = good.try_clone().unwrap();
            let sent = all.clone();
            let writing = std::thread::spawn(move || {
                writer.write_all(&sent).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            good.read_to_end(&mut echoed).unwrap();
            writing.join().unwrap();
            assert!(echoed == all.to_ascii_uppercase(), "{} bytes", echoed.len());
            server.still_runs();
        }
    });
}

#[test]
fn datagrams_come_back() {
    within(LONG, || {
        let server = Serving::start("udp_echo", &["--address", "127.0.0.1:0"]);
        let script = "
clients = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(20)]
for size in [0, 1, 1000, 65507]:
    for number, client in enumerate(clients):
        client.sendto(bytes([number]) * size, at)
        assert client.recvfrom(65535) == (bytes([number]) * size, at)
gone = socket.socket(type=socket.SOCK_DGRAM)
gone.sendto(b'nobody hears the answer', at)
gone.close()
clients[0].sendto(b'and on', at)
assert clients[0].recv(100) == b'and on'
";
        python(&server.address, script);
        let client = ["--address", &server.address, "--client", "one", "two words"];
        let output = run("udp_echo", &client);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"one\ntwo words\n");
        server.still_runs();

        let output = run("udp_echo", &["--address", NOBODY, "--client", "one"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output)[0].contains("refused"), "{output:?}");
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let output = run("udp_echo", &["--address", &address, "--client", "one"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output)[0].contains("no answer"), "{output:?}");
    });
}

#[test]
fn lines_are_measured_on_a_unix_socket() {
    within(LONG, || {
        let path = env::temp_dir().join(format!("greenloop-{}.sock", process::id()));
        let path = path.to_str().unwrap();
        for _ in 0..2 {
            // The second one finds the first one's file.
            let server = Serving::start("unix_socket", &[path]);
            assert_eq!(server.address, path);
            let output = run("unix_socket", &[path, "--client", "one", "three", ""]);
            assert!(output.status.success(), "{output:?}");
            assert_eq!(output.stdout, b"3\tone\n5\tthree\n0\t\n");
            let script = format!(
                "
clients = [socket.socket(socket.AF_UNIX) for _ in range(50)]
for number, client in enumerate(clients):
    client.connect({path:?})
    client.sendall(b'x' * number + b'\\n\\xff\\xff')
for number, client in enumerate(clients):
    client.shutdown(socket.SHUT_WR)
    said = b''.join(iter(lambda: client.recv(7), b''))
    assert said == f'{{number}}\\n2\\n'.encode(), said
"
            );
            python("unused:0", &script);
            let long = "x".repeat(70_000);
            let output = run("unix_socket", &[path, "--client", &long]);
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.starts_with("a line has at most"), "{said}");
            let second = run("unix_socket", &[path]);
            assert_eq!(second.status.code(), Some(1));
            assert!(errors(&second)[0].contains("in use"), "{second:?}");
            server.still_runs();
        }
        fs::remove_file(path).unwrap();
        fs::write(path, "precious").unwrap();
        assert_eq!(run("unix_socket", &[path]).status.code(), Some(1));
        assert_eq!(fs::read(path).unwrap(), b"precious");
        fs::remove_file(path).unwrap();
        assert_eq!(
            run("unix_socket", &[path, "--client", "x"]).status.code(),
            Some(1)
        );
    });
}

#[test]
fn connections_are_passed_on_both_ways() {
    within(LONG, || {
        let target = Serving::start("gevent_server", &["127.0.0.1:0"]);
        let forwarder = Serving::start("port_forwarder", &["127.0.0.1:0", &target.address]);
        let load = ["--connections", "100", "--rounds", "10", "--size", "20000"];
        let output = run(
            "echo_client",
            &[&[forwarder.address.as_str()], &load[..]].concat(),
        );
        assert!(output.status.success(), "{output:?}");
        assert!(
            last_line(&output).starts_with("1000 requests"),
            "{output:?}"
        );
        for said in by_other_programs(&forwarder.address, "to the end") {
            assert_eq!(said, "to the end");
        }
        for _ in 0..20 {
            let mut cut = forwarder.connect();
            cut.write_all(&[7; 100_000]).unwrap();
            reset(cut);
        }
        let mut deaf = forwarder.connect();
        deaf.set_nonblocking(true).unwrap();
        while deaf.write(&[7; 65_536]).is_ok() {}
        let script = "
clients = [socket.create_connection(at) for _ in range(50)]
for client in clients:
    client.sendall(b'last words')
    client.shutdown(socket.SHUT_WR)
for client in clients:
    assert b''.join(iter(lambda: client.recv(7), b'')) == b'last words'
";
        python(&forwarder.address, script);
        forwarder.still_runs();
    });
}

#[test]
fn each_side_of_a_forwarder_hears_of_the_others_end() {
    within(LONG, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let flags = ["127.0.0.1:0", &target, "--connections", "1"];
        let forwarder = Serving::start("port_forwarder", &flags);
        let pair = || {
            let client = forwarder.connect();
            let (server, _) = listener.accept().unwrap();
            server.set_read_timeout(Some(LONG)).unwrap();
            (client, server)
        };
        let (mut client, mut server) = pair();
        server.write_all(b"half").unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "half");
        client.write_all(b"the other half").unwrap();
        // Only one at a time: a second connection reaches nobody, as yet.
        let mut second = forwarder.connect();
        second.write_all(b"second").unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        drop(client);
        heard.clear();
        server.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "the other half");
        let (mut server, _) = listener.accept().unwrap();
        reset(second);
        assert!(
            server.read_to_end(&mut Vec::new()).is_ok(),
            "the end, whatever came before"
        );

        let (mut client, server) = pair();
        reset(server);
        let _ = client.read_to_end(&mut Vec::new());
        drop(listener);
        // Nobody listens any more: a connection is closed, and the forwarder goes on.
        for _ in 0..3 {
            let ended = forwarder.connect().read(&mut [0]);
            assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
        }
        forwarder.still_runs();
    });
}

#[test]
fn bad_arguments_of_network_programs_are_told() {
    let usage: [(&str, &[&str]); 8] = [
        ("select_server", &["127.0.0.1:0", "more"]),
        ("selector_server", &["--address"]),
        ("udp_echo", &["--client"]),
        ("unix_socket", &[]),
        ("port_forwarder", &["127.0.0.1:0"]),
        (
            "port_forwarder",
            &["127.0.0.1:0", NOBODY, "--connections", "0"],
        ),
        ("chat_server", &["--clients", "0"]),
        ("chat_client", &[]),
    ];
    for (program, arguments) in usage {
        let output = run(program, arguments);
        assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}");
    }
    let unusable: [(&str, &[&str]); 9] = [
        ("select_server", &["nonsense"]),
        ("selector_server", &["nonsense"]),
        ("udp_echo", &["--address", "nonsense"]),
        ("udp_echo", &["--address", "nonsense", "--client", "x"]),
        ("port_forwarder", &["nonsense", NOBODY]),
        ("port_forwarder", &["127.0.0.1:0", "nonsense"]),
        ("chat_server", &["nonsense"]),
        ("chat_server", &["--tcp", "nonsense"]),
        ("chat_client", &["ann", "--address", "nonsense"]),
    ];
    for (program, arguments) in unusable {
        let output = run(program, arguments);
        assert_eq!(output.status.code(), Some(1), "{program} {arguments:?}");
        let errors = errors(&output);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with(program) && errors[0].contains("nonsense"),
            "{errors:?}"
        );
    }
}
