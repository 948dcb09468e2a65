//! A web site over TLS to fetch from, on a free loopback port, and whom to trust for it.
//!
//! Each page comes after 200 ms and has 3000 bytes.

use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use greenloop::net::tls::{Identity, Roots, TlsAcceptor};
use greenloop::net::{TcpListener, TcpStream};
use greenloop::{sleep, spawn};

/// Starts the site; returns its address as `https://localhost:PORT`, and its own certificate.
pub(crate) fn start() -> io::Result<(String, Roots)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.map_err(io::Error::other)?;
    let certificate = made.cert.pem();
    let identity = Identity::from_pem(&certificate, made.signing_key.serialize_pem())?;
    let acceptor = TlsAcceptor::new(identity)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    spawn(move || {
        for stream in listener.incoming().flatten() {
            let acceptor = acceptor.clone();
            spawn(move || answer(&acceptor, stream));
        }
    });
    Ok((
        format!("https://localhost:{port}"),
        Roots::from_pem(certificate)?,
    ))
}

fn answer(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let mut stream = acceptor.accept(stream)?;
    for line in BufReader::new(&stream).lines() {
        if line?.is_empty() {
            break; // the end of the request's head
        }
    }
    sleep(Duration::from_millis(200));
    let body = "A slow page of the demo site.\n".repeat(100);
    let length = body.len();
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    stream.shutdown()
}
