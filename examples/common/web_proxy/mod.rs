//! `Proxy`: what becomes of one client's connection.

mod answered;
mod asked;
mod body;
mod headers;
mod line;
#[allow(dead_code, reason = "http_server uses all of it")]
#[path = "../http_parts/mod.rs"]
mod parts;
mod refusal;

use std::io::{self, Read, Write};
use std::time::Duration;

use greenloop::net::{Shutdown, TcpStream};
use greenloop::{scope, timeout};
use socket2::SockRef;

use answered::Answered;
use asked::{Asked, Forward, Target};
use body::{Extent, pass_all};
use buffer::Input;
use head::HeadScanner;
use limits::Limits;
use line::{Line, Pulse};
use parts::{buffer, chunked, head, limits, status};
use refusal::Refusal;
use status::Status;

/// What a refused client may still send, in bytes and time, so that it sees why.
const LAST_WORDS: u64 = 1 << 20;
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// How long things may take, and where clients may go.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// From a connection's beginning to its request's last header.
    pub(crate) head_time: Duration,
    /// To reach a target.
    pub(crate) connect_time: Duration,
    /// Without a word from either side.
    pub(crate) idle_time: Duration,
    /// The ports that tunnels may lead to; empty for all.
    pub(crate) tunnel_ports: Vec<u16>,
}

/// Why a conversation ends early.
enum Failure {
    /// The client is told.
    Refused(Refusal),
    /// It has part of an answer, and has to see that this is not all.
    Cut,
}

impl Proxy {
    /// Does what the client asks for; one request a connection.
    pub(crate) fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let pulse = Pulse::new(self.idle_time);
        let mut line = Line::new(client, &pulse)?;
        match self.converse(line, &pulse) {
            Ok(()) => Ok(()),
            Err(Failure::Refused(refusal)) => {
                line.write_all(refusal.page().as_bytes())?;
                client.shutdown(Shutdown::Write)?;
                let heard_out = || io::copy(&mut line.take(LAST_WORDS), &mut io::sink());
                timeout(LAST_MOMENTS, heard_out).map_or(Ok(()), |heard| heard.map(drop))
            }
            Err(Failure::Cut) => SockRef::from(client).set_linger(Some(Duration::ZERO)),
        }
    }

    fn converse(&self, mut client: Line<'_>, pulse: &Pulse) -> Result<(), Failure> {
        let mut input = Input::new();
        let read = timeout(self.head_time, || read_head(&mut input, &mut client));
        let too_slow = |_| Refusal::new("408 Request Timeout", "the request's head is not there");
        let Some(len) = read.map_err(too_slow)?? else {
            return Ok(());
        };
        let head = input.unread()[..len].to_vec();
        input.consume(len);
        match Asked::parse(&head)? {
            Asked::Tunnel(target) => {
                self.check_port(&target)?;
                let server = self.connect(client, &target)?;
                let server = Line::new(&server, pulse)?;
                client.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n")?;
                tunnel(client, server, &mut input);
                Ok(())
            }
            Asked::Forward(request) => {
                let server = self.connect(client, &request.target)?;
                let server = Line::new(&server, pulse)?;
                forward(&request, client, server, &mut input)
            }
        }
    }

    fn check_port(&self, target: &Target<'_>) -> Result<(), Refusal> {
        if self.tunnel_ports.is_empty() || self.tunnel_ports.contains(&target.port) {
            return Ok(());
        }
        let why = format!("no tunnel leads to port {}", target.port);
        Err(Refusal::new("403 Forbidden", why))
    }

    fn connect(&self, client: Line<'_>, target: &Target<'_>) -> Result<TcpStream, Refusal> {
        let failed = |error| Refusal::unreachable(&error);
        let builder = TcpStream::builder().timeout(self.connect_time);
        let server = builder
            .connect((target.host, target.port))
            .map_err(failed)?;
        if server.peer_addr().map_err(failed)? == client.stream.local_addr().map_err(failed)? {
            return Err(Refusal::new(
                "508 Loop Detected",
                "that is this proxy itself",
            ));
        }
        Ok(server)
    }
}

