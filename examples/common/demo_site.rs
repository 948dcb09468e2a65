//! A web site to fetch from, on a free loopback port: five hundred linked pages and some bad ones.
//!
//! | path | what comes |
//! |---|---|
//! | `/page/1` to `/page/500` | after 20 ms, links to pages 2n and 2n+1, and back to pages n and 1 |
//! | `/slow/N` | after 200 ms, 3000 bytes |
//! | `/loop/1`, `/loop/2` | a redirection to each other |
//! | `/huge` | a page that does not end |
//! | `/stalled` | half a page, and then nothing |
//! | `/robots.txt` | nobody is to look into `/private/` |
//! | anything else | 404 |

use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use greenloop::net::{TcpListener, TcpStream};
use greenloop::{sleep, spawn};

const PAGES: u32 = 500;

/// Starts the site, and returns its address as `http://127.0.0.1:PORT`.
pub(crate) fn start() -> io::Result<String> {
    start_at("127.0.0.1:0", |_path| ())
}

/// Starts the site at an address of one's own; `asked` hears of each path that is asked for.
pub(crate) fn start_at(address: &str, asked: fn(&str)) -> io::Result<String> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || answer(stream, asked));
        }
    });
    Ok(format!("http://{address}"))
}

fn answer(mut stream: TcpStream, asked: fn(&str)) -> io::Result<()> {
    let mut request = String::new();
    for line in BufReader::new(&stream).lines() {
        match line? {
            line if line.is_empty() => break, // the end of the request's head
            line => request += &(line + "\n"),
        }
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    asked(path);
    match path.split('/').collect::<Vec<_>>()[..] {
        ["", "page", number] => match number.parse() {
            Ok(number @ 1..=PAGES) => {
                sleep(Duration::from_millis(20));
                send(&mut stream, "200 OK", &page(number))
            }
            _ => send(&mut stream, "404 Not Found", "There is no such page."),
        },
        ["", "slow", _] => {
            sleep(Duration::from_millis(200));
            let body = "A slow page of the demo site.\n".repeat(100);
            send(&mut stream, "200 OK", &body)
        }
        ["", "loop", "1"] => send(&mut stream, "302 Found\r\nLocation: /loop/2", ""),
        ["", "loop", "2"] => send(&mut stream, "302 Found\r\nLocation: 1", ""),
        ["", "huge"] => huge(stream),
        ["", "stalled"] => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
            sleep(Duration::from_secs(3600));
            Ok(())
        }
        ["", "robots.txt"] => {
            let rules = "User-agent: *\nDisallow: /private/\n";
            send(&mut stream, "200 OK", rules)
        }
        _ => send(&mut stream, "404 Not Found", "There is no such page."),
    }
}

fn page(number: u32) -> String {
    let mut links = vec![format!("/page/{number}#again"), "/page/1".into()];
    let below = [2 * number, 2 * number + 1]
        .into_iter()
        .filter(|next| *next <= PAGES);
    links.extend(below.map(|next| next.to_string()));
    if number.is_multiple_of(50) {
        links.push(format!("/missing/{number}"));
    }
    if number == 7 {
        let special = [
            "/loop/1",
            "/huge",
            "/stalled",
            "/private/",
            "mailto:a@b",
            "http://[bad",
        ];
        links.extend(special.map(String::from));
    }
    let links = links
        .iter()
        .map(|link| format!("<li><a href=\"{link}\">{link}</a></li>\n"));
    format!(
        "<!DOCTYPE html>\n<title>Page {number}</title>\n<ul>\n{}</ul>\n",
        links.collect::<String>()
    )
}

fn send(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

/// Goes on until the client has had enough.
fn huge(mut stream: TcpStream) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    loop {
        stream.write_all(&b"<p>Much too much. </p>\n".repeat(100))?;
    }
}
