//! Locks, channels and parking: what keeps state per thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(100);

/// A lock that a slow owner holds, then a condition that is told late.
pub fn parking_lot(number: usize) -> String {
    let pair = Arc::new((::parking_lot::Mutex::new(0), ::parking_lot::Condvar::new()));
    let theirs = pair.clone();
    let (locked, has_locked) = mpsc::channel();
    let other = thread::spawn(move || {
        let mut guard = theirs.0.lock();
        locked.send(()).unwrap();
        thread::sleep(STEP);
        *guard = 1;
        drop(guard);
        thread::sleep(STEP);
        *theirs.0.lock() = number;
        theirs.1.notify_all();
    });
    has_locked.recv().unwrap();
    let mut guard = pair.0.lock();
    let first = *guard;
    pair.1
        .wait_while(&mut guard, |value| *value == 1 && number != 1);
    let last = *guard;
    drop(guard);
    other.join().unwrap();
    if number == 1 {
        "1 1".to_owned()
    } else {
        format!("{first} {last}")
    }
}

pub fn crossbeam_channel(number: usize) -> String {
    let (ours, theirs) = crossbeam_channel::bounded(0);
    let other = thread::spawn(move || {
        for value in 0..4 {
            thread::sleep(STEP / 2);
            ours.send(value * number).unwrap();
        }
    });
    let late = theirs.recv_timeout(Duration::from_millis(5)).is_err();
    let all: Vec<usize> = theirs.iter().collect();
    other.join().unwrap();
    format!("{late} {all:?}")
}

/// Two receivers that block at the same time, and one with a time limit.
pub fn mpsc(number: usize) -> String {
    let (first, of_first) = mpsc::channel();
    let (second, of_second) = mpsc::sync_channel(0);
    let sender = thread::spawn(move || {
        thread::sleep(STEP);
        second.send(number).unwrap();
        thread::sleep(STEP);
        first.send(number + 1).unwrap();
    });
    let other = thread::spawn(move || of_first.recv().unwrap());
    let late = of_second.recv_timeout(Duration::from_millis(5)).is_err();
    let answer = format!(
        "{late} {} {}",
        of_second.recv().unwrap(),
        other.join().unwrap()
    );
    sender.join().unwrap();
    answer
}

/// Held across a wait, and wanted by another one.
pub fn mutex(number: usize) -> String {
    let mutex = Arc::new(Mutex::new(0));
    let theirs = mutex.clone();
    let (locked, has_locked) = mpsc::channel();
    let other = thread::spawn(move || {
        let mut guard = theirs.lock().unwrap();
        locked.send(()).unwrap();
        thread::sleep(STEP * 2);
        *guard = number;
    });
    has_locked.recv().unwrap();
    let answer = mutex.lock().unwrap().to_string();
    other.join().unwrap();
    answer
}

pub fn condvar(number: usize) -> String {
    let pair = Arc::new((Mutex::new(None), Condvar::new()));
    let theirs = pair.clone();
    let other = thread::spawn(move || {
        thread::sleep(STEP * 2);
        *theirs.0.lock().unwrap() = Some(number);
        theirs.1.notify_one();
    });
    let guard = pair.0.lock().unwrap();
    let (guard, timeout) = pair
        .1
        .wait_timeout(guard, Duration::from_millis(5))
        .unwrap();
    let guard = pair.1.wait_while(guard, |value| value.is_none()).unwrap();
    let answer = format!("{} {:?}", timeout.timed_out(), *guard);
    drop(guard);
    other.join().unwrap();
    answer
}

pub fn barrier(_number: usize) -> String {
    let barrier = Arc::new(Barrier::new(3));
    let others = [1, 2].map(|late| {
        let barrier = barrier.clone();
        thread::spawn(move || {
            thread::sleep(STEP * late);
            barrier.wait().is_leader()
        })
    });
    let mine = barrier.wait().is_leader();
    let leaders = others.map(|other| other.join().unwrap());
    format!("{mine} {leaders:?}")
}

pub fn park(number: usize) -> String {
    let me = thread::current();
    let ready = Arc::new(AtomicBool::new(false));
    let theirs = ready.clone();
    let other = thread::spawn(move || {
        thread::sleep(STEP * 2);
        theirs.store(true, Ordering::Release);
        me.unpark();
    });
    thread::park_timeout(Duration::from_millis(5));
    while !ready.load(Ordering::Acquire) {
        thread::park();
    }
    other.join().unwrap();
    number.to_string()
}

pub fn scope(number: usize) -> String {
    let mut all = [0; 4];
    thread::scope(|scope| {
        for (index, place) in all.iter_mut().enumerate() {
            scope.spawn(move || {
                thread::sleep(STEP * 2);
                *place = index * number;
            });
        }
    });
    format!("{all:?}")
}

pub fn cpp_condition_variable(_number: usize) -> String {
    unsafe extern "C" {
        fn wait_for_thread(milliseconds: i32) -> i32;
    }
    // SAFETY: defined in condition.cpp; it takes any number.
    unsafe { wait_for_thread(200) }.to_string()
}
