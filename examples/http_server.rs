//! The course's HTTP server: plain answers, or the files of a folder, to many browsers at once.
//!
//! ```text
//! cargo run --release --example http_server                   # 127.0.0.1:8000
//! curl -i http://127.0.0.1:8000/                              # Hello, World!
//! curl -d 'some text' http://127.0.0.1:8000/echo              # comes back
//! cargo run --release --example http_server -- 127.0.0.1:0 --root target/doc
//! curl -i --path-as-is http://127.0.0.1:PORT/../Cargo.toml    # 404
//! ```
//!
//! Ctrl-C or SIGTERM ends it: what has arrived is answered first; a second one ends it at once. For
//! ten thousand connections let it open as many files: `ulimit -n 20000`. By HTTPS:
//!
//! ```text
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
//!     -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
//! cargo run --release --features tls --example http_server -- --tls cert.pem key.pem
//! curl --cacert cert.pem https://localhost:8000/
//! ```

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use greenloop::Runtime;
use greenloop::net::TcpListener;
use greenloop::signal::{SIGINT, SIGTERM, Shutdown};

#[path = "common/http_server/mod.rs"]
mod http;
use http::{Files, HttpServer, Limits, Request, Response, Status, Tls};

/// Serves plain text, or the files of a folder, over HTTP/1.1.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:8000")]
    address: String,
    /// Serve the files of this folder
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Speak HTTPS, with this certificate chain and key, both PEM [needs the feature tls]
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    tls: Option<Vec<PathBuf>>,
    /// How many OS threads serve; one a core by default
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// How long a request's head may take to arrive
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    head_timeout: Duration,
    /// How long a request's body may take to arrive
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    body_timeout: Duration,
    /// How long a client may take to read each part of an answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    write_timeout: Duration,
    /// How long a connection is kept between two requests
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    idle_timeout: Duration,
    /// How long requests may still run when the server has been told to stop
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    drain_timeout: Duration,
    /// How many connections at once; more have to wait
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    #[arg(value_parser = connections)]
    connections: usize,
    /// The largest body of a request
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body)]
    max_body: usize,
}

fn main() -> ExitCode {
    match serve(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("http_server: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> Result<(), String> {
    if let Some(workers) = args.workers {
        let started = Runtime::builder().workers(workers).start();
        started.map_err(|error| format!("cannot start: {error}"))?;
    }
    let server = match &args.root {
        None => HttpServer::new(hello),
        Some(root) => HttpServer::new(
            Files::new(root)
                .map_err(|error| format!("cannot serve the folder {}: {error}", root.display()))?,
        ),
    };
    let tls = args.tls.as_deref().map(|papers| open_tls(papers, args));
    let server = server.limits(limits(args)).tls(tls.transpose()?);
    let shutdown = Shutdown::on([SIGTERM, SIGINT])
        .map_err(|error| format!("cannot wait for signals: {error}"))?;
    let (listener, bound) = listen(&args.address)
        .map_err(|error| format!("cannot listen on {}: {error}", args.address))?;
    let serving = server.start(listener).map_err(cannot_serve)?;
    println!("listening on {bound}");
    let cut = serving.until(&shutdown).map_err(cannot_serve)?;
    if cut > 0 {
        eprintln!("http_server: {cut} connections did not end in time");
    }
    Ok(())
}

fn cannot_serve(error: io::Error) -> String {
    format!("cannot serve: {error}")
}

fn open_tls(papers: &[PathBuf], args: &Args) -> Result<Tls, String> {
    let tls = Tls::open(&papers[0], &papers[1], args.head_timeout);
    tls.map_err(|error| format!("--tls: {error}"))
}

/// What is served without a folder.
fn hello(request: &Request<'_>) -> Response {
    match (request.path(), request.method()) {
        ("/" | "/plaintext", "GET" | "HEAD") => Response::text("Hello, World!"),
        ("/" | "/plaintext", _) => {
            Response::error(Status::MethodNotAllowed).with("Allow", "GET, HEAD")
        }
        ("/echo", "POST") => Response::bytes("application/octet-stream", request.body().to_vec()),
        ("/agent", "GET" | "HEAD") => {
            let agent = request.header("User-Agent").unwrap_or(b"nobody");
            Response::text(format!("You are {}.\n", agent.escape_ascii()))
        }
        ("/echo", _) => Response::error(Status::MethodNotAllowed).with("Allow", "POST"),
        _ => Response::error(Status::NotFound),
    }
}

fn listen(address: &str) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::builder().backlog(4096).bind(address)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

fn limits(args: &Args) -> Limits {
    Limits {
        connections: args.connections,
        body: args.max_body,
        head_time: args.head_timeout,
        body_time: args.body_timeout,
        write_time: args.write_timeout,
        idle_time: args.idle_timeout,
        drain_time: args.drain_timeout,
        ..Limits::default()
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "expected a number of seconds greater than 0".to_owned())
}

fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected a number greater than 0".to_owned())
}
