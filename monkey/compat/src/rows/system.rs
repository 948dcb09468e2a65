//! What std does by system calls: sleeping, sockets, names, processes.

use super::Missing;
use crate::backend::addresses;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

pub fn sleep(number: usize) -> String {
    thread::sleep(Duration::from_millis(200));
    number.to_string()
}

pub fn tcp_stream(number: usize) -> String {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, addresses().echo)).unwrap();
    ask(stream, number)
}

pub fn unix_stream(number: usize) -> String {
    ask(
        UnixStream::connect(addresses().folder.join("echo")).unwrap(),
        number,
    )
}

fn ask(mut stream: impl Read + Write, number: usize) -> String {
    writeln!(stream, "number {number}").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer
}

pub fn tcp_listener(_number: usize) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, addresses().dial)).unwrap();
    writeln!(stream, "{}", listener.local_addr().unwrap().port()).unwrap();
    let mut answer = String::new();
    listener
        .accept()
        .unwrap()
        .0
        .read_to_string(&mut answer)
        .unwrap();
    answer
}

pub fn udp_socket(number: usize) -> String {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket
        .connect((Ipv4Addr::LOCALHOST, addresses().udp))
        .unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket.send(format!("number {number}").as_bytes()).unwrap();
    let mut buffer = [0; 64];
    let count = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// `servers.sh` starts a slow name server and puts this process into a namespace where it is asked.
pub fn slow_names_missing() -> Option<Missing> {
    let missing = std::env::var_os("COMPAT_SLOW_NAMES").is_none();
    missing.then(|| Missing("no slow name server: servers.sh starts one, which needs root".into()))
}

pub fn to_socket_addrs(number: usize) -> String {
    let name = format!("n{number}.slow.test:80");
    let found: Vec<_> = name.to_socket_addrs().unwrap().collect();
    format!("{found:?}")
}

pub fn command_output(number: usize) -> String {
    let output = Command::new("sh")
        .args(["-c", &format!("sleep 0.2; echo {number}; exit 3")])
        .output()
        .unwrap();
    format!(
        "{} {:?}",
        String::from_utf8_lossy(&output.stdout),
        output.status.code()
    )
}

/// A program that reads its standard input, which comes late.
pub fn stdin_of_a_child(number: usize) -> String {
    let mut child = Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let feeder = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        write!(input, "number {number}").unwrap();
    });
    let mut answer = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut answer)
        .unwrap();
    feeder.join().unwrap();
    format!("{answer} {:?}", child.wait().unwrap().code())
}
