//! `HttpServer`: HTTP/1.1 on many connections at once, answered by a handler.

mod connection;
mod date;
mod files;
mod heads;
#[path = "../http_parts/mod.rs"]
mod parts;
mod response;
#[cfg_attr(feature = "tls", path = "tls.rs")]
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod transport;
mod watch;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenloop::net::{StreamServer, TcpListener, TcpStream};
use greenloop::pool::Pool;
use greenloop::signal::Shutdown;

use connection::Connection;
pub(crate) use files::Files;
pub(crate) use limits::Limits;
use parts::{buffer, chunked, head, limits, request, status};
pub(crate) use request::Request;
pub(crate) use response::Response;
pub(crate) use status::Status;
pub(crate) use tls::Tls;
use transport::Socket;
use watch::Watchdog;

/// What killed connections may take to end.
const GRACE: Duration = Duration::from_secs(1);

/// What answers requests: a closure, or a type that has more to it.
pub(crate) trait Handler: Send + Sync + 'static {
    /// It may wait; a panic closes this connection alone.
    fn handle(&self, request: &Request<'_>) -> Response;
}

impl<F> Handler for F
where
    F: Fn(&Request<'_>) -> Response + Send + Sync + 'static,
{
    fn handle(&self, request: &Request<'_>) -> Response {
        self(request)
    }
}

/// A server that parses requests, keeps to its limits, and asks its handler for the answers.
pub(crate) struct HttpServer {
    handler: Box<dyn Handler>,
    limits: Limits,
    tls: Option<Tls>,
}

impl HttpServer {
    pub(crate) fn new(handler: impl Handler) -> HttpServer {
        HttpServer {
            handler: Box::new(handler),
            limits: Limits::default(),
            tls: None,
        }
    }

    pub(crate) fn limits(self, limits: Limits) -> HttpServer {
        HttpServer { limits, ..self }
    }

    /// Has it speak HTTPS, if there is one.
    pub(crate) fn tls(self, tls: Option<Tls>) -> HttpServer {
        HttpServer { tls, ..self }
    }

    /// Begins to serve.
    pub(crate) fn start(self, listener: TcpListener) -> io::Result<Serving> {
        let (watchdog, patience) = (Watchdog::start(), self.limits.drain_time);
        let pool = Arc::new(Pool::new(self.limits.connections));
        let dog = Arc::clone(&watchdog);
        let converse: Arc<Converse> = Arc::new(move |stream| self.converse(stream, &dog));
        let waiting = listener.try_clone()?;
        let accepted = Arc::clone(&converse);
        let server = StreamServer::builder().pool(Arc::clone(&pool));
        let server = server.listen([listener], move |stream, _| accepted(stream))?;
        server.start()?;
        Ok(Serving {
            server,
            waiting,
            pool,
            watchdog,
            converse,
            patience,
        })
    }

    fn converse(&self, stream: TcpStream, watchdog: &Arc<Watchdog>) {
        let watched = watchdog.watch(stream);
        match &self.tls {
            Some(tls) => tls.converse(self, &watched),
            None => Connection::new(Socket(&watched), self, &watched).run(),
        }
    }
}

/// What is done with a connection.
type Converse = dyn Fn(TcpStream) + Send + Sync;

/// A server that serves.
pub(crate) struct Serving {
    server: StreamServer,
    /// Its listener once more: it holds those that nobody has accepted.
    waiting: TcpListener,
    pool: Arc<Pool>,
    watchdog: Arc<Watchdog>,
    converse: Arc<Converse>,
    patience: Duration,
}

impl Serving {
    /// Serves until `shutdown` is asked for; then what has arrived is answered, until the limit's
    /// deadline. Returns how many connections that deadline has cut.
    pub(crate) fn until(self, shutdown: &Shutdown) -> io::Result<usize> {
        shutdown.wait();
        let (asked, patience) = (Instant::now(), self.patience);
        let left = || patience.saturating_sub(asked.elapsed());
        self.server.close();
        self.watchdog.stop();
        admit_all(self.waiting, &self.pool, &self.converse, left)?;
        if self.pool.join_timeout(left()) {
            return Ok(0);
        }
        let cut = self.pool.len();
        self.watchdog.reset();
        self.pool.kill_timeout(GRACE);
        Ok(cut)
    }
}

/// Lets in the clients who have come before the end.
fn admit_all(
    waiting: TcpListener,
    pool: &Pool,
    converse: &Arc<Converse>,
    left: impl Fn() -> Duration,
) -> io::Result<()> {
    waiting.set_nonblocking(true)?;
    while let Ok((stream, _)) = waiting.accept() {
        let converse = Arc::clone(converse);
        let admitted = pool.spawn_timeout(move || converse(stream), left());
        if admitted.is_err() {
            break;
        }
    }
    Ok(())
}
