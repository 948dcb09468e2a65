//! Calls that can't wait on a green thread say so.

mod common;

use common::{SHORT, within};
use greenloop::Builder;
use libc::{c_int, timespec};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::{ptr, thread};

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Notes;

impl log::Log for Notes {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "greenloop::monkey"
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            SAID.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

const MOMENT: timespec = timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

/// Makes `call` on a green thread, and asserts that one named `name` is said to block.
fn is_said(name: &str, call: fn()) {
    SAID.lock().unwrap().clear();
    call();
    assert_eq!(*SAID.lock().unwrap(), [""; 0], "{name} on an OS thread");
    let builder = Builder::new().name("caller".into());
    builder.spawn(call).unwrap().join().unwrap();
    let said = SAID.lock().unwrap();
    let start = format!("{name} of green thread 'caller' blocks its worker: ");
    assert!(
        said.len() == 1 && said[0].starts_with(&start),
        "{name}: {said:?}"
    );
}

fn with_a_mask(call: impl FnOnce(*const libc::sigset_t) -> c_int) {
    let mut none = std::mem::MaybeUninit::uninit();
    // SAFETY: room for a set.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    assert_eq!(call(none.as_ptr()), 0);
}

/// An epoll descriptor of nothing, for one call.
fn with_epoll(call: impl FnOnce(c_int) -> c_int) -> c_int {
    // SAFETY: no memory is passed, and nobody else knows the descriptor.
    unsafe {
        let epoll = libc::epoll_create1(0);
        let result = call(epoll);
        libc::close(epoll);
        result
    }
}

/// Until a moment that is over.
fn sleeps_by_processor_time() {
    let past = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let (clock, flags) = (libc::CLOCK_PROCESS_CPUTIME_ID, libc::TIMER_ABSTIME);
    // SAFETY: a valid time; the rest is not asked for.
    let result = unsafe { libc::clock_nanosleep(clock, flags, &past, ptr::null_mut()) };
    assert_eq!(result, 0);
}

fn sends_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // SAFETY: plain data, for which zeros are valid; an address of that size; a new descriptor.
    unsafe {
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = libc::AF_INET as _;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        let (place, size) = ((&raw const address).cast(), size_of_val(&address) as u32);
        let flags = libc::MSG_FASTOPEN;
        let sent = libc::sendto(socket, c"x".as_ptr().cast(), 1, flags, place, size);
        let is_off = io::Error::last_os_error().raw_os_error() == Some(libc::EOPNOTSUPP);
        assert!(sent == 1 || is_off);
        libc::close(socket);
    }
}

fn fills_messages() {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.write_all(b"x").unwrap();
    let mut byte = 0u8;
    // SAFETY: one message, of one buffer.
    unsafe {
        let mut buffer = libc::iovec {
            iov_base: (&raw mut byte).cast(),
            iov_len: 1,
        };
        let mut message: libc::mmsghdr = std::mem::zeroed();
        message.msg_hdr.msg_iov = &mut buffer;
        message.msg_hdr.msg_iovlen = 1;
        let (fd, flags) = (reader.as_raw_fd(), libc::MSG_WAITALL);
        assert_eq!(
            libc::recvmmsg(fd, &mut message, 1, flags, ptr::null_mut()),
            1
        );
    }
}

fn nothing_is_said_of_what_waits() {
    SAID.lock().unwrap().clear();
    let talk = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.write_all(b"x").unwrap();
        thread::sleep(SHORT);
    };
    greenloop::spawn(talk).join().unwrap();
    assert_eq!(*SAID.lock().unwrap(), [""; 0]);
}

#[test]
fn what_blocks_is_named() {
    log::set_logger(&Notes).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    within(|| {
        is_said("ppoll", || {
            // SAFETY: no entries, a valid time and mask.
            with_a_mask(|mask| unsafe { libc::ppoll(ptr::null_mut(), 0, &MOMENT, mask) });
        });
        is_said("pselect", || {
            let no = ptr::null_mut;
            // SAFETY: no sets, a valid time and mask.
            with_a_mask(|mask| unsafe { libc::pselect(0, no(), no(), no(), &MOMENT, mask) });
        });
        is_said("epoll_pwait", || {
            let mut event = libc::epoll_event { events: 0, u64: 0 };
            with_a_mask(|mask| {
                // SAFETY: room for one, and a valid mask.
                with_epoll(|epoll| unsafe { libc::epoll_pwait(epoll, &mut event, 1, 1, mask) })
            });
        });
        is_said("clock_nanosleep", sleeps_by_processor_time);
        is_said("sendto", sends_at_once);
        is_said("recvmmsg", fills_messages);
        nothing_is_said_of_what_waits();
    });
}
