//! `sendfile`, `splice` and std's copies on full green threads.

mod common;

use common::{SHORT, c, errno, everywhere, in_hub};
use greenloop::spawn_local;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::{env, fs, process, ptr};

/// A path of its own.
fn path(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, SeqCst);
    env::temp_dir().join(format!("greenloop-io-{name}-{}-{next}", process::id()))
}

fn pipe() -> (File, File) {
    let (reader, writer) = io::pipe().unwrap();
    (
        File::from(OwnedFd::from(reader)),
        File::from(OwnedFd::from(writer)),
    )
}

/// A file's end is sent on, to a socket whose other end is slow.
#[test]
fn sendfile_sends_all() {
    everywhere(|| {
        let path = path("sent");
        let data: Vec<u8> = (0..3 << 20).map(|index| (index * 7 / 3) as u8).collect();
        fs::write(&path, &data).unwrap();
        let file = File::open(&path).unwrap();
        let (sender, mut receiver) = std::os::unix::net::UnixStream::pair().unwrap();
        let receiving = thread::spawn(move || {
            let mut all = Vec::new();
            receiver.read_to_end(&mut all).unwrap();
            all
        });
        let mut offset = 1000;
        let (out, from) = (sender.as_raw_fd(), file.as_raw_fd());
        // SAFETY: room for the offset.
        unsafe {
            assert_eq!(libc::sendfile(out, from, &mut offset, 1 << 20), 1 << 20);
            assert_eq!(offset, 1000 + (1 << 20));
            assert_eq!(libc::lseek(from, 0, libc::SEEK_CUR), 0);
            assert_eq!(libc::sendfile(out, from, ptr::null_mut(), 1 << 30), 3 << 20);
            assert_eq!(libc::lseek(from, 0, libc::SEEK_CUR), 3 << 20);
            assert_eq!(libc::sendfile(out, from, ptr::null_mut(), 100), 0);
            assert_eq!(
                errno(c(libc::sendfile(out, -1, ptr::null_mut(), 100))),
                libc::EBADF
            );
        }
        drop(sender);
        let all = receiving.join().unwrap();
        assert!(all[..1 << 20] == data[1000..][..1 << 20] && all[1 << 20..] == data);
        fs::remove_file(path).unwrap();
    });
}

#[test]
fn splice_waits_at_both_ends() {
    in_hub(|| {
        let (reader, mut writer) = pipe();
        let (socket, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
        let splicing = spawn_local(move || {
            let mut total = 0;
            loop {
                let (from, to) = (reader.as_fd().as_raw_fd(), socket.as_fd().as_raw_fd());
                let null = ptr::null_mut();
                // SAFETY: no offset is passed.
                let part = unsafe { libc::splice(from, null, to, null, 1 << 16, 0) };
                assert!(part >= 0, "{}", io::Error::last_os_error());
                if part == 0 {
                    return total;
                }
                total += part;
            }
        });
        let receiving = spawn_local(move || {
            thread::sleep(SHORT);
            let mut all = Vec::new();
            other.read_to_end(&mut all).unwrap();
            all
        });
        let data: Vec<u8> = (0..2 << 20).map(|index| (index * 7 / 3) as u8).collect();
        writer.write_all(&data).unwrap();
        drop(writer);
        assert_eq!(splicing.join().unwrap(), 2 << 20);
        assert!(receiving.join().unwrap() == data);
    });
}

#[test]
fn std_copies_between_anything() {
    everywhere(|| {
        let path = path("copied");
        let data = vec![9; 1 << 20];
        fs::write(&path, &data).unwrap();
        let (mut reader, mut writer) = pipe();
        let (mut near, mut far) = common_tcp();
        let first = thread::spawn(move || {
            let mut file = File::open(&path).unwrap();
            assert_eq!(io::copy(&mut file, &mut writer).unwrap(), 1 << 20);
            fs::remove_file(path).unwrap();
        });
        let last = thread::spawn(move || {
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
            assert!(all == data);
        });
        assert_eq!(io::copy(&mut reader, &mut near).unwrap(), 1 << 20);
        drop(near);
        first.join().unwrap();
        last.join().unwrap();
    });
}

fn common_tcp() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}
