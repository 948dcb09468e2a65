//! `Child`: a test that runs its body in a process of its own, which may be limited, counted, or die.

use std::env;
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const MARK: &str = "GREENLOOP_TEST_CHILD";

/// The path of the test that it stands in, as the harness knows it.
macro_rules! this_test {
    () => {{
        fn here() {}
        let path = std::any::type_name_of_val(&here);
        let path = path.strip_suffix("::here").unwrap();
        path.split_once("::").unwrap().1
    }};
}
pub(crate) use this_test;

/// A process that runs one test again.
pub(crate) struct Child {
    test: &'static str,
    variables: Vec<(&'static str, String)>,
    setup: String,
    limit: Duration,
}

impl Child {
    /// Prepares to run `test`, which is what `this_test!()` says, with four workers and for a minute at most.
    pub(crate) fn new(test: &'static str) -> Child {
        Child {
            test,
            variables: vec![("GREENLOOP_WORKERS", "4".into())],
            setup: String::new(),
            limit: Duration::from_secs(60),
        }
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl ToString) -> Child {
        self.variables.push((name, value.to_string()));
        self
    }

    /// Shell code that runs before, to set limits.
    pub(crate) fn setup(mut self, code: &str) -> Child {
        self.setup = code.into();
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Child {
        self.limit = limit;
        self
    }

    /// Runs `body` in the child, and returns in the parent alone.
    pub(crate) fn run(self, body: impl FnOnce()) -> End {
        if env::var_os(MARK).is_some_and(|test| test == self.test) {
            eprintln!("{MARK} {}", self.test);
            body();
            let _ = std::io::stdout().flush();
            std::process::exit(0);
        }
        let end = self.run_process();
        let ran = end.stderr.contains(&format!("{MARK} {}", self.test));
        assert!(ran, "no test is named {}\n{end}", self.test);
        end
    }

    /// Runs `body` in the child, which must succeed.
    pub(crate) fn passes(self, body: impl FnOnce()) {
        let end = self.run(body);
        assert!(end.status.success(), "{end}");
    }

    fn run_process(&self) -> End {
        let script = format!(
            "{}\nexec \"$0\" --exact \"$1\" --nocapture --test-threads=1",
            self.setup
        );
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .arg(env::current_exe().unwrap())
            .arg(self.test)
            .env(MARK, self.test)
            .env("RUST_BACKTRACE", "0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = reading(child.stdout.take().unwrap());
        let stderr = reading(child.stderr.take().unwrap());
        // Its end closes the pipe.
        let (stderr, late) = match stderr.recv_timeout(self.limit) {
            Ok(text) => (text, false),
            Err(_) => {
                child.kill().unwrap();
                (stderr.recv().unwrap(), true)
            }
        };
        let status = child.wait().unwrap();
        let stdout = stdout.recv().unwrap();
        let end = End {
            status,
            stdout,
            stderr,
        };
        assert!(!late, "{} ran for {:?}\n{end}", self.test, self.limit);
        end
    }
}

fn reading(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// How a child ended, and what it said.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl End {
    /// The signal that ended it.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Is this a whole line of its standard error?
    pub(crate) fn said(&self, line: &str) -> bool {
        self.stderr.lines().any(|said| said == line)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let End {
            status,
            stdout,
            stderr,
        } = self;
        write!(f, "{status}\n-- stdout\n{stdout}\n-- stderr\n{stderr}")
    }
}
