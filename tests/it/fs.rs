//! Files: std's names on the blocking pool, and what a kill or timeout does to them.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use greenloop::fs::unix::{FileExt, OpenOptionsExt, PermissionsExt};
use greenloop::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use greenloop::{joinall, sleep, spawn, timeout, yield_now};
use tempfile::TempDir;

use crate::everywhere::{everywhere, in_hub};

#[test]
fn every_function_does_what_std_says() {
    everywhere(|| {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::create_dir(at("a/c")).unwrap();
        fs::write(at("a/file"), "text").unwrap();
        assert_eq!(fs::read(at("a/file")).unwrap(), b"text");
        assert_eq!(fs::read_to_string(at("a/file")).unwrap(), "text");
        assert_eq!(fs::copy(at("a/file"), at("a/copy")).unwrap(), 4);
        fs::hard_link(at("a/file"), at("a/hard")).unwrap();
        fs::unix::symlink("file", at("a/soft")).unwrap();
        assert_eq!(fs::read_link(at("a/soft")).unwrap().to_str(), Some("file"));
        assert!(fs::symlink_metadata(at("a/soft")).unwrap().is_symlink());
        assert!(fs::metadata(at("a/soft")).unwrap().is_file());
        let real = std::fs::canonicalize(at("a/file")).unwrap();
        assert_eq!(fs::canonicalize(at("a/soft")).unwrap(), real);
        fs::rename(at("a/copy"), at("a/moved")).unwrap();
        assert!(!fs::exists(at("a/copy")).unwrap() && fs::exists(at("a/moved")).unwrap());
        let mut permissions = fs::metadata(at("a/moved")).unwrap().permissions();
        permissions.set_mode(0o600);
        fs::set_permissions(at("a/moved"), permissions).unwrap();
        let mode = std::fs::metadata(at("a/moved"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(at("a/moved")).unwrap();
        fs::remove_dir(at("a/b")).unwrap();
        let names: BTreeSet<_> = fs::read_dir(at("a"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.iter().eq(["c", "file", "hard", "soft"]));
        DirBuilder::new()
            .recursive(true)
            .create(at("a/d/e"))
            .unwrap();
        fs::remove_dir_all(at("a")).unwrap();
        assert!(!fs::exists(at("a")).unwrap());
    });
}

#[test]
fn errors_have_the_kinds_of_std() {
    everywhere(|| {
        let gone = "no such file";
        let same = |ours: std::io::Error, stds: std::io::Error| {
            assert_eq!(
                (ours.kind(), ours.raw_os_error()),
                (stds.kind(), stds.raw_os_error())
            );
        };
        same(
            fs::read(gone).unwrap_err(),
            std::fs::read(gone).unwrap_err(),
        );
        same(
            fs::read("src").unwrap_err(),
            std::fs::read("src").unwrap_err(),
        );
        same(
            fs::read_dir(gone).unwrap_err(),
            std::fs::read_dir(gone).unwrap_err(),
        );
        same(
            fs::remove_dir("src").unwrap_err(),
            std::fs::remove_dir("src").unwrap_err(),
        );
        same(
            fs::read_link("src").unwrap_err(),
            std::fs::read_link("src").unwrap_err(),
        );
        same(
            fs::write("src", "").unwrap_err(),
            std::fs::write("src", "").unwrap_err(),
        );
        same(
            File::open(gone).unwrap_err(),
            std::fs::File::open(gone).unwrap_err(),
        );
        same(
            fs::read("nul\0").unwrap_err(),
            std::fs::read("nul\0").unwrap_err(),
        );
        let ours = fs::read_to_string("/proc/self/exe").unwrap_err();
        assert_eq!(ours.kind(), ErrorKind::InvalidData);
        let mut folder = File::open("src").unwrap();
        assert_eq!(
            folder.read(&mut [0]).unwrap_err().kind(),
            ErrorKind::IsADirectory
        );
    });
}

#[test]
fn a_file_is_read_and_written_and_sought_everywhere() {
    everywhere(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o640);
        let mut file = options.open(&path).unwrap();
        let much: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
        file.write_all(&much).unwrap();
        file.rewind().unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert!(read == much);
        assert_eq!(file.read(&mut [0; 10]).unwrap(), 0);
        assert_eq!(file.seek(SeekFrom::End(-2)).unwrap(), 2_999_998);
        assert_eq!(file.seek(SeekFrom::Current(1)).unwrap(), 2_999_999);
        file.seek(SeekFrom::Current(-3_000_000)).unwrap_err();
        let mut four = [0; 4];
        file.read_exact_at(&mut four, 256).unwrap();
        assert_eq!(four, [0, 1, 2, 3]);
        file.write_all_at(b"new", 1).unwrap();
        let error = file.read_at(&mut four, u64::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(file.stream_position().unwrap(), 2_999_999);
        file.set_len(4).unwrap();
        file.sync_all().unwrap();
        file.sync_data().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"\0new");
        let metadata = file.metadata().unwrap();
        assert_eq!(
            (metadata.len(), metadata.permissions().mode() & 0o777),
            (4, 0o640)
        );
        let past = std::time::UNIX_EPOCH + Duration::from_secs(1000);
        file.set_times(FileTimes::new().set_accessed(past).set_modified(past))
            .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), past);
    });
}

