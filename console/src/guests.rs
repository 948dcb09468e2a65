//! `Guests`: whose connections are open, and who goes when more come than may stay.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::sync::{Arc, PoisonError};

use greenloop_net::TcpStream;
use greenloop_runtime::sync::{Mutex, MutexGuard};

/// Those who are connected. When one more comes than may stay, the one whose client has been
/// waited for longest has to go, so that nobody is kept out by those who say nothing.
#[derive(Debug)]
pub(crate) struct Guests {
    most: usize,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    /// Their clients are waited for: to ask, or to take an answer. The longest first.
    waiting: VecDeque<Arc<TcpStream>>,
    /// How many wait for an answer.
    answered: usize,
}

/// One who is connected, until it is dropped.
#[derive(Debug)]
pub(crate) struct Guest<'a> {
    guests: &'a Guests,
    pub(crate) stream: Arc<TcpStream>,
}

/// One who waits for an answer, and is not sent away.
struct Answered<'a>(&'a Guest<'a>);

impl Guests {
    /// So many may stay.
    pub(crate) fn new(most: usize) -> Guests {
        let present = Mutex::default();
        Guests { most, present }
    }

    pub(crate) fn welcome(&self, stream: TcpStream) -> Guest<'_> {
        let stream = Arc::new(stream);
        let mut present = self.present();
        present.make_room(self.most - 1);
        present.waiting.push_back(Arc::clone(&stream));
        Guest {
            guests: self,
            stream,
        }
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Present {
    /// Sends away until there are no more than `most`.
    fn make_room(&mut self, most: usize) {
        while self.waiting.len() + self.answered > most
            && let Some(first) = self.waiting.pop_front()
        {
            // Whoever serves it reads the end. It fails if the client has gone already.
            let _ = first.shutdown(Shutdown::Both);
        }
    }

    fn forget(&mut self, stream: &Arc<TcpStream>) {
        self.waiting.retain(|it| !Arc::ptr_eq(it, stream));
    }
}

impl Guest<'_> {
    /// Calls what finds the answer.
    pub(crate) fn answer<T>(&self, find: impl FnOnce() -> T) -> T {
        let _answered = Answered::new(self);
        find()
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.guests.present().forget(&self.stream);
    }
}

impl<'a> Answered<'a> {
    fn new(guest: &'a Guest<'_>) -> Answered<'a> {
        let mut present = guest.guests.present();
        present.forget(&guest.stream);
        present.answered += 1;
        Answered(guest)
    }
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        let Guest { guests, stream } = self.0;
        let mut present = guests.present();
        present.answered -= 1;
        present.waiting.push_back(Arc::clone(stream));
        // More may have come while nobody could be sent away.
        present.make_room(guests.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use greenloop_net::TcpListener;
    use std::io::{ErrorKind, Read};

    /// Clients of two who may stay.
    struct House {
        listener: TcpListener,
        guests: Guests,
    }

    impl House {
        fn new() -> House {
            House {
                listener: TcpListener::bind("127.0.0.1:0").unwrap(),
                guests: Guests::new(2),
            }
        }

        fn connect(&self) -> (TcpStream, Guest<'_>) {
            let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
            let (stream, _) = self.listener.accept().unwrap();
            (client, self.guests.welcome(stream))
        }
    }

    fn is_sent_away(guest: &Guest<'_>) -> bool {
        guest.stream.set_nonblocking(true).unwrap();
        match (&*guest.stream).read(&mut [0]) {
            Ok(length) => length == 0,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }

    #[test]
    fn the_one_that_was_waited_for_longest_goes() {
        let house = House::new();
        let (_one, first) = house.connect();
        let (_two, second) = house.connect();
        first.answer(|| ());
        let (_three, third) = house.connect();
        assert_eq!(
            [&first, &second, &third].map(is_sent_away),
            [false, true, false]
        );
        drop(third);
        let (_four, fourth) = house.connect();
        assert!(![&first, &fourth].into_iter().any(is_sent_away));
    }

    #[test]
    fn whoever_waits_for_an_answer_stays() {
        let house = House::new();
        let (_one, first) = house.connect();
        let (_two, second) = house.connect();
        let third = first.answer(|| {
            second.answer(|| {
                let (three, third) = house.connect();
                assert!(![&first, &second, &third].into_iter().any(is_sent_away));
                (three, third)
            })
        });
        // There was one too many; the third one has waited longest for its client since.
        assert_eq!(
            [&first, &second, &third.1].map(is_sent_away),
            [false, false, true]
        );
    }
}
