//! Frames: the length of a head in four bytes (big-endian), the head as JSON, and behind it as many
//! bytes of data as the head announces.
//!
//! TCP carries bytes, not messages: what was sent in two writes may arrive in one read, and the other
//! way round. So each message says how long it is.

use std::io::{self, ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No honest head is longer, in bytes.
const LONGEST: usize = 64 * 1024;

/// Sends a head in one write; the data that it announces, if any, follows by the caller's hand.
pub(crate) fn send(to: &mut impl Write, head: &impl Serialize) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    if head.len() > LONGEST {
        let what = format!(
            "a head of {} bytes, where {LONGEST} is the most",
            head.len()
        );
        return Err(io::Error::new(ErrorKind::InvalidInput, what));
    }
    let mut frame = (head.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&head);
    to.write_all(&frame)
}

/// Receives a head; none if the peer ended the stream between two frames.
///
/// # Errors
///
/// `InvalidData` if it is none or too long, `UnexpectedEof` if the stream ends within it.
pub(crate) fn receive<H: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<H>> {
    let mut length = [0; 4];
    if from.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST {
        return Err(invalid(format!(
            "a head of {length} bytes, where {LONGEST} is the most"
        )));
    }
    let mut head = vec![0; length];
    from.read_exact(&mut head)?;
    let head = serde_json::from_slice(&head);
    head.map(Some)
        .map_err(|why| invalid(format!("not a head: {why}")))
}

/// Copies exactly `size` bytes of data, and tells `progress` of each piece.
///
/// # Errors
///
/// `UnexpectedEof` if there are fewer.
pub(crate) fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    size: u64,
    mut progress: impl FnMut(u64),
) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    let mut left = size;
    while left > 0 {
        let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = from.read(&mut piece[..most])?;
        if count == 0 {
            let what = format!("the data ended {left} bytes early");
            return Err(io::Error::new(ErrorKind::UnexpectedEof, what));
        }
        to.write_all(&piece[..count])?;
        left -= count as u64;
        progress(count as u64);
    }
    Ok(())
}

fn invalid(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
