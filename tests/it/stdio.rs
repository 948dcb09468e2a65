//! Standard streams and pipes, of files, pipes and devices, in processes of their own.

use std::time::Duration;

use greenloop::io::{self, BufRead, ErrorKind, Read, Write, pipe, stdin, stdout};
use greenloop::process::{Command, Stdio};
use greenloop::{joinall, run, sleep, spawn, spawn_local, timeout};

use crate::child::{Child, this_test};
use crate::everywhere::{everywhere, in_hub};

/// Shell code: `go` waits until the test has said so, by a file in the folder `$D`.
const GO: &str = "D=$(mktemp -d); export D; go() { until [ -e $D/go ]; do sleep 0.05; done; };";

fn say_go() {
    let dir = std::env::var("D").unwrap();
    std::fs::write(format!("{dir}/go"), "").unwrap();
}

fn remove_folder() {
    std::fs::remove_dir_all(std::env::var("D").unwrap()).unwrap();
}

/// Runs `f`, which can end only after a sibling of it in the same hub has had some turns.
fn while_a_sibling_runs(f: impl FnOnce()) {
    spawn_local(|| {
        for _ in 0..20 {
            sleep(Duration::from_millis(1));
        }
        say_go();
    });
    f();
    remove_folder();
}

#[test]
fn siblings_run_while_a_pipe_is_silent() {
    let late = format!("{GO} (go; printf 'one\\ntwo\\n') |");
    Child::new(this_test!()).setup(&late).passes(|| {
        run(|| {
            while_a_sibling_runs(|| {
                let mut line = String::new();
                assert_eq!(stdin().read_line(&mut line).unwrap(), 4);
                assert_eq!(line, "one\n");
            });
        });
        let rest: Vec<_> = stdin().lines().map(Result::unwrap).collect();
        assert_eq!(rest, ["two"]);
    });
}

