//! `List`: a page of the green threads, chosen and sorted as was asked.

use greenloop_runtime::inspect::{GreenThread, Kind, State, Wait};
use serde_json::json;

use crate::answer::Answer;
use crate::query::{Query, bad};
use crate::row::{Row, place, word};
use crate::snapshot::Snapshot;

/// Rows of an answer, unless told otherwise, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1000;

const STATES: [(&str, State); 4] = [
    ("unstarted", State::Unstarted),
    ("ready", State::Ready),
    ("running", State::Running),
    ("waiting", State::Waiting),
];
const KINDS: [(&str, Kind); 3] = [
    ("light", Kind::Light),
    ("full", Kind::Full),
    ("job", Kind::Job),
];
const ORDERS: [(&str, bool); 2] = [("asc", false), ("desc", true)];
const COLUMNS: [(&str, Column); 9] = [
    ("id", Column::Id),
    ("name", Column::Name),
    ("state", Column::State),
    ("wait", Column::Wait),
    ("since", Column::Since),
    ("home", Column::Home),
    ("place", Column::Place),
    ("stack", Column::Stack),
    ("children", Column::Children),
];

#[derive(Clone, Copy, Debug)]
enum Column {
    Id,
    Name,
    State,
    Wait,
    Since,
    Home,
    Place,
    Stack,
    Children,
}

/// Whose children are wanted.
#[derive(Clone, Copy, Debug)]
enum Parent {
    None,
    Id(u64),
}

/// Which ones are wanted, in which order.
#[derive(Debug)]
pub(crate) struct List {
    text: Option<String>,
    state: Option<State>,
    kind: Option<Kind>,
    word: Option<String>,
    home: Option<usize>,
    place: Option<String>,
    parent: Option<Parent>,
    column: Column,
    is_descending: bool,
    offset: usize,
    limit: usize,
}

impl List {
    pub(crate) fn parse(mut query: Query) -> Result<List, Answer> {
        let list = List {
            text: query.take("q").map(|it| it.to_lowercase()),
            state: query.take_one_of("state", &STATES)?,
            kind: query.take_one_of("kind", &KINDS)?,
            word: query.take("for"),
            home: query.take_as("home")?,
            place: query.take("place"),
            parent: query
                .take("parent")
                .map(|it| Parent::parse(&it))
                .transpose()?,
            column: query.take_one_of("sort", &COLUMNS)?.unwrap_or(Column::Id),
            is_descending: query.take_one_of("order", &ORDERS)?.unwrap_or(false),
            offset: query.take_as("offset")?.unwrap_or(0),
            limit: query.take_as("limit")?.unwrap_or(LIMIT).min(MOST),
        };
        query.end().map(|()| list)
    }

    pub(crate) fn answer(&self, snapshot: &Snapshot) -> Answer {
        let mut chosen: Vec<&GreenThread> = snapshot
            .dump
            .iter()
            .filter(|it| self.wants(it, snapshot))
            .collect();
        chosen.sort_by_cached_key(|it| (self.column.key(it, snapshot), it.id()));
        if self.is_descending {
            chosen.reverse();
        }
        let page = chosen.iter().skip(self.offset).take(self.limit);
        let rows: Vec<Row<'_>> = page.map(|it| Row::new(it, snapshot)).collect();
        let (total, matching) = (snapshot.dump.len(), chosen.len());
        Answer::json(&json!({ "total": total, "matching": matching, "rows": rows }))
    }

    fn wants(&self, it: &GreenThread, snapshot: &Snapshot) -> bool {
        self.state.is_none_or(|state| it.state() == state)
            && self.kind.is_none_or(|kind| it.kind() == kind)
            && self.home.is_none_or(|home| it.home() == Some(home))
            && self.parent.is_none_or(|parent| parent.is_of(it, snapshot))
            && is_met(&self.word, |word_wanted| {
                it.wait().is_some_and(|it| word(it) == word_wanted)
            })
            && is_met(&self.place, |wanted| place(it.spawned_at()) == wanted)
            && is_met(&self.text, |text| contains(it, text))
    }
}

impl Parent {
    fn parse(text: &str) -> Result<Parent, Answer> {
        match text {
            "none" => Ok(Parent::None),
            id => id.parse().map(Parent::Id).map_err(|_| bad("parent", text)),
        }
    }

    fn is_of(self, it: &GreenThread, snapshot: &Snapshot) -> bool {
        match self {
            Parent::None => snapshot.parent(it).is_none(),
            Parent::Id(id) => it.spawner() == Some(id),
        }
    }
}

impl Column {
    /// What is unknown comes first.
    fn key(self, it: &GreenThread, snapshot: &Snapshot) -> (Option<u128>, Option<String>) {
        let number = match self {
            Column::Id | Column::Name | Column::Wait | Column::Place => None,
            Column::State => Some(it.state() as u128),
            Column::Since => it.since().map(|it| it.as_nanos()),
            Column::Home => it.home().map(|it| it as u128),
            Column::Stack => it.stack_used().map(|it| it as u128),
            Column::Children => Some(snapshot.children(it.id()) as u128),
        };
        let text = match self {
            Column::Name => it.name().map(str::to_lowercase),
            Column::Wait => it.wait().map(Wait::to_string),
            Column::Place => Some(place(it.spawned_at())),
            _ => None,
        };
        (number, text)
    }
}

fn is_met(wanted: &Option<String>, is: impl FnOnce(&str) -> bool) -> bool {
    wanted.as_deref().is_none_or(is)
}

fn contains(it: &GreenThread, text: &str) -> bool {
    let has = |other: &str| other.to_lowercase().contains(text);
    it.name().is_some_and(has)
        || it.wait().is_some_and(|wait| has(&wait.to_string()))
        || has(&place(it.spawned_at()))
        || it.id().to_string() == text
}
