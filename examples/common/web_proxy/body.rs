//! `Extent`: how far a body goes, and passing it on as it comes.

use std::io::{self, ErrorKind, Read, Write};

use super::buffer::Input;
use super::chunked::ChunkedDecoder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Length(u64),
    Chunks,
    ToTheEnd,
}

impl Extent {
    /// Passes a body on, chunks and all unless they are to be `unpacked`.
    ///
    /// # Errors
    ///
    /// Those of the streams; `UnexpectedEof` if it ends early, `InvalidData` for broken chunks.
    pub(crate) fn pass_on(
        self,
        input: &mut Input,
        from: &mut impl Read,
        to: &mut impl Write,
        unpacked: bool,
    ) -> io::Result<()> {
        match self {
            Extent::Length(count) => pass_length(count, input, from, to),
            Extent::Chunks => pass_chunks(input, from, to, unpacked),
            Extent::ToTheEnd => pass_all(input, from, to),
        }
    }
}

fn pass_length(
    mut left: u64,
    input: &mut Input,
    from: &mut impl Read,
    to: &mut impl Write,
) -> io::Result<()> {
    loop {
        let unread = input.unread();
        let count = unread
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        to.write_all(&unread[..count])?;
        input.consume(count);
        left -= count as u64;
        if left == 0 {
            return Ok(());
        }
        more(input, from)?;
    }
}

fn pass_chunks(
    input: &mut Input,
    from: &mut impl Read,
    to: &mut impl Write,
    unpacked: bool,
) -> io::Result<()> {
    let (mut decoder, mut data) = (ChunkedDecoder::new(usize::MAX), Vec::new());
    loop {
        data.clear();
        let decoded = decoder.decode(input.unread(), &mut data);
        let broken = |_| io::Error::new(ErrorKind::InvalidData, "these are no chunks");
        let used = decoded.map_err(broken)?;
        to.write_all(if unpacked {
            &data
        } else {
            &input.unread()[..used]
        })?;
        input.consume(used);
        if decoder.is_done() {
            return Ok(());
        }
        more(input, from)?;
    }
}

/// Passes everything on, until there is no more.
pub(crate) fn pass_all(
    input: &mut Input,
    from: &mut impl Read,
    to: &mut impl Write,
) -> io::Result<()> {
    loop {
        to.write_all(input.unread())?;
        input.consume(input.unread().len());
        if input.fill(from)? == 0 {
            return Ok(());
        }
    }
}

fn more(input: &mut Input, from: &mut impl Read) -> io::Result<()> {
    match input.fill(from)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
