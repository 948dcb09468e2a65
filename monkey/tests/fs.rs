//! Regular files: on the blocking pool if that is asked for, else it is said that they block.

mod busy_pool;
#[path = "../../tests/it/child.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod child;
#[path = "../../tests/it/within.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod within;

use busy_pool::{beside, patch};
use child::{Child, this_test};
use greenloop::{Builder, monkey};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use within::{LONG, within};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs `f` on a full green thread, and asserts that others run while the pool is busy.
#[track_caller]
fn cooperates<T: 'static>(what: &str, f: impl FnOnce() -> T + 'static) -> T {
    let (result, ran) = beside(f);
    assert!(ran, "{what}: nobody else ran meanwhile");
    result
}

/// [`cooperates`] for a call on a file, which is given back.
#[track_caller]
fn with<T: 'static>(
    what: &str,
    mut file: File,
    f: impl FnOnce(&mut File) -> T + 'static,
) -> (File, T) {
    cooperates(what, move || {
        let result = f(&mut file);
        (file, result)
    })
}

#[test]
fn files_are_left_to_the_pool() {
    patch();
    monkey::patch_fs().unwrap();
    within(LONG, || {
        let name = path("files_are_left_to_the_pool");
        let made = name.clone();
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).read(true).write(true);
        let file = cooperates("open", move || options.open(made)).unwrap();
        let (mut file, _) = with("write", file, |file| file.write_all(b"hello").unwrap());
        file.rewind().unwrap();
        let mut text = [0; 5];
        let (file, text) = with("read", file, move |file| {
            file.read_exact(&mut text).unwrap();
            text
        });
        assert_eq!(&text, b"hello");
        let mut text = [0; 3];
        let (file, text) = with("read at", file, move |file| {
            file.read_exact_at(&mut text, 2).unwrap();
            text
        });
        assert_eq!(&text, b"llo");
        let (file, _) = with("sync", file, |file| file.sync_all().unwrap());
        let (file, _) = with("sync data", file, |file| file.sync_data().unwrap());
        let (file, length) = with("describe", file, |file| file.metadata().unwrap().len());
        assert_eq!(length, 5);
        with("cut", file, |file| file.set_len(2).unwrap());
        names_are_left_to_the_pool(name);
    });
}

fn names_are_left_to_the_pool(name: PathBuf) {
    let found = name.clone();
    let length = cooperates("describe by name", move || {
        fs::metadata(found).unwrap().len()
    });
    assert_eq!(length, 2);
    let gone = name.clone();
    cooperates("remove", move || fs::remove_file(gone).unwrap());
    let error = cooperates("open nothing", move || File::open(name).unwrap_err());
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
}

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Notes;

impl log::Log for Notes {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "greenloop::monkey"
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let said = format!("{}: {}", record.level(), record.args());
            SAID.lock().unwrap().push(said);
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_call_that_blocks_is_named_once() {
    Child::new(this_test!()).passes(|| {
        log::set_logger(&Notes).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
        monkey::patch_all().unwrap();
        let read = || {
            for _ in 0..3 {
                fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
            }
        };
        within(LONG, move || {
            let builder = || Builder::new().name("reader".into());
            let light = builder().own_tls(false).spawn(read).unwrap();
            light.join().unwrap();
            thread::spawn(read).join().unwrap();
            assert_eq!(*SAID.lock().unwrap(), [""; 0]);
            builder().spawn(read).unwrap().join().unwrap();
            let said = SAID.lock().unwrap();
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].starts_with("DEBUG: read of green thread 'reader' blocks"));
        });
    });
}
