//! A file server: `list`, `get` and `put` for many clients at once.
//!
//! ```text
//! cargo run --release --example ftp_server -- --root some/folder          # 127.0.0.1:16021
//! cargo run --release --example ftp_client -- 127.0.0.1:16021 list
//! cargo run --release --example ftp_client -- 127.0.0.1:16021 put Cargo.toml
//! ```
//!
//! Each client is a green thread that reads and writes as if it were alone; files are read on the
//! blocking pool, so that a slow disk holds up nobody else. No path leads out of the folder, neither
//! by `..` nor by a link. An upload appears under its name when it is complete, or not at all.
//! Ctrl-C or SIGTERM ends it: transfers have a while to end.

#[path = "common/frame.rs"]
mod frame;
#[path = "common/ftp.rs"]
mod ftp;

use std::collections::HashSet;
use std::io::{self, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use clap::{Parser, value_parser};
use ftp::{Answer, From, Part, Request};
use greenloop::fs::File;
use greenloop::net::{StreamServer, TcpStream};
use greenloop::signal::{SIGINT, SIGTERM, Shutdown};
use greenloop::spawn_blocking;
use greenloop::sync::Mutex;

/// How long clients may go on once the server is to end.
const GRACE: Duration = Duration::from_secs(5);

/// Lists, sends and receives the files of one folder.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:16021")]
    address: String,
    /// The folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// How many clients at once; others wait to be accepted
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    clients: u32,
    /// How long a client may say nothing, or not take what it asked for
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = value_parser!(u64).range(1..=86_400))]
    idle: u64,
}

/// The folder, and what is being written in it.
struct Store {
    root: Arc<Dir>,
    /// No two clients write the same one.
    uploads: Mutex<HashSet<PathBuf>>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let served = serve(&args);
    if let Err(error) = &served {
        eprintln!("ftp_server: {error}");
    }
    ExitCode::from(u8::from(served.is_err()))
}

fn serve(args: &Args) -> io::Result<()> {
    let Args { address, root, .. } = args;
    let about = |what: String| move |error| named(&what, error);
    let dir = Dir::open_ambient_dir(root, ambient_authority());
    let root = dir.map_err(about(root.display().to_string()))?;
    let store = Arc::new(Store {
        root: Arc::new(root),
        uploads: Mutex::default(),
    });
    let shutdown = Shutdown::on([SIGTERM, SIGINT])?;
    let idle = Some(Duration::from_secs(args.idle));
    let server = StreamServer::builder().limit(args.clients as usize);
    let server = server.bind(address, move |stream: TcpStream, _| {
        // What goes wrong with one client is its own affair, and it has been told if it listens.
        let limits = stream
            .set_read_timeout(idle)
            .and(stream.set_write_timeout(idle));
        let _ = limits.and_then(|()| Session::new(&store, &stream).run());
    });
    let server = server.map_err(about(format!("cannot listen on {address}")))?;
    println!("listening on {}", server.local_addr());
    server.serve_until(shutdown.event(), GRACE).map(drop)
}

/// One client's connection.
struct Session<'a> {
    store: &'a Arc<Store>,
    input: BufReader<&'a TcpStream>,
    output: &'a TcpStream,
}

impl<'a> Session<'a> {
    fn new(store: &'a Arc<Store>, stream: &'a TcpStream) -> Self {
        Session {
            store,
            input: BufReader::new(stream),
            output: stream,
        }
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            let done = match frame::receive(&mut self.input) {
                Ok(None) => return Ok(()),
                Ok(Some(request)) => self.answer(request),
                Err(error) => Err(Failure::Broken(error)),
            };
            match done {
                Ok(()) => {}
                Err(Failure::Refused(message)) => self.say(&Answer::Error { message })?,
                Err(Failure::Broken(error)) => {
                    let message = error.to_string();
                    return self.say(&Answer::Error { message }); // and nothing after it
                }
            }
        }
    }

    fn answer(&mut self, request: Request) -> Result<(), Failure> {
        match request {
            Request::List { path } => self.list(path),
            Request::Get { path, have } => self.get(path, have),
            Request::Put { path, size, resume } => self.put(path, size, resume),
        }
    }

    fn say(&mut self, answer: &Answer) -> io::Result<()> {
        frame::send(&mut self.output, answer)
    }

    fn list(&mut self, path: String) -> Result<(), Failure> {
        let text = self.store.list(path)?;
        self.say(&Answer::Ok {
            size: text.len() as u64,
            offset: 0,
            have: Part::default(),
        })?;
        Ok(self.output.write_all(text.as_bytes())?)
    }

    fn get(&mut self, path: String, have: Part) -> Result<(), Failure> {
        let mut file = self.store.open(path)?;
        let size = file.metadata()?.len();
        let is_ours = have.size <= size && Part::of(&mut file, have.size)? == have;
        let offset = if is_ours { have.size } else { 0 };
        file.seek(SeekFrom::Start(offset))?;
        self.say(&Answer::Ok {
            size,
            offset,
            have: Part::default(),
        })?;
        Ok(frame::copy(
            &mut file,
            &mut self.output,
            size - offset,
            |_| (),
        )?)
    }

    fn put(&mut self, path: String, size: u64, resume: bool) -> Result<(), Failure> {
        let mut upload = Upload::begin(self.store.clone(), path, resume)?;
        let have = upload.have;
        self.say(&Answer::Ok {
            size: 0,
            offset: 0,
            have,
        })?;
        let from = frame::receive(&mut self.input)?.map_or(0, |From { from }| from);
        if from > size || from != 0 && from != have.size {
            let what = format!(
                "an upload from {from}, where 0 or {} was expected",
                have.size
            );
            return Err(io::Error::new(ErrorKind::InvalidData, what).into());
        }
        upload.go_on(from)?;
        frame::copy(&mut self.input, &mut upload.file, size - from, |_| ())?;
        upload.finish()?;
        Ok(self.say(&Answer::Ok {
            size,
            offset: 0,
            have: Part::default(),
        })?)
    }
}

