//! `Asker`: asks on an OS thread of its own, so that keys are heard while a program is slow to
//! answer.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::Instant;

use crate::ask::{Seen, Source};
use crate::view::View;

pub(crate) struct Asker {
    questions: Sender<(View, usize)>,
    answers: Receiver<io::Result<Seen>>,
    /// When the question was asked that is still open.
    asked: Option<Instant>,
}

impl Asker {
    pub(crate) fn start(source: Source) -> io::Result<Asker> {
        let (questions, asked) = mpsc::channel::<(View, usize)>();
        let (answer, answers) = mpsc::channel();
        let ask = move || {
            for (view, rows) in asked {
                // Nobody wants the answer any more when the screen is left.
                let _ = answer.send(source.ask(&view, rows));
            }
        };
        thread::Builder::new().name("asker".into()).spawn(ask)?;
        Ok(Asker {
            questions,
            answers,
            asked: None,
        })
    }

    /// Asks; false if a question is open.
    pub(crate) fn ask(&mut self, view: &View, rows: usize) -> io::Result<bool> {
        if self.asked.is_some() {
            return Ok(false);
        }
        let sent = self.questions.send((view.clone(), rows));
        sent.map_err(|_| gone())?;
        self.asked = Some(Instant::now());
        Ok(true)
    }

    /// Since when a question is open.
    pub(crate) fn asked(&self) -> Option<Instant> {
        self.asked
    }

    /// The answer, if it has come.
    pub(crate) fn answer(&mut self) -> io::Result<Option<Seen>> {
        match self.answers.try_recv() {
            Ok(answer) => {
                self.asked = None;
                answer.map(Some)
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that asks has ended")
}
