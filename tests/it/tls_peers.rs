//! TLS with peers of other make: OpenSSL's client and server, and curl; skipped if not installed.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, PipeReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use greenloop::net::tls::{Roots, TlsAcceptor, TlsConnector, TlsVersion};
use greenloop::net::{SocketAddr, TcpListener, TcpStream};
use greenloop::queue::Queue;
use greenloop::spawn;
use greenloop::sync::Arc;

use crate::authority::Authority;
use crate::unix::Place;
use crate::within::{LONG, within};

#[test]
fn openssl_is_served_in_both_versions() {
    within_if("openssl", || {
        let authority = Authority::new();
        let builder = TlsAcceptor::builder(authority.identity("a.example"));
        let builder = builder.identity_for("b.example", authority.identity("b.example"));
        let site = Site::start(builder.alpn(["greeting"]).build().unwrap(), &authority);
        for version in ["-tls1_2", "-tls1_3"] {
            let flags = [
                "-quiet",
                "-servername",
                "b.example",
                "-alpn",
                "greeting",
                version,
            ];
            let output = site.s_client(&flags).answered("hello\n");
            assert!(output.status.success(), "{output:?}");
            assert!(output.stdout.ends_with(b"you said hello\n"), "{output:?}");
            assert_eq!(site.heard(), Ok(()));
        }
        let wrong = site
            .s_client(&["-quiet", "-verify_hostname", "c.example"])
            .answered("");
        assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
        let (kind, text) = site.heard().unwrap_err();
        assert!(
            kind == ErrorKind::InvalidData && text.contains("alert"),
            "{text}"
        );
    });
}

#[test]
fn openssl_cannot_make_it_speak_an_old_version() {
    within_if("openssl", || {
        let authority = Authority::new();
        let site = Site::start(authority.acceptor(), &authority);
        for version in ["-tls1", "-tls1_1"] {
            let flags = ["-quiet", version, "-cipher", "ALL:@SECLEVEL=0"];
            let output = site.s_client(&flags).answered("");
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let (kind, text) = site.heard().unwrap_err();
            assert!(text.contains("expected a later version"), "{text}");
            assert_eq!(kind, ErrorKind::InvalidData);
        }
    });
}

#[test]
fn openssl_resumes_its_session() {
    within_if("openssl", || {
        let authority = Authority::new();
        let site = Site::start(authority.acceptor(), &authority);
        for version in ["-tls1_2", "-tls1_3"] {
            let place = Place::new();
            let path = place.path().to_str().unwrap();
            for (flag, said) in [("-sess_out", "New, TLSv1"), ("-sess_in", "Reused, TLSv1")] {
                let output = site
                    .s_client(&["-ign_eof", version, flag, path])
                    .answered("hello\n");
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(
                    text.contains(said) && text.contains("you said hello"),
                    "{text}"
                );
                assert_eq!(site.heard(), Ok(()));
            }
        }
    });
}

#[test]
fn openssl_may_change_its_keys() {
    within_if("openssl", || {
        let authority = Authority::new();
        let site = Site::start(authority.acceptor(), &authority);
        let mut client = site.s_client(&["-tls1_3"]);
        client.say("again\n");
        client.hear("you said again");
        client.say("K\n"); // its own, and the server's as well
        client.hear("KEYUPDATE");
        client.say("again\n");
        client.hear("you said again");
        client.say("k\n");
        client.hear("KEYUPDATE");
        client.say("enough\n");
        client.hear("you said enough");
        assert_eq!(site.heard(), Ok(()));
    });
}

#[test]
fn openssl_serves_and_asks_who_comes() {
    within_if("openssl", || {
        let authority = Authority::new();
        for (version, flag) in [
            (TlsVersion::Tls12, "-tls1_2"),
            (TlsVersion::Tls13, "-tls1_3"),
        ] {
            let (mut server, address) = s_server(&authority, flag);
            let known = TlsConnector::builder().roots(authority.roots());
            let known = known.identity(authority.identity("staff")).build().unwrap();
            let stream = TcpStream::connect(address).unwrap();
            let mut stream = known.connect("localhost", stream).unwrap();
            assert_eq!(stream.protocol_version(), version);
            stream.write_all(b"hello\n").unwrap();
            let mut answer = String::new();
            BufReader::new(&stream).read_line(&mut answer).unwrap();
            assert_eq!(answer, "olleh\n");
            drop(stream);

            let stream = TcpStream::connect(address).unwrap();
            let nobody = authority.connector().connect("localhost", stream);
            let error = nobody
                .and_then(|mut stream| stream.read(&mut [0; 1]))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
            server.end();
        }
    });
}