/// Why a request is not answered by `ok`.
enum Failure {
    /// The client asked for something that can't be; the next request may be better.
    Refused(String),
    /// Nothing that follows would be understood.
    Broken(io::Error),
}

impl std::convert::From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Broken(error)
    }
}

impl Store {
    /// Does something with the folder on the blocking pool; an error is the client's to hear.
    fn with<T: Send + 'static>(
        &self,
        path: &Path,
        act: impl FnOnce(&Dir, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (root, owned) = (self.root.clone(), path.to_owned());
        let acted = spawn_blocking(move || act(&root, &owned)).join();
        let acted = acted.expect("cap_std does not panic");
        acted.map_err(|error| Failure::Refused(named(path.display(), error).to_string()))
    }

    fn list(&self, path: String) -> Result<String, Failure> {
        self.with(&visible(&path)?, |root, path| {
            let is_root = path.as_os_str().is_empty();
            let folder = if is_root {
                root.try_clone()
            } else {
                root.open_dir(path)
            }?;
            let mut lines = Vec::new();
            for entry in folder.entries()? {
                let entry = entry?;
                let (name, metadata) = (entry.file_name(), entry.metadata()?);
                let name = name.to_string_lossy();
                if !name.starts_with('.') {
                    let slash = if metadata.is_dir() { "/" } else { "" };
                    lines.push(format!("{} {name}{slash}\n", metadata.len()));
                }
            }
            lines.sort_by(|one, other| one.split_once(' ').cmp(&other.split_once(' ')));
            Ok(lines.concat())
        })
    }

    fn open(&self, path: String) -> Result<File, Failure> {
        self.with(&visible(&path)?, |root, path| {
            let file = root.open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::new(ErrorKind::InvalidInput, "not a file"));
            }
            File::try_from(file.into_std())
        })
    }
}

/// A file that is being received: under its name only once it is complete.
struct Upload {
    store: Arc<Store>,
    path: PathBuf,
    part: PathBuf,
    file: File,
    have: Part,
    /// Leave the part where it is, for the next try.
    keep: bool,
}

impl Upload {
    fn begin(store: Arc<Store>, path: String, resume: bool) -> Result<Upload, Failure> {
        let path = visible(&path)?;
        let name = path
            .file_name()
            .ok_or(Failure::Refused("an upload without a name".into()))?;
        let part = path.with_file_name(format!(".{}.part", name.to_string_lossy()));
        if !store.uploads.lock().unwrap().insert(path.clone()) {
            let what = format!("{}: somebody else is sending it now", path.display());
            return Err(Failure::Refused(what));
        }
        let opened = store.with(&part, move |root, part| {
            let mut options = OpenOptions::new();
            options
                .read(true)
                .write(true)
                .create(true)
                .truncate(!resume);
            File::try_from(root.open_with(part, &options)?.into_std())
        });
        let file = opened.inspect_err(|_| {
            store.uploads.lock().unwrap().remove(&path);
        })?;
        let mut upload = Upload {
            store,
            path,
            part,
            file,
            have: Part::default(),
            keep: resume,
        };
        upload.have = Part::of(&mut upload.file, u64::MAX)?;
        Ok(upload)
    }

    fn go_on(&mut self, from: u64) -> io::Result<()> {
        self.file.set_len(from)?;
        self.file.seek(SeekFrom::Start(from)).map(drop)
    }

    fn finish(self) -> Result<(), Failure> {
        self.file.sync_all()?;
        let path = self.path.clone();
        self.store
            .with(&self.part, move |root, part| root.rename(part, root, &path))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.keep {
            let _ = self.store.root.remove_file(&self.part); // not there if it is complete
        }
        self.store.uploads.lock().unwrap().remove(&self.path);
    }
}

/// The path that a client named, if it may see what lies there.
fn visible(path: &str) -> Result<PathBuf, Failure> {
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    };
    match Path::new(path).components().all(is_plain) && !path.contains('\0') {
        true => Ok(path.into()),
        false => Err(Failure::Refused(format!(
            "{path:?}: expected the name of a file below the folder, not hidden, without `..`"
        ))),
    }
}

fn named(what: impl std::fmt::Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
