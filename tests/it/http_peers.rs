//! `http_server` behind nginx, and under wrk; what is not installed is said to be, and left out.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};

use crate::http_client::{Server, read_answer, value};
use crate::http_files::Site;
use crate::within::{LONG, until, within};

/// nginx in front of a server, in a folder of its own; ended when dropped.
struct Front {
    nginx: Child,
    place: Site,
}

impl Front {
    /// None if it is not installed.
    fn start(server: &Server, name: &str) -> Option<Front> {
        let place = Site::new(name);
        fs::write(place.0.join("conf"), Front::settings(&place, server)).unwrap();
        let spawned = Command::new("nginx")
            .args(["-e", "stderr", "-p"])
            .arg(&place.0)
            .args(["-c", "conf"])
            .spawn();
        let nginx = match spawned {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("skipped: nginx is not installed");
                return None;
            }
            child => child.unwrap(),
        };
        let front = Front { nginx, place };
        until("nginx listens", || {
            UnixStream::connect(front.path()).is_ok()
        });
        Some(front)
    }

    /// One process, at a socket of its own, which keeps its connections to the server.
    fn settings(place: &Site, server: &Server) -> String {
        let mut settings = String::from(
            "daemon off; master_process off; pid pid; error_log stderr crit;\n\
             events { worker_connections 512; }\n\
             http { access_log off; client_max_body_size 10m;\n",
        );
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            writeln!(settings, "{kind}_temp_path {kind};").unwrap();
        }
        let (address, socket) = (&server.address, place.0.join("socket"));
        write!(
            settings,
            "upstream behind {{ server {address}; keepalive 8; }}\n\
             server {{ listen unix:{};\n\
             proxy_http_version 1.1; proxy_set_header Connection '';\n\
             location / {{ proxy_pass http://behind; }}\n\
             location /unbuffered/ {{ proxy_pass http://behind/; proxy_request_buffering off; }}\n\
             }} }}",
            socket.display()
        )
        .unwrap();
        settings
    }

    fn path(&self) -> PathBuf {
        self.place.0.join("socket")
    }

    fn connect(&self) -> BufReader<UnixStream> {
        let stream = UnixStream::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        BufReader::new(stream)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn a_thousand_requests_come_through_nginx() {
    within(LONG, || {
        let server = Server::start(&[]);
        let before = server.sockets();
        let Some(front) = Front::start(&server, "nginx") else {
            return;
        };
        let mut client = front.connect();
        for number in 0..1000_usize {
            let body = vec![b'a' + (number % 26) as u8; number * number % 300_000];
            let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
            let (request, status, answer): (Vec<u8>, u16, &[u8]) = match number % 5 {
                0 => (get("/"), 200, b"Hello, World!"),
                1 => (get("/nothing"), 404, b"404 Not Found\n"),
                2 => (post("/", 3).into_bytes(), 405, b"405 Method Not Allowed\n"),
                3 => (post("/echo", body.len()).into_bytes(), 200, &body),
                _ => (
                    post("/unbuffered/echo", body.len()).into_bytes(),
                    200,
                    &body,
                ),
            };
            let stream = client.get_mut();
            stream.write_all(&request).unwrap();
            match number % 5 {
                2 => stream.write_all(b"abc").unwrap(),
                3 => stream.write_all(&body).unwrap(),
                4 => {
                    // A slow one, in two pieces.
                    let (start, end) = body.split_at(body.len() / 2);
                    stream.write_all(start).unwrap();
                    stream.flush().unwrap();
                    greenloop::yield_now();
                    stream.write_all(end).unwrap();
                }
                _ => {}
            }
            let came = read_answer(&mut client);
            assert_eq!(
                (came.status, came.body == answer),
                (status, true),
                "{number}"
            );
        }
        // One a request, if they were not kept.
        assert!(server.sockets() <= before + 8, "{}", server.sockets());
    });
}

#[test]
fn nginx_passes_on_refusals_and_fetches_large_files() {
    within(LONG, || {
        let site = Site::new("behind").with_file("large", 20 << 20);
        let server = site.serve(&["--max-body", "1000"]);
        let Some(front) = Front::start(&server, "refusals") else {
            return;
        };
        for path in ["/", "/unbuffered/"] {
            let mut client = front.connect();
            let stream = client.get_mut();
            stream.write_all(post(path, 5000).as_bytes()).unwrap();
            stream.write_all(&[b'a'; 5000]).unwrap();
            assert_eq!(read_answer(&mut client).status, 413, "{path}");
        }
        let mut clients: Vec<_> = (0..8).map(|_| front.connect()).collect();
        for client in &mut clients {
            let get = b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            client.get_mut().write_all(get).unwrap();
        }
        let large = fs::read(site.root().join("large")).unwrap();
        for mut client in clients {
            let answer = read_answer(&mut client);
            assert!(answer.body == large, "{}", answer.head);
            assert_eq!(value(&answer.head, "Connection"), Some("close"));
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
    });
}

#[test]
fn wrk_sees_no_failed_request() {
    within(LONG, || {
        let server = Server::start(&[]);
        wrk(&[], &format!("http://{}/", server.address));
        let site = Site::new("wrk");
        let script = site.0.join("pipeline.lua");
        let program = "init = function(args)\n\
            request = function() return string.rep(wrk.format('GET', '/agent'), 16) end\n\
            end\n";
        fs::write(&script, program).unwrap();
        let script = ["-s", script.to_str().unwrap()];
        wrk(&script, &format!("http://{}/", server.address));
    });
}

/// Two seconds of it.
pub(crate) fn wrk(flags: &[&str], url: &str) {
    let mut command = Command::new("wrk");
    command.args(["-t2", "-c64", "-d2s", "--timeout", "60s"]);
    let output = match command.args(flags).arg(url).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return eprintln!("skipped: wrk is not installed");
        }
        output => output.unwrap(),
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let count = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "));
    let count: usize = count.expect("how many there were").0.parse().unwrap();
    assert!(count > 64, "{text}");
    assert!(
        !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "{text}"
    );
}