/// The length of the head, which stays in `input`; `None` if the client says nothing at all.
fn read_head(input: &mut Input, from: &mut impl Read) -> Result<Option<usize>, Refusal> {
    let (mut scanner, limits) = (HeadScanner::default(), Limits::default());
    loop {
        let filled = input.fill(from);
        match filled.map_err(|error| Refusal::new("408 Request Timeout", error.to_string()))? {
            0 if input.unread().is_empty() => return Ok(None),
            0 => return Err(Refusal::malformed("the request ends within its head")),
            _ => {}
        }
        if let Some(len) = scanner.scan(input.unread(), &limits)? {
            return Ok(Some(len));
        }
    }
}

/// Both ways until both have ended, or one has failed. An end is passed on by itself.
fn tunnel(client: Line<'_>, server: Line<'_>, begun: &mut Input) {
    scope(|scope| {
        scope.spawn(|| pass_on(&mut Input::new(), server, client));
        pass_on(begun, client, server);
    });
}

fn pass_on(input: &mut Input, mut from: Line<'_>, mut to: Line<'_>) {
    let passed = pass_all(input, &mut from, &mut to);
    if passed.is_err() || to.stream.shutdown(Shutdown::Write).is_err() {
        hang_up(from);
        hang_up(to);
    }
}

fn hang_up(line: Line<'_>) {
    let _ = line.stream.shutdown(Shutdown::Both); // it may be gone already
}

/// The request goes out while its answer may come back already.
fn forward(
    request: &Forward<'_>,
    client: Line<'_>,
    mut server: Line<'_>,
    input: &mut Input,
) -> Result<(), Failure> {
    let failed = |error| Refusal::unreachable(&error);
    server.write_all(&request.head).map_err(failed)?;
    if request.body == Extent::Length(0) {
        return answer(request, client, server);
    }
    scope(|scope| {
        let sending = scope.spawn(|| send_body(request.body, input, client, server));
        let answered = answer(request, client, server);
        sending.kill(); // nobody wants to hear the rest
        let _ = sending.join();
        answered
    })
}

fn send_body(body: Extent, input: &mut Input, mut client: Line<'_>, line: Line<'_>) {
    let mut server = Listener {
        line,
        has_gone: false,
    };
    let sent = body.pass_on(input, &mut client, &mut server, false);
    if sent.is_err() && !server.has_gone {
        hang_up(line); // the client has broken off
    }
}

/// A target that is sent a body. If it has heard enough, its answer says why.
struct Listener<'a> {
    line: Line<'a>,
    has_gone: bool,
}

impl Write for Listener<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.line.write(bytes);
        self.has_gone |= written.is_err();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes the answer on, and what the target says before it.
fn answer(
    request: &Forward<'_>,
    mut client: Line<'_>,
    mut server: Line<'_>,
) -> Result<(), Failure> {
    let mut input = Input::new();
    loop {
        let len = answer_head(&mut input, &mut server)?;
        let head = &input.unread()[..len];
        let answered = Answered::parse(head, request.is_head, request.is_old)?;
        input.consume(len);
        match answered.code {
            101 => return Err(Refusal::strange_answer("it is 101, which nobody asked for").into()),
            100..200 if request.is_old => continue,
            _ => client.write_all(&answered.head)?,
        }
        if answered.code >= 200 {
            let body = answered.body;
            let passed = body.pass_on(&mut input, &mut server, &mut client, request.is_old);
            return passed.map_err(|_| Failure::Cut);
        }
    }
}

fn answer_head(input: &mut Input, from: &mut impl Read) -> Result<usize, Refusal> {
    let (mut scanner, limits) = (HeadScanner::default(), Limits::default());
    loop {
        let scanned = scanner.scan(input.unread(), &limits);
        let scanned = scanned.map_err(|_| Refusal::strange_answer("its head is malformed"))?;
        if let Some(len) = scanned {
            return Ok(len);
        }
        match input.fill(from) {
            Ok(0) => return Err(Refusal::strange_answer("it ended before it began")),
            Ok(_) => {}
            Err(error) => return Err(Refusal::unreachable(&error)),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure::Refused(status.into())
    }
}

/// There is nobody to tell.
impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Failure {
        Failure::Cut
    }
}
