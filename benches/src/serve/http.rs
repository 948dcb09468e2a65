//! Plain text by HTTP on each runtime. Greenloop's is the example `http_server`, a program apart.

use super::raw::{self, Protocol};
use super::{listen, local};
use crate::Runtime;
use crate::sample::beside;
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use may_minihttp::{HttpServer, HttpService};
use memchr::memmem;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use tokio::runtime::Builder;

const TEXT: &str = "Hello, World!";

/// Serves on 127.0.0.1 until the process is ended, or for an error before that.
///
/// # Errors
///
/// The system's, for a port that is taken; `Unsupported` for a runtime without such a server.
pub fn serve(runtime: Runtime, port: u16, workers: usize) -> io::Result<()> {
    match runtime {
        Runtime::Epoll => raw::serve(port, workers, Canned),
        Runtime::May => on_may(port, workers),
        Runtime::Tokio => on_hyper(
            Builder::new_multi_thread().worker_threads(workers),
            listen(port)?,
        ),
        Runtime::TokioCt => on_hyper(&mut Builder::new_current_thread(), listen(port)?),
        Runtime::Greenloop => Err(become_the_example(port, workers)),
        Runtime::Threads | Runtime::Corosensei => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Returns only for an error.
fn become_the_example(port: u16, workers: usize) -> io::Error {
    let mut example = Command::new(beside("http_server"));
    example.arg(local(port).to_string());
    example.args(["--workers", &workers.to_string()]);
    example.exec()
}

/// The same answer to whatever looks like the end of a head.
#[derive(Clone)]
struct Canned;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\
date: Sun, 22 Nov 2026 06:00:00 GMT\r\n\r\nHello, World!";
const END: &[u8] = b"\r\n\r\n";

impl Protocol for Canned {
    /// What follows the last end of a head.
    type Memory = Vec<u8>;

    fn answer(&self, rest: &mut Vec<u8>, input: &[u8], answer: &mut Vec<u8>) -> bool {
        let mut seen = 0;
        let mut look = |bytes: &[u8]| {
            for end in memmem::find_iter(bytes, END) {
                answer.extend_from_slice(ANSWER);
                seen = end + END.len();
            }
            seen
        };
        if rest.is_empty() {
            let seen = look(input);
            rest.extend_from_slice(&input[seen..]);
        } else {
            rest.extend_from_slice(input);
            let seen = look(rest);
            rest.drain(..seen);
        }
        false
    }
}

#[derive(Clone)]
struct Plain;

impl HttpService for Plain {
    fn call(
        &mut self,
        _: may_minihttp::Request<'_, '_, '_>,
        response: &mut may_minihttp::Response<'_>,
    ) -> io::Result<()> {
        response.header("Content-Type: text/plain");
        response.body(TEXT);
        Ok(())
    }
}

fn on_may(port: u16, workers: usize) -> io::Result<()> {
    may::config().set_workers(workers);
    HttpServer(Plain).start(local(port))?.wait();
    Ok(())
}

fn on_hyper(builder: &mut Builder, listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let acceptor = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let mut http = http1::Builder::new();
                http.pipeline_flush(true); // one write for the answers to all that has arrived
                let _ = http
                    .serve_connection(TokioIo::new(stream), service_fn(greet))
                    .await;
            });
        }
    };
    let runtime = builder.enable_io().build()?;
    // A task of its own, so that it runs on a worker.
    let ended: Result<io::Result<()>, _> =
        runtime.block_on(async move { tokio::spawn(acceptor).await });
    ended.expect("nothing there panics")
}

async fn greet(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(TEXT.as_bytes())));
    let kind = hyper::header::HeaderValue::from_static("text/plain");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}
