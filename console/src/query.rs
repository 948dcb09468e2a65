//! `Query`: the parameters of a question.

use std::str::FromStr;

use crate::answer::Answer;

/// Names and values, of which each is to be taken once.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Query {
        let pairs = form_urlencoded::parse(text.as_bytes());
        Query(pairs.into_owned().collect())
    }

    /// The value of a parameter; one that is empty counts as not given.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1).filter(|it| !it.is_empty())
    }

    /// The same, as a number or the like.
    pub(crate) fn take_as<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Answer> {
        let value = self.take(name);
        let parsed = value
            .as_deref()
            .map(|it| it.parse().map_err(|_| bad(name, it)));
        parsed.transpose()
    }

    /// The same, as one of some words.
    pub(crate) fn take_one_of<T: Copy>(
        &mut self,
        name: &str,
        known: &[(&str, T)],
    ) -> Result<Option<T>, Answer> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let found = known.iter().find(|(word, _)| *word == value);
        found
            .map(|(_, it)| Some(*it))
            .ok_or_else(|| bad(name, &value))
    }

    /// Refuses what is left.
    pub(crate) fn end(self) -> Result<(), Answer> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let why = format!("the parameter `{name}` is not known, or given twice");
                Err(Answer::bad_request(&why))
            }
        }
    }
}

pub(crate) fn bad(name: &str, value: &str) -> Answer {
    Answer::bad_request(&format!(
        "`{value}` is no good value of the parameter `{name}`"
    ))
}
