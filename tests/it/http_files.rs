//! `http_server` as a server of files: what it serves, and that nothing else gets out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::http_client::{Answer, Server, answers, value};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A folder of files beside a secret, removed when dropped.
pub(crate) struct Site(pub(crate) PathBuf);

impl Site {
    pub(crate) fn new(name: &str) -> Site {
        let name = format!("greenloop-http-{name}-{}", std::process::id());
        let site = Site(std::env::temp_dir().join(name));
        let _ = fs::remove_dir_all(&site.0);
        fs::create_dir_all(site.0.join("root/sub")).unwrap();
        fs::write(site.0.join("secret"), "secret").unwrap();
        fs::write(site.root().join("index.html"), "<h1>home</h1>").unwrap();
        fs::write(site.root().join("sub/index.html"), "below").unwrap();
        fs::write(site.root().join("a b.txt"), "spaced").unwrap();
        fs::write(site.root().join("empty"), "").unwrap();
        site
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        let root = self.root();
        Server::start(&[&["--root", root.to_str().unwrap()], flags].concat())
    }

    /// A file of that size whose bytes tell their places.
    pub(crate) fn with_file(self, name: &str, size: usize) -> Site {
        let bytes: Vec<u8> = (0..size).map(|at| (at / 251 + at) as u8).collect();
        fs::write(self.root().join(name), bytes).unwrap();
        self
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The answer to a GET, on a connection of its own.
pub(crate) fn get(server: &Server, target: &str) -> Answer {
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    answers(&server.ask(head.as_bytes())).remove(0)
}

#[test]
fn the_answer_to_head_has_no_body() {
    let site = Site::new("head").with_file("large", 1 << 20);
    let server = site.serve(&[]);
    for (path, length) in [
        ("/", "13"),
        ("/large", "1048576"),
        ("/empty", "0"),
        ("/no", "14"),
    ] {
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let text = String::from_utf8(server.ask(head.as_bytes())).unwrap();
        assert_eq!(value(&text, "Content-Length"), Some(length), "{text}");
        assert!(
            text.ends_with("\r\n\r\n") && text.matches("\r\n\r\n").count() == 1,
            "{text}"
        );
    }
}

#[test]
fn files_are_what_they_are() {
    let site = Site::new("files").with_file("large.bin", 3_000_001);
    let server = site.serve(&[]);
    let large = fs::read(site.root().join("large.bin")).unwrap();
    for (path, content_type, body) in [
        ("/", "text/html; charset=utf-8", b"<h1>home</h1>".as_slice()),
        ("/sub/", "text/html; charset=utf-8", b"below"),
        (
            "/./sub//index.html?a=b",
            "text/html; charset=utf-8",
            b"below",
        ),
        ("/a%20b.txt", "text/plain; charset=utf-8", b"spaced"),
        ("/empty", "application/octet-stream", b""),
        ("/large.bin", "application/octet-stream", &large),
    ] {
        let answer = get(&server, path);
        assert_eq!((answer.status, answer.body == body), (200, true), "{path}");
        assert_eq!(
            value(&answer.head, "Content-Type"),
            Some(content_type),
            "{path}"
        );
    }
    let folder = get(&server, "/sub");
    assert_eq!(
        (folder.status, value(&folder.head, "Location")),
        (301, Some("/sub/"))
    );
    let post = server.ask(b"POST / HTTP/1.0\r\n\r\n");
    assert_eq!(value(&answers(&post)[0].head, "Allow"), Some("GET, HEAD"));
    let pipelined = [b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n", GET, LAST].concat();
    let sizes: Vec<_> = answers(&server.ask(&pipelined))
        .iter()
        .map(|it| it.body.len())
        .collect();
    assert_eq!(sizes, [3_000_001, 13, 13]);
}

#[test]
fn no_path_leaves_the_folder() {
    let site = Site::new("out");
    let link = |target: &Path, name: &str| symlink(target, site.root().join(name)).unwrap();
    link(Path::new("../secret"), "out");
    link(&site.0, "up");
    link(Path::new("sub/../../secret"), "round");
    link(Path::new("loop"), "loop");
    link(Path::new("sub/index.html"), "in");
    let pipe = Command::new("mkfifo")
        .arg(site.root().join("pipe"))
        .status()
        .unwrap();
    assert!(pipe.success());
    let server = site.serve(&[]);
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/%2E./secret",
        "/..%2fsecret",
        "/sub/../../secret",
        "/sub/%2e%2e/%2e%2e/secret",
        "//../secret",
        "/..",
        "/.%2e/",
        "/out",
        "/up/secret",
        "/round",
        "/loop",
        "/pipe",
        "/nothing",
        "/nothing/",
        "/empty/",
        "/empty/x",
        "/%ff",
        "/%",
        "/%zz",
        "/..\\secret",
        "/%5c..%5csecret",
        "/proc/self/environ",
        "http://a/../secret",
    ] {
        let answer = get(&server, path);
        assert_eq!(
            (answer.status, &*answer.body),
            (404, &b"404 Not Found\n"[..]),
            "{path}"
        );
    }
    let long = "/a".repeat(3000);
    assert_eq!(get(&server, &long).status, 404);
    assert_eq!(get(&server, "/empty%00.txt").status, 400);
    assert_eq!(get(&server, "/in").body, b"below");
}
