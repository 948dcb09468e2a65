//! Kills: (unstarted, running, finished) × (blocking, for a time, or not), and self-kills; gevent
//! 1.2 `kill` and 1.1 `kill`, section 2 rows 13 and 14.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use greenloop::{JoinHandle, Killed, LocalJoinHandle, sleep, spawn, spawn_local, yield_now};

use crate::counted::Drops;
use crate::everywhere::{everywhere, in_hub};
use crate::within::until;

const FAR: Duration = Duration::from_secs(60);

/// Where the victim is when it is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Unstarted,
    Running,
    Finished,
}

const STATES: [State; 3] = [State::Unstarted, State::Running, State::Finished];

/// How the killer waits for the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Blocking,
    Timed(Duration),
    Nowait,
}

const HOWS: [How; 4] = [
    How::Blocking,
    How::Timed(FAR),
    How::Timed(Duration::ZERO),
    How::Nowait,
];

impl How {
    /// Kills; says whether the victim has ended, as far as this way of killing tells.
    fn kill<T>(self, handle: &JoinHandle<T>) -> Option<bool> {
        match self {
            How::Blocking => handle.kill(),
            How::Timed(timeout) => return Some(handle.kill_timeout(timeout)),
            How::Nowait => handle.kill_nowait(),
        }
        None
    }
}

/// One to be killed, which returns 7 if it is not.
struct Victim {
    handle: JoinHandle<u32>,
    started: Arc<AtomicBool>,
    /// Counts what the closure owns.
    drops: Drops,
}

impl Victim {
    fn spawn(state: State) -> Victim {
        let (started, drops) = (Arc::new(AtomicBool::new(false)), Drops::new());
        let (flag, owned) = (started.clone(), drops.counted());
        let handle = spawn(move || {
            let _owned = owned;
            flag.store(true, Ordering::SeqCst);
            if state == State::Running {
                sleep(FAR);
            }
            7
        });
        Victim {
            handle,
            started,
            drops,
        }
    }

    /// Waits until it is in that state.
    fn reach(self, state: State) -> Victim {
        match state {
            State::Unstarted => {}
            State::Running => until("it runs", || self.started.load(Ordering::SeqCst)),
            State::Finished => until("it ends", || self.handle.is_finished()),
        }
        self
    }

    fn assert_ended(self, state: State) {
        assert_eq!(
            self.started.load(Ordering::SeqCst),
            state != State::Unstarted
        );
        let result = self.handle.join();
        assert_eq!(self.drops.count(), 1);
        match state {
            State::Finished => assert_eq!(result.unwrap(), 7),
            _ => assert!(result.unwrap_err().is::<Killed>()),
        }
    }
}

/// In a hub, where it is known who has run: each cell of the matrix, and each twice, as a kill of
/// one that is dying or dead has no effect.
#[test]
fn every_state_and_every_way() {
    for state in STATES {
        for how in HOWS {
            in_hub(move || {
                let what = format!("{state:?}, {how:?}");
                let victim = Victim::spawn(state).reach(state);
                let bystander = spawn(|| ());
                let told = how.kill(&victim.handle);
                let waits = state == State::Running && how != How::Nowait;
                assert_eq!(bystander.is_finished(), waits, "{what}: others run first");
                let ended = state != State::Running || how != How::Nowait;
                assert_eq!(victim.handle.is_finished(), ended, "{what}");
                assert_eq!(victim.drops.count(), usize::from(ended), "{what}");
                assert!(told.is_none_or(|told| told), "{what}");
                how.kill(&victim.handle);
                yield_now();
                victim.assert_ended(state);
            });
        }
    }
}

#[test]
fn every_way_from_every_kind_of_thread() {
    everywhere(|| {
        for state in [State::Running, State::Finished] {
            for how in HOWS {
                let victim = Victim::spawn(state).reach(state);
                let told = how.kill(&victim.handle);
                let ended = victim.handle.is_finished();
                let in_time = how == How::Blocking || how == How::Timed(FAR);
                assert!(ended || !in_time, "{state:?}, {how:?}");
                assert!(ended || told != Some(true), "{state:?}, {how:?}");
                victim.assert_ended(state);
            }
        }
    });
}

// gevent: "if victim's wake-up is already queued it runs first and the exception hits at its next
// block, or never".
#[test]
fn one_whose_turn_is_due_goes_on_to_its_next_wait() {
    for waits_again in [true, false] {
        in_hub(move || {
            let victim = spawn(move || {
                yield_now();
                if waits_again {
                    sleep(FAR);
                }
                7
            });
            yield_now();
            victim.kill();
            match victim.join() {
                Ok(result) => assert!(result == 7 && !waits_again),
                Err(payload) => assert!(payload.is::<Killed>() && waits_again),
            }
        });
    }
}

/// Kills itself in that way; says whether it went on after that, and how it ended.
fn kill_itself(how: How) -> (bool, bool) {
    in_hub(move || {
        let own = Rc::new(RefCell::new(None::<LocalJoinHandle<()>>));
        let went_on = Arc::new(AtomicBool::new(false));
        let (theirs, mark) = (own.clone(), went_on.clone());
        *own.borrow_mut() = Some(spawn_local(move || {
            let me = theirs.borrow();
            let me = me.as_ref().unwrap();
            match how {
                How::Blocking => me.kill(),
                How::Timed(timeout) => drop(me.kill_timeout(timeout)),
                How::Nowait => me.kill_nowait(),
            }
            mark.store(true, Ordering::SeqCst);
            yield_now();
            unreachable!("a yield is a wait");
        }));
        yield_now();
        let result = own.take().unwrap().join();
        let killed = result.unwrap_err().is::<Killed>();
        (went_on.load(Ordering::SeqCst), killed)
    })
}

// gevent: "self-kill block=True dies at once; block=False dies at next yield".
#[test]
fn a_self_kill_that_waits_dies_at_once_and_one_that_does_not_at_the_next_yield() {
    assert_eq!(kill_itself(How::Blocking), (false, true));
    assert_eq!(kill_itself(How::Timed(FAR)), (false, true));
    assert_eq!(kill_itself(How::Timed(Duration::ZERO)), (false, true));
    assert_eq!(kill_itself(How::Nowait), (true, true));
}
