//! The chat over datagrams: who sends from which address, and what the words mean.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use greenloop::net::UdpSocket;
use greenloop::signal::{SIGINT, SIGTERM, Shutdown};
use greenloop::spawn;

use crate::chat_room::{Room, Seat};

const USAGE: &str = "not understood: a datagram is `enter NAME`, `say TEXT` or `quit`";

/// A member by its address.
struct Reachable {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
}

impl Seat for Reachable {
    fn tell(&self, line: &str) {
        // Datagrams may be lost, this one as well.
        let _ = self.socket.send_to(line.as_bytes(), self.address);
    }
}

pub(crate) fn serve(address: &str, clients: usize, longest: usize) -> io::Result<()> {
    let shutdown = Shutdown::on([SIGTERM, SIGINT])?;
    let socket = Arc::new(UdpSocket::bind(address)?);
    crate::started(socket.local_addr()?);
    let chat = Chat {
        room: Arc::new(Room::new(clients, longest)),
        socket,
    };
    let room = chat.room.clone();
    crate::announce_typed(room.clone());
    spawn(move || chat.serve());
    crate::end_of(&shutdown, &room);
    Ok(())
}

struct Chat {
    room: Arc<Room<Reachable>>,
    socket: Arc<UdpSocket>,
}

impl Chat {
    fn serve(self) {
        let mut names = HashMap::new();
        let mut buffer = vec![0; 65_535];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => self.take(&mut names, from, &buffer[..length]),
                // It is about one datagram; the next may fare better.
                Err(error) => eprintln!("chat_server: {error}"),
            }
        }
    }

    /// Does what a datagram says; what is wrong with it is told to who sent it.
    fn take(&self, names: &mut HashMap<SocketAddr, String>, from: SocketAddr, said: &[u8]) {
        let answered = match (names.get(&from), split(said)) {
            (None, (b"enter", name)) => self.enter(names, from, name),
            // The answer was lost.
            (Some(ours), (b"enter", name)) if ours.as_bytes() == name => {
                Err(format!("{ours} has entered"))
            }
            (Some(ours), (b"enter", _)) => Err(format!("you are {ours} already")),
            (Some(ours), (b"say", text)) => self.room.say(ours, text),
            (Some(_), (b"quit", b"")) => {
                let name = names.remove(&from).unwrap_or_default();
                self.room.leave(&name);
                Err("you have left".to_owned())
            }
            (None, (b"say" | b"quit", _)) => Err("enter first: `enter NAME`".to_owned()),
            _ => Err(USAGE.to_owned()),
        };
        if let Err(answer) = answered {
            self.seat(from).tell(&answer);
        }
    }

    fn enter(
        &self,
        names: &mut HashMap<SocketAddr, String>,
        from: SocketAddr,
        name: &[u8],
    ) -> Result<(), String> {
        let name = String::from_utf8_lossy(name).into_owned();
        self.room.enter(&name, self.seat(from))?;
        names.insert(from, name);
        Ok(())
    }

    fn seat(&self, address: SocketAddr) -> Reachable {
        let socket = self.socket.clone();
        Reachable { socket, address }
    }
}

/// The first word, and what stands after it.
fn split(said: &[u8]) -> (&[u8], &[u8]) {
    let said = said.trim_ascii_end();
    let end = said
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(said.len());
    (&said[..end], said[end..].trim_ascii_start())
}
