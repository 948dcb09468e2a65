//! HTTP, TLS and WebSocket by crates and by libcurl.

use crate::backend::addresses;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

pub fn ureq_http(number: usize) -> String {
    let url = format!("http://127.0.0.1:{}/{number}", addresses().http);
    ureq::get(&url)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap()
}

pub fn ureq_rustls(number: usize) -> String {
    ureq_https(TlsProvider::Rustls, number)
}

pub fn ureq_native_tls(number: usize) -> String {
    ureq_https(TlsProvider::NativeTls, number)
}

fn ureq_https(provider: TlsProvider, number: usize) -> String {
    let pem = std::fs::read(addresses().folder.join("ca.pem")).unwrap();
    let root = Certificate::from_pem(&pem).unwrap();
    let tls = TlsConfig::builder()
        .provider(provider)
        .root_certs(RootCerts::new_with_certs(&[root]))
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(Duration::from_secs(20)));
    let agent = config.build().new_agent();
    let url = format!("https://localhost:{}/{number}", addresses().https);
    agent
        .get(&url)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap()
}

pub fn libcurl(number: usize) -> String {
    let mut easy = curl::easy::Easy::new();
    easy.url(&format!("http://127.0.0.1:{}/{number}", addresses().http))
        .unwrap();
    let mut body = Vec::new();
    let mut transfer = easy.transfer();
    transfer
        .write_function(|bytes| {
            body.extend_from_slice(bytes);
            Ok(bytes.len())
        })
        .unwrap();
    transfer.perform().unwrap();
    drop(transfer);
    String::from_utf8(body).unwrap()
}

pub fn reqwest_blocking(number: usize) -> String {
    static CLIENT: OnceLock<reqwest::blocking::Client> = OnceLock::new();
    let client = CLIENT.get_or_init(|| {
        let builder = reqwest::blocking::Client::builder().no_proxy();
        builder.build().unwrap()
    });
    let url = format!("http://127.0.0.1:{}/{number}", addresses().http);
    client.get(url).send().unwrap().text().unwrap()
}

pub fn tungstenite(number: usize) -> String {
    let url = format!("ws://127.0.0.1:{}/", addresses().websocket);
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, addresses().websocket)).unwrap();
    let (mut socket, _) = tungstenite::client(url, stream).unwrap();
    socket.send(format!("number {number}").into()).unwrap();
    let answer = socket.read().unwrap().into_text().unwrap();
    answer.as_str().to_owned()
}

/// A server of this process's own, with threads of its own.
pub fn tiny_http(number: usize) -> String {
    let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    let port = server.server_addr().to_ip().unwrap().port();
    let serving = thread::spawn(move || {
        let request = server.recv().unwrap();
        thread::sleep(Duration::from_millis(200));
        let answer = request.url().to_owned();
        request
            .respond(tiny_http::Response::from_string(answer))
            .unwrap();
    });
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let request = format!("GET /{number} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serving.join().unwrap();
    answer.rsplit("\r\n").next().unwrap().to_owned()
}
