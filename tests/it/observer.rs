//! Observers: what they hear of each green thread, in which order, and what they cannot break.
//! They stay for ever, so each test is a process of its own.

use crate::alone::alone;
use crate::within::within;
use greenloop::inspect::{self, Observed, Observer, Wait};
use greenloop::{Builder, joinall, run, scope, spawn, thread, yield_now};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Runs `body` in a process of its own, as the test with this name.
macro_rules! apart {
    ($name:ident, $body:expr) => {
        alone(concat!(module_path!(), "::", stringify!($name)), "", || {
            within(Duration::from_secs(100), $body)
        })
    };
}

/// What was heard, by id.
#[derive(Clone, Default)]
struct Stories(Arc<Mutex<HashMap<u64, Vec<String>>>>);

impl Stories {
    fn observe() -> Stories {
        let stories = Stories::default();
        inspect::observe(stories.clone());
        stories
    }

    fn hear(&self, it: &Observed<'_>, what: impl Into<String>) {
        let mut stories = self.0.lock().unwrap();
        stories.entry(it.id()).or_default().push(what.into());
    }

    /// The story of the one with this name, once it has ended.
    fn ended(&self, name: &str) -> Vec<String> {
        let opening = format!("spawned {name}");
        loop {
            let stories = self.0.lock().unwrap().clone();
            let mut all = stories.into_values();
            if let Some(mut story) = all.find(|it| it[0] == opening && it.ends_with(&end())) {
                story.pop();
                return story;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn end() -> [String; 1] {
    ["ended".into()]
}

impl Observer for Stories {
    fn spawned(&self, it: &Observed<'_>) {
        self.hear(it, format!("spawned {}", it.name().unwrap_or("?")));
    }

    fn started(&self, it: &Observed<'_>) {
        self.hear(it, "started");
    }

    fn resumed(&self, it: &Observed<'_>) {
        self.hear(it, "resumed");
    }

    fn suspended(&self, it: &Observed<'_>) {
        self.hear(it, "suspended");
    }

    fn waits(&self, it: &Observed<'_>, wait: &Wait) {
        self.hear(it, format!("waits: {wait}"));
    }

    fn woken(&self, it: &Observed<'_>) {
        self.hear(it, "woken");
    }

    fn ended(&self, it: &Observed<'_>) {
        self.hear(it, "ended");
    }
}

fn named(name: &str) -> Builder {
    Builder::new().name(name.into())
}

#[test]
fn a_life_is_heard_of_step_by_step() {
    apart!(a_life_is_heard_of_step_by_step, || {
        let stories = Stories::observe();
        let life = || {
            yield_now();
            thread::park();
        };
        let it = named("it").spawn(life).unwrap();
        let waits = || it.thread().unpark();
        while !format!("{:?}", stories.0.lock().unwrap()).contains("waits") {
            yield_now();
        }
        waits();
        it.join().unwrap();
        let expected = [
            "spawned it",
            "started",
            "resumed",
            "suspended",
            "resumed",
            "suspended",
            "waits: waiting to be unparked",
            "woken",
            "resumed",
            "suspended",
        ];
        assert_eq!(stories.ended("it"), expected);
    })
}

#[test]
fn one_that_never_starts_only_comes_and_goes() {
    apart!(one_that_never_starts_only_comes_and_goes, || {
        let stories = Stories::observe();
        run(|| {
            let victim = named("victim").spawn(|| ()).unwrap();
            victim.kill();
            assert!(victim.join().is_err());
        });
        assert_eq!(stories.ended("victim"), ["spawned victim"]);
    })
}

#[test]
fn it_says_who_spawned_it_and_where() {
    apart!(it_says_who_spawned_it_and_where, || {
        struct Births(Mutex<Vec<(u64, Option<u64>, u32)>>);
        impl Observer for &'static Births {
            fn spawned(&self, it: &Observed<'_>) {
                let line = it.spawned_at().line();
                self.0.lock().unwrap().push((it.id(), it.spawner(), line));
            }
        }
        let births: &Births = Box::leak(Box::new(Births(Mutex::default())));
        inspect::observe(births);
        let line = line!() + 1;
        let parent = spawn(|| drop(spawn(|| ()).join()));
        parent.join().unwrap();
        let births = births.0.lock().unwrap();
        let [parent, child] = births[..] else {
            panic!("{births:?}");
        };
        assert_eq!((parent.1, parent.2), (None, line));
        assert_eq!((child.1, child.2), (Some(parent.0), line));
    })
}

#[test]
fn what_observers_do_is_not_observed_and_their_panics_end_there() {
    apart!(
        what_observers_do_is_not_observed_and_their_panics_end_there,
        || {
            /// Spawns and panics wherever it is called.
            struct Wild;
            fn run_wild() {
                drop(spawn(|| ()));
                panic!("a wild observer");
            }
            impl Observer for Wild {
                fn spawned(&self, _: &Observed<'_>) {
                    run_wild();
                }
                fn started(&self, _: &Observed<'_>) {
                    run_wild();
                }
                fn waits(&self, _: &Observed<'_>, _: &Wait) {
                    run_wild();
                }
                fn ended(&self, _: &Observed<'_>) {
                    run_wild();
                }
            }
            std::panic::set_hook(Box::new(|_| ()));
            let stories = Stories::observe();
            inspect::observe(Wild);
            let pause = || thread::sleep(Duration::from_millis(1));
            let ended = run(move || named("it").spawn(pause).unwrap().join());
            ended.unwrap();
            assert_eq!(stories.ended("it").len(), 8);
            let stories = stories.0.lock().unwrap();
            let count = stories.len();
            assert_eq!(count, 2, "the run and its child: {stories:?}");
        }
    )
}

#[test]
fn each_of_many_is_heard_of_once() {
    apart!(each_of_many_is_heard_of_once, || {
        let stories = Stories::observe();
        const COUNT: usize = 2000;
        let start = Instant::now();
        let sleepers: Vec<_> = (0..COUNT)
            .map(|number| {
                let pause = Duration::from_micros(number as u64 % 50);
                named("one").spawn(move || thread::sleep(pause)).unwrap()
            })
            .collect();
        scope(|scope| {
            scope.spawn(|| joinall(sleepers));
        });
        let all_ended = || {
            let stories = stories.0.lock().unwrap();
            let ended = stories.values().filter(|it| it.ends_with(&end()));
            ended.count() == COUNT + 1
        };
        while !all_ended() {
            assert!(start.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
        }
        for story in stories.0.lock().unwrap().values() {
            let count = |what| story.iter().filter(|it| it.starts_with(what)).count();
            for once in ["spawned", "started", "ended"] {
                assert_eq!(count(once), 1, "{once} in {story:?}");
            }
            assert_eq!(count("resumed"), count("suspended"), "{story:?}");
            assert_eq!(count("waits"), count("woken"), "{story:?}");
        }
    })
}
