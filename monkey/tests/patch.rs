//! What a patch puts in force, and when it is refused.

#[path = "../../tests/it/child.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod child;

use child::{Child, this_test};
use greenloop::monkey::{self, Group, PatchErrorKind};
use greenloop::{Builder, run, spawn};
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::thread;

const GROUPS: [Group; 6] = [
    Group::Socket,
    Group::Time,
    Group::Dns,
    Group::Process,
    Group::Sync,
    Group::Fs,
];

fn patched() -> Vec<Group> {
    let patched = GROUPS
        .into_iter()
        .filter(|group| monkey::is_patched(*group));
    patched.collect()
}

#[test]
fn groups_are_patched_one_by_one_and_bring_sync_along() {
    Child::new(this_test!()).passes(|| {
        assert_eq!(patched(), []);
        assert_eq!(monkey::patch_sync().unwrap().to_string(), "patched: sync");
        assert_eq!(patched(), [Group::Sync]);
        assert_eq!(
            monkey::patch_dns().unwrap().to_string(),
            "patched: dns, sync"
        );
        assert_eq!(patched(), [Group::Dns, Group::Sync]);
        let all = monkey::patch_all().unwrap();
        assert_eq!(all.to_string(), "patched: socket, time, dns, process, sync");
        assert!(!all.has(Group::Fs));
        let more = monkey::patch_fs().unwrap();
        assert!(more.has(Group::Fs) && more.has(Group::Time));
        assert_eq!(patched(), GROUPS);
    });
}

#[test]
fn each_group_alone_brings_sync_along() {
    Child::new(this_test!()).passes(|| {
        monkey::patch_socket().unwrap();
        assert_eq!(patched(), [Group::Socket, Group::Sync]);
        monkey::patch_process().unwrap();
        assert_eq!(patched(), [Group::Socket, Group::Process, Group::Sync]);
        monkey::patch_time().unwrap();
        assert_eq!(patched().len(), 4);
    });
}

#[test]
fn several_threads_may_patch_at_once_and_again() {
    Child::new(this_test!()).passes(|| {
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            let patch = || {
                barrier.wait();
                monkey::patch_all().unwrap()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(patch)).collect();
            let all: Vec<_> = all.into_iter().map(|it| it.join().unwrap()).collect();
            assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
        });
        assert_eq!(monkey::patch_all().unwrap(), monkey::patch_all().unwrap());
    });
}

#[test]
fn a_worker_and_a_run_may_patch() {
    Child::new(this_test!()).passes(|| {
        let id = || thread::current().id();
        run(move || {
            let before = greenloop::spawn_local(id);
            monkey::patch_time().unwrap();
            let after = greenloop::spawn_local(id);
            assert_eq!(before.join().unwrap(), id());
            assert_ne!(after.join().unwrap(), id());
        });
        spawn(|| monkey::patch_all().unwrap()).join().unwrap();
        assert!(monkey::is_patched(Group::Socket));
    });
}

#[test]
fn full_green_threads_come_with_the_first_patch() {
    Child::new(this_test!()).passes(|| {
        let id = || thread::current().id();
        let full = || Builder::new().own_tls(true).spawn(id);
        assert_eq!(full().unwrap_err().kind(), ErrorKind::Unsupported);
        let ids = run(|| [id(), greenloop::spawn_local(id).join().unwrap()]);
        assert_eq!(ids[0], ids[1]);
        monkey::patch_sync().unwrap();
        let ids = run(|| [id(), greenloop::spawn_local(id).join().unwrap()]);
        assert_ne!(ids[0], ids[1]);
        full().unwrap().join().unwrap();
    });
}

/// A folder for what the C compiler makes.
fn workshop() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn compile(source: &str, flags: &[&str], output: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/foreign")
        .join(source);
    let output = workshop().join(output);
    let status = Command::new("cc")
        .arg("-o")
        .args([&output, &source])
        .args(flags)
        .status()
        .expect("a C compiler is installed");
    assert!(status.success(), "cc: {status}");
    output
}

/// A child that starts with a library of ours.
fn preloading(test: &'static str, source: &str, output: &str) -> Child {
    let library = env::var("LD_PRELOAD").map_or_else(
        |_| compile(source, &["-shared", "-fPIC"], output),
        PathBuf::from,
    );
    Child::new(test).variable("LD_PRELOAD", library.display())
}

#[test]
fn a_library_in_a_foreign_program_is_refused() {
    let host = compile("host.c", &["-ldl"], "host");
    let plugin = env::current_exe().unwrap();
    let plugin = plugin.parent().unwrap().parent().unwrap();
    let plugin = plugin.join("examples/libgreenloop_plugin.so");
    assert!(plugin.exists(), "first: cargo build --examples");
    let end = Command::new(&host).arg(plugin).output().unwrap();
    let said = String::from_utf8_lossy(&end.stdout);
    assert_eq!(end.status.code(), Some(1), "{said}");
    assert!(said.starts_with("Symbol: can't monkey patch: `"), "{said}");
    assert!(said.contains("libc.so"), "{said}");
    assert!(said.contains("libgreenloop_plugin.so"), "{said}");
    assert!(
        said.contains("Link greenloop into the program itself"),
        "{said}"
    );
}

#[test]
fn a_preloaded_definition_is_refused() {
    preloading(this_test!(), "front.c", "libfront.so").passes(|| {
        let error = monkey::patch_all().unwrap_err();
        assert_eq!(error.kind(), PatchErrorKind::Symbol);
        let said = error.to_string();
        assert!(
            said.contains("`recv`") && said.contains("libfront.so"),
            "{said}"
        );
        assert!(said.contains("LD_PRELOAD"), "{said}");
        assert_eq!(patched(), []);
        // All is as if it had not been tried.
        let full = Builder::new().own_tls(true).spawn(|| ());
        assert_eq!(full.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn an_allocator_with_restartable_sequences_is_refused() {
    preloading(this_test!(), "rseq.c", "librseq.so").passes(|| {
        let error = monkey::patch_all().unwrap_err();
        assert_eq!(error.kind(), PatchErrorKind::Allocator, "{error}");
        assert!(error.to_string().contains("tcmalloc"), "{error}");
        assert_eq!(patched(), []);
    });
}
