//! `Os`: std's threads.

use super::fairness::{Sockets, Stream};
use super::rows::Threads;
use super::toolkit::{Channel, Toolkit};
use super::{Outcome, Setting};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, mpsc};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

pub(super) struct Os;

impl Threads for Os {
    type Handle<T: Send + 'static> = JoinHandle<T>;

    const WEIGHT: usize = 10;

    fn drive(
        _: Setting,
        driver: impl FnOnce() -> Outcome + Send + 'static,
    ) -> Result<Outcome, String> {
        Ok(driver())
    }

    #[inline]
    fn spawn<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, String> {
        let builder = Builder::new().stack_size(64 << 10);
        builder.spawn(f).map_err(|error| error.to_string())
    }

    #[inline]
    fn join<T: Send + 'static>(handle: JoinHandle<T>) -> T {
        handle.join().expect("nothing here panics")
    }

    #[inline]
    fn yield_now() {
        thread::yield_now();
    }

    #[inline]
    fn sleep(time: Duration) {
        thread::sleep(time);
    }

    #[inline]
    fn park() {
        thread::park();
    }

    #[inline]
    fn unpark<T: Send + 'static>(handle: &JoinHandle<T>) {
        handle.thread().unpark();
    }

    fn pause() {
        thread::sleep(Duration::from_millis(1));
    }
}

impl Sockets for Os {
    fn serve(each: fn(&mut dyn Stream)) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let accept = move || {
            for mut stream in listener.incoming().flatten() {
                drop(thread::spawn(move || each(&mut stream)));
            }
        };
        drop(thread::spawn(accept));
        Ok(address)
    }
}

impl Toolkit for Os {
    type Mutex = Mutex<usize>;
    type Channel = Bounded;
    type Queue = Bounded;

    fn mutex() -> Mutex<usize> {
        Mutex::new(0)
    }

    #[inline]
    fn locked<R>(mutex: &Mutex<usize>, f: impl FnOnce(&mut usize) -> R) -> R {
        f(&mut mutex.lock().expect("nothing here panics"))
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
