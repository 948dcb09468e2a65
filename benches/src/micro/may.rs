//! `May`: may's coroutines, on stacks of its default size.

use super::fairness::{Sockets, Stream};
use super::rows::Threads;
use super::toolkit::{Channel, Toolkit};
use super::{Outcome, POOL, Setting};
use may::coroutine::{self, JoinHandle};
use may::sync::{Mutex, Semphore, mpsc};
use std::any::Any;
use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct May;

impl Threads for May {
    type Handle<T: Send + 'static> = JoinHandle<T>;

    fn drive(
        setting: Setting,
        driver: impl FnOnce() -> Outcome + Send + 'static,
    ) -> Result<Outcome, String> {
        if let Some(workers) = setting.workers {
            may::config().set_workers(workers);
        }
        may::go!(driver).join().map_err(|panic| text_of(&*panic))
    }

    #[inline]
    fn spawn<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, String> {
        Ok(may::go!(f))
    }

    #[inline]
    fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle
            .join()
            .unwrap_or_else(|panic| panic!("{}", text_of(&*panic)))
    }

    #[inline]
    fn yield_now() {
        coroutine::yield_now();
    }

    #[inline]
    fn sleep(time: Duration) {
        coroutine::sleep(time);
    }

    #[inline]
    fn park() {
        coroutine::park();
    }

    #[inline]
    fn unpark<T: Send + 'static>(handle: &JoinHandle<T>) {
        handle.coroutine().unpark();
    }

    /// A loop of yields would starve those just spawned: may looks at their queue only when that
    /// of its worker is empty.
    fn pause() {
        coroutine::sleep(Duration::from_millis(1));
    }
}

impl Sockets for May {
    fn serve(each: fn(&mut dyn Stream)) -> io::Result<SocketAddr> {
        let listener = may::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let accept = move || {
            for mut stream in listener.incoming().flatten() {
                drop(may::go!(move || each(&mut stream)));
            }
        };
        drop(may::go!(accept));
        Ok(address)
    }
}

impl Toolkit for May {
    type Mutex = Mutex<usize>;
    type Channel = Unbounded;
    type Queue = Unbounded;

    fn mutex() -> Mutex<usize> {
        Mutex::new(0)
    }

    #[inline]
    fn locked<R>(mutex: &Mutex<usize>, f: impl FnOnce(&mut usize) -> R) -> R {
        f(&mut mutex.lock().expect("nothing here panics"))
    }

    /// may has no pool: a semaphore limits them.
    fn pool_map(count: usize) -> Option<Vec<usize>> {
        let room = Arc::new(Semphore::new(POOL));
        let spawn = |n| {
            room.wait();
            let room = room.clone();
            may::go!(move || {
                let doubled = 2 * black_box(n);
                room.post();
                doubled
            })
        };
        let handles: Vec<_> = (0..count).map(spawn).collect();
        Some(handles.into_iter().map(Self::join).collect())
    }
}

/// `mpsc::channel`: may has none with a bound.
pub(super) struct Unbounded;

impl Channel for Unbounded {
    type Sender = mpsc::Sender<usize>;
    type Receiver = mpsc::Receiver<usize>;

    fn new(_: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel()
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

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
    text.unwrap_or_else(|| "a panic without a text".into())
}
