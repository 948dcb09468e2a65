//! The reactors of all workers of a model, which together know when nothing can happen any more.

use loom::sync::{Condvar, Mutex};

pub(crate) struct Computer {
    state: Mutex<State>,
    rung: Vec<Condvar>,
}

struct State {
    rings: Vec<bool>,
    waiting: Vec<bool>,
    /// Loom threads that may still do something.
    awake: usize,
}

impl Computer {
    pub(crate) fn new(workers: usize, threads: usize) -> Self {
        Computer {
            state: Mutex::new(State {
                rings: vec![false; workers],
                waiting: vec![false; workers],
                awake: threads,
            }),
            rung: (0..workers).map(|_| Condvar::new()).collect(),
        }
    }

    pub(crate) fn ring(&self, worker: usize) {
        let mut state = self.state.lock().unwrap();
        if std::mem::take(&mut state.waiting[worker]) {
            state.awake += 1;
            self.rung[worker].notify_one();
        } else {
            state.rings[worker] = true;
        }
    }

    /// Waits for a ring; false if none can come.
    pub(crate) fn wait(&self, worker: usize) -> bool {
        let mut state = self.state.lock().unwrap();
        if std::mem::take(&mut state.rings[worker]) {
            return true;
        }
        state.waiting[worker] = true;
        state.awake -= 1;
        self.look_for_the_end(&state);
        while state.waiting[worker] && state.awake > 0 {
            state = self.rung[worker].wait(state).unwrap();
        }
        !state.waiting[worker]
    }

    /// One thread does nothing any more.
    pub(crate) fn leave(&self) {
        let mut state = self.state.lock().unwrap();
        state.awake -= 1;
        self.look_for_the_end(&state);
    }

    fn look_for_the_end(&self, state: &State) {
        if state.awake == 0 {
            self.rung.iter().for_each(Condvar::notify_one);
        }
    }
}
