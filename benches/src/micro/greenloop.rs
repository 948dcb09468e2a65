//! `Green`: greenloop's threads, on its workers or on a hub.

use super::fairness::{Sockets, Stream};
use super::rows::Threads;
use super::toolkit::{Channel, Toolkit};
use super::{Outcome, POOL, Setting};
use greenloop::pool::Pool;
use greenloop::queue::Queue;
use greenloop::sync::{Mutex, mpsc};
use greenloop::{Builder, JoinHandle, Runtime, Select, thread};
use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Green;

impl Threads for Green {
    type Handle<T: Send + 'static> = JoinHandle<T>;

    fn drive(
        setting: Setting,
        driver: impl FnOnce() -> Outcome + Send + 'static,
    ) -> Result<Outcome, String> {
        if setting.hub {
            return Ok(greenloop::run(driver));
        }
        if let Some(workers) = setting.workers {
            let builder = Runtime::builder().workers(workers);
            builder.start().map_err(|error| error.to_string())?;
        }
        Ok(Self::join(Self::spawn(driver)?))
    }

    #[inline]
    fn spawn<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, String> {
        Builder::new().spawn(f).map_err(|error| error.to_string())
    }

    #[inline]
    fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.join().expect("nothing here panics")
    }

    #[inline(always)] // as in a program, which calls it by its own name
    fn yield_now() {
        greenloop::yield_now();
    }

    #[inline]
    fn sleep(time: Duration) {
        greenloop::sleep(time);
    }

    #[inline]
    fn park() {
        thread::park();
    }

    #[inline]
    fn unpark<T: Send + 'static>(handle: &JoinHandle<T>) {
        handle.thread().unpark();
    }
}

impl Sockets for Green {
    fn serve(each: fn(&mut dyn Stream)) -> io::Result<SocketAddr> {
        let listener = greenloop::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let accept = move || {
            for mut stream in listener.incoming().flatten() {
                drop(greenloop::spawn(move || each(&mut stream)));
            }
        };
        drop(greenloop::spawn(accept));
        Ok(address)
    }
}

impl Toolkit for Green {
    type Mutex = Mutex<usize>;
    type Channel = Bounded;
    type Queue = Shared;

    fn mutex() -> Mutex<usize> {
        Mutex::new(0)
    }

    #[inline]
    fn locked<R>(mutex: &Mutex<usize>, f: impl FnOnce(&mut usize) -> R) -> R {
        f(&mut mutex.lock().expect("nothing here panics"))
    }

    fn select(capacity: usize, each: usize) -> Option<Result<usize, String>> {
        Some(select(capacity, each))
    }

    fn pool_map(count: usize) -> Option<Vec<usize>> {
        let doubled = Pool::new(POOL).map(0..count, |n| 2 * black_box(n));
        let doubled = doubled
            .into_iter()
            .map(|it| it.expect("nothing here panics"));
        Some(doubled.collect())
    }
}

/// `mpsc::sync_channel`.
pub(super) struct Bounded;

impl Channel for Bounded {
    type Sender = mpsc::SyncSender<usize>;
    type Receiver = mpsc::Receiver<usize>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::sync_channel(capacity)
    }

    #[inline]
    fn send(sender: &Self::Sender, item: usize) {
        sender.send(item).expect("somebody receives");
    }

    #[inline]
    fn receive(receiver: &Self::Receiver) -> usize {
        receiver.recv().expect("somebody sends")
    }
}

/// A queue, of which both sides are the same.
pub(super) struct Shared;

impl Channel for Shared {
    type Sender = Arc<Queue<usize>>;
    type Receiver = Arc<Queue<usize>>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(Queue::bounded(capacity));
        (queue.clone(), queue)
    }

    #[inline]
    fn send(queue: &Self::Sender, item: usize) {
        queue.put(item).expect("it stays open");
    }

    #[inline]
    fn receive(queue: &Self::Receiver) -> usize {
        queue.get().expect("it stays open")
    }
}

fn select(capacity: usize, each: usize) -> Result<usize, String> {
    let (first, from_first) = Shared::new(capacity);
    let (second, from_second) = Shared::new(capacity);
    let put = |queue| move || (0..each).for_each(|n| Shared::send(&queue, n));
    let both = [Green::spawn(put(first))?, Green::spawn(put(second))?];
    let taker = Green::spawn(move || {
        for _ in 0..2 * each {
            let item = Select::new()
                .get(&*from_first, |item| item)
                .get(&*from_second, |item| item)
                .wait();
            black_box(item.expect("it stays open"));
        }
    })?;
    both.into_iter().chain([taker]).for_each(Green::join);
    Ok(2 * each)
}
