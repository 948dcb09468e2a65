//! Conversions between std's sockets and ours: modes, timeouts and registrations survive them.

use std::io::{self, ErrorKind, Read, Write};
use std::net as std_net;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use greenloop::net::{TcpListener, TcpStream};

const TICK: Duration = Duration::from_millis(20);

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0))
}

/// Says whether the description has `O_NONBLOCK`, as the kernel sees it.
fn is_nonblocking(fd: impl AsFd) -> bool {
    let fdinfo = format!(
        "/proc/self/fdinfo/{}",
        std::os::fd::AsRawFd::as_raw_fd(&fd.as_fd())
    );
    let text = std::fs::read_to_string(fdinfo).unwrap();
    let flags = text
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .unwrap()
        .trim();
    i32::from_str_radix(flags, 8).unwrap() & 0o4000 != 0
}

fn on_both(test: fn() -> io::Result<()>) {
    test().unwrap();
    greenloop::spawn(test).join().unwrap().unwrap();
}

#[test]
fn a_stream_becomes_a_blocking_std_stream() {
    on_both(|| {
        let (client, server) = pair()?;
        client.set_read_timeout(Some(TICK))?;
        let mut byte = [0; 1];
        (&client).read(&mut byte).unwrap_err(); // known to a reactor now
        let mut client = std_net::TcpStream::from(client);
        assert!(!is_nonblocking(&client));
        assert_eq!(
            client.read(&mut byte).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        client.set_read_timeout(None)?;
        let writer = std::thread::spawn(move || (&server).write_all(&[1]));
        client.read_exact(&mut byte)?;
        writer.join().unwrap()
    });
}

#[test]
fn the_users_mode_and_timeouts_come_back_from_std() {
    on_both(|| {
        let (client, _server) = pair()?;
        client.set_nonblocking(true)?;
        client.set_write_timeout(Some(TICK))?;
        let std = std_net::TcpStream::from(client);
        assert!(is_nonblocking(&std));
        assert_eq!(
            (&std).read(&mut [0; 1]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        let client = TcpStream::from(std);
        assert_eq!(
            (&client).read(&mut [0; 1]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        client.set_nonblocking(false)?;
        let error = (&client).write_all(&vec![0; 64 << 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        Ok(())
    });
}

#[test]
fn a_read_timeout_set_on_std_counts_on_ours() {
    on_both(|| {
        let (client, _server) = pair()?;
        let std = std_net::TcpStream::from(OwnedFd::from(client));
        std.set_read_timeout(Some(TICK))?;
        let client = TcpStream::from(OwnedFd::from(std));
        assert_eq!(
            (&client).read(&mut [0; 1]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        Ok(())
    });
}

/// One clone may block OS threads the way std does while the other parks green threads.
#[test]
fn a_std_clone_and_ours_are_used_at_once() {
    on_both(|| {
        let (client, mut server) = pair()?;
        let mut std = std_net::TcpStream::from(client.try_clone()?);
        let ours = greenloop::spawn(move || (&client).read(&mut [0; 1]));
        let theirs = std::thread::spawn(move || std.read(&mut [0; 1]));
        server.write_all(b"12")?;
        assert_eq!(ours.join().unwrap()? + theirs.join().unwrap()?, 2);
        Ok(())
    });
}

#[test]
fn a_listener_becomes_a_blocking_std_listener() {
    on_both(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        let listener = std_net::TcpListener::from(listener);
        assert!(!is_nonblocking(&listener));
        let client = std::thread::spawn(move || std_net::TcpStream::connect(addr));
        listener.accept()?;
        client.join().unwrap()?;
        Ok(())
    });
}

#[test]
fn the_users_mode_of_a_listener_survives() {
    on_both(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let std = std_net::TcpListener::from(listener);
        assert_eq!(std.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let listener = TcpListener::from(std);
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_nonblocking(false)?;
        let addr = listener.local_addr()?;
        let client = std::thread::spawn(move || std_net::TcpStream::connect(addr));
        listener.accept()?;
        client.join().unwrap()?;
        assert!(!is_nonblocking(OwnedFd::from(listener)));
        Ok(())
    });
}

#[test]
fn sockets_are_closed_on_exec_and_streams_keep_stds_mode() {
    on_both(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        for stream in [&client, &server, &client.try_clone()?] {
            assert!(is_close_on_exec(stream) && !is_nonblocking(stream));
        }
        assert!(is_close_on_exec(&listener) && is_close_on_exec(listener.try_clone()?));
        Ok(())
    });
}

fn is_close_on_exec(fd: impl AsFd) -> bool {
    let fdinfo = format!(
        "/proc/self/fdinfo/{}",
        std::os::fd::AsRawFd::as_raw_fd(&fd.as_fd())
    );
    let text = std::fs::read_to_string(fdinfo).unwrap();
    let flags = text
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .unwrap()
        .trim();
    i32::from_str_radix(flags, 8).unwrap() & 0o2000000 != 0
}
