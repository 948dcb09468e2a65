//! Calls that may wait for other green threads take no place in the blocking pool, which those may
//! need.

mod common;

use common::{SHORT, in_hub, within};
use greenloop::{Runtime, monkey, spawn, spawn_local};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{PipeWriter, Read, Write, pipe};
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::sync::{Once, mpsc};
use std::thread;

/// Gives the pool one thread alone.
fn with_a_small_pool() {
    static START: Once = Once::new();
    START.call_once(|| {
        monkey::patch_all().unwrap();
        let builder = Runtime::builder().workers(1).blocking_threads(1);
        builder.start().unwrap();
    });
}

/// A call that only the pool can wait for.
fn look_up() {
    assert!(("localhost", 80).to_socket_addrs().unwrap().count() > 0);
}

#[test]
fn joins_of_os_threads() {
    with_a_small_pool();
    within(|| {
        let (senders, joiners): (Vec<_>, Vec<_>) = (0..4)
            .map(|_| {
                let (sender, receiver) = mpsc::channel::<()>();
                let wait = move || receiver.recv().unwrap();
                (sender, spawn(move || thread::spawn(wait).join().unwrap()))
            })
            .unzip();
        let releaser = spawn(move || {
            thread::sleep(SHORT);
            look_up();
            for sender in senders {
                sender.send(()).unwrap();
            }
        });
        releaser.join().unwrap();
        for joiner in joiners {
            joiner.join().unwrap();
        }
    });
}

/// A named pipe for this test alone.
fn named_pipe(number: usize) -> PathBuf {
    let name = format!("greenloop-pool-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let c_path = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
    path
}

fn pipes_are_opened() {
    in_hub(|| {
        let paths: Vec<_> = (0..4).map(named_pipe).collect();
        let readers: Vec<_> = paths
            .iter()
            .cloned()
            .map(|path| {
                spawn_local(move || {
                    let mut text = String::new();
                    File::open(path).unwrap().read_to_string(&mut text).unwrap();
                    text
                })
            })
            .collect();
        thread::sleep(SHORT);
        look_up();
        for path in &paths {
            let mut writer = OpenOptions::new().write(true).open(path).unwrap();
            writer.write_all(b"through").unwrap();
        }
        for reader in readers {
            assert_eq!(reader.join().unwrap(), "through");
        }
        for path in paths {
            fs::remove_file(path).unwrap();
        }
    });
}

#[test]
fn opening_named_pipes() {
    with_a_small_pool();
    pipes_are_opened();
    monkey::patch_fs().unwrap();
    pipes_are_opened();
}

/// A shell command that ends when it has read a line of what the writer writes.
fn command() -> (CString, PipeWriter) {
    use std::os::fd::AsRawFd;
    let (reader, writer) = pipe().unwrap();
    // SAFETY: no memory is passed. The child inherits it.
    let result = unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFD, 0) };
    assert_eq!(result, 0);
    let text = format!("read line </proc/self/fd/{}", reader.as_raw_fd());
    std::mem::forget(reader); // open until the process ends
    (CString::new(text).unwrap(), writer)
}

#[test]
fn commands_of_a_shell() {
    with_a_small_pool();
    in_hub(|| {
        let (commands, writers): (Vec<_>, Vec<_>) = (0..4).map(|_| command()).unzip();
        let shells: Vec<_> = commands
            .into_iter()
            .map(|text| {
                // SAFETY: a C string.
                spawn_local(move || unsafe { libc::system(text.as_ptr()) })
            })
            .collect();
        thread::sleep(SHORT);
        look_up();
        for mut writer in writers {
            writer.write_all(b"\n").unwrap();
        }
        for shell in shells {
            assert_eq!(shell.join().unwrap(), 0);
        }
    });
}
