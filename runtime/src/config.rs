//! `Config`: how many workers, how large the stacks, how many blocking threads; from the
//! environment or a builder.

use crate::idle::MAX_WORKERS;
use crate::scheduler::Scheduler;
use crate::stack::SizeClass;
use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// 192 KiB: a panic with a backtrace takes 23 KB of stack, a TLS handshake more; with its guard it
/// fills a slot of 256 KiB.
const DEFAULT_STACK: usize = 192 * 1024;

/// As many as tokio's pool: they are started one by one, as they are needed, and end when they are
/// idle.
const DEFAULT_BLOCKING: usize = 512;

/// The class of the stack size in force, plus one; 0 until the runtime or the first hub has
/// started.
static STACK: AtomicUsize = AtomicUsize::new(0);
static BLOCKING: AtomicUsize = AtomicUsize::new(DEFAULT_BLOCKING);

#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) workers: usize,
    pub(crate) stack_size: usize,
    pub(crate) blocking_threads: usize,
}

impl Config {
    /// The defaults, as far as the environment does not say otherwise.
    pub(crate) fn from_environment() -> io::Result<Config> {
        let workers = match variable("GREENLOOP_WORKERS", "a number of workers from 1 to 256")? {
            Some(workers) => workers,
            None => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(MAX_WORKERS),
        };
        let config = Config {
            workers,
            stack_size: stack_size()?,
            blocking_threads: DEFAULT_BLOCKING,
        };
        config.check("GREENLOOP_WORKERS", "GREENLOOP_STACK_SIZE")
    }

    /// An error names whoever set the bad value.
    fn check(self, workers: &str, stack_size: &str) -> io::Result<Config> {
        if !(1..=MAX_WORKERS).contains(&self.workers) {
            return Err(invalid(format!(
                "{workers} is {}: expected 1 to {MAX_WORKERS}",
                self.workers
            )));
        }
        if self.blocking_threads == 0 {
            return Err(invalid("blocking_threads is 0: expected at least 1".into()));
        }
        let class = SizeClass::for_size(self.stack_size);
        class.map_err(|error| invalid(format!("{stack_size}: {error}")))?;
        Ok(self)
    }

    /// Puts the parts that are not the scheduler's in force.
    pub(crate) fn apply(&self) {
        let class = SizeClass::for_size(self.stack_size).expect("checked before");
        STACK.store(class.index() + 1, Ordering::Relaxed);
        BLOCKING.store(self.blocking_threads, Ordering::Relaxed);
    }
}

/// The size class of stacks for which nothing else was asked.
pub(crate) fn default_stack() -> io::Result<SizeClass> {
    match STACK.load(Ordering::Relaxed).checked_sub(1) {
        Some(class) => Ok(SizeClass::from_index(class)),
        None => set_default_stack(),
    }
}

/// For a hub that runs before any worker.
#[cold]
fn set_default_stack() -> io::Result<SizeClass> {
    let bytes = stack_size()?;
    let class = SizeClass::for_size(bytes);
    let class =
        class.map_err(|error| invalid(format!("GREENLOOP_STACK_SIZE is {bytes}: {error}")))?;
    let _ = STACK.compare_exchange(0, class.index() + 1, Ordering::Relaxed, Ordering::Relaxed);
    Ok(class)
}

/// How many OS threads the blocking pool may have.
pub(crate) fn blocking_threads() -> usize {
    BLOCKING.load(Ordering::Relaxed)
}

fn stack_size() -> io::Result<usize> {
    let bytes = variable("GREENLOOP_STACK_SIZE", "a number of bytes, at least 1")?;
    match bytes {
        Some(0) => Err(invalid(
            "GREENLOOP_STACK_SIZE is 0: expected a number of bytes, at least 1".into(),
        )),
        bytes => Ok(bytes.unwrap_or(DEFAULT_STACK)),
    }
}

/// Does `GREENLOOP_MONITOR` ask for the monitor?
pub(crate) fn wants_monitor() -> io::Result<bool> {
    const EXPECTED: &str = "1 (on) or 0 (off)";
    match variable::<u8>("GREENLOOP_MONITOR", EXPECTED)? {
        None | Some(0) => Ok(false),
        Some(1) => Ok(true),
        Some(other) => Err(invalid(format!(
            "GREENLOOP_MONITOR is {other}: expected {EXPECTED}"
        ))),
    }
}

fn variable<V: FromStr>(name: &str, expected: &str) -> io::Result<Option<V>> {
    let Some(value) = std::env::var_os(name) else {
        return Ok(None);
    };
    let parsed = value.to_str().and_then(|text| text.trim().parse().ok());
    parsed.map(Some).ok_or_else(|| {
        invalid(format!(
            "the environment variable {name} is {value:?}: expected {expected}"
        ))
    })
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// The runtime behind [`spawn`](crate::spawn()): its workers, which start by themselves or as a
/// [`Builder`](RuntimeBuilder) says.
///
/// # Examples
///
/// ```
/// use greenloop::Runtime;
///
/// let runtime = Runtime::builder().workers(2).stack_size(64 * 1024).start()?;
/// assert_eq!(runtime.workers(), 2);
/// assert!(Runtime::builder().start().is_err(), "it runs already");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Runtime(());

impl Runtime {
    /// Starts to configure the runtime, before anything has been spawned.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Returns how many workers it has.
    pub fn workers(&self) -> usize {
        Scheduler::running()
            .expect("a `Runtime` exists only once it has started")
            .workers()
    }
}

/// Configures the runtime. What it does not set comes from `GREENLOOP_WORKERS` and
/// `GREENLOOP_STACK_SIZE`, else from the defaults: a worker a core, stacks of 192 KiB, up to 512
/// blocking threads.
///
/// # Examples
///
/// ```
/// greenloop::Runtime::builder().workers(1).start()?;
/// assert_eq!(greenloop::spawn(|| 1).join().unwrap(), 1);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it starts the runtime"]
pub struct RuntimeBuilder {
    workers: Option<usize>,
    stack_size: Option<usize>,
    blocking_threads: Option<usize>,
}

impl RuntimeBuilder {
    /// Sets the number of workers, 1 to 256.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self
    }

    /// Sets how many bytes of stack a green thread gets unless its own builder says otherwise.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Sets how many OS threads [`spawn_blocking`](crate::spawn_blocking) may use at once.
    pub fn blocking_threads(mut self, count: usize) -> Self {
        self.blocking_threads = Some(count);
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the runtime runs already; `InvalidInput` for a value out of range, which
    /// it names; whatever the system says when a worker can't be started.
    pub fn start(self) -> io::Result<Runtime> {
        let base = Config::from_environment()?;
        let config = Config {
            workers: self.workers.unwrap_or(base.workers),
            stack_size: self.stack_size.unwrap_or(base.stack_size),
            blocking_threads: self.blocking_threads.unwrap_or(base.blocking_threads),
        };
        Scheduler::start_first(&config.check("workers", "stack_size")?)?;
        Ok(Runtime(()))
    }
}