#[test]
fn a_cut_read_loses_nothing() {
    let late = format!("{GO} (printf on; go; printf 'e\\ntwo\\n') |");
    Child::new(this_test!()).setup(&late).passes(|| {
        run(|| {
            let mut line = String::new();
            let patience = Duration::from_millis(50);
            while timeout(patience, || stdin().lock().fill_buf().map(<[u8]>::len)).is_err() {}
            let mut two = [0; 2];
            stdin().lock().read_exact(&mut two).unwrap();
            assert_eq!(&two, b"on");
            let mut cuts = 0;
            while timeout(patience, || stdin().read_line(&mut line)).is_err() {
                cuts += 1;
                if cuts == 3 {
                    say_go();
                }
            }
            assert!(cuts >= 3 && line == "e\n", "{cuts} {line:?}");
            remove_folder();
        });
        let mut rest = String::new();
        spawn(move || {
            stdin().read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "two\n");
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_file_is_a_standard_input() {
    let file = format!("exec < '{}/Cargo.toml'", env!("CARGO_MANIFEST_DIR"));
    Child::new(this_test!()).setup(&file).passes(|| {
        let first = spawn(|| stdin().lines().next().unwrap()).join().unwrap();
        assert_eq!(first.unwrap(), "[workspace]");
        let second = run(|| stdin().lines().next().unwrap());
        assert!(second.unwrap().starts_with("members"));
        assert!(stdin().lines().count() > 20);
    });
}

#[test]
fn the_end_is_an_end_everywhere() {
    Child::new(this_test!()).passes(|| {
        everywhere(|| {
            assert_eq!(stdin().read(&mut [0; 10]).unwrap(), 0);
            assert!(stdin().lines().next().is_none());
            assert!(!stdin().is_terminal());
        });
    });
}

#[test]
fn a_named_pipe_is_a_standard_input() {
    let fifo = format!("{GO} mkfifo $D/f; (go; echo late) > $D/f & exec < $D/f");
    Child::new(this_test!()).setup(&fifo).passes(|| {
        run(|| {
            while_a_sibling_runs(|| {
                assert_eq!(stdin().lines().next().unwrap().unwrap(), "late");
            });
        });
    });
}

#[test]
fn many_readers_share_the_lines() {
    let lines = "seq 1000 |";
    Child::new(this_test!()).setup(lines).passes(|| {
        let readers = (0..10).map(|_| {
            spawn(|| {
                let (mut line, mut sum) = (String::new(), 0);
                while stdin().read_line(&mut line).unwrap() > 0 {
                    sum += line.trim().parse::<u32>().unwrap();
                    line.clear();
                }
                sum
            })
        });
        let sums = joinall(readers).into_iter().map(Result::unwrap);
        assert_eq!(sums.sum::<u32>(), 500_500);
    });
}

/// Something between two parts of a line, so that it is not written in one piece by itself.
fn dash() -> char {
    '-'
}

#[test]
fn lines_of_many_are_not_torn() {
    let end = Child::new(this_test!()).run(|| {
        writeln!(stdout()).unwrap();
        let writers = (0..20).map(|n: u8| {
            spawn(move || {
                for _ in 0..100 {
                    let text = char::from(b'a' + n).to_string().repeat(700);
                    writeln!(stdout(), "{text}{}{text}", dash()).unwrap();
                    writeln!(io::stderr(), "{text}").unwrap();
                }
            })
        });
        for writer in joinall(writers) {
            writer.unwrap();
        }
    });
    assert!(end.status.success(), "{end}");
    let of_one = |line: &str| {
        line.chars()
            .filter(|c| *c != '-')
            .all(|c| line.starts_with(c))
    };
    let whole = |text: &str, len| {
        let lines = text
            .lines()
            .filter(|line| line.len() == len && of_one(line));
        lines.count()
    };
    assert_eq!(whole(&end.stdout, 1401), 2000);
    assert_eq!(whole(&end.stderr, 700), 2000);
}

#[test]
fn a_slow_reader_of_the_output_holds_up_no_sibling() {
    let slow = format!("{GO} mkfifo $D/f; (go; wc -c) < $D/f >&2 & exec > $D/f");
    let end = Child::new(this_test!()).setup(&slow).run(|| {
        run(|| while_a_sibling_runs(|| stdout().write_all(&[b'x'; 1_000_000]).unwrap()));
    });
    assert!(end.status.success(), "{end}");
    let count = end
        .stderr
        .lines()
        .find_map(|line| line.trim().parse::<u32>().ok());
    assert!(count.is_some_and(|count| count >= 1_000_000), "{end}");
}

#[test]
fn whoever_holds_the_output_may_lock_it_again() {
    Child::new(this_test!()).passes(|| {
        everywhere(|| {
            let mut out = stdout().lock();
            writeln!(out, "one").unwrap();
            writeln!(stdout(), "two").unwrap();
            let mut err = io::stderr().lock();
            writeln!(err, "{}", io::stderr().is_terminal()).unwrap();
            out.flush().unwrap();
        });
    });
}

#[test]
fn an_output_without_reader_is_a_broken_pipe() {
    let end = Child::new(this_test!())
        .setup("exec 3>&1; exec >/dev/null")
        .run(|| {
            in_hub(|| {
                let (reader, mut writer) = pipe().unwrap();
                drop(reader);
                assert_eq!(
                    writer.write(b"x").unwrap_err().kind(),
                    ErrorKind::BrokenPipe
                );
            });
            writeln!(stdout(), "to the device").unwrap();
        });
    assert!(end.status.success(), "{end}");
}

#[test]
fn a_pipe_waits_for_both_ends_everywhere() {
    everywhere(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        let patience = Duration::from_millis(5);
        assert!(timeout(patience, || reader.read(&mut [0])).is_err());
        let mut written = 0;
        while let Ok(count) = timeout(patience, || writer.write(&[7; 1000])) {
            written += count.unwrap();
        }
        let writing = spawn(move || writer.write_all(&[8; 100_000]));
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        writing.join().unwrap().unwrap();
        assert_eq!(all.len(), written + 100_000);
        assert!(all[..written].iter().all(|byte| *byte == 7));
    });
}

#[test]
fn a_pipe_that_is_handed_over_blocks_its_new_owner() {
    in_hub(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        assert!(timeout(Duration::from_millis(5), || reader.read(&mut [0])).is_err());
        // It would fail if its input were not to block.
        let mut cat = Command::new("cat");
        let cat = cat.stdin(reader).stdout(Stdio::piped()).spawn().unwrap();
        sleep(Duration::from_millis(20));
        writer.write_all(b"hello").unwrap();
        drop(writer);
        assert_eq!(cat.wait_with_output().unwrap().stdout, b"hello");
    });
}