#[test]
fn clones_share_a_position_and_conversions_keep_it() {
    everywhere(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "abcdef").unwrap();
        let mut two = [0; 2];
        let mut file = File::open(&path).unwrap();
        file.try_clone().unwrap().read_exact(&mut two).unwrap();
        assert_eq!(&two, b"ab");
        let mut file = std::fs::File::from({
            file.read_exact(&mut two).unwrap();
            file
        });
        file.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"ef");
        let mut file = File::try_from(OwnedFd::from(file)).unwrap();
        assert_eq!(file.stream_position().unwrap(), 6);
    });
}

#[test]
fn files_without_a_quick_read_are_read_too() {
    everywhere(|| {
        let mut text = String::new();
        let mut file = File::open("/proc/self/status").unwrap();
        file.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("Name:"));
        let mut zeros = [1; 10];
        File::open("/dev/zero")
            .unwrap()
            .read_exact(&mut zeros)
            .unwrap();
        assert_eq!(zeros, [0; 10]);
        assert_eq!(
            File::open("/dev/null").unwrap().read(&mut zeros).unwrap(),
            0
        );
        let mut null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        null.write_all(&[0; 100_000]).unwrap();
    });
}

#[test]
fn many_append_to_one_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let writers = (0..20).map(|n| {
        let path = path.clone();
        spawn(move || {
            let mut log = OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .unwrap();
            for _ in 0..50 {
                log.write_all(format!("line of {n:02}\n").as_bytes())
                    .unwrap();
            }
        })
    });
    for writer in joinall(writers) {
        writer.unwrap();
    }
    let log = fs::read_to_string(path).unwrap();
    assert_eq!(log.lines().count(), 1000);
    assert!(
        log.lines()
            .all(|line| line.len() == 10 && line.starts_with("line of "))
    );
}

#[test]
fn a_large_folder_is_listed_in_whole() {
    everywhere(|| {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..200 {
            std::fs::write(dir.path().join(n.to_string()), "x").unwrap();
        }
        let entries = fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
        let names: BTreeSet<u32> = entries
            .map(|entry| {
                assert!(entry.file_type().unwrap().is_file());
                assert_eq!(entry.metadata().unwrap().len(), 1);
                entry.file_name().to_str().unwrap().parse().unwrap()
            })
            .collect();
        assert!(names.into_iter().eq(0..200));
    });
}

#[test]
fn what_a_timeout_lets_be_written_is_what_is_in_the_file() {
    in_hub(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut file = File::create(dir.path().join("file")).unwrap();
        let mut written = 0;
        for micros in 0..200 {
            let patience = Duration::from_micros(micros);
            if let Ok(count) = timeout(patience, || file.write(b"ten bytes.")) {
                written += count.unwrap() as u64;
            }
        }
        assert_eq!(file.metadata().unwrap().len(), written);
        assert_eq!(file.stream_position().unwrap(), written);
        assert!(written > 0);
    });
}

/// A named pipe, and its folder, which goes with its owner.
fn named_pipe() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    (dir, path)
}

#[test]
fn a_write_that_was_begun_goes_on_without_its_waiter() {
    in_hub(|| {
        let (_dir, path) = named_pipe();
        let there = path.clone();
        let writer = spawn(move || fs::write(there, vec![1; 1_000_000]));
        yield_now();
        writer.kill();
        assert!(writer.join().unwrap_err().is::<greenloop::Killed>());
        assert_eq!(fs::read(path).unwrap(), vec![1; 1_000_000]);
    });
}

#[test]
fn a_named_pipe_waits_without_a_thread_and_is_cut() {
    in_hub(|| {
        let (_dir, path) = named_pipe();
        let writing = path.clone();
        let writing = spawn(move || OpenOptions::new().write(true).open(writing));
        let mut reader = File::open(&path).unwrap();
        let mut writer = writing.join().unwrap().unwrap();
        let mut buf = [0; 5];
        assert!(timeout(Duration::from_millis(10), || reader.read(&mut buf)).is_err());
        spawn(move || {
            sleep(Duration::from_millis(10));
            writer.write_all(b"hello").unwrap();
            writer.write_all(&[0; 200_000]).unwrap();
        });
        reader.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"hello");
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 200_000);
    });
}

#[test]
fn opening_a_named_pipe_holds_up_nobody_and_is_cut() {
    in_hub(|| {
        let (_dir, path) = named_pipe();
        assert!(timeout(Duration::from_millis(20), || File::open(&path)).is_err());
        // The job that was left behind ends, too.
        OpenOptions::new().write(true).open(&path).unwrap();
    });
}
