//! Credits: each is good for a stack of its own, and what refuses one is named.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::sync::mpsc;

#[test]
fn a_refusal_names_the_limit_of_the_address_space() {
    assert_passed(in_child(|| {
        limit_address_space(1 << 30);
        let (error, count) = exhaust(class(192));
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        let text = error.to_string();
        for part in [
            "256 KiB",
            "RLIMIT_AS = 1073741824",
            "vm.max_map_count",
            "vm.overcommit_memory",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(
            text.contains(&format!("{count} stacks exist")),
            "{count}: {text}"
        );
    }));
}

#[test]
fn a_refusal_names_the_limit_of_mappings() {
    assert_passed(in_child(|| {
        let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
        if limit.trim().parse::<usize>().unwrap() > 100_000 {
            return;
        }
        assert!(force_mprotect_guards());
        let (error, _) = exhaust(class(192));
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        let text = error.to_string();
        assert!(
            text.contains(&format!("vm.max_map_count = {}", limit.trim())),
            "{text}"
        );
    }));
}

fn limit_address_space(bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: `limit` is a valid rlimit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

/// Takes stacks until none is left, and checks that each credit was good for one, through two
/// caches and none.
fn exhaust(class: SizeClass) -> (io::Error, usize) {
    let (mut here, mut there) = (StackCache::new(), StackCache::new());
    for _ in 0..300 {
        given_back(&mut there, taken(&mut here, class));
    }
    let mut seen = HashSet::new();
    let error = loop {
        match here.credit(class) {
            Ok(()) => assert!(seen.insert(here.take(class).into_slot())),
            Err(error) => break error,
        }
    };
    // What the other cache kept back can be had now, to the last one.
    drop(there);
    while here.credit(class).is_ok() {
        assert!(seen.insert(here.take(class).into_slot()));
    }
    (error, seen.len())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Credit(usize),
    CreditOutside,
    Take(usize),
    Put(usize, usize),
    Refund(usize),
    RefundOutside,
    Trim(usize),
    Replace(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let cache = || 0..4usize;
    prop_oneof![
        8 => cache().prop_map(Step::Credit),
        1 => Just(Step::CreditOutside),
        8 => cache().prop_map(Step::Take),
        6 => (cache(), any::<usize>()).prop_map(|(cache, which)| Step::Put(cache, which)),
        6 => cache().prop_map(Step::Refund),
        1 => Just(Step::RefundOutside),
        1 => cache().prop_map(Step::Trim),
        1 => cache().prop_map(Step::Replace),
    ]
}

/// Caches, the credits that cover no stack, and the stacks that are taken.
#[derive(Default)]
struct Model {
    caches: Vec<StackCache>,
    credits: usize,
    taken: Vec<Stack>,
}

impl Model {
    fn apply(&mut self, class: SizeClass, step: Step) {
        match step {
            Step::Credit(cache) => {
                self.credits += usize::from(self.caches[cache].credit(class).is_ok());
            }
            Step::CreditOutside => self.credits += usize::from(credit(class).is_ok()),
            Step::Take(cache) if self.credits > 0 => {
                self.credits -= 1;
                let stack = self.caches[cache].take(class);
                assert!(
                    self.taken.iter().all(|other| other.0 != stack.0),
                    "{stack:?} twice"
                );
                self.taken.push(stack);
            }
            Step::Put(cache, which) if !self.taken.is_empty() => {
                let stack = self.taken.swap_remove(which % self.taken.len());
                self.caches[cache].put(stack);
                self.credits += 1;
            }
            Step::Refund(cache) if self.credits > 0 => {
                self.caches[cache].refund(class);
                self.credits -= 1;
            }
            Step::RefundOutside if self.credits > 0 => {
                refund(class);
                self.credits -= 1;
            }
            Step::Trim(cache) => self.caches[cache].trim(),
            Step::Replace(cache) => self.caches[cache] = StackCache::new(),
            _ => {}
        }
    }

    fn finish(mut self, class: SizeClass) {
        while self.credits > 0 {
            self.apply(class, Step::Take(self.credits % 4));
        }
        for stack in self.taken.drain(..) {
            given_back(&mut self.caches[0], stack);
        }
    }
}

fn check_against_the_model(sizes_in_kib: &'static [usize]) {
    let strategy = (
        prop::sample::select(sizes_in_kib),
        prop::collection::vec(step(), 0..800),
    );
    let checked = TestRunner::default().run(&strategy, |(size, steps)| {
        let class = class(size);
        let mut model = Model::default();
        model.caches.resize_with(4, StackCache::new);
        steps.into_iter().for_each(|step| model.apply(class, step));
        model.finish(class);
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn whoever_holds_a_credit_gets_a_stack_of_his_own() {
    check_against_the_model(&[0, 192, 900 << 10]);
}

#[test]
fn whoever_holds_a_credit_gets_a_stack_also_when_there_are_no_more() {
    assert_passed(in_child(|| {
        // Eleven slots or so, which four caches with hoards of four fight for.
        limit_address_space(6 << 30);
        check_against_the_model(&[400 << 10]);
    }));
}

#[test]
fn credits_hold_among_threads_that_pass_stacks_around() {
    let class = class(400 << 10);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel::<Stack>()).unzip();
    std::thread::scope(|scope| {
        for (number, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(number + 1) % 4].clone();
            scope.spawn(move || pass_around(class, next, receiver));
        }
        drop(senders);
    });
}

fn pass_around(class: SizeClass, next: mpsc::Sender<Stack>, receiver: mpsc::Receiver<Stack>) {
    let mut cache = StackCache::new();
    for round in 0..2_000 {
        for _ in 0..round % 40 {
            let stack = taken(&mut cache, class);
            // Owned by one: nobody else's label is on it.
            assert!(
                stack
                    .0
                    .label()
                    .swap(std::ptr::dangling_mut(), Ordering::Relaxed)
                    .is_null()
            );
            next.send(stack).unwrap();
        }
        receiver
            .try_iter()
            .for_each(|stack| given_back(&mut cache, stack));
        if round % 50 == 0 {
            cache.trim();
        }
    }
    drop(next);
    receiver
        .into_iter()
        .for_each(|stack| given_back(&mut cache, stack));
}
