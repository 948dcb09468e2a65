//! The slow servers that the rows talk to, in a process of their own, which is not patched: each
//! answers after 200 ms.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

const DELAY: Duration = Duration::from_millis(200);

/// Where the servers listen.
#[derive(Debug)]
pub struct Addresses {
    pub echo: u16,
    pub dial: u16,
    pub udp: u16,
    pub http: u16,
    pub https: u16,
    pub websocket: u16,
    /// A folder with the Unix socket `echo` and the certificate `ca.pem`.
    pub folder: PathBuf,
}

static ADDRESSES: OnceLock<Addresses> = OnceLock::new();

/// The servers of this process's backend.
pub fn addresses() -> &'static Addresses {
    ADDRESSES.get().expect("the backend was started")
}

/// Ends the backend's process when it is dropped.
pub struct Backend {
    child: Child,
    _input: ChildStdin,
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&addresses().folder);
    }
}

/// Starts the backend, as a process of its own.
pub fn start() -> Backend {
    let mut child = Command::new(std::env::current_exe().expect("the name of this program"))
        .arg("backend")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the backend's process");
    let output = child.stdout.take().expect("piped");
    let mut line = String::new();
    let read = BufReader::new(output).read_line(&mut line);
    read.expect("the backend's addresses");
    let mut words = line.split_whitespace();
    let mut port = || {
        words
            .next()
            .and_then(|word| word.parse().ok())
            .expect("a port")
    };
    let ports = [(); 6].map(|()| port());
    let [echo, dial, udp, http, https, websocket] = ports;
    let folder = words.next().expect("a folder").into();
    let addresses = Addresses {
        echo,
        dial,
        udp,
        http,
        https,
        websocket,
        folder,
    };
    ADDRESSES.set(addresses).expect("started once");
    let input = child.stdin.take().expect("piped");
    Backend {
        child,
        _input: input,
    }
}

/// Serves until standard input ends.
pub fn serve() -> ExitCode {
    let folder = new_folder();
    let ports = [
        listen(echo),
        listen(dial),
        udp(),
        listen(http),
        https(&folder),
        listen(websocket),
    ];
    let unix = UnixListener::bind(folder.join("echo")).expect("a Unix socket");
    thread::spawn(move || {
        for stream in unix.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    let ports = ports.map(|port| port.to_string()).join(" ");
    println!("{ports} {}", folder.display());
    let _ = std::io::stdin().read(&mut [0]);
    ExitCode::SUCCESS
}

/// A folder of this process alone: one with the same number may have left its own behind.
fn new_folder() -> PathBuf {
    for number in 0.. {
        let name = format!("greenloop-compat-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        match std::fs::create_dir(&folder) {
            Ok(()) => return folder,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("a temporary folder: {error}"),
        }
    }
    unreachable!("numbers do not end")
}

/// Listens, and serves each connection on a thread of its own.
fn listen(serve: impl Fn(TcpStream) + Copy + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Answers each line with itself.
fn echo(stream: impl Read + Write) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        thread::sleep(DELAY);
        if stream.get_mut().write_all(&line).is_err() {
            return;
        }
        line.clear();
    }
}

/// Reads a port, and connects to it.
fn dial(stream: TcpStream) {
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line);
    let port: u16 = line.trim().parse().unwrap_or(0);
    if read.is_ok() {
        thread::sleep(DELAY);
        if let Ok(mut back) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            let _ = back.write_all(b"dialled");
        }
    }
}

fn udp() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
    let port = socket.local_addr().expect("its address").port();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((count, peer)) = socket.recv_from(&mut buffer) {
            let (answer, socket) = (buffer[..count].to_vec(), socket.try_clone());
            thread::spawn(move || {
                thread::sleep(DELAY);
                let _ = socket.expect("a clone").send_to(&answer, peer);
            });
        }
    });
    port
}

/// Answers one request with its path.
fn http(stream: impl Read + Write) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !stream.read_line(&mut head).is_ok_and(|count| count > 0) {
            return;
        }
    }
    let path = head.split(' ').nth(1).unwrap_or("?");
    thread::sleep(DELAY);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{path}",
        path.len()
    );
    let _ = stream.get_mut().write_all(answer.as_bytes());
    let _ = stream.get_mut().flush();
}

fn https(folder: &std::path::Path) -> u16 {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(names).expect("a certificate");
    std::fs::write(folder.join("ca.pem"), cert.pem()).expect("the certificate's file");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("the key just made");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring's versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("the certificate just made");
    let config: &'static Arc<_> = Box::leak(Box::new(Arc::new(config)));
    listen(|mut stream| {
        let connection = rustls::ServerConnection::new(config.clone());
        let mut connection = connection.expect("a valid configuration");
        http(rustls::Stream::new(&mut connection, &mut stream));
        connection.send_close_notify();
        let _ = connection.complete_io(&mut stream);
    })
}

fn websocket(stream: TcpStream) {
    let Ok(mut socket) = tungstenite::accept(stream) else {
        return;
    };
    while let Ok(message) = socket.read() {
        if message.is_text() {
            thread::sleep(DELAY);
            let _ = socket.send(message);
        }
    }
}
