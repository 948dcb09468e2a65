//! `Source`: the page that is asked, and what it answers.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::StatusCode;

use crate::view::View;

const PATIENCE: Duration = Duration::from_secs(10);

/// The page of a program.
pub(crate) struct Source {
    agent: Agent,
    address: String,
    /// The whole line of the head.
    authorization: Option<String>,
}

/// What was seen at one time.
pub(crate) struct Seen {
    pub(crate) summary: Summary,
    pub(crate) list: List,
    pub(crate) metrics: Metrics,
    /// Those that last.
    pub(crate) deadlocks: Vec<Deadlock>,
    /// The one that was to be looked at.
    pub(crate) opened: Option<u64>,
    /// Its story; none if it has ended.
    pub(crate) story: Option<Story>,
}

#[derive(Deserialize)]
pub(crate) struct Summary {
    pub(crate) green_threads: usize,
    pub(crate) states: BTreeMap<String, usize>,
    pub(crate) waits: BTreeMap<String, usize>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) process: u32,
    deadlocks: DeadlockCounts,
}

#[derive(Deserialize)]
struct DeadlockCounts {
    present: usize,
}

#[derive(Deserialize)]
struct Deadlocks {
    deadlocks: Vec<Deadlock>,
}

#[derive(Deserialize)]
pub(crate) struct Deadlock {
    present: bool,
    pub(crate) count: usize,
    pub(crate) members: Vec<Member>,
}

#[derive(Deserialize)]
pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) name: Option<String>,
    pub(crate) place: String,
    pub(crate) wait: String,
}

#[derive(Deserialize)]
pub(crate) struct Metrics {
    pub(crate) workers: Vec<Numbers>,
}

#[derive(Deserialize)]
pub(crate) struct Numbers {
    pub(crate) index: usize,
    pub(crate) switches: u64,
    pub(crate) busy: f64,
    pub(crate) idle: f64,
    pub(crate) latency: Latency,
}

#[derive(Deserialize)]
pub(crate) struct Latency {
    pub(crate) p99: Option<f64>,
}

#[derive(Deserialize)]
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) hub: bool,
    pub(crate) activity: String,
    pub(crate) running: Option<u64>,
    pub(crate) live: usize,
    pub(crate) queued: Option<usize>,
    pub(crate) unstarted: usize,
}

#[derive(Deserialize)]
pub(crate) struct List {
    pub(crate) matching: usize,
    pub(crate) rows: Vec<Row>,
}

#[derive(Deserialize)]
pub(crate) struct Story {
    pub(crate) row: Row,
    pub(crate) ancestors: Vec<Ancestor>,
    pub(crate) joiners: Vec<u64>,
    pub(crate) backtrace: Option<String>,
    pub(crate) note: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Ancestor {
    pub(crate) id: u64,
    pub(crate) name: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) name: Option<String>,
    pub(crate) state: String,
    pub(crate) wait: Option<String>,
    pub(crate) since: Option<f64>,
    pub(crate) home: Option<usize>,
    pub(crate) place: String,
    pub(crate) stack_used: Option<usize>,
}

impl Source {
    /// An error if the address or token can't be meant.
    pub(crate) fn new(address: &str, token: Option<&str>) -> io::Result<Source> {
        let is_plain = !address.contains(['/', '?', '#', '@', ' ']);
        let port = address
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        if !is_plain || !matches!(port, Some(Ok(1..))) {
            return Err(invalid(format!(
                "`{address}` is no HOST:PORT, such as 127.0.0.1:6060"
            )));
        }
        if token.is_some_and(|it| {
            it.bytes()
                .any(|byte| !byte.is_ascii_graphic() && byte != b' ')
        }) {
            return Err(invalid("a token has visible ASCII characters only".into()));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None);
        Ok(Source {
            agent: config.timeout_global(Some(PATIENCE)).build().new_agent(),
            address: address.to_owned(),
            authorization: token.map(|it| format!("Bearer {it}")),
        })
    }

    /// Asks for the summary, the first rows, and what else is shown.
    pub(crate) fn ask(&self, view: &View, rows: usize) -> io::Result<Seen> {
        let rows = rows.to_string();
        let parameters = [
            ("q", view.filter.as_str()),
            ("sort", view.sort),
            ("order", view.order()),
            ("limit", &rows),
        ];
        let summary: Summary = self.get("summary", &[])?;
        let deadlocks = match summary.deadlocks.present {
            0 => Vec::new(),
            _ => self.get::<Deadlocks>("deadlocks", &[])?.deadlocks,
        };
        Ok(Seen {
            summary,
            list: self.get("threads", &parameters)?,
            metrics: self.get("metrics", &[])?,
            deadlocks: deadlocks.into_iter().filter(|it| it.present).collect(),
            opened: view.opened,
            story: view.opened.map_or(Ok(None), |id| self.story(id))?,
        })
    }

    /// None if it has ended.
    fn story(&self, id: u64) -> io::Result<Option<Story>> {
        let parameters = [("id", id.to_string()), ("backtrace", "1".into())];
        let parameters = parameters.each_ref().map(|(name, it)| (*name, it.as_str()));
        match self.fetch("thread", &parameters)? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) => self.understand(status, &body).map(Some),
        }
    }

    fn get<T: DeserializeOwned>(&self, what: &str, parameters: &[(&str, &str)]) -> io::Result<T> {
        let (status, body) = self.fetch(what, parameters)?;
        self.understand(status, &body)
    }

    fn fetch(&self, what: &str, parameters: &[(&str, &str)]) -> io::Result<(StatusCode, String)> {
        let mut request = self
            .agent
            .get(format!("http://{}/api/{what}", self.address));
        request = request.query_pairs(parameters.iter().copied());
        if let Some(line) = &self.authorization {
            request = request.header("Authorization", line);
        }
        let mut response = request.call().map_err(|error| self.unreachable(error))?;
        let body = response
            .body_mut()
            .read_to_string()
            .map_err(|error| self.unreachable(error))?;
        Ok((response.status(), body))
    }

    fn understand<T: DeserializeOwned>(&self, status: StatusCode, body: &str) -> io::Result<T> {
        match status {
            StatusCode::OK => serde_json::from_str(body).map_err(|_| self.foreign()),
            StatusCode::UNAUTHORIZED => Err(self.locked()),
            StatusCode::NOT_FOUND => Err(self.foreign()),
            status => Err(io::Error::other(format!(
                "{} says {status}: {}",
                self.address,
                body.trim()
            ))),
        }
    }

    fn unreachable(&self, error: ureq::Error) -> io::Error {
        let error = error.into_io();
        let why = format!("cannot ask {}: {error}", self.address);
        io::Error::new(error.kind(), why)
    }

    fn locked(&self) -> io::Error {
        let why = match self.authorization {
            Some(_) => "this is not its token",
            None => "it wants a token: --token TOKEN, or GREENLOOP_TOKEN",
        };
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{}: {why}", self.address),
        )
    }

    fn foreign(&self) -> io::Error {
        let why = format!("what answers at {} is no page of Greenloop", self.address);
        io::Error::new(io::ErrorKind::InvalidData, why)
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
