//! The decoder of chunked bodies.

use super::TIME;
use super::chunked::{ChunkedDecoder, ChunkedError};
use super::spelling::spell;

const LIMIT: usize = 300;

/// The body, and where it ended, if it did.
type Decoded = Result<(Vec<u8>, Option<usize>), ChunkedError>;

/// Decodes pieces of that size.
fn decode(bytes: &[u8], size: usize) -> Decoded {
    let (mut decoder, mut body, mut used) = (ChunkedDecoder::new(LIMIT), Vec::new(), 0);
    for piece in bytes.chunks(size) {
        let took = decoder.decode(piece, &mut body)?;
        used += took;
        assert!(body.len() <= LIMIT && body.len() <= used);
        if decoder.is_done() {
            return Ok((body, Some(used)));
        }
        assert_eq!(took, piece.len(), "it takes all before the end");
    }
    Ok((body, None))
}

/// What a patient reader makes of it, who has all of it before him.
fn read_patiently(bytes: &[u8]) -> Option<(Vec<u8>, Option<usize>)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = line(bytes, &mut at)?;
        let digits = line.split(|byte| *byte == b';').next()?;
        let digits = std::str::from_utf8(digits).ok()?;
        digits
            .bytes()
            .all(|it| it.is_ascii_hexdigit())
            .then_some(())?;
        let size = usize::from_str_radix(digits, 16).ok()?;
        if size == 0 {
            while !self::line(bytes, &mut at)?.is_empty() {}
            return Some((body, Some(at)));
        }
        body.extend_from_slice(bytes.get(at..at.checked_add(size)?)?);
        at += size;
        self::line(bytes, &mut at)?.is_empty().then_some(())?;
    }
}

/// The next line, without its CR LF.
fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = bytes.get(*at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    Some(&rest[..end])
}

fn check(bytes: &[u8], size: usize) {
    let whole = decode(bytes, usize::MAX);
    assert_eq!(decode(bytes, 1), whole);
    assert_eq!(decode(bytes, size), whole);
    if let Ok((_, Some(end))) = whole {
        assert_eq!(whole.as_ref().ok(), read_patiently(bytes).as_ref());
        // What follows does not matter.
        assert_eq!(decode(&bytes[..end], end), whole);
    }
}

#[test]
fn chunks() {
    let target = bolero::check!().with_test_time(TIME);
    let target = target.with_type::<(u8, Vec<u8>)>();
    target.for_each(|(size, letters)| {
        for bytes in [letters, &spell(letters)] {
            check(bytes, usize::from(*size) + 1);
        }
    });
}

/// A body in good order, in which a byte or two are then replaced.
#[test]
fn chunks_with_mistakes() {
    let target = bolero::check!().with_test_time(TIME);
    let target = target.with_type::<(u8, Vec<u8>, Vec<(u8, u8)>)>();
    target.for_each(|(size, body, mistakes)| {
        let body = &body[..body.len().min(20)];
        let size = usize::from(*size) % 20 + 1;
        let chunks = body
            .chunks(size)
            .map(|data| (format!("{:x}", data.len()), data));
        let chunks = chunks.map(|(size, data)| [size.as_bytes(), b"\r\n", data, b"\r\n"].concat());
        let mut bytes = chunks.collect::<Vec<_>>().concat();
        bytes.extend_from_slice(b"0\r\nX: y\r\n\r\n");
        assert_eq!(decode(&bytes, size), Ok((body.to_vec(), Some(bytes.len()))));
        for (place, byte) in mistakes.iter().take(2) {
            let place = usize::from(*place) % bytes.len();
            bytes[place] = *byte;
        }
        check(&bytes, size);
    });
}
