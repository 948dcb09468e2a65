//! Datagrams, and messages of several parts, on full green threads.

mod common;

use common::{SHORT, everywhere, in_hub, read};
use greenloop::spawn_local;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;

/// A large write of many parts, by each call that takes them: all of it arrives, in order.
#[test]
fn partial_vectors_are_completed() {
    const PART: usize = 700_001;
    fn by_sendmsg(fd: RawFd, parts: &[IoSlice<'_>]) -> isize {
        // SAFETY: all zeroes are a message; slices are vectors.
        unsafe {
            let mut message: libc::msghdr = MaybeUninit::zeroed().assume_init();
            message.msg_iov = parts.as_ptr().cast_mut().cast();
            message.msg_iovlen = parts.len();
            libc::sendmsg(fd, &message, 0)
        }
    }
    fn by_writev(fd: RawFd, parts: &[IoSlice<'_>]) -> isize {
        // SAFETY: slices are vectors.
        unsafe { libc::writev(fd, parts.as_ptr().cast(), parts.len() as i32) }
    }
    fn by_pwritev2(fd: RawFd, parts: &[IoSlice<'_>]) -> isize {
        // SAFETY: slices are vectors.
        unsafe { libc::pwritev2(fd, parts.as_ptr().cast(), parts.len() as i32, -1, 0) }
    }
    everywhere(|| {
        for send in [by_sendmsg, by_writev, by_pwritev2] {
            let (sender, mut receiver) = UnixStream::pair().unwrap();
            let data: Vec<Vec<u8>> = (0..9).map(|part| vec![part; PART]).collect();
            let expected = data.concat();
            let reader = thread::spawn(move || {
                let mut received = Vec::new();
                receiver.read_to_end(&mut received).unwrap();
                assert!(received == expected);
            });
            let parts: Vec<_> = data.iter().map(|part| IoSlice::new(part)).collect();
            assert_eq!(send(sender.as_raw_fd(), &parts), 9 * PART as isize);
            drop(sender);
            reader.join().unwrap();
        }
    });
}

#[test]
fn datagrams_keep_their_bounds() {
    everywhere(|| {
        let (one, two) = (
            UdpSocket::bind("127.0.0.1:0").unwrap(),
            UdpSocket::bind("127.0.0.1:0").unwrap(),
        );
        let address = two.local_addr().unwrap();
        let sender = thread::spawn(move || {
            thread::sleep(SHORT);
            for size in [10, 0, 300] {
                assert_eq!(one.send_to(&vec![7; size], address).unwrap(), size);
            }
            one.local_addr().unwrap()
        });
        let mut buffer = [0; 1000];
        let (first, from) = two.recv_from(&mut buffer).unwrap();
        assert_eq!((first, two.recv(&mut buffer).unwrap()), (10, 0));
        assert_eq!(read(&two, &mut buffer).unwrap(), 300);
        assert_eq!(from, sender.join().unwrap());

        let (left, right) = UnixDatagram::pair().unwrap();
        let sender = thread::spawn(move || {
            for index in 0..500u16 {
                left.send(&index.to_le_bytes()).unwrap();
            }
        });
        for index in 0..500u16 {
            let mut word = [0; 9];
            assert_eq!(right.recv(&mut word).unwrap(), 2);
            assert_eq!(word[..2], index.to_le_bytes());
        }
        sender.join().unwrap();
    });
}

/// poll(2) calls an unconnected datagram socket writable, whatever its receiver's queue says.
#[test]
fn sending_to_a_full_unix_datagram_socket_waits() {
    in_hub(|| {
        let path = std::env::temp_dir().join(format!("greenloop-dgram-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let target = path.clone();
        let sending = spawn_local(move || {
            for index in 0..200u8 {
                sender.send_to(&[index], &target).unwrap();
            }
        });
        thread::sleep(SHORT);
        assert!(!sending.is_finished());
        for index in 0..200u8 {
            let mut word = [0];
            receiver.recv(&mut word).unwrap();
            assert_eq!(word, [index]);
        }
        sending.join().unwrap();
        std::fs::remove_file(path).unwrap();
    });
}

/// A message with a descriptor in it, which is larger than the socket's buffer.
#[test]
fn control_data_goes_with_the_first_part() {
    const SIZE: usize = 4 << 20;
    #[repr(C, align(8))]
    struct Control([u8; 64]);
    everywhere(|| {
        let (sender, receiver) = UnixStream::pair().unwrap();
        let passed = UdpSocket::bind("127.0.0.1:0").unwrap();
        let expected = passed.local_addr().unwrap();
        let sending = move || {
            let data = vec![5u8; SIZE];
            let mut vector = libc::iovec {
                iov_base: data.as_ptr().cast_mut().cast(),
                iov_len: SIZE,
            };
            let mut control = Control([0; 64]);
            // SAFETY: a message with room for one descriptor.
            let sent = unsafe {
                let mut message: libc::msghdr = MaybeUninit::zeroed().assume_init();
                message.msg_iov = &mut vector;
                message.msg_iovlen = 1;
                message.msg_control = control.0.as_mut_ptr().cast();
                message.msg_controllen = libc::CMSG_SPACE(4) as usize;
                let header = libc::CMSG_FIRSTHDR(&message);
                (*header).cmsg_level = libc::SOL_SOCKET;
                (*header).cmsg_type = libc::SCM_RIGHTS;
                (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
                libc::CMSG_DATA(header)
                    .cast::<RawFd>()
                    .write(passed.as_raw_fd());
                libc::sendmsg(sender.as_raw_fd(), &message, 0)
            };
            assert_eq!(sent, SIZE as isize);
        };
        let sending = thread::spawn(sending);
        let mut received = 0;
        let mut rights = Vec::new();
        while received < SIZE {
            let mut data = vec![0u8; 100_000];
            let mut vector = libc::iovec {
                iov_base: data.as_mut_ptr().cast(),
                iov_len: data.len(),
            };
            let mut control = Control([0; 64]);
            // SAFETY: a message with room for control data.
            unsafe {
                let mut message: libc::msghdr = MaybeUninit::zeroed().assume_init();
                message.msg_iov = &mut vector;
                message.msg_iovlen = 1;
                message.msg_control = control.0.as_mut_ptr().cast();
                message.msg_controllen = 64;
                let part = libc::recvmsg(receiver.as_raw_fd(), &mut message, 0);
                assert!(part > 0);
                received += part as usize;
                let header = libc::CMSG_FIRSTHDR(&message);
                if !header.is_null() {
                    rights.push(OwnedFd::from_raw_fd(
                        libc::CMSG_DATA(header).cast::<RawFd>().read(),
                    ));
                }
            }
        }
        sending.join().unwrap();
        assert_eq!(rights.len(), 1);
        assert_eq!(
            UdpSocket::from(rights.remove(0)).local_addr().unwrap(),
            expected
        );
    });
}

#[test]
fn many_messages_at_once() {
    everywhere(|| {
        let (left, right) = UnixDatagram::pair().unwrap();
        let data: Vec<[u8; 3]> = (0..60).map(|index| [index; 3]).collect();
        let sending = thread::spawn(move || {
            let mut vectors: Vec<_> = data
                .iter()
                .map(|data| libc::iovec {
                    iov_base: data.as_ptr().cast_mut().cast(),
                    iov_len: 3,
                })
                .collect();
            let mut messages: Vec<libc::mmsghdr> = vectors
                .iter_mut()
                .map(|vector| {
                    // SAFETY: all zeroes are a message.
                    let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
                    message.msg_hdr.msg_iov = vector;
                    message.msg_hdr.msg_iovlen = 1;
                    message
                })
                .collect();
            thread::sleep(SHORT);
            // SAFETY: so many messages.
            let sent = unsafe { libc::sendmmsg(left.as_raw_fd(), messages.as_mut_ptr(), 60, 0) };
            assert_eq!(sent, 60);
            assert!(messages.iter().all(|message| message.msg_len == 3));
        });
        let mut buffers = vec![[0u8; 8]; 60];
        let mut vectors: Vec<_> = buffers
            .iter_mut()
            .map(|data| libc::iovec {
                iov_base: data.as_mut_ptr().cast(),
                iov_len: 8,
            })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = vectors
            .iter_mut()
            .map(|vector| {
                // SAFETY: all zeroes are a message.
                let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
                message.msg_hdr.msg_iov = vector;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        // SAFETY: so many messages.
        let received = unsafe {
            libc::recvmmsg(
                right.as_raw_fd(),
                messages.as_mut_ptr(),
                60,
                0,
                std::ptr::null_mut(),
            )
        };
        assert_eq!(received, 60);
        sending.join().unwrap();
        for (index, buffer) in buffers.iter().enumerate() {
            assert_eq!(buffer[..3], [index as u8; 3]);
        }
    });
}
