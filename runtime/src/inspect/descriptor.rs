//! `Descriptor`: what a green thread reads from or writes to, as the system describes it.

use super::printable::Printable;
use socket2::{Domain, SockAddr, Type};
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::process;

/// A descriptor that a green thread waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Descriptor {
    fd: RawFd,
    what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    /// The one who waited has gone on, so it may be closed by now.
    Unknown,
    Socket(Socket),
    /// A pidfd.
    Process(Process),
    /// As the system names it: `pipe:[4711]`.
    Other(String),
}

/// A socket, by its addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Socket {
    protocol: &'static str,
    local: String,
    peer: Option<String>,
    is_listener: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Process {
    id: u32,
    is_child: bool,
}

impl Descriptor {
    pub(super) fn unknown(fd: RawFd) -> Descriptor {
        let what = What::Unknown;
        Descriptor { fd, what }
    }

    /// Asks the system what it is.
    pub(super) fn described(&self) -> Descriptor {
        let socket = Socket::of(self.fd).map(What::Socket);
        let what = socket.unwrap_or_else(|| What::by_name(self.fd));
        Descriptor { fd: self.fd, what }
    }

    /// Its number.
    pub fn number(&self) -> RawFd {
        self.fd
    }

    /// The socket that it is, if it is one.
    pub fn socket(&self) -> Option<&Socket> {
        match &self.what {
            What::Socket(socket) => Some(socket),
            _ => None,
        }
    }

    /// The id of the process whose end it tells of, if it is a pidfd.
    pub fn process(&self) -> Option<u32> {
        match &self.what {
            What::Process(process) => Some(process.id),
            _ => None,
        }
    }

    pub(super) fn is_listener(&self) -> bool {
        self.socket().is_some_and(|it| it.is_listener)
    }

    /// With an arrow from or to the peer.
    pub(super) fn write_with(&self, f: &mut fmt::Formatter<'_>, arrow: &str) -> fmt::Result {
        match &self.what {
            What::Unknown => return write!(f, "descriptor {}", self.fd),
            What::Process(process) => write!(f, "{process}")?,
            What::Other(name) => write!(f, "{}", Printable(name))?,
            What::Socket(Socket {
                protocol,
                local,
                peer,
                ..
            }) => {
                write!(f, "{protocol} {}", Printable(local))?;
                if let Some(peer) = peer {
                    write!(f, " {arrow} {}", Printable(peer))?;
                }
            }
        }
        write!(f, " (descriptor {})", self.fd)
    }
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_with(f, "<->")
    }
}

impl What {
    /// What is no socket.
    fn by_name(fd: RawFd) -> What {
        let Ok(link) = fs::read_link(format!("/proc/self/fd/{fd}")) else {
            return What::Unknown;
        };
        let name = link.display().to_string();
        let process = name.contains("pidfd").then(|| Process::of(fd)).flatten();
        process.map_or(What::Other(name), What::Process)
    }
}

impl Process {
    /// None if it has ended and been waited for, or is none.
    fn of(pidfd: RawFd) -> Option<Process> {
        let id = number_in(&format!("/proc/self/fdinfo/{pidfd}"), "Pid:")?;
        let parent = number_in(&format!("/proc/{id}/status"), "PPid:");
        let is_child = parent == Some(process::id());
        Some(Process { id, is_child })
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_child {
            "child process"
        } else {
            "process"
        };
        write!(f, "{kind} {}", self.id)
    }
}

/// The number on the line of `file` that begins with `label`.
fn number_in(file: &str, label: &str) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    let found = text.lines().find_map(|line| line.strip_prefix(label));
    found?.trim().parse().ok()
}

impl Socket {
    /// `TCP`, `UDP`, `Unix stream`, `Unix datagram`, or `socket` for any other.
    pub fn protocol(&self) -> &str {
        self.protocol
    }

    /// Its own address; a Unix socket's may be `unnamed`.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The address of the other side, if it is connected.
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// Does it accept connections?
    pub fn is_listener(&self) -> bool {
        self.is_listener
    }

    fn of(fd: RawFd) -> Option<Socket> {
        let local = address(fd, libc::getsockname).ok()?;
        let kind = Type::from(option(fd, libc::SO_TYPE)?);
        let is_listener = option(fd, libc::SO_ACCEPTCONN) == Some(1);
        let peer = address(fd, libc::getpeername).ok();
        Some(Socket {
            protocol: protocol(local.domain(), kind),
            local: name(&local),
            peer: peer.as_ref().map(name),
            is_listener,
        })
    }
}

fn protocol(domain: Domain, kind: Type) -> &'static str {
    let is_internet = domain == Domain::IPV4 || domain == Domain::IPV6;
    match kind {
        Type::STREAM if is_internet => "TCP",
        Type::DGRAM if is_internet => "UDP",
        Type::STREAM if domain == Domain::UNIX => "Unix stream",
        Type::DGRAM if domain == Domain::UNIX => "Unix datagram",
        _ => "socket",
    }
}

fn name(address: &SockAddr) -> String {
    if let Some(address) = address.as_socket() {
        address.to_string()
    } else if let Some(path) = address.as_pathname() {
        path.display().to_string()
    } else if let Some(name) = address.as_abstract_namespace() {
        format!("@{}", String::from_utf8_lossy(name))
    } else {
        "unnamed".to_owned()
    }
}

type Ask =
    unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn address(fd: RawFd, ask: Ask) -> io::Result<SockAddr> {
    // SAFETY: the kernel writes at most `length` bytes to the storage, and the length of what it
    // wrote; a number that is no descriptor, or another one by now, is an error or another address.
    let asked = unsafe {
        SockAddr::try_init(|storage, length| match ask(fd, storage.cast(), length) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        })
    };
    asked.map(|((), address)| address)
}

fn option(fd: RawFd, name: libc::c_int) -> Option<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` has room for the `length` bytes that the kernel may write; for `fd` see
    // `address`.
    let failed = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &mut length,
        )
    };
    (failed == 0).then_some(value)
}
