//! A slow name server: after 200 ms every name is 127.0.0.1, and no name has an IPv6 address.

use std::net::UdpSocket;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// The length of a header (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
const TYPE_A: u16 = 1;

/// Serves for ever.
pub fn serve(address: &str) -> ExitCode {
    let socket = match UdpSocket::bind(address) {
        Ok(socket) => socket,
        Err(error) => {
            eprintln!("compat names {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut buffer = [0; 512];
    while let Ok((count, peer)) = socket.recv_from(&mut buffer) {
        let socket = socket.try_clone().expect("a clone");
        let Some(answer) = answer(&buffer[..count]) else {
            continue;
        };
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            let _ = socket.send_to(&answer, peer);
        });
    }
    ExitCode::FAILURE
}

/// The answer to a query with one question.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let name = query.get(HEADER..)?.iter().position(|byte| *byte == 0)?;
    let end = HEADER + name + 5;
    let kind = u16::from_be_bytes(query.get(end - 4..end - 2)?.try_into().ok()?);
    let mut answer = query[..end].to_vec();
    let found = kind == TYPE_A;
    // A response, recursion available, no error; one question, perhaps one answer.
    answer[2] |= 0x80;
    answer[3] = 0x80;
    answer[4..HEADER].copy_from_slice(&[0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    if found {
        // The name of the question, type A, class IN, a minute, four bytes.
        answer.extend([
            0xc0,
            HEADER as u8,
            0,
            1,
            0,
            1,
            0,
            0,
            0,
            60,
            0,
            4,
            127,
            0,
            0,
            1,
        ]);
    }
    Some(answer)
}
