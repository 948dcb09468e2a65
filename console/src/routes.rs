//! `Routes`: which address is answered by what.

use std::io;
use std::sync::Arc;
use std::thread;

use greenloop_runtime::sync::mpsc;
use serde_json::Value;

use crate::answer::Answer;
use crate::gate::Gate;
use crate::list::List;
use crate::metrics::{self, Prometheus};
use crate::query::Query;
use crate::request::Request;
use crate::snapshot::{Snapshot, Snapshots};
use crate::story::{self, Wanted};
use crate::{deadlocks, sites, summary, waits};

const HTML: &str = include_str!("../page/index.html");
const SCRIPT: &str = include_str!("../page/page.js");
const STYLE: &str = include_str!("../page/page.css");
const NO_PROMETHEUS: &str = "this program was built without greenloop's feature `metrics`";

/// All that can be asked, and by whom.
#[derive(Debug)]
pub(crate) struct Routes {
    gate: Gate,
    snapshots: Arc<Snapshots>,
    prometheus: Option<Prometheus>,
}

impl Routes {
    pub(crate) fn new(gate: Gate) -> Routes {
        Routes {
            gate,
            snapshots: Arc::default(),
            prometheus: metrics::PROMETHEUS,
        }
    }

    pub(crate) fn answer(&self, request: Request) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: Request) -> Result<Answer, Answer> {
        self.gate.check_host(&request)?;
        // The page itself says nothing of the program, and has to be there to take the token.
        if let Some(part) = part(&request.path) {
            return Ok(part);
        }
        self.gate.check_token(&request)?;
        self.look(request)
    }

    fn look(&self, request: Request) -> Result<Answer, Answer> {
        let query = request.query;
        match request.path.as_str() {
            "/api/summary" => self.seen(query.end(), |it, ()| Answer::json(&summary::of(it))),
            "/api/threads" => self.seen(List::parse(query), |it, list| list.answer(it)),
            "/api/thread" => self.story(query),
            "/api/waits" => self.some(query, waits::of),
            "/api/deadlocks" => self.some(query, deadlocks::of),
            "/api/sites" => self.some(query, sites::of),
            "/api/metrics" => counted(query, metrics::answer),
            "/metrics" => match self.prometheus {
                Some(text) => counted(query, move || Answer::open_metrics(text())),
                None => Err(Answer::not_found(NO_PROMETHEUS)),
            },
            "/api/dump.json" => self.seen(query.end(), |it, ()| Answer::json(&it.dump)),
            "/api/dump.txt" => self.seen(query.end(), |it, ()| Answer::text(it.dump.to_string())),
            _ => Err(Answer::not_found("there is nothing at this address")),
        }
    }

    fn story(&self, mut query: Query) -> Result<Answer, Answer> {
        let id = query.take_as("id")?;
        let wanted = query.take_one_of("backtrace", &story::WANTED)?;
        query.end()?;
        let id: u64 = id.ok_or_else(|| Answer::bad_request("the parameter `id` lacks"))?;
        let wanted = wanted.unwrap_or(Wanted::None);
        self.seen(Ok(()), move |it, ()| story::answer(it, id, wanted))
    }

    /// So many of something.
    fn some(
        &self,
        mut query: Query,
        of: fn(&Snapshot, Option<usize>) -> Value,
    ) -> Result<Answer, Answer> {
        let limit = query.take_as("limit")?;
        self.seen(query.end(), move |it, ()| Answer::json(&of(it, limit)))
    }

    /// Looks around, and answers by what is seen.
    fn seen<T: Send + 'static>(
        &self,
        asked: Result<T, Answer>,
        answer: impl FnOnce(&Snapshot, T) -> Answer + Send + 'static,
    ) -> Result<Answer, Answer> {
        let asked = asked?;
        let snapshots = Arc::clone(&self.snapshots);
        aside(move || answer(&snapshots.fresh(), asked))
    }
}

fn part(path: &str) -> Option<Answer> {
    match path {
        "/" => Some(Answer::page("text/html; charset=utf-8", HTML)),
        "/page.js" => Some(Answer::page("text/javascript; charset=utf-8", SCRIPT)),
        "/page.css" => Some(Answer::page("text/css; charset=utf-8", STYLE)),
        _ => None,
    }
}

/// Answers by counts, for which nobody is looked at.
fn counted(
    query: Query,
    answer: impl FnOnce() -> Answer + Send + 'static,
) -> Result<Answer, Answer> {
    query.end()?;
    aside(answer)
}

/// Runs `f` on an OS thread of its own, and waits.
///
/// It takes time by the number of green threads, for which no worker is to be held up, and the
/// blocking pool may be what is stuck.
fn aside(f: impl FnOnce() -> Answer + Send + 'static) -> Result<Answer, Answer> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().name("greenloop-look".into());
    // A send fails if the connection has been killed meanwhile.
    let started = thread.spawn(move || drop(sender.send(f())));
    let done = started.and_then(|_| {
        let answer = receiver.recv();
        answer.map_err(|_| io::Error::other("the look has panicked"))
    });
    done.map_err(|error| Answer::failed(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Head;

    /// What a page answers that was built with the feature `metrics`, or without.
    fn metrics_of(prometheus: Option<Prometheus>) -> String {
        let routes = Routes {
            prometheus,
            ..Routes::new(Gate::new(None, Vec::new()))
        };
        let question: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let Ok(Head::Good(request)) = Request::read(question, &mut Vec::new()) else {
            panic!("it is a question");
        };
        let mut reply = Vec::new();
        routes.answer(request).send(&mut reply, false).unwrap();
        String::from_utf8(reply).unwrap()
    }

    #[test]
    fn without_the_feature_metrics_prometheus_is_told_so() {
        let reply = metrics_of(None);
        assert!(reply.starts_with("HTTP/1.1 404 Not Found\r\n"), "{reply}");
        assert!(
            reply.ends_with("without greenloop's feature `metrics`\n"),
            "{reply}"
        );
        let reply = metrics_of(Some(|| "# EOF\n".to_owned()));
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
        assert!(reply.ends_with("\r\n\r\n# EOF\n"), "{reply}");
    }
}
