//! The peers that are not of this build: Go and gevent, where they are installed, and an earlier
//! build.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The folder of their programs.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// What is to be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    Micro,
    Echo,
    /// Datagrams.
    Udp,
    Http,
}

/// A program of Go's; or a word why there is none.
pub fn go(program: Program) -> Result<Command, String> {
    static BUILT: LazyLock<Result<PathBuf, String>> = LazyLock::new(build_go);
    let mut command = Command::new(BUILT.clone()?);
    command.arg(match program {
        Program::Udp => return Err("Go has no datagrams here".into()),
        Program::Micro => "micro",
        Program::Echo => "echo",
        Program::Http => "http",
    });
    Ok(command)
}

/// A program of gevent's; or a word why there is none.
pub fn gevent(program: Program) -> Result<Command, String> {
    static PYTHON: LazyLock<Result<String, String>> = LazyLock::new(find_python);
    let mut command = Command::new(PYTHON.clone()?);
    command.arg("-B"); // leaves no compiled files beside the programs
    command.arg(Path::new(SOURCES).join("gevent").join(match program {
        Program::Udp => return Err("gevent has no datagrams here".into()),
        Program::Micro => "micro.py",
        Program::Echo => "echo.py",
        Program::Http => "web.py",
    }));
    Ok(command)
}

/// The program that `BENCH_BEFORE` names, an earlier build of `micro`; or a word why there is none.
pub fn before(program: Program) -> Result<Command, String> {
    if program != Program::Micro {
        return Err("of an earlier build only `micro` is measured".into());
    }
    env::var_os("BENCH_BEFORE")
        .map(Command::new)
        .ok_or_else(|| "an earlier build is skipped: BENCH_BEFORE names none".into())
}

/// Which of them there are, for the head of the tables.
pub fn versions() -> String {
    let go = version("go", &["version"]).unwrap_or_else(|| "no Go".into());
    let gevent = find_python().ok().and_then(|python| {
        let show = "import gevent, sys; print('gevent', gevent.__version__, 'on Python', \
                    sys.version.split()[0])";
        version(&python, &["-c", show])
    });
    format!("{go}; {}", gevent.unwrap_or_else(|| "no gevent".into()))
}

fn version(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn build_go() -> Result<PathBuf, String> {
    let place = crate::sample::beside("peer-go");
    let mut build = Command::new("go");
    build.current_dir(Path::new(SOURCES).join("go"));
    build.args(["build", "-o"]).arg(&place).arg(".");
    match build.output() {
        Err(error) => Err(format!("Go is skipped: no command `go`: {error}")),
        Ok(output) if output.status.success() => Ok(place),
        Ok(output) => Err(format!(
            "Go is skipped: its programs cannot be built: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// `BENCH_PYTHON`, or what the system has.
fn find_python() -> Result<String, String> {
    let named = env::var("BENCH_PYTHON").ok().into_iter();
    let mut all = named.chain(["python3", "/usr/bin/python3"].map(String::from));
    let has_gevent = |python: &String| version(python, &["-c", "import gevent"]).is_some();
    all.find(has_gevent)
        .ok_or_else(|| "gevent is skipped: no `python3` can import it (see BENCH_PYTHON)".into())
}