#[test]
fn curl_is_served_if_it_trusts_the_authority() {
    within_if("curl", || {
        let authority = Authority::new();
        let site = Site::start(authority.acceptor(), &authority);
        let port = site.address.port();
        let resolve = format!("localhost:{port}:127.0.0.1");
        let curl = |scheme: &str, flags: &[&str]| {
            let mut command = Command::new("curl");
            command.args([
                "--silent",
                "--noproxy",
                "*",
                "--max-time",
                "60",
                "--http0.9",
            ]);
            command.args(["--resolve", &resolve]).args(flags);
            command
                .arg(format!("{scheme}://localhost:{port}/"))
                .output()
                .unwrap()
        };
        let output = curl("https", &["--cacert", site.ca()]);
        assert_eq!(output.stdout, b"you said GET / HTTP/1.1\n", "{output:?}");
        assert_eq!(site.heard(), Ok(()));

        assert_eq!(
            curl("https", &[]).status.code(),
            Some(60),
            "an unknown authority"
        );
        assert_eq!(site.heard().unwrap_err().0, ErrorKind::InvalidData);

        assert!(!curl("http", &[]).stdout.starts_with(b"you said"));
        let (kind, text) = site.heard().unwrap_err();
        assert!(
            text.contains("expected TLS, received \"GET / HTTP"),
            "{text}"
        );
        assert_eq!(kind, ErrorKind::InvalidData);
    });
}

/// Runs the test if the program that it needs is there.
fn within_if(program: &str, test: fn()) {
    if Command::new(program).arg("version").output().is_err() {
        return;
    }
    within(LONG, test);
}

/// A server that repeats what it is told, and what became of its connections.
struct Site {
    address: SocketAddr,
    outcomes: Arc<Queue<Result<(), (ErrorKind, String)>>>,
    ca: Papers,
}

impl Site {
    fn start(acceptor: TlsAcceptor, authority: &Authority) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let outcomes = Arc::new(Queue::new());
        let told = outcomes.clone();
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = repeat(&acceptor, stream);
                let _ = told.put(served.map_err(|error| (error.kind(), error.to_string())));
            }
        });
        let ca = Papers::new(&authority.pem());
        Site {
            address,
            outcomes,
            ca,
        }
    }

    /// What became of the connection that was opened after the last one asked for.
    fn heard(&self) -> Result<(), (ErrorKind, String)> {
        self.outcomes.get().unwrap()
    }

    fn ca(&self) -> &str {
        self.ca.path()
    }

    fn s_client(&self, flags: &[&str]) -> Program {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-verify_return_error", "-CAfile", self.ca()]);
        command
            .args(["-connect", &self.address.to_string()])
            .args(flags);
        Program::start(command)
    }
}

/// Repeats each line until one that is not "again".
fn repeat(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let stream = acceptor.accept(stream)?;
    for line in BufReader::new(&stream).lines() {
        let line = line?;
        (&stream).write_all(format!("you said {line}\n").as_bytes())?;
        if line != "again" {
            break;
        }
    }
    stream.shutdown()
}

/// An OpenSSL server on a free port that reverses each line, and asks for a certificate.
fn s_server(authority: &Authority, version: &str) -> (Program, SocketAddr) {
    let (chain, key) = authority.papers("localhost");
    let papers = Papers::new(&(chain + &key));
    let ca = Papers::new(&authority.pem());
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-rev", version]);
    command.args([
        "-cert",
        papers.path(),
        "-key",
        papers.path(),
        "-CAfile",
        ca.path(),
    ]);
    command.args(["-Verify", "1", "-verify_return_error"]);
    let mut server = Program::start(command);
    let line = server.hear("ACCEPT ");
    (
        server,
        line.trim()
            .strip_prefix("ACCEPT ")
            .unwrap()
            .parse()
            .unwrap(),
    )
}

/// A PEM file for as long as it is needed.
struct Papers(Place);

impl Papers {
    fn new(text: &str) -> Papers {
        let place = Place::new();
        fs::write(place.path(), text).unwrap();
        Roots::from_file(place.path()).unwrap(); // ours reads it as well
        Papers(place)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

/// A running program to talk with; ended when dropped.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<PipeReader>, // standard output and error
}

impl Program {
    fn start(mut command: Command) -> Program {
        let (output, writer) = io::pipe().unwrap();
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(output);
        Program {
            child,
            input,
            output,
        }
    }

    fn say(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    /// Returns the next line that has these words.
    fn hear(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(
                self.output.read_line(&mut line).unwrap(),
                0,
                "never heard: {words}"
            );
        }
        line
    }

    /// Says this, and returns all that comes until the program has ended.
    fn answered(mut self, text: &str) -> Output {
        let _ = self.input.as_mut().unwrap().write_all(text.as_bytes()); // it may have ended
        let mut stdout = Vec::new();
        self.output.read_to_end(&mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        let stderr = Vec::new();
        Output {
            status,
            stdout,
            stderr,
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}
