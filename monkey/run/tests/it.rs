//! `greenloop-run` as its users meet it: unmodified programs, which do the same as without it.
//!
//! Long because each refusal comes with the few lines of a program that meets it.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const RUN: &str = env!("CARGO_BIN_EXE_greenloop-run");

/// Long enough for every program here, on a slow and busy machine.
const LONG: Duration = Duration::from_secs(120);

/// A folder of a test's own, of this run.
fn workshop(name: &str) -> PathBuf {
    let run = format!("run-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(run).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name)
}

/// Compiles a program, each time to a file of its own, as several tests may want it.
fn compile(compiler: &str, flags: &[&str], source: &Path, name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let program = workshop(name).join(format!("{name}{count}"));
    let mut command = Command::new(compiler);
    let status = command
        .args(flags)
        .arg("-o")
        .args([&program, source])
        .status();
    assert!(
        status.expect("a compiler is installed").success(),
        "{compiler} {name}"
    );
    program
}

/// A program of tests/programs, compiled.
fn program(name: &str) -> PathBuf {
    let source = source(name);
    let stem = source.file_stem().unwrap().to_str().unwrap().to_owned();
    match source.extension().and_then(OsStr::to_str) {
        Some("rs") => compile("rustc", &["--edition=2024", "-O"], &source, &stem),
        Some("cpp") => compile("c++", &["-O1", "-pthread"], &source, &stem),
        _ => compile("cc", &["-O1", "-pthread"], &source, &stem),
    }
}

/// A C program of a few lines, with the usual headers.
fn small(name: &str, flags: &[&str], body: &str) -> PathBuf {
    const HEADERS: &str = "#define _GNU_SOURCE\n#include <errno.h>\n#include <pthread.h>\n\
        #include <sched.h>\n#include <setjmp.h>\n#include <signal.h>\n#include <stdio.h>\n\
        #include <stdlib.h>\n#include <sys/prctl.h>\n#include <time.h>\n#include <unistd.h>\n";
    let source = workshop(name).join("source.c");
    fs::write(&source, [HEADERS, body].concat()).unwrap();
    compile("cc", &[&["-O1", "-pthread"], flags].concat(), &source, name)
}

/// What came of a program.
#[derive(PartialEq, Eq, Debug)]
struct End {
    status: ExitStatus,
    out: String,
    errors: String,
}

impl End {
    fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// Kills a child that takes too long.
fn wait(child: Child) -> End {
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(LONG) else {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        panic!("it hangs");
    };
    let output = output.unwrap();
    End {
        status: output.status,
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn end_of(command: &mut Command, input: &str) -> End {
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A program that reads nothing may have ended.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    wait(child)
}

/// The command, with so many workers.
fn green(workers: usize) -> Command {
    let mut command = Command::new(RUN);
    command.args(["--workers", &workers.to_string()]);
    command
}

fn run(program: impl AsRef<OsStr>) -> End {
    end_of(green(2).arg(program), "")
}

/// The program does the same with and without the command, again and again.
#[track_caller]
fn same(program: &Path, input: &str) {
    let plain = end_of(&mut Command::new(program), input);
    assert!(!plain.out.is_empty(), "{plain:?}");
    for round in 0..20 {
        let green = end_of(green(1 + round % 4).arg(program), input);
        assert_eq!(green, plain, "round {round}");
    }
}

#[test]
fn a_hundred_threads_with_sockets_locks_and_channels() {
    same(&program("threads.rs"), "");
}

#[test]
fn scopes_locals_panics_names_children_stdin_and_exit() {
    let corners = program("corners.rs");
    same(&corners, "one\ntwo\n");
    assert_eq!(end_of(green(2).arg(&corners), "").code(), Some(7));
}

#[test]
fn an_echo_server_with_a_thread_a_connection() {
    same(&program("echo.rs"), "");
}

#[test]
fn pthreads_of_c() {
    same(&program("pthreads.c"), "");
}

#[test]
fn forks_that_go_on_and_descriptors_that_are_closed() {
    same(&program("forks.c"), "");
}

#[test]
fn few_descriptors_are_enough() {
    let echo = program("threads.cpp");
    let plain = end_of(&mut Command::new(&echo), "");
    let script = "ulimit -n 24; exec \"$@\"";
    let limited = end_of(
        Command::new("sh")
            .args(["-c", script, "sh", RUN])
            .arg(&echo),
        "",
    );
    assert_eq!(limited, plain);
    let script = "ulimit -n 4; exec \"$@\"";
    let refused = end_of(
        Command::new("sh")
            .args(["-c", script, "sh", RUN])
            .arg(&echo),
        "",
    );
    assert!(
        !refused.status.success() && refused.out.is_empty(),
        "{refused:?}"
    );
    assert!(!refused.errors.is_empty());
}

#[test]
fn threads_and_exceptions_of_cpp() {
    same(&program("threads.cpp"), "");
}

#[test]
fn few_kernel_threads_run() {
    let program = program("threads.rs");
    for workers in [1, 3] {
        let file = workshop("counted").join(workers.to_string());
        let end = end_of(green(workers).arg(&program).arg(&file), "");
        assert_eq!(end.code(), Some(0), "{end:?}");
        // The workers, and the one that handles signals.
        let running: usize = fs::read_to_string(file).unwrap().parse().unwrap();
        assert_eq!(running, workers + 1);
    }
}

#[test]
fn statuses_and_signals_are_the_programs() {
    let shell = |code: &str| end_of(green(1).args(["sh", "-c", code]), "in");
    assert_eq!(shell("cat; echo err >&2; exit 3").code(), Some(3));
    assert_eq!(shell("cat; exit 3").out, "in");
    assert_eq!(shell("kill -9 $$").status.signal(), Some(9));
    assert_eq!(shell("kill -TERM $$").status.signal(), Some(15));
    assert_eq!(
        shell("trap 'echo trapped' TERM; kill -TERM $$; echo after").out,
        "trapped\nafter\n"
    );
    let abort = small("aborts", &[], "int main(void) { abort(); }");
    assert_eq!(run(abort).status.signal(), Some(libc_sigabrt()));
    let fault = small("faults", &[], "int main(void) { *(volatile int *)8 = 1; }");
    assert_eq!(run(fault).status.signal(), Some(11));
}

/// SIGABRT, which every platform of ours numbers so.
fn libc_sigabrt() -> i32 {
    6
}

#[test]
fn a_signal_from_outside_meets_the_process() {
    let sleeper = small(
        "sleeper",
        &[],
        "int main(void) { puts(\"up\"); fflush(stdout); pause(); return 1; }",
    );
    let mut child = green(2)
        .arg(sleeper)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    let kill = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    assert_eq!(wait(child).status.signal(), Some(15));
}

#[test]
fn the_last_thread_ends_the_process() {
    let code = "static void *late(void *a) { usleep(20000); puts(\"late\"); return a; }\n\
        int main(void) { pthread_t t; pthread_create(&t, NULL, late, NULL); pthread_detach(t);\n\
        puts(\"left\"); pthread_exit(NULL); }";
    let end = run(small("leaves", &[], code));
    assert_eq!(
        (end.code(), end.out.as_str()),
        (Some(0), "left\nlate\n"),
        "{end:?}"
    );
}

#[test]
fn without_stacks_there_is_no_thread() {
    let code = "static void *none(void *a) { return a; }\n\
        int main(void) { pthread_t t; pthread_attr_t a; pthread_attr_init(&a);\n\
        pthread_attr_setstacksize(&a, 1ul << 40);\n\
        printf(\"%d\\n\", pthread_create(&t, &a, none, NULL) == EAGAIN);\n\
        printf(\"%d\\n\", pthread_create(&t, NULL, none, NULL)); return pthread_join(t, NULL); }";
    let end = run(small("stackless", &[], code));
    assert_eq!(
        (end.code(), end.out.as_str()),
        (Some(0), "1\n0\n"),
        "{end:?}"
    );
}

/// It is refused before it starts: nothing on its output, the status of env(1), and the reason.
#[track_caller]
fn refused(mut command: Command, status: i32, reason: &str) {
    let end = end_of(&mut command, "");
    assert_eq!(end.code(), Some(status), "{end:?}");
    assert!(
        end.errors.starts_with("greenloop-run: ") || status == 125,
        "{end:?}"
    );
    assert!(end.errors.contains(reason), "{end:?}");
    assert_eq!(end.out, "");
}

#[track_caller]
fn refused_file(file: &Path, reason: &str) {
    let mut command = green(1);
    command.arg(file);
    refused(command, 126, reason);
}

const HELLO: &str = "int main(void) { puts(\"hello\"); }";

#[test]
fn what_is_no_program_is_refused() {
    let folder = workshop("refused");
    refused_file(&folder, "no regular file");
    let text = folder.join("text");
    fs::write(&text, "hello").unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o644)).unwrap();
    refused_file(&text, "not executable");
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    refused_file(&text, "no ELF program");
    fs::write(&text, "#!/bin/sh -e\necho hello\n").unwrap();
    refused_file(&text, "run its interpreter, /bin/sh -e");
    let mut missing = green(1);
    missing.arg("no-such-program-anywhere");
    refused(missing, 127, "no-such-program-anywhere: no such program");
}

#[test]
fn other_kinds_of_programs_are_refused() {
    let hello = small("hello", &[], HELLO);
    assert_eq!(run(&hello).out, "hello\n");
    let changed = |name: &str, at: usize, byte: u8| {
        let file = workshop("refused").join(name);
        let mut bytes = fs::read(&hello).unwrap();
        bytes[at] = byte;
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    };
    refused_file(&changed("small", 4, 1), "no 64-bit program");
    refused_file(&changed("machine", 18, 243), "another machine");
    refused_file(&small("static", &["-static"], HELLO), "linked statically");
    let own = "long recv(int a, void *b, unsigned long c, int d) { return 0; }\n";
    let own = small("own", &["-rdynamic"], &[own, HELLO].concat());
    refused_file(&own, "it defines the C library's `recv` itself");
    let green = small("green", &[], &HELLO.replace("hello", "greenloop-blocking"));
    refused_file(&green, "green threads of its own");
    let setuid = changed("setuid", 4, 2);
    fs::set_permissions(&setuid, fs::Permissions::from_mode(0o4755)).unwrap();
    refused_file(&setuid, "setuid");
    let able = changed("able", 4, 2);
    match Command::new("setcap")
        .arg("cap_net_raw+ep")
        .arg(&able)
        .status()
    {
        Ok(status) if status.success() => refused_file(&able, "file capabilities"),
        _ => eprintln!("skipped: no setcap here"),
    }
}

#[test]
fn wrong_flags_are_refused() {
    for workers in ["0", "257", "-1", "many", ""] {
        let mut command = Command::new(RUN);
        command.args(["--workers", workers, "true"]);
        refused(command, 125, "--workers");
    }
    refused(Command::new(RUN), 125, "PROGRAM");
    let help = end_of(Command::new(RUN).arg("--help"), "");
    assert_eq!(help.code(), Some(0));
    assert!(help.out.contains("Experimental"), "{help:?}");
}

#[test]
fn flags_after_the_program_are_its_own() {
    let end = end_of(
        Command::new(RUN).args(["echo", "--workers", "x", "--", "-h"]),
        "",
    );
    assert_eq!(end.out, "--workers x -- -h\n", "{end:?}");
}

#[test]
fn a_preloaded_rival_is_refused_and_others_are_kept() {
    let rival = "long recv(int a, void *b, unsigned long c, int d) { return 0; }";
    let rival = small("rival", &["-shared", "-fPIC"], rival);
    let mut command = green(1);
    command.arg("env").env("LD_PRELOAD", &rival);
    refused(command, 126, "`recv` is defined by");
    let other = small("other", &["-shared", "-fPIC"], "int greenloop_other;");
    let end = end_of(green(1).arg("env").env("LD_PRELOAD", &other), "");
    let kept = format!("LD_PRELOAD={}\n", other.display());
    assert!(
        end.out.contains(&kept) && !end.out.contains("GREENLOOP_RUN"),
        "{end:?}"
    );
}

/// The program aborts, with the reason, rather than go on wrongly.
#[track_caller]
fn aborts(name: &str, code: &str, reason: &str) {
    let end = run(small(name, &[], code));
    assert_eq!(end.status.signal(), Some(libc_sigabrt()), "{end:?}");
    assert!(end.errors.contains(reason), "{end:?}");
    assert_eq!(end.out, "");
}

const SLEEPER: &str = "static void *sleeper(void *a) { sleep(100); return a; }\n\
    static pthread_t start(void) {\n\
    pthread_t t; pthread_create(&t, NULL, sleeper, NULL); return t; }\n";

#[test]
fn what_a_green_thread_cannot_do_aborts() {
    let with =
        |body: &str| format!("{SLEEPER}int main(void) {{ {body} puts(\"wrong\"); return 0; }}");
    aborts(
        "cancels",
        &with("pthread_cancel(start());"),
        "pthread_cancel",
    );
    aborts(
        "signals",
        &with("pthread_kill(start(), SIGUSR1);"),
        "pthread_kill",
    );
    aborts("unshares", &with("unshare(CLONE_FS);"), "unshare");
    aborts(
        "confines",
        &with("prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);"),
        "prctl",
    );
    aborts(
        "changes",
        &with("start(); if (setuid(getuid())) return 1;"),
        "setuid",
    );
    let robust = "pthread_mutexattr_t a; pthread_mutexattr_init(&a); \
                  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);";
    aborts("robust", &with(robust), "robust");
    let timer = "struct sigevent e = {0}; timer_t t; e.sigev_notify = 4; timer_create(0, &e, &t);";
    aborts("timers", &with(timer), "timer_create");
    let jump = "static sigjmp_buf place; static void handler(int s) { siglongjmp(place, s); }\n\
        int main(void) { signal(SIGALRM, handler);\n\
        if (!sigsetjmp(place, 1)) { ualarm(1000, 0); pause(); }\n\
        puts(\"wrong\"); }";
    aborts("jumps", jump, "longjmp");
}

#[test]
fn users_change_while_there_is_one_thread() {
    let code =
        "int main(void) { if (setgid(getgid()) || setuid(getuid())) return 1; puts(\"right\"); }";
    let end = run(small("alone", &[], code));
    assert_eq!(end.out, "right\n", "{end:?}");
}

#[test]
fn the_library_alone_changes_nothing() {
    let library = Path::new(RUN).with_file_name("deps/libgreenloop_run.so");
    assert!(library.exists());
    let end = end_of(
        Command::new(program("pthreads.c")).env("LD_PRELOAD", &library),
        "",
    );
    assert_eq!(end.code(), Some(42), "{end:?}");
}

/// Is it installed? Says so if not.
fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    let quiet = command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let found = quiet.stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// Some text that does not compress to nothing.
fn text(folder: &Path) -> PathBuf {
    let file = folder.join("text");
    let lines =
        (0..200_000u64).map(|number| format!("{:x}\n", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    fs::write(&file, lines.collect::<String>()).unwrap();
    file
}

#[test]
fn compressors_with_threads() {
    let folder = workshop("compressors");
    let text = text(&folder);
    for (name, flags) in [
        ("xz", ["-1", "-T4", "--block-size=500000", "-c"]),
        ("zstd", ["-T4", "-q", "-B100000", "-c"]),
    ] {
        if !is_installed(name) {
            continue;
        }
        let packed = folder.join(name);
        let output = fs::File::create(&packed).unwrap();
        let status = green(2)
            .arg(name)
            .args(flags)
            .arg(&text)
            .stdout(output)
            .status()
            .unwrap();
        assert!(status.success(), "{name}: {status}");
        let unpacked = Command::new(name)
            .args(["-dc"])
            .stdin(fs::File::open(&packed).unwrap())
            .output();
        assert!(
            unpacked.unwrap().stdout == fs::read(&text).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn curl_with_many_at_once() {
    if !is_installed("curl") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let count = stream.read(&mut request).unwrap();
                assert!(request[..count].ends_with(b"\r\n\r\n"));
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes";
                stream.write_all(head).unwrap();
            });
        }
    });
    let url = format!("http://localhost:{}/[1-20]", address.port());
    let end = end_of(green(2).args(["curl", "-sS", "-4", "--parallel", &url]), "");
    assert_eq!(
        (end.code(), end.out),
        (Some(0), "yes".repeat(20)),
        "{}",
        end.errors
    );
}

/// Debian builds it with jemalloc, whose locks would let green threads wait inside of `malloc`.
#[test]
fn a_program_with_jemalloc_is_refused() {
    if !is_installed("redis-benchmark") {
        return;
    }
    let end = end_of(green(2).args(["redis-benchmark", "--version"]), "");
    assert_eq!((end.code(), end.out.as_str()), (Some(126), ""), "{end:?}");
    assert!(end.errors.contains("allocator"), "{end:?}");
}
